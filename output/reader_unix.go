//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package output

import (
	"os"

	"golang.org/x/sys/unix"
)

// readerLeft reports whether f is a pipe or a socket that nobody reads any more and
// nobody will: the next write would fail.
func readerLeft(f *os.File) bool {
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	left := false
	_ = c.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0) // errors are told without being asked for: POLLERR on Linux, POLLHUP on BSD
		left = err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return left
}
