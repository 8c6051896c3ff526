package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Rewrite leaves out of a file of records the lines for which keep returns
// false. It writes what stays into a new file beside the old one, in the same
// compression, and then puts it in its place, so that at any moment there is one
// whole file of that name; a link stays a link. It reads the whole file; a file
// that ends in the middle of a line must have been through [Recover] before.
//
// The new file has a name of its own until then, .NAME.resume for NAME, and
// stays there if the process is killed: the next Rewrite, or [RemoveRest], takes it
// away.
func Rewrite(path string, keep func(line []byte) bool) (Kept, error) {
	return rewrite(path, keep, func(string) error { return nil })
}

// rewrite is Rewrite, with a call between: ready is given the name of the new
// file, just before it takes the place of the old one.
func rewrite(path string, keep func(line []byte) bool, ready func(name string) error) (Kept, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Kept{}, err
	}
	r, err := OpenReader(path)
	if err != nil {
		return Kept{}, err
	}
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	before, err := os.Stat(path)
	if err != nil {
		return Kept{}, err
	}
	name := restName(path)
	if err := makeRest(name, before.Mode().Perm()); err != nil {
		return Kept{}, err
	}
	kept, err := copyLines(r, name, keep)
	if err == nil {
		err = os.Chmod(name, before.Mode().Perm())
	}
	if err == nil {
		err = ready(name)
	}
	if err == nil {
		// Windows does not replace a file that is open.
		err = r.Close()
		r = nil
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		return Kept{}, errors.Join(err, os.Remove(name))
	}
	kept.Removed = before.Size() - kept.Size
	return kept, nil
}

// restName is where the lines that stay are written; path is no link.
func restName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".resume")
}

// makeRest makes that file, which from the beginning is nobody's to read who may
// not read the old one.
func makeRest(name string, perm os.FileMode) error {
	if err := removeFile(name); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm|0o200)
	if err != nil {
		return err
	}
	return f.Close()
}

// RestName returns the name under which a Rewrite of path has its copy, as it may have
// left it when it was killed.
func RestName(path string) string {
	return restName(Resolve(path))
}

// RemoveRest removes what a Rewrite of path has left that was killed, if there is
// such a file. No other process may be rewriting: see [Lock].
func RemoveRest(path string) error {
	return removeFile(RestName(path))
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// copyLines writes the lines of r that are to be kept to a new file.
func copyLines(r *Reader, name string, keep func([]byte) bool) (kept Kept, err error) {
	sink, err := OpenSink(name, SinkOptions{Compression: r.Compression()})
	if err != nil {
		return Kept{}, err
	}
	defer func() {
		if closeErr := sink.Close(); err == nil {
			err = closeErr
		}
		if info, statErr := os.Stat(name); err == nil {
			err = statErr
			kept.Size = info.Size()
		}
	}()
	kept.Compression = r.Compression()
	var line []byte
	for {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return kept, nil
		}
		if err != nil {
			return kept, fmt.Errorf("cannot copy records: %w", err)
		}
		if !keep(l) {
			continue
		}
		line = append(append(line[:0], l...), '\n')
		if err := sink.WriteLines(line); err != nil {
			return kept, err
		}
		kept.Lines++
		kept.Bytes += int64(len(line))
	}
}
