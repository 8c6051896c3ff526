//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package dataset

import (
	"errors"
	"os"
	"syscall"
)

// openAsIs are flags for opening a file that somebody may have put a link or a pipe in
// the place of: the first is refused, and the second does not wait.
const openAsIs = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// tryLock locks f without waiting. The lock ends with unlock, or when f is closed, here and
// in each process that was forked meanwhile and has not come to execute a program.
func tryLock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		default:
			return errNoLocks
		}
	}
}

// unlock gives the lock of f free.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
