//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package osfile

import (
	"errors"
	"os"
)

// tryLock does nothing: these systems have no locks, or (Windows) locks that keep the
// process itself from writing through another handle.
func tryLock(*os.File) error { return errNoLocks }

func unlock(*os.File) {}

// copyOwner has nothing to copy.
func copyOwner(_, _ *os.File) error { return nil }

func duplicate(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// readerLeft does not know: the next write reports it.
func readerLeft(*os.File) bool { return false }

type direction int16

const readable, writable direction = 0, 0

// await returns at once: no other process changes the mode of our streams here.
func await(*os.File, direction) error { return nil }

// IsClosed reports whether the program was started with this stream closed.
func (f *File) IsClosed() bool {
	_, err := f.f.Stat()
	return err != nil
}
