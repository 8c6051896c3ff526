package dataset

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

// requireLocks skips the test where the system has no locks.
func requireLocks(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	if tryLock(f) != nil {
		t.Skip("files cannot be locked here")
	}
}

func TestLock(t *testing.T) {
	requireLocks(t)
	path := filepath.Join(t.TempDir(), "r.ndjson")
	l, err := LockFile(path)
	require.NoError(t, err)
	_, err = LockFile(path)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path)

	// It is no hindrance to who has it.
	s, err := OpenSink(path, SinkOptions{})
	require.NoError(t, err)
	require.NoError(t, s.WriteLines(lines(0, 3)))
	require.NoError(t, s.Close())

	// It stays through a rewrite.
	kept, err := l.Rewrite(func(l []byte) bool { seq, _ := output.Seq(l); return seq != 1 })
	require.NoError(t, err)
	require.EqualValues(t, 2, kept.Lines)
	_, err = LockFile(path)
	require.ErrorIs(t, err, ErrLocked)

	require.NoError(t, l.Release())
	require.NoError(t, l.Release())
	l, err = LockFile(path)
	require.NoError(t, err)
	require.NoError(t, l.Discard())
	require.FileExists(t, path)
}

// A file that was made for a lock, and never written to, goes with it.
func TestLockDiscard(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r")
	l, err := LockFile(path)
	require.NoError(t, err)
	require.FileExists(t, path)
	require.NoError(t, l.Discard())
	require.NoFileExists(t, path)

	l, err = LockFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, lines(0, 1), 0o644))
	require.NoError(t, l.Discard())
	require.FileExists(t, path)

	_, err = LockFile(filepath.Join(dir, "none", "r"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = LockFile(dir)
	require.Error(t, err)
	require.NoError(t, (*Lock)(nil).Discard())

	// What is no file is left alone.
	l, err = LockFile(os.DevNull)
	require.NoError(t, err)
	again, err := LockFile(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, l.Discard())
	require.NoError(t, again.Release())
}
