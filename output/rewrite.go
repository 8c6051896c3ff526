package output

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
// whole file of that name. It reads the whole file; a file that ends in the
// middle of a line must have been through [Recover] before.
func Rewrite(path string, keep func(line []byte) bool) (Kept, error) {
	r, err := OpenReader(path)
	if err != nil {
		return Kept{}, err
	}
	defer r.Close()
	before, err := os.Stat(path)
	if err != nil {
		return Kept{}, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return Kept{}, err
	}
	name := tmp.Name()
	if err := tmp.Close(); err != nil {
		return Kept{}, errors.Join(err, os.Remove(name))
	}
	kept, err := copyLines(r, name, keep)
	if err == nil {
		err = os.Chmod(name, before.Mode().Perm())
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
