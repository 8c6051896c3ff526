package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// temps are the temporary files beside a file that is to be replaced: NAME.tmp, and
// NAME.tmp2 and so on where that is taken. A process that is killed leaves its own,
// which the next one takes away. That a file is left, and nobody's who is still
// writing, is told by a lock that its writer holds from the beginning until it has
// another name, and loses with its life:
//
//   - Who makes a file locks it then, and looks whether it is still there. In between
//     it may have been taken for a leftover: then that name is left to who did.
//   - Who finds a file locks it, and then looks whether the name still leads to it.
//     From then on it does: only who has the lock of a file renames or removes it, and
//     none is made where one is.
//
// Links are not followed, and what is no beginning of an object, or is no regular
// file, is somebody else's and stays.
type temps struct {
	path string
	lock func(*os.File) error // tryLock
}

// maxTemps is how many names are tried.
const maxTemps = 100

// staleAfter is how much older than a new file a leftover is where there are no locks.
// From making a file to renaming it are milliseconds, or as long as a resumed file takes
// to be rewritten.
const staleAfter = 24 * time.Hour

// metadataPrefix is how every object begins.
var metadataPrefix = []byte(`{"schema":1,"tool":`)

// write writes b to a new file and waits for the disk, without which a rename might
// reach it first.
func (s temps) write(b []byte) (*tempFile, error) {
	s.sweep(time.Time{})
	t, err := s.create()
	if err != nil {
		return nil, err
	}
	made, err := t.write(b)
	if err != nil {
		t.remove()
		return nil, err
	}
	if !t.locked {
		// Both times are of the file system's clock, whatever ours says.
		s.sweep(made.Add(-staleAfter))
	}
	return t, nil
}

func (s temps) name(n int) string {
	if n == 1 {
		return s.path + ".tmp"
	}
	return fmt.Sprintf("%s.tmp%d", s.path, n)
}

// create makes a file under the first name that is free.
func (s temps) create() (t *tempFile, err error) {
	for n := 1; n <= maxTemps; n++ {
		if t, err = s.createAs(s.name(n)); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	return t, err
}

func (s temps) createAs(name string) (*tempFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	err = s.lock(f)
	if errors.Is(err, ErrLocked) || err == nil && !isAt(f, name, os.Lstat) {
		// Another process takes it for a leftover, and removes it, or has.
		return nil, errors.Join(&os.PathError{Op: "open", Path: name, Err: os.ErrExist}, f.Close())
	}
	return &tempFile{name: name, f: f, locked: err == nil}, nil
}

// sweep takes away what was left; without locks, what was written before old. What
// cannot be taken away is only in the way of its name.
func (s temps) sweep(old time.Time) {
	for n := 1; n <= maxTemps; n++ {
		s.removeStale(s.name(n), old)
	}
}

func (s temps) removeStale(name string, old time.Time) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return // a pipe would wait for its reader
	}
	f, err := os.OpenFile(name, os.O_RDWR|openAsIs, 0) // some locks are for writers only
	if err != nil {
		return
	}
	defer f.Close()
	err = s.lock(f)
	if errors.Is(err, ErrLocked) || !isAt(f, name, os.Lstat) || !isStaged(f) {
		return
	}
	if err != nil {
		// Two who begin at once may both come here, and the later one remove the new
		// file of the other, whose rename then fails: an error, and no harm done.
		if info.ModTime().Before(old) {
			f.Close() // Windows removes no file that is open
			_ = os.Remove(name)
		}
		return
	}
	_ = os.Remove(name)
}

// isStaged reports whether f holds an object or the beginning of one, which may be
// nothing, or zeros after a power cut.
func isStaged(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	end, err := withoutZeros(f, info.Size())
	if err != nil {
		return false
	}
	head, err := io.ReadAll(io.NewSectionReader(f, 0, min(end, int64(len(metadataPrefix)))))
	return err == nil && isCutFrom(head, metadataPrefix)
}

// A tempFile is one that is to take another's place.
type tempFile struct {
	name   string   // empty: it has done so, or is removed
	f      *os.File // with its lock; nil where there are no locks, since Windows renames no file that is open
	locked bool
}

// write writes what the file is to hold, and returns when that was.
func (t *tempFile) write(b []byte) (time.Time, error) {
	_, err := t.f.Write(b)
	if err == nil {
		err = t.f.Sync()
	}
	info, statErr := t.f.Stat()
	if !t.locked {
		err = errors.Join(err, t.f.Close())
		t.f = nil
	}
	if err = errors.Join(err, statErr); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// rename puts the file in the place of path. It has its lock until that is done, or it
// would be a leftover in between.
func (t *tempFile) rename(path string) error {
	if err := os.Rename(t.name, path); err != nil {
		t.remove()
		return err
	}
	t.name = ""
	return t.close()
}

// remove takes the file away, unless it has its place: then the name may be another's.
func (t *tempFile) remove() {
	if t.name != "" {
		_ = os.Remove(t.name)
		t.name = ""
	}
	_ = t.close()
}

func (t *tempFile) close() error {
	if t.f == nil {
		return nil
	}
	f := t.f
	t.f = nil
	return f.Close()
}
