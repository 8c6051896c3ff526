package output

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
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
	m := &Metadata{Schema: SchemaVersion, Tool: "a2scan", CommandLine: "a2scan scan", Config: map[string]string{}}
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

	// What is longer than what was there is not begun.
	m.Notes = []string{string(make([]byte, 4096))}
	require.ErrorIs(t, m.WriteFile(path), syscall.ENOSPC)
	again, err := ReadMetadata(path)
	require.NoError(t, err)
	require.Equal(t, got, again)
}
