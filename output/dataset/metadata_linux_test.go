package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// Where the disk is so full that not even an empty file finds room, a run can
// still say how it ended, in the place of what it said when it began.
func TestMetadataOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no right to make a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	path := filepath.Join(dir, "meta.json")
	m := &Metadata{Schema: output.SchemaVersion, Tool: "a2scan", CommandLine: "a2scan scan", Config: map[string]string{}}
	require.NoError(t, m.WriteFile(path))
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	defer filler.Close()
	for errors.Is(err, nil) {
		_, err = filler.Write(make([]byte, 512))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)

	m.EndReason = EndError
	m.Notes = []string{"no space left"}
	m.Packets.Sent = 1 << 40
	require.NoError(t, m.WriteFile(path))
	got, err := ReadMetadata(path)
	require.NoError(t, err)
	require.Equal(t, m, got)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing half-written stays")

	// What is longer than what was there is not begun, and that is found before.
	m.Notes = []string{string(make([]byte, 4096))}
	_, err = m.Stage(path)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, m.WriteFile(path), syscall.ENOSPC)
	again, err := ReadMetadata(path)
	require.NoError(t, err)
	require.Equal(t, got, again)
}

// What a process has open is written to behind what is there, under whatever name, and no
// other file takes its place.
func TestMetadataToAnOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	require.NoError(t, err)
	defer log.Close()
	_, err = log.WriteString("a line\n")
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(fmt.Sprintf("/dev/fd/%d", log.Fd()), link))
	for _, m := range []*Metadata{{Schema: output.SchemaVersion}, fullMetadata()} {
		require.NoError(t, m.WriteFile(link))
	}
	b := readFile(t, path)
	require.Equal(t, 2, strings.Count(string(b), "\n"), "%s", b)
	require.True(t, strings.HasPrefix(string(b), "a line\n{"), "%s", b)
	require.Contains(t, string(b), `"end_reason":"`)
	loop := filepath.Join(filepath.Dir(link), "loop") // to look where it leads has an end
	require.NoError(t, os.Symlink("loop", loop))
	require.NoError(t, fullMetadata().WriteFile(loop))
}

// Whoever reads a pipe gets one object, at the end.
func TestMetadataToAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	require.NoError(t, (&Metadata{Schema: output.SchemaVersion}).WriteFile(path), "nobody reads yet")
	read := make(chan []byte)
	go func() {
		b, _ := os.ReadFile(path)
		read <- b
	}()
	require.NoError(t, fullMetadata().WriteFile(path))
	want, err := fullMetadata().AppendJSON(nil)
	require.NoError(t, err)
	require.Equal(t, string(want), string(<-read))
}

// A pipe is not read, since there may be nobody who writes.
func TestReadMetadataOfAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := ReadMetadata(path)
	require.ErrorIs(t, err, ErrNotRegular)
}

// Nor is one that lies under a temporary name.
func TestMetadataBesideAPipe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	require.NoError(t, syscall.Mkfifo(path+".tmp", 0o600))
	require.NoError(t, fullMetadata().WriteFile(path))
	requireFiles(t, dir, "m", "m.tmp")
}
