package osfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A Replacement is new content of a file that is ready to take the place of the old.
type Replacement struct {
	f   *File
	b   []byte
	tmp *os.File // nil: b is written in place
}

// Prepare makes b ready to be the whole content of the file, which is unchanged until
// Commit. Either Commit or Discard must be called.
//
// Readers see the old content or the new: b is written to a temporary file that then
// takes the name, with mode and owner. If that is impossible (the file is a mount
// point, the folder is sticky or not writable, the disk is full), b is written in
// place. A stream gets b behind its earlier content.
func (f *File) Prepare(b []byte) (*Replacement, error) {
	r := &Replacement{f: f, b: b}
	if !f.owned {
		return r, nil
	}
	tmp, err := f.temp()
	if err == nil {
		if _, err = tmp.Write(b); err == nil {
			if err = copyOwner(tmp, f.f); err == nil {
				err = syncFile(tmp)
			}
		}
		if err == nil {
			r.tmp = tmp
			return r, nil
		}
		removeTemp(tmp)
	}
	if size, sizeErr := f.Size(); IsNoSpace(err) && (sizeErr != nil || size < int64(len(b))) {
		return nil, err // b would not fit in place either
	}
	return r, nil
}

// Commit replaces the content.
func (r *Replacement) Commit() error {
	if !r.f.owned {
		_, err := r.f.Write(r.b)
		return err
	}
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if r.tmp != nil {
		if r.f.rename(r.tmp) == nil {
			return nil
		}
		removeTemp(r.tmp)
	}
	return r.f.overwrite(r.b)
}

// Discard leaves the file as it is.
func (r *Replacement) Discard() {
	if r.tmp != nil {
		removeTemp(r.tmp)
	}
}

// overwrite writes b over the content. It frees no space before, so that b fits on a
// full disk if it is not longer than the content.
func (f *File) overwrite(b []byte) error {
	w, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	if _, err = w.WriteAt(b, 0); err == nil {
		err = w.Truncate(int64(len(b)))
	}
	if err == nil {
		err = syncFile(w)
	}
	return errors.Join(err, w.Close())
}

// Rewrite replaces the content of an owned file. write gets a temporary file, which then takes the name, mode, owner and lock of the file. If it cannot, its
// content is copied back. If write fails the file is as it was.
func (f *File) Rewrite(write func(w io.Writer) error) error {
	tmp, err := f.temp()
	if err != nil {
		if tmp, err = os.CreateTemp("", "a2scan-*"); err != nil {
			return err
		}
	}
	if err := write(tmp); err != nil {
		removeTemp(tmp)
		return err
	}
	if f.rename(tmp) == nil {
		return nil
	}
	defer removeTemp(tmp)
	if err := syncFile(tmp); err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := f.f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(f.f, tmp); err != nil {
		return err
	}
	return f.Sync()
}

// temp makes a temporary file in the folder of f. A process that is killed leaves it
// there, which does no harm: it is never used again.
func (f *File) temp() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*.tmp")
}

func removeTemp(tmp *os.File) {
	tmp.Close()
	_ = os.Remove(tmp.Name())
}

// rename gives tmp the mode, the owner, the lock and then the name of f, and makes it
// the file that f writes to.
func (f *File) rename(tmp *os.File) error {
	err := copyOwner(tmp, f.f)
	if err == nil && f.locked {
		err = tryLock(tmp)
	}
	if err == nil {
		err = syncFile(tmp)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return err
	}
	old := f.f
	f.f = tmp
	if f.locked {
		unlock(old)
	}
	return old.Close()
}
