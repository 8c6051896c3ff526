package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked means that another process writes to a file.
var ErrLocked = errors.New("another scan writes this file")

// A Lock keeps other processes that ask for it from a file of records, until it is
// released or the process ends, however that ends. It is advisory: who does not ask
// is not kept from anything. There is none on what is not a regular file, on
// file systems that have no locks, and on systems without flock, such as Windows;
// a Lock then is one in name only.
//
// The methods of a nil Lock do nothing.
type Lock struct {
	path string
	f    *os.File // nil: nothing is locked
	made bool     // the file was not there before
}

// errNoLocks means that there are no locks here.
var errNoLocks = errors.New("files cannot be locked here")

// lockTries bounds how often the file may be replaced while it is being locked.
const lockTries = 10

// LockFile locks path, which is made if it is not there, and can be written to
// then. The error is or wraps ErrLocked where another process has it.
func LockFile(path string) (*Lock, error) {
	l := &Lock{path: path}
	for range lockTries {
		l.made = false
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return l, nil // a pipe would wait for its reader
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			l.made = true
			f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
		}
		if err != nil {
			return nil, err
		}
		err = tryLock(f)
		switch {
		case errors.Is(err, ErrLocked):
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		case err != nil:
			return l, f.Close() // do without
		case !isAt(f, path, os.Stat):
			// Between the two it was removed, or rewritten by who had the lock.
			if err := f.Close(); err != nil {
				return nil, err
			}
			continue
		}
		l.f = f
		return l, nil
	}
	return nil, fmt.Errorf("%s: %w", path, ErrLocked)
}

// isAt reports whether f is what stat, os.Stat or os.Lstat, finds at path.
func isAt(f *os.File, path string, stat func(string) (os.FileInfo, error)) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := stat(path)
	return err == nil && os.SameFile(a, b)
}

// Rewrite is the function [Rewrite] of the locked file. The lock moves on to the
// new file before it takes the old one's place.
func (l *Lock) Rewrite(keep func(line []byte) bool) (Kept, error) {
	var next *os.File
	kept, err := rewrite(l.path, keep, func(name string) error {
		if l.f == nil {
			return nil
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		next = f
		return tryLock(f)
	})
	if err != nil {
		if next != nil {
			next.Close()
		}
		return kept, err
	}
	if next != nil {
		unlock(l.f)
		err = l.f.Close()
		l.f = next
	}
	return kept, err
}

// Release gives the file free.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	unlock(f)
	return f.Close()
}

// Discard is Release for who did not get as far as to write: a file that was
// made for the lock, and is empty, is removed.
func (l *Lock) Discard() error {
	if l == nil || !l.made {
		return l.Release()
	}
	path, err := filepath.EvalSymlinks(l.path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			err = os.Remove(path)
		}
	}
	return errors.Join(err, l.Release())
}
