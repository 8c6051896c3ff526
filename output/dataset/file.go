package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

// Errors of a file to which other programs did something while it was written.
var (
	ErrChanged  = errors.New("another program has changed it")                 // its length is not that of what was written
	ErrGone     = errors.New("it was removed or renamed while it was written") // nothing has its name
	ErrReplaced = errors.New("it was replaced by another file while it was written")
)

// A file is the Sink of a plain file, and what lies under a compressor. Lines
// go into the named file itself, so that it can be followed while it grows.
type file struct {
	f       *os.File
	size    int64 // bytes in the file, those of before included
	regular bool  // a file of ours: it can be cut, and has a disk to wait for
	pipe    bool  // short writes are whole or not at all
	leaves  bool  // its reader may leave, and no other will come
	std     bool  // standard output, which is not ours to close
	err     error // the first error
}

// openFile opens path for writing, "-" being standard output.
func openFile(path string, keep bool) (*file, error) {
	if path == "-" {
		return newFile(os.Stdout, true)
	}
	flags := os.O_WRONLY | os.O_CREATE
	if runtime.GOOS != "windows" { // where we could not cut it ourselves then
		// Should another program cut the file meanwhile, then lines go on at its end and
		// not behind a hole; the end of the run tells of it.
		flags |= os.O_APPEND
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, err
	}
	ours := !IsOpenName(path)
	if !keep && ours {
		if err := empty(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	s, err := newFile(f, false)
	if err == nil {
		s.regular = s.regular && ours
		s.leaves = s.leaves && !ours // to a pipe that has a name of its own another reader may come
	}
	return s, err
}

// empty takes away what a regular file holds, on the disk too: what is written beside it
// next, on whose disk ever, says that it holds something else.
func empty(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	return f.Sync()
}

// newFile takes over f, whose end is where lines go.
func newFile(f *os.File, std bool) (*file, error) {
	s := &file{f: f, std: std}
	info, err := f.Stat()
	s.pipe = err == nil && info.Mode()&os.ModeNamedPipe != 0
	s.leaves = err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
	if err == nil && info.Mode().IsRegular() && !std {
		// Standard output that was redirected to a file is not cut: others may
		// write there too.
		s.regular = true
		s.size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// WriteLines writes p. Where only a part of it could be written the file is cut
// back to what it held before.
func (s *file) WriteLines(p []byte) error {
	before := s.size
	if _, err := s.Write(p); err != nil {
		s.cut(before)
	}
	return s.err
}

// Write writes p, for a compressor.
func (s *file) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.f.Write(p)
	s.size += int64(n)
	s.err = err
	return n, err
}

// A fileSink is a Sink of this package.
type fileSink interface {
	base() *file
}

func (s *file) base() *file { return s }

// look returns the error that a write to somebody who has left would have, without one.
func (s *file) look() error {
	if s.err == nil && readerLeft(s.f) {
		s.err = &os.PathError{Op: "write", Path: s.f.Name(), Err: syscall.EPIPE}
	}
	return s.err
}

// cut takes away what stands in the file after the first size bytes, unless others have
// changed it: nothing of theirs is taken away, and nothing made longer.
func (s *file) cut(size int64) {
	if !s.regular {
		return
	}
	if info, err := s.f.Stat(); err != nil || info.Size() != s.size {
		return
	}
	if s.f.Truncate(size) == nil {
		s.size = size
	}
}

// Sync has nothing to do: what was written is with the operating system.
func (s *file) Sync() (int64, error) { return s.size, s.err }

// Close waits for the disk and closes the file.
func (s *file) Close() error {
	if s.regular && s.err == nil {
		// Some file systems tell of a full disk only here.
		if s.err = s.f.Sync(); s.err == nil {
			s.err = s.inPlace()
		}
	}
	if !s.std {
		if err := s.f.Close(); s.err == nil {
			s.err = err
		}
	}
	return s.err
}

// inPlace reports an error if the file is not what was written, or not where it was.
func (s *file) inPlace() error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	name := s.f.Name()
	if info.Size() != s.size {
		return fmt.Errorf("%s: %w: it has %d bytes, and %d were written", name, ErrChanged, info.Size(), s.size)
	}
	there, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w", name, ErrGone)
	case err != nil:
		return err
	case !os.SameFile(info, there):
		return fmt.Errorf("%s: %w", name, ErrReplaced)
	}
	return nil
}
