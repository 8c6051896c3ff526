package mux

import (
	"errors"
	"syscall"
)

// handle returns fd as package syscall names descriptors here.
func handle(fd uintptr) syscall.Handle { return syscall.Handle(fd) }

// Winsock's errors, which package syscall does not name.
const (
	wsaEWOULDBLOCK syscall.Errno = 10035
	wsaENOBUFS     syscall.Errno = 10055
)

// noRoom reports whether err means that the system has no room for a datagram
// now.
func noRoom(err error) bool {
	return errors.Is(err, wsaEWOULDBLOCK) || errors.Is(err, wsaENOBUFS)
}
