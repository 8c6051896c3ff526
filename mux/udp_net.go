package mux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A netPort is a UDP socket of package net, for systems that cannot move packets in
// batches.
//
// A goroutine of its own reads it, one datagram at a time, because package net
// has no way to look without waiting: a read deadline in the past fails before
// it looks, and one just ahead, which Wake would have to pull forward, races
// with the Recv that sets it. Recv takes from a channel, which has neither
// fault.
type netPort struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	v4, v6 bool // the families that it reaches

	full  chan *datagram // read, in order of arrival
	free  chan *datagram // to read into
	wake  chan struct{}
	timer *time.Timer

	stop chan struct{} // closed by Close
	once sync.Once
	gone chan struct{} // closed by the reader when it ends
	lost error         // why the reader ended; to be read once gone is closed

	short bool // the last Send took less than all
	stats PortStats

	raw   syscall.RawConn  // of conn
	look  func(fd uintptr) // sets waits
	waits bool             // datagrams wait in the socket
}

type datagram struct {
	peer Key
	n    int
	buf  [MaxDatagram]byte
}

const (
	// readAhead datagrams of 64 KiB each are 4 MiB.
	readAhead = 64

	// sendPause is how long Recv waits for room to send, since the system does not
	// report when there is.
	sendPause = time.Millisecond

	// maxReadErrors in a row, with readErrorPause after each, and the socket is
	// lost.
	maxReadErrors  = 100
	readErrorPause = time.Millisecond
)

// listenNet opens a netPort.
func listenNet(o Options) (*netPort, error) {
	if o.Wildcard {
		return nil, fmt.Errorf("answering from the address that was asked: %w: "+
			"this needs Linux on amd64 or arm64, and a build without the tag portable", errors.ErrUnsupported)
	}
	a := o.Local.Addr()
	network := "udp"
	switch {
	case a.Is4():
		network = "udp4"
	case a.IsValid() && !a.IsUnspecified():
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(o.Local))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // Listen says the rest
		}
		return nil, err
	}
	p := &netPort{
		conn:  conn,
		local: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		full:  make(chan *datagram, readAhead),
		free:  make(chan *datagram, readAhead),
		wake:  make(chan struct{}, 1),
		timer: time.NewTimer(time.Hour),
		stop:  make(chan struct{}),
		gone:  make(chan struct{}),
	}
	p.timer.Stop()
	p.v4 = network != "udp6"
	p.v6 = network != "udp4" && !p.local.Addr().Is4()
	if err := p.prepare(o); err != nil {
		conn.Close()
		return nil, err
	}
	for range readAhead {
		p.free <- new(datagram)
	}
	go p.read()
	return p, nil
}

// prepare sets the options of the socket and the values that Stats reports of them.
func (p *netPort) prepare(o Options) error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	p.raw, p.look = raw, func(fd uintptr) { p.waits = waits(fd) }
	p.stats.RcvbufRequested = o.Rcvbuf
	if o.Rcvbuf > 0 {
		askFor(o.Rcvbuf, p.conn.SetReadBuffer)
	}
	if o.Sndbuf > 0 {
		askFor(o.Sndbuf, p.conn.SetWriteBuffer)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		// Package net sets it on every UDP socket. Without it the system
		// refuses to send to a broadcast address.
		failed = syscall.SetsockoptInt(handle(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
		p.stats.RcvbufActual, _ = syscall.GetsockoptInt(handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		p.stats.SndbufActual, _ = syscall.GetsockoptInt(handle(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	})
	return errors.Join(err, failed)
}

// askFor asks for a buffer of n bytes, and for less as long as the system refuses:
// the BSDs refuse sizes above their limit, Linux reduces them.
func askFor(n int, set func(int) error) {
	for ; n >= 64<<10; n /= 2 {
		if set(n) == nil {
			return
		}
	}
	set(n)
}

// read is the reader. It ends when the socket is closed or lost.
func (p *netPort) read() {
	defer close(p.gone)
	for failures := 0; ; {
		var d *datagram
		select {
		case d = <-p.free:
		case <-p.stop:
			p.lost = net.ErrClosed
			return
		}
		n, from, err := p.conn.ReadFromUDPAddrPort(d.buf[:])
		for err != nil {
			if failures++; errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				p.lost = err
				return
			}
			time.Sleep(readErrorPause)
			n, from, err = p.conn.ReadFromUDPAddrPort(d.buf[:])
		}
		failures = 0
		d.peer, d.n = KeyFrom(from), n
		p.full <- d // never blocks: there are no more of them than it has room for
	}
}

// Recv implements Port.
func (p *netPort) Recv(b *Batch, wait time.Duration) error {
	b.Reset()
	select {
	case <-p.stop:
		return net.ErrClosed
	default:
	}
	p.gather(b)
	if b.n > 0 {
		return nil
	}
	if wait == 0 {
		return p.lostNow()
	}
	if p.short && (wait < 0 || wait > sendPause) {
		wait = sendPause
	}
	var timeout <-chan time.Time
	if wait > 0 {
		p.timer.Reset(wait)
		defer p.timer.Stop()
		timeout = p.timer.C
	}
	select {
	case d := <-p.full:
		p.deliver(b, d)
		p.gather(b)
	case <-p.wake:
		p.gather(b)
	case <-timeout:
		p.short = false
	case <-p.stop:
		return net.ErrClosed
	case <-p.gone:
		p.gather(b)
		if b.n == 0 {
			return p.lost
		}
	}
	return nil
}

// lostNow returns why the reader ended, or nil if it has not.
func (p *netPort) lostNow() error {
	select {
	case <-p.gone:
		return p.lost
	default:
		return nil
	}
}

// gather fills b with the packets at hand. That the reader has brought no more may be
// because it had no turn: the socket knows, and is asked before the reader's packets are
// taken. (One datagram that the reader holds just then may be missed.)
func (p *netPort) gather(b *Batch) {
	if p.raw.Control(p.look) == nil && p.waits { // an error says that the socket is closed
		b.SetMore()
	}
	for b.n < b.Cap() {
		select {
		case d := <-p.full:
			p.deliver(b, d)
		default:
			return
		}
	}
}

func (p *netPort) deliver(b *Batch, d *datagram) {
	b.Commit(d.peer, d.buf[:d.n])
	if d.n > b.size {
		b.packets[b.n-1].Truncated = true
		p.stats.Truncated++
	}
	p.free <- d
}

// Send implements Port. If the socket's own buffer is full it waits for
// room.
func (p *netPort) Send(b *Batch) (n int, err error) {
	p.short = false
	refused := false // packet n, once
	for n < b.n {
		q := &b.packets[n]
		switch is4 := q.Peer.Is4(); {
		case is4 && !p.v4, !is4 && !p.v6:
			return n, &PeerError{syscall.EAFNOSUPPORT}
		case q.Local != (Key{}):
			return n, &PeerError{errors.ErrUnsupported}
		}
		_, err := p.conn.WriteToUDPAddrPort(q.Data, q.Peer.AddrPort())
		switch {
		case err == nil:
			n++
			refused = false
		case errors.Is(err, net.ErrClosed):
			return n, net.ErrClosed
		case noRoom(err):
			p.short = true
			p.stats.SendBlocked++
			return n, nil
		case !refused:
			refused = true // some systems report an earlier datagram's fate here
		default:
			var errno syscall.Errno
			if errors.As(err, &errno) {
				err = errno
			}
			return n, &PeerError{err}
		}
	}
	return n, nil
}

// Wake implements Port.
func (p *netPort) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // one is waiting already
	}
}

// Stats implements Port.
func (p *netPort) Stats() PortStats { return p.stats }

// LocalAddr implements Port.
func (p *netPort) LocalAddr() netip.AddrPort { return p.local }

// Close implements Port.
func (p *netPort) Close() (err error) {
	p.once.Do(func() {
		close(p.stop)
		if err = p.conn.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
		<-p.gone
	})
	return err
}
