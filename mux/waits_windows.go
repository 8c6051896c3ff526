package mux

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// fionread is FIONREAD of winsock2.h.
const fionread = 0x4004667F

// waits reports whether datagrams wait in a socket, other than empty ones.
func waits(fd uintptr) bool {
	var n, size uint32
	err := windows.WSAIoctl(windows.Handle(fd), fionread, nil, 0, (*byte)(unsafe.Pointer(&n)), uint32(unsafe.Sizeof(n)), &size, nil, 0)
	return err == nil && n > 0
}
