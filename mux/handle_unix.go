//go:build unix

package mux

import (
	"errors"
	"syscall"
)

// handle returns fd as package syscall names descriptors here.
func handle(fd uintptr) int { return int(fd) }

// noRoom reports whether err means that the system has no room for a datagram
// now.
func noRoom(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}
