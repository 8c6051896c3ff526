package osfile

import (
	"errors"
	"fmt"
)

// ErrLocked means that another process writes to a file.
var ErrLocked = errors.New("another scan writes this file")

// errNoLocks means that this system, or this file system, has no locks.
var errNoLocks = errors.New("files cannot be locked here")

// OpenLocked is Open, and keeps other processes that call it from the file until it is
// closed or the process ends. The lock is advisory. There is none on streams, on file
// systems that have no locks, and on systems without flock, such as Windows. The error
// is ErrLocked, with the name, if another process has the file.
func OpenLocked(name string) (*File, error) {
	const tries = 10 // in case the file is replaced between open and lock
	for range tries {
		f, err := Open(name)
		if err != nil || !f.owned {
			return f, err
		}
		switch err = tryLock(f.f); {
		case errors.Is(err, ErrLocked):
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
		case err != nil:
			return f, nil
		case f.IsAt():
			f.locked = true
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrLocked)
}
