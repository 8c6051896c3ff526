package mux

import (
	"net/netip"
	"time"
)

// A Port is one UDP socket, or something that behaves like one. All methods but
// Wake and Close are for one goroutine, the one that owns the scan.
type Port interface {
	// Recv replaces b's packets by those at hand: datagrams, and ICMP errors
	// about datagrams sent earlier. If there is nothing it waits at most
	// wait (0: not at all; negative: for ever) for something to arrive, for
	// room to send if the last Send took less than all, or for Wake; then b
	// may be empty. If it may have left something behind b.More says so. It
	// returns net.ErrClosed after Close, and otherwise an error only when the
	// socket itself is lost.
	Recv(b *Batch, wait time.Duration) error

	// Send hands b's packets to the system, in order, from the first on, and
	// returns how many it took. n < b.Len() has three causes: err == nil, the
	// socket has no room now (try again after Recv); a *PeerError, packet n was
	// refused for its own sake (skip it and go on behind it); any other error,
	// the socket is lost. An ICMP error about an earlier datagram is never
	// reported here: it is kept for Recv and the send is repeated.
	Send(b *Batch) (n int, err error)

	// Wake makes a waiting Recv return, or the next one not wait. Any goroutine
	// may call it.
	Wake()

	// Stats returns the socket's counters and buffer sizes.
	Stats() PortStats

	// LocalAddr returns the address that the socket is bound to.
	LocalAddr() netip.AddrPort

	// Close frees the socket and makes a waiting Recv return net.ErrClosed, as
	// every later call does. Any goroutine may call it, more than once.
	Close() error
}

// PortStats holds a Port's counters. The counters only grow; RcvbufUsed is as it is now.
// A value that the system does not report is 0.
type PortStats struct {
	RcvbufRequested int    // bytes asked for
	RcvbufActual    int    // bytes granted, as the system accounts them (Linux: twice the usable size)
	RcvbufUsed      int    // bytes that the datagrams take there that wait for Recv, or more
	SndbufActual    int    // bytes granted
	Drops           uint64 // datagrams that the system dropped because the receive buffer was full
	Truncated       uint64 // datagrams longer than a batch's buffer
	ICMP            uint64 // ICMP errors received
	SendBlocked     uint64 // times that Send found no room

	// Missing lists, for people, features of the socket that this system refused.
	// It is nil if there is none, and does not change after Listen.
	Missing []string
}

// A PeerError is the system's refusal to send one packet: no route, a bad
// address, a firewall rule. It says nothing about the packets behind it.
type PeerError struct{ Err error }

func (e *PeerError) Error() string { return "send: " + e.Err.Error() }

// Unwrap returns the system's error, a syscall.Errno. It is EAFNOSUPPORT if
// the socket cannot reach addresses of that family.
func (e *PeerError) Unwrap() error { return e.Err }

// Unreachable is the kind of an ICMP error about a datagram.
type Unreachable uint8

// The ICMP verdicts that a Port tells apart.
const (
	Reachable       Unreachable = iota // no ICMP error: an ordinary datagram
	PortUnreachable                    // nothing listens there
	HostUnreachable                    // no such host, as a router says
	NetUnreachable                     // no route to it, as a router says
	Prohibited                         // a firewall says no
	OtherICMP                          // any other error
)

// String returns the verdict in words, such as "port unreachable".
func (u Unreachable) String() string {
	switch u {
	case Reachable:
		return "reachable"
	case PortUnreachable:
		return "port unreachable"
	case HostUnreachable:
		return "host unreachable"
	case NetUnreachable:
		return "network unreachable"
	case Prohibited:
		return "administratively prohibited"
	}
	return "ICMP error"
}
