package dataset

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A lock that is released is free, though a child that was just forked still has all
// files that its parent had.
func TestLockOutlivesNoRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.ndjson")
	l, err := LockFile(path)
	require.NoError(t, err)
	child, err := syscall.Dup(int(l.f.Fd()))
	require.NoError(t, err)
	defer syscall.Close(child)
	_, err = LockFile(path)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Release())
	l, err = LockFile(path)
	require.NoError(t, err)
	require.NoError(t, l.Release())
}
