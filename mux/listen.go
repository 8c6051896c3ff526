package mux

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
)

// Options configure a socket. The zero Options open one on any free port that reaches
// IPv4 and IPv6.
type Options struct {
	// Local is the address and port to bind to. Without an address (or with ::)
	// the socket serves both families if the system has both; 0.0.0.0 or an
	// IPv4 address makes it IPv4 only, another IPv6 address IPv6 only. Port 0
	// is any free one.
	Local netip.AddrPort

	// Rcvbuf and Sndbuf are the sizes in bytes to ask for; 0 leaves the
	// system's default. Less may be granted: see PortStats.
	Rcvbuf, Sndbuf int

	// NoICMP leaves ICMP errors unread: a closed port is then silent.
	NoICMP bool

	// Wildcard is for servers that have many addresses behind one socket: each
	// received Packet says in Local which of them was asked, and each sent one
	// leaves from its Local. Linux only.
	Wildcard bool
}

// Listen opens a UDP socket. Its errors name the address and, if there is one, the
// remedy. They wrap the system's.
//
// On Linux (amd64, arm64) packets travel in batches and ICMP errors are
// reported. Elsewhere, and with the build tag "portable", packets travel one by
// one through package net, ICMP errors are not reported and drops are not counted.
func Listen(o Options) (Port, error) {
	if a := o.Local.Addr(); a.Is4In6() {
		o.Local = netip.AddrPortFrom(a.Unmap(), o.Local.Port())
	}
	p, err := listen(o)
	if err != nil {
		where := o.Local.String()
		if !o.Local.Addr().IsValid() {
			where = ":" + strconv.Itoa(int(o.Local.Port()))
		}
		return nil, fmt.Errorf("listen udp %s: %w%s", where, err, remedy(err))
	}
	return p, nil
}

// remedy returns the remedy for err in brackets, or nothing.
func remedy(err error) string {
	for _, r := range []struct {
		err  error
		text string
	}{
		{syscall.EADDRINUSE, "another socket has this port; choose another, or 0 for any"},
		{syscall.EADDRNOTAVAIL, "no interface of this machine has this address"},
		{syscall.EACCES, "ports below 1024 are for privileged programs; choose one above"},
		{syscall.EMFILE, "this process has too many open files; see 'ulimit -n'"},
		{syscall.ENFILE, "this machine has too many open files; see fs.file-max"},
		{syscall.EAFNOSUPPORT, "this system does not have that address family"},
	} {
		if errors.Is(err, r.err) {
			return " (" + r.text + ")"
		}
	}
	return ""
}
