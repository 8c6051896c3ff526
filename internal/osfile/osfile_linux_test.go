package osfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The mode that a file was given stays, and so does its owner.
func TestReplaceKeepsModeAndLinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, nil, 0o640))
	require.NoError(t, os.Chmod(path, 0o604))
	owned := os.Chown(path, 12345, 54321) == nil // only root may
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, replace(f, "new"))
	require.NoError(t, f.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o604), info.Mode().Perm())
	if owned {
		st := info.Sys().(*syscall.Stat_t)
		require.EqualValues(t, 12345, st.Uid)
		require.EqualValues(t, 54321, st.Gid)
	}
}

// A mount point cannot be renamed: the file is written in place.
func TestReplaceOfAMountedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, []byte("the old content, which is longer"), 0o644))
	if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("no right to mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(path, 0)) })
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, replace(f, "new"))
	require.Equal(t, "new", readFile(t, path))
	require.NoError(t, f.Rewrite(func(w io.Writer) error {
		_, err := io.WriteString(w, "rewritten")
		return err
	}))
	require.Equal(t, "rewritten", readFile(t, path))
	_, err = f.Write([]byte(" and more"))
	require.NoError(t, err)
	require.Equal(t, "rewritten and more", readFile(t, path))
	require.Equal(t, []string{"f"}, names(t, dir))
	require.NoError(t, f.Close())
}

// On a full disk new content that is not longer than the old is written in place, and
// longer content is refused by Prepare, which changes nothing.
func TestReplaceOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no right to make a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("o", 2000)), 0o644))
	f, err := Open(path)
	require.NoError(t, err)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, filler.Close())

	require.NoError(t, replace(f, strings.Repeat("n", 1500)))
	require.Equal(t, strings.Repeat("n", 1500), readFile(t, path))
	_, err = f.Prepare(make([]byte, 8000))
	require.True(t, IsNoSpace(err), "%v", err)
	require.Equal(t, strings.Repeat("n", 1500), readFile(t, path))
	require.Equal(t, []string{"f", "filler"}, names(t, dir))
	require.NoError(t, f.Close())
}

// A descriptor that is open already is used as it is, under any name: lines are
// written at its position, and the file is never emptied or replaced.
func TestOpenDescriptors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	log, err := os.Create(path)
	require.NoError(t, err)
	defer log.Close()
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(fmt.Sprintf("/dev/fd/%d", log.Fd()), link))
	want := ""
	for i, name := range []string{fmt.Sprintf("/dev/fd/%d", log.Fd()), fmt.Sprintf("/proc/self/fd/%d", log.Fd()), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), log.Fd()), link} {
		_, err = fmt.Fprintf(log, "theirs %d\n", i)
		require.NoError(t, err)
		f, err := Open(name)
		require.NoError(t, err)
		require.False(t, f.Owned())
		require.NoError(t, f.Empty())
		require.NoError(t, replace(f, fmt.Sprintf("ours %d\n", i)))
		require.NoError(t, f.Discard())
		want += fmt.Sprintf("theirs %d\nours %d\n", i, i)
	}
	_, err = log.WriteString("end\n")
	require.NoError(t, err)
	require.Equal(t, want+"end\n", readFile(t, path))

	for name, want := range map[string]*File{"-": Stdout, "/dev/stdout": Stdout, "/dev/fd/1": Stdout, "/dev/stderr": Stderr, "/proc/self/fd/2": Stderr} {
		f, err := Open(name)
		require.NoError(t, err)
		require.Same(t, want, f, name)
	}
	_, err = Open("/dev/fd/987")
	require.ErrorIs(t, err, syscall.EBADF)
}

// The reader of a named pipe is not waited for before Ready or the first Write.
func TestOpenNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	require.False(t, f.Owned())
	read := make(chan string)
	go func() {
		b, _ := os.ReadFile(path)
		read <- string(b)
	}()
	require.NoError(t, replace(f, "one object\n"))
	require.NoError(t, f.Close())
	require.Equal(t, "one object\n", <-read)
}

// Streams that another process has made non-blocking are waited for.
func TestNonBlockingStreams(t *testing.T) {
	var fds [2]int
	require.NoError(t, syscall.Pipe(fds[:]))
	// Blocking when they are opened, as the runtime looks then.
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	require.NoError(t, unix.SetNonblock(fds[0], true))
	require.NoError(t, unix.SetNonblock(fds[1], true))
	_, err := r.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.EAGAIN, "or this test shows nothing")

	const size = 1 << 20 // more than a pipe holds
	done := make(chan error, 1)
	go func() {
		time.Sleep(10 * time.Millisecond) // the reader waits first
		n, err := (&File{f: w}).Write([]byte(strings.Repeat("x", size)))
		if err == nil && n != size {
			err = io.ErrShortWrite
		}
		done <- errors.Join(err, w.Close())
	}()
	b, err := io.ReadAll(Input{r})
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, size, len(b))
	require.NoError(t, r.Close())
}

// Only one File at a time has the lock of a file, and a child that was just forked
// does not keep it.
func TestOpenLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := OpenLocked(path)
	require.NoError(t, err)
	_, err = OpenLocked(path)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path)
	require.NoError(t, f.Rewrite(func(w io.Writer) error { return nil }))
	_, err = OpenLocked(path)
	require.ErrorIs(t, err, ErrLocked, "the lock moves to the new file")
	child, err := syscall.Dup(int(f.OS().Fd()))
	require.NoError(t, err)
	defer syscall.Close(child)
	require.NoError(t, f.Close())
	f, err = OpenLocked(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	f, err = OpenLocked(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
