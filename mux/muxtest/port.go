package muxtest

import (
	"net"
	"net/netip"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// Options are the settings of a Port.
type Options struct {
	// Local is the Port's address; if it is the zero AddrPort, one is found.
	Local netip.AddrPort

	// Rcvbuf is how many datagrams can wait to be received; one more is dropped
	// and counted. 0 means no bound.
	Rcvbuf int

	// Room is how many datagrams Send takes in each time of RoomEvery, to simulate a full
	// socket buffer. 0 means no bound.
	Room      int
	RoomEvery time.Duration
}

// A Port is a mux.Port of a Net.
type Port struct {
	net   *Net
	o     Options
	local mux.Key

	wake  chan struct{}
	moved chan struct{} // the queue or the inbox changed
	gone  chan struct{} // closed by Close
	timer *time.Timer

	// The following fields are guarded by net.mu.
	inbox    []Datagram
	taken    int // of inbox
	stats    mux.PortStats
	lost     error
	closed   bool
	used     int       // of Room
	fullTill time.Time // when used becomes 0
	short    bool      // the last Send took less than all
}

var _ mux.Port = (*Port)(nil)

// Lose makes the socket unusable: from now on Recv and Send return err.
func (p *Port) Lose(err error) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.lost = err
	p.poke()
}

// Key returns the Port's address as a Key.
func (p *Port) Key() mux.Key { return p.local }

// poke makes a sleeping Recv look again.
func (p *Port) poke() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// enqueue puts d into the inbox. net.mu is held.
func (p *Port) enqueue(d Datagram) {
	switch {
	case d.Unreachable != mux.Reachable:
		p.stats.ICMP++
	case p.o.Rcvbuf > 0 && len(p.inbox)-p.taken >= p.o.Rcvbuf:
		p.stats.Drops++
		return
	}
	p.inbox = append(p.inbox, d)
	p.poke()
}

// Recv implements mux.Port.
func (p *Port) Recv(b *mux.Batch, wait time.Duration) error {
	b.Reset()
	deadline := time.Now().Add(wait)
	for woken := false; ; {
		now := time.Now()
		next, more := p.net.advance(now)
		room, err := p.take(b, now)
		switch {
		case err != nil:
			return err
		case b.Len() > 0 || wait == 0 || woken:
			return nil
		case !room.IsZero() && !now.Before(room):
			return nil // there is room again
		case wait > 0 && !now.Before(deadline):
			return nil
		}
		if wait > 0 && (!more || deadline.Before(next)) {
			next, more = deadline, true
		}
		if !room.IsZero() && (!more || room.Before(next)) {
			next, more = room, true
		}
		var timeout <-chan time.Time
		if more {
			p.timer.Reset(next.Sub(now))
			timeout = p.timer.C
		}
		select {
		case <-timeout:
		case <-p.moved:
		case <-p.wake:
			woken = true
		case <-p.gone:
		}
		p.timer.Stop()
	}
}

// take moves the datagrams in the inbox to b and returns, if Recv should wait for it,
// when there will be room to send.
func (p *Port) take(b *mux.Batch, now time.Time) (room time.Time, err error) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	switch {
	case p.closed:
		return room, net.ErrClosed
	case p.lost != nil:
		return room, p.lost
	}
	for p.taken < len(p.inbox) && b.Len() < b.Cap() {
		d := &p.inbox[p.taken]
		p.taken++
		size := cap(b.Next())
		b.Commit(d.From, d.Data)
		q := b.Packet(b.Len() - 1)
		b.SetWait(b.Len()-1, now.Sub(d.At))
		switch {
		case d.Unreachable != mux.Reachable:
			q.Unreachable, q.Data = d.Unreachable, nil
		case len(d.Data) > size:
			q.Truncated = true
			p.stats.Truncated++
		}
	}
	if p.taken == len(p.inbox) {
		p.inbox, p.taken = p.inbox[:0], 0
	}
	if p.short {
		room = p.fullTill
		if !now.Before(room) && b.Len() == 0 {
			p.short = false // reported once
		}
	}
	return room, nil
}

// Send implements mux.Port.
func (p *Port) Send(b *mux.Batch) (int, error) {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case p.lost != nil:
		return 0, p.lost
	}
	now := time.Now()
	p.short = false
	for i := range b.Len() {
		q := b.Packet(i)
		if !now.Before(p.fullTill) {
			p.used, p.fullTill = 0, now.Add(p.o.RoomEvery)
		}
		if p.o.Room > 0 && p.used == p.o.Room {
			p.short = true
			p.stats.SendBlocked++
			return i, nil
		}
		if _, ok := n.ports[q.Peer]; !ok {
			if err := n.host(q.Peer).SendErr; err != nil {
				return i, &mux.PeerError{Err: err}
			}
		}
		p.used++
		from := p.local
		if q.Local != (mux.Key{}) {
			from = q.Local
		}
		if n.Tap != nil {
			n.Tap(now, from, q.Peer, q.Data)
		}
		n.pass(n.Out, Datagram{From: from, To: q.Peer, Data: clone(q.Data), At: now})
	}
	return b.Len(), nil
}

// Wake implements mux.Port.
func (p *Port) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Stats implements mux.Port.
func (p *Port) Stats() mux.PortStats {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	stats := p.stats
	for _, d := range p.inbox[p.taken:] {
		if d.Unreachable == mux.Reachable {
			stats.RcvbufUsed += bufferOverhead + len(d.Data)
		}
	}
	return stats
}

// bufferOverhead is the part of a receive buffer that a datagram takes besides its bytes, as
// Linux accounts it, roughly.
const bufferOverhead = 768

// LocalAddr implements mux.Port.
func (p *Port) LocalAddr() netip.AddrPort { return p.o.Local }

// Close implements mux.Port.
func (p *Port) Close() error {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if !p.closed {
		p.closed = true
		delete(p.net.ports, p.local)
		close(p.gone)
	}
	return nil
}
