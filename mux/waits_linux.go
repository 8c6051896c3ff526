package mux

import "golang.org/x/sys/unix"

// waits reports whether datagrams wait in a socket, other than empty ones.
func waits(fd uintptr) bool {
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	return err == nil && n > 0
}
