//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package mux

import "golang.org/x/sys/unix"

// fionread is FIONREAD of sys/filio.h: _IOR('f', 127, int).
const fionread = 0x4004667F

// waits reports whether datagrams wait in a socket, other than empty ones.
func waits(fd uintptr) bool {
	n, err := unix.IoctlGetInt(int(fd), fionread)
	return err == nil && n > 0
}
