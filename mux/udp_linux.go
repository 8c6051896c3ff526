//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// A udpPort is a UDP socket that moves whole batches with recvmmsg(2) and
// sendmmsg(2), never blocks in either, and parks in ppoll(2).
type udpPort struct {
	fd       int
	life     life
	local    netip.AddrPort
	inet4    bool // an AF_INET socket, which wants addresses of that form
	v4, v6   bool // the families that it reaches
	wildcard bool // datagrams tell the address that was asked

	errors errorQueue
	want   room // the room that the last Send lacked

	stats     PortStats
	lastDrops uint32 // the kernel's cumulative count, which wraps
}

// room is the kind of space that a Send that took less than all waits for.
type room uint8

const (
	roomEnough room = iota
	roomBuffer      // in the socket's buffer: ppoll tells when
	roomDevice      // in the device's queue: the system does not report when
)

// devicePause is the wait for room in a device's queue. At 1 Gb/s its usual
// 1,000 packets take 0.7 ms to leave if they are of 84 bytes, a query's on the
// wire.
const devicePause = time.Millisecond

// Recv implements Port.
func (p *udpPort) Recv(b *Batch, wait time.Duration) error {
	b.Reset()
	if !p.life.enter() {
		return net.ErrClosed
	}
	defer p.life.leave()

	// Look before waiting: as long as datagrams come faster than they are
	// handled, nothing is ever spent on going to sleep.
	defer b.age()
	if nap := b.gather; nap > 0 && wait != 0 {
		if wait > 0 {
			nap = min(nap, wait)
			wait -= nap
		}
		if woken, err := p.life.nap(nap); woken || err != nil {
			wait = 0
		}
	}
	if err := p.gather(b); err != nil || b.n > 0 || wait == 0 {
		return err
	}
	var events int16 = pollIn
	switch p.want {
	case roomBuffer:
		events |= pollOut
	case roomDevice:
		if wait < 0 || wait > devicePause {
			wait = devicePause
		}
	}
	var ts syscall.Timespec
	left := timespec(&ts, wait)
	for {
		revents, over, err := p.life.park(events, left)
		if err != nil {
			return err
		}
		if p.life.isClosed() {
			return net.ErrClosed
		}
		if revents&pollErr != 0 {
			p.errors.pending = true
		}
		if revents&^pollOut != 0 {
			if err := p.gather(b); err != nil {
				return err
			}
		}
		if revents&pollOut != 0 || over && p.want == roomDevice {
			p.want = roomEnough // reported once; the next short Send asks again
			return nil
		}
		if over || b.n > 0 {
			return nil
		}
		// A false alarm (an error of our own making, a bad checksum, a signal):
		// wait for the rest of the time.
	}
}

// gather fills b with the packets at hand.
func (p *udpPort) gather(b *Batch) error {
	if p.errors.pending {
		p.drain()
	}
	p.errors.moveTo(b)
	for tries := 0; b.n < b.Cap(); {
		n, errno := recvmmsg(p.fd, b.toReceive(), 0)
		switch {
		case errno == 0:
			// A count that is short may hide an ICMP error, which ended the call, and
			// datagrams behind it: only EAGAIN says that there are none.
			p.unpack(b, n)
			continue
		case errno == syscall.EAGAIN:
			return nil
		case errno == syscall.EINTR:
			continue
		case isLost(errno) || errno == syscall.EINVAL:
			return fmt.Errorf("recvmmsg: %w", errno)
		}
		// An ICMP error about an earlier datagram, whoever it was for, stands
		// before the datagrams that wait: it is read from where it says what it
		// is about, and the call is repeated.
		p.drain()
		p.errors.moveTo(b)
		if tries++; tries == maxRepeats {
			b.SetMore()
			return nil // a flood: p.errors.pending or the next call will tell
		}
	}
	return nil
}

// unpack makes packets of the n messages that the kernel put behind b's last
// packet.
func (p *udpPort) unpack(b *Batch, n int) {
	b.received(n)
	s := &b.sys
	for i := b.n; i < b.n+n; i++ {
		h, m := &s.headers[i], &s.messages[i]
		q := &b.packets[i]
		*q = Packet{Peer: m.key(), Data: b.slot(i)[:h.len]}
		if h.hdr.Flags&syscall.MSG_TRUNC != 0 {
			q.Truncated = true
			p.stats.Truncated++
		}
		b.waits[i] = arrivalOf(m.control[:h.hdr.Controllen])
		if p.wildcard {
			q.Local = localKey(m.control[:h.hdr.Controllen], p.local.Port())
		}
	}
	b.n += n
	last := b.n - 1
	if c := s.messages[last].control[:s.headers[last].hdr.Controllen]; len(c) > 0 {
		if data := findControl(c, syscall.SOL_SOCKET, syscall.SO_RXQ_OVFL); len(data) >= 4 {
			p.countDrops(binary.NativeEndian.Uint32(data))
		}
	}
}

// age replaces the times of arrival by the times that the packets have waited until now.
func (b *Batch) age() {
	if b.n == 0 {
		return
	}
	now := time.Duration(time.Now().UnixNano())
	for i, at := range b.waits[:b.n] {
		if at != 0 { // the system's clock may have been set meanwhile
			b.waits[i] = max(now-at, 0)
		}
	}
}

// countDrops adds what total, the kernel's counter, is ahead of the last one
// seen. A datagram's may be behind: it is the state of when that was queued.
func (p *udpPort) countDrops(total uint32) {
	if d := int32(total - p.lastDrops); d > 0 {
		p.stats.Drops += uint64(d)
		p.lastDrops = total
	}
}

// Send implements Port.
func (p *udpPort) Send(b *Batch) (n int, err error) {
	if !p.life.enter() {
		return 0, net.ErrClosed
	}
	defer p.life.leave()

	p.want = roomEnough
	possible, why := p.possible(b)
	headers := b.toSend(p.inet4)[:possible]

	refused, repeats := false, 0 // of packet n
	for len(headers) > 0 {
		k, errno := sendmmsg(p.fd, headers)
		if errno == 0 {
			// A short count hides the error of the packet behind it: asking
			// again from there on brings it back if it is that packet's, and if
			// it was an ICMP error's about another, sends the packet.
			if k < len(headers) {
				p.errors.pending = true
			}
			n, headers = n+k, headers[k:]
			refused, repeats = false, 0
			continue
		}
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return n, p.blocked(roomBuffer)
		case errno == syscall.ENOBUFS || errno == syscall.ENOMEM:
			return n, p.blocked(roomDevice)
		case isLost(errno):
			return n, fmt.Errorf("sendmmsg: %w", errno)
		}
		// The packet was not sent, and this may not be its fault: the kernel
		// reports ICMP errors about earlier datagrams to the next caller, as
		// the same errno. While the queue has some, and once more after that,
		// the packet is offered again. (EPERM has a false alarm of its own: the
		// first packet after a change of netfilter's tables, golang/go#63322.)
		if p.drain() > 0 || p.errors.pending || errno == syscall.ECONNREFUSED {
			if repeats++; repeats < maxRepeats {
				continue
			}
			return n, p.blocked(roomDevice) // a flood of errors; let Recv have its turn
		}
		if refused {
			return n, &PeerError{errno}
		}
		refused = true
	}
	if n < b.n {
		return n, &PeerError{why}
	}
	return n, nil
}

// possible returns the number of b's first packets that can be sent, and why the next one
// cannot. An AF_INET6 socket with an IPv6 address of its own would send IPv4 from a made-up
// one. With IP_PMTUDISC_PROBE the loopback takes an IPv4 packet that is longer than its
// header can tell.
func (p *udpPort) possible(b *Batch) (n int, why syscall.Errno) {
	const longest4 = 0xFFFF - 20 - 8
	if p.v4 && p.v6 && b.size <= longest4 {
		return b.n, 0
	}
	for i := range b.n {
		is4 := b.packets[i].Peer.Is4()
		switch {
		case is4 && !p.v4 || !is4 && !p.v6:
			return i, syscall.EAFNOSUPPORT
		case is4 && len(b.packets[i].Data) > longest4:
			return i, syscall.EMSGSIZE
		}
	}
	return b.n, 0
}

func (p *udpPort) blocked(r room) error {
	p.want = r
	p.stats.SendBlocked++
	return nil
}

// Wake implements Port.
func (p *udpPort) Wake() { p.life.wake() }

// Stats implements Port.
func (p *udpPort) Stats() PortStats {
	if p.life.enter() {
		if used, total, ok := meminfo(p.fd); ok {
			p.stats.RcvbufUsed = int(used)
			p.countDrops(total)
		}
		p.life.leave()
	}
	return p.stats
}

// LocalAddr implements Port.
func (p *udpPort) LocalAddr() netip.AddrPort { return p.local }

// Close implements Port.
func (p *udpPort) Close() error {
	p.life.close()
	return nil
}

// maxRaw is how many messages may go through one RawSyscall6, which the
// scheduler does not know of: the goroutine keeps its P, and a garbage
// collection that wants to stop the world waits for the call to return.
// Measured on 2 shared cores, 2026-11, 29-byte datagrams over loopback, where a
// send includes the receiving half of the stack:
//
//   - with one other goroutine busy Syscall6 costs 25 to 40 % more, as sysmon takes the P from
//     every call beyond 20 µs and the loop has to queue for another; with none, nothing;
//   - stopping the world takes 0.15 ms (median) with 64 messages a call and 2.2 ms with
//     1,024; with Syscall6 0.015 ms.
//
// Up to 64 the hold is short of any scheduling delay; above it is not, and
// there the other price is spread over more messages.
const maxRaw = 64

// recvmmsg receives into headers, of which there is at least one, without
// waiting.
func recvmmsg(fd int, headers []mmsghdr, flags uintptr) (int, syscall.Errno) {
	return mmsg(syscall.SYS_RECVMMSG, fd, headers, flags|syscall.MSG_DONTWAIT)
}

// sendmmsg sends headers, of which there is at least one, as far as there is
// room.
func sendmmsg(fd int, headers []mmsghdr) (int, syscall.Errno) {
	return mmsg(sysSendmmsg, fd, headers, syscall.MSG_DONTWAIT)
}

func mmsg(trap uintptr, fd int, headers []mmsghdr, flags uintptr) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if len(headers) <= maxRaw {
		n, _, errno = syscall.RawSyscall6(trap, uintptr(fd),
			uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), flags, 0, 0)
	} else {
		n, _, errno = syscall.Syscall6(trap, uintptr(fd),
			uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), flags, 0, 0)
	}
	return int(n), errno
}
