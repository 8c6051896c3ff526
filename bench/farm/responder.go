package farm

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

const (
	// batch packets travel through one system call: at 64 the gain of more is
	// below the noise.
	batch = 64

	// requestSize is more than the size of any request. Longer datagrams are cut off and
	// not answered.
	requestSize = 2048

	// No room to send on loopback means that the receiver's softirq has not run
	// yet: microseconds, though a sleep takes a millisecond. A reply that finds
	// no room for a tenth of a second is dropped.
	sendPause = 50 * time.Microsecond
	sendTries = 100
)

// A responder answers the requests at one socket. Everything except drops belongs to the
// goroutine of run.
type responder struct {
	farm    *Farm
	port    mux.Port
	service prototest.Service
	only    mux.Key // the address that is served, zero if packets contain it
	served  uint16  // the port

	in, out *mux.Batch
	replies *prototest.Replies
	later   *later
	turn    turn
	err     error
	drops   atomic.Uint64 // of the socket
}

func (r *responder) init(p mux.Port) {
	r.port = p
	r.served = p.LocalAddr().Port()
	r.in = mux.NewBatch(batch, requestSize)
	r.out = mux.NewBatch(batch, mux.MaxDatagram)
	r.later = newLater()
}

// run serves until the socket is closed or lost.
func (r *responder) run() error {
	send := r.send // made once: a method value in the loop would allocate
	for {
		if err := r.port.Recv(r.in, r.later.wait(r.farm.now())); err != nil {
			return err
		}
		now := r.farm.now()
		for i := range r.in.Len() {
			r.answer(now, r.in.Packet(i))
		}
		r.later.advance(now, send)
		r.flush()
		if r.err != nil {
			return r.err
		}
		r.drops.Store(r.port.Stats().Drops)
		r.farm.tally.add(now, &r.turn)
		r.turn = turn{}
	}
}

// answer lets the server that p is for answer it.
func (r *responder) answer(now proto.Time, p *mux.Packet) {
	if p.Unreachable != mux.Reachable {
		return
	}
	r.turn.requests++
	r.turn.bytesIn += uint64(len(p.Data))
	local := p.Local
	if r.only != (mux.Key{}) {
		local = r.only
	}
	if !r.farm.serves(local) || p.Truncated {
		r.turn.foreign++
		return
	}
	client := prototest.Endpoint{Hi: p.Peer.Hi, Lo: p.Peer.Lo, Port: p.Peer.Port}
	server := prototest.Endpoint{Hi: local.Hi, Lo: local.Lo, Port: r.served}
	r.service.Answer(r.replies, now, client, server, p.Data)
	for i := range r.replies.Len() {
		b, delay := r.replies.Datagram(i)
		if delay == 0 {
			r.send(p.Local, p.Peer, b)
		} else if !r.later.add(now.Add(delay), p.Local, p.Peer, b) {
			r.turn.dropped++
		}
	}
}

// serves reports whether the farm has a server at that address.
func (f *Farm) serves(local mux.Key) bool { return f.listen.Contains(local.Addr()) }

// send puts a datagram into the batch that goes out, and sends that when it is
// full.
func (r *responder) send(local, peer mux.Key, b []byte) {
	if r.err != nil {
		return // the batch may be full, and the socket is closed
	}
	r.out.CommitFrom(local, peer, b)
	r.turn.replies++
	r.turn.bytesOut += uint64(len(b))
	if r.out.Len() == r.out.Cap() {
		r.flush()
	}
}

// flush sends the batch, or drops it if the socket is closed.
func (r *responder) flush() {
	for tries := 0; r.out.Len() > 0 && r.err == nil; {
		n, err := r.port.Send(r.out)
		if n > 0 {
			tries = 0
		}
		switch {
		case n == r.out.Len():
		case err != nil:
			var peer *mux.PeerError
			if !errors.As(err, &peer) {
				r.err = err
				return
			}
			n++ // the system won't send this one
			r.lost(1)
		case tries == sendTries:
			n = r.out.Len()
			r.lost(uint32(n))
		default:
			tries++
			time.Sleep(sendPause)
		}
		r.out.DropFront(n)
	}
}

// lost takes n replies back that were counted as sent.
func (r *responder) lost(n uint32) {
	r.turn.replies -= min(n, r.turn.replies)
	r.turn.dropped += uint64(n)
}
