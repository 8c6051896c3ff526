//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package mux

// waits reports whether datagrams wait in a socket. This system does not report it.
func waits(uintptr) bool { return false }
