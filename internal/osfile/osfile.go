// Package osfile opens the files and streams that the program writes, and shares the
// standard streams with other processes.
//
// One rule holds for every output, whether it takes records, metadata or status
// lines: [Open] creates a file that is not there and otherwise changes nothing. The
// caller empties, cuts or replaces the file once everything else is known to work.
// A descriptor that the shell has opened (/dev/stdout, /dev/fd/3) is used as it is:
// lines are appended, and it is never emptied, cut or replaced.
package osfile

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// A File is an output. Its methods may be called from any goroutine; one Write at a
// time is under way, so that lines of two writers do not mix.
type File struct {
	name   string // as the user wrote it
	path   string // the same without links; empty for a stream
	owned  bool   // a regular file that we opened by its name: it may be emptied, cut and replaced
	made   bool   // Open created it
	shared bool   // standard output or standard error: not ours to close
	locked bool

	mu sync.Mutex
	f  *os.File // nil: a named pipe, which is opened when it is needed
}

// Standard output and standard error.
var (
	Stdout = &File{name: "-", shared: true, f: os.Stdout}
	Stderr = &File{name: "/dev/stderr", shared: true, f: os.Stderr}
)

// Open opens name for appending; "-" is standard output. It does
// not wait for the reader of a named pipe: see Ready.
func Open(name string) (*File, error) {
	if name == "-" {
		return Stdout, nil
	}
	if fd, ok := ownDescriptor(name); ok {
		return openDescriptor(name, fd)
	}
	file := &File{name: name, path: Resolve(name)}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case err == nil && info.Mode()&os.ModeNamedPipe != 0:
		return file, nil
	}
	flags := os.O_WRONLY
	if runtime.GOOS != "windows" { // there a file that is appended to cannot be cut
		flags |= os.O_APPEND
	}
	file.f, err = os.OpenFile(name, flags, 0)
	if errors.Is(err, os.ErrNotExist) {
		file.made = true
		file.f, err = os.OpenFile(name, flags|os.O_CREATE, 0o666)
	}
	if err != nil {
		return nil, err
	}
	if info, err = file.f.Stat(); err == nil {
		file.owned = info.Mode().IsRegular() && !IsOpenName(name)
		if info.Mode().IsRegular() {
			_, err = file.f.Seek(0, io.SeekEnd)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Discard())
	}
	return file, nil
}

// openDescriptor returns the File of one of our own descriptors, with the position
// that it shares with other processes.
func openDescriptor(name string, fd int) (*File, error) {
	switch fd {
	case 1:
		return Stdout, nil
	case 2:
		return Stderr, nil
	}
	f, err := duplicate(fd, name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &File{name: name, f: f}, nil
}

// Name returns the name that was given to Open.
func (f *File) Name() string { return f.name }

// Owned reports whether this is a regular file that may be emptied, cut and
// replaced. Streams, devices and descriptors of the shell are not.
func (f *File) Owned() bool { return f.owned }

// IsStream reports whether this is a standard stream or a descriptor of the shell.
func (f *File) IsStream() bool { return f.path == "" }

// OS returns the file of the os package; nil for a named pipe before Ready.
func (f *File) OS() *os.File { return f.f }

// Ready waits until the reader of a named pipe has opened it. Other files are ready.
func (f *File) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready()
}

func (f *File) ready() (err error) {
	if f.f == nil {
		f.f, err = os.OpenFile(f.path, os.O_WRONLY, 0)
	}
	return err
}

// Write writes b, and waits if the stream has no room: also if another process has
// made the stream non-blocking, so that the system reports EAGAIN.
func (f *File) Write(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(); err != nil {
		return 0, err
	}
	for {
		m, err := f.f.Write(b[n:])
		n += m
		if !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := await(f.f, writable); err != nil {
			return n, err
		}
	}
}

// Size returns the length of a file.
func (f *File) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Empty removes the content of an owned file, on the disk too, so that a power cut
// does not bring it back. It does nothing to other files.
func (f *File) Empty() error {
	if !f.owned {
		return nil
	}
	if size, err := f.Size(); err != nil || size == 0 {
		return err
	}
	if err := f.f.Truncate(0); err != nil {
		return err
	}
	return f.Sync()
}

// Sync waits until the content is on the disk. File systems that cannot do that (EINVAL)
// are taken as they are.
func (f *File) Sync() error { return syncFile(f.f) }

func syncFile(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// ReaderLeft reports whether f is a pipe or socket that is not read any more, so that
// the next write would fail.
func (f *File) ReaderLeft() bool { return f.f != nil && readerLeft(f.f) }

// Close closes the file, unless it is a standard stream.
func (f *File) Close() error {
	if f.shared || f.f == nil {
		return nil
	}
	if f.locked { // a child that was forked just now has the descriptor too
		unlock(f.f)
	}
	return f.f.Close()
}

// Discard closes a file that was not used. If Open made it and it is empty, it is
// removed.
func (f *File) Discard() error {
	if f.made {
		if size, err := f.Size(); err == nil && size == 0 && f.IsAt() {
			return errors.Join(f.Close(), os.Remove(f.path))
		}
	}
	return f.Close()
}

// IsAt reports whether the file still has its name.
func (f *File) IsAt() bool {
	a, err := f.f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(f.path)
	return err == nil && os.SameFile(a, b)
}
