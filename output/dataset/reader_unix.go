//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package dataset

import (
	"os"

	"golang.org/x/sys/unix"
)

// readerLeft reports whether f is a pipe or a socket that nobody reads any more: the next
// write would fail.
func readerLeft(f *os.File) bool {
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	left := false
	_ = c.Control(func(fd uintptr) {
		// Linux tells of errors unasked, XNU only of what it was asked to watch.
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, 0)
		left = err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return left
}
