//go:build linux && !portable && (amd64 || arm64)

package mux

import "syscall"

// An errorQueue is the way of ICMP errors from the kernel to Recv.
//
// With IP_RECVERR the kernel does two things with an ICMP error. It queues it,
// with the address that the datagram was for, on the socket's error queue. And
// it leaves the errno for the next call on the socket, recvmmsg or sendmmsg,
// which fails with it whatever that call is about: a sendmmsg then has not sent
// a healthy packet. So an errno says nothing but "look into the queue"; only
// the queue attributes.
type errorQueue struct {
	// pending says that the kernel's queue may hold something. It takes its
	// room out of the receive buffer, so it must not be left to grow.
	pending bool

	// held are the errors that were read and not handed out.
	held []verdict
	next int // of held

	scratch *Batch
}

type verdict struct {
	peer Key
	what Unreachable
}

const (
	// maxHeld bounds held. More than that wait in the kernel.
	maxHeld = 1024

	// maxRepeats is how often one call is repeated because of errors that
	// arrived while it was being repeated.
	maxRepeats = 64
)

// drain reads the kernel's error queue as long as there is room to hold what it
// says, and returns the number of ICMP errors it found.
func (p *udpPort) drain() (found int) {
	q := &p.errors
	if q.scratch == nil {
		q.scratch = NewBatch(64, 1) // the datagram itself is not of interest
		q.held = make([]verdict, 0, maxHeld)
	}
	q.pending = false
	for {
		if cap(q.held)-len(q.held) < q.scratch.Cap() {
			q.pending = true
			return found
		}
		q.scratch.Reset()
		n, errno := recvmmsg(p.fd, q.scratch.toReceive(), syscall.MSG_ERRQUEUE)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return found
		}
		q.scratch.received(n)
		for i := range n {
			h, m := &q.scratch.sys.headers[i].hdr, &q.scratch.sys.messages[i]
			e, ok := parseExtendedErr(m.control[:h.Controllen])
			if !ok || !e.fromICMP() {
				continue
			}
			found++
			p.stats.ICMP++
			if what := e.verdict(); what != Reachable && h.Namelen > 0 {
				q.held = append(q.held, verdict{m.key(), what})
			}
		}
		if n < q.scratch.Cap() {
			return found
		}
	}
}

// moveTo hands the errors that are held to b, as far as it has room.
func (q *errorQueue) moveTo(b *Batch) {
	for q.next < len(q.held) && b.n < b.Cap() {
		v := q.held[q.next]
		b.waits[b.n] = 0
		b.commitICMP(v.peer, v.what)
		q.next++
	}
	if q.next == len(q.held) {
		q.held, q.next = q.held[:0], 0
	}
}

// isLost reports whether errno means that the socket itself cannot be used.
// Whatever else a call without mistakes of ours can return is, or may be, an
// ICMP error.
func isLost(errno syscall.Errno) bool {
	switch errno {
	case syscall.EBADF, syscall.ENOTSOCK, syscall.EFAULT, syscall.ENOSYS:
		return true
	}
	return false
}

// An extendedErr is struct sock_extended_err of ip(7):
//
//	errno u32 | origin u8 | type u8 | code u8 | pad u8 | info u32 | data u32
type extendedErr struct {
	origin, typ, code uint8
}

const (
	originICMP  = 2 // SO_EE_ORIGIN_ICMP; 1 is the kernel's own, such as EMSGSIZE
	originICMP6 = 3

	extendedErrSize = 16
)

func parseExtendedErr(control []byte) (e extendedErr, ok bool) {
	data := findControl(control, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR)
	if data == nil {
		data = findControl(control, syscall.IPPROTO_IP, syscall.IP_RECVERR)
	}
	if len(data) < extendedErrSize {
		return e, false
	}
	return extendedErr{origin: data[4], typ: data[5], code: data[6]}, true
}

func (e extendedErr) fromICMP() bool { return e.origin == originICMP || e.origin == originICMP6 }

// verdict sorts the types and codes of ICMP (RFC 792, RFC 1122 §3.2.2.1, RFC
// 1812 §5.2.7.1) and ICMPv6 (RFC 4443 §3). "Too big" is about a path, not about
// whether its end can be reached, and no verdict: Reachable.
func (e extendedErr) verdict() Unreachable {
	if e.origin == originICMP6 {
		switch e.typ {
		case 1:
			switch e.code {
			case 0: // no route
				return NetUnreachable
			case 1, 5, 6: // prohibited, source address policy, reject route
				return Prohibited
			case 3:
				return HostUnreachable
			case 4:
				return PortUnreachable
			}
		case 2: // packet too big
			return Reachable
		}
		return OtherICMP
	}
	if e.typ == 3 {
		switch e.code {
		case 0, 6, 11: // unreachable, unknown, not for this type of service
			return NetUnreachable
		case 1, 7, 8, 12: // unreachable, unknown, isolated, not for this type of service
			return HostUnreachable
		case 3:
			return PortUnreachable
		case 4: // fragmentation needed
			return Reachable
		case 9, 10, 13, 14, 15: // prohibited: network, host, by a filter, by precedence
			return Prohibited
		}
	}
	return OtherICMP
}
