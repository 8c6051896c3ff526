//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package osfile

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryLock locks f without waiting. unlock ends the lock, and so does closing f, both
// here and in any child that was forked but does not run its program yet.
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

func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// copyOwner gives to the mode and the owner of from.
func copyOwner(to, from *os.File) error {
	want, err := from.Stat()
	if err != nil {
		return err
	}
	is, err := to.Stat()
	if err != nil {
		return err
	}
	w, ok1 := want.Sys().(*syscall.Stat_t)
	i, ok2 := is.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && (w.Uid != i.Uid || w.Gid != i.Gid) {
		if err := to.Chown(int(w.Uid), int(w.Gid)); err != nil {
			return err
		}
	}
	return to.Chmod(want.Mode().Perm())
}

// duplicate returns another descriptor of the open file of fd.
func duplicate(fd int, name string) (*os.File, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, err := syscall.Dup(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(n)
	return os.NewFile(uintptr(n), name), nil
}

// readerLeft reports whether f is a pipe or socket that is not read any more: the next
// write would fail.
func readerLeft(f *os.File) bool {
	left := false
	_ = poll(f, unix.POLLOUT, 0, func(events int16) { left = events&(unix.POLLERR|unix.POLLHUP) != 0 })
	return left
}

type direction int16

const (
	readable direction = unix.POLLIN
	writable direction = unix.POLLOUT
)

// await waits until f can be read from or written to.
func await(f *os.File, d direction) error { return poll(f, int16(d), -1, func(int16) {}) }

// poll waits up to timeout milliseconds for one of events, and calls ready with those
// that occurred. XNU reports errors only if events is not 0.
func poll(f *os.File, events int16, timeout int, ready func(events int16)) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = c.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n := 0
		for {
			if n, pollErr = unix.Poll(p, timeout); pollErr != unix.EINTR {
				break
			}
		}
		if n > 0 {
			ready(p[0].Revents)
		}
	})
	return errors.Join(err, pollErr)
}

// IsClosed reports whether the program was started with this stream closed. The Go
// runtime then opens the null device in its place, for reading and writing, which a
// shell's redirection does not.
func (f *File) IsClosed() bool {
	info, err := f.f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	if err != nil || nullErr != nil || !os.SameFile(info, null) {
		return err != nil
	}
	flags, err := unix.FcntlInt(f.f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}
