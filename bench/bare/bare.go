// Package bare is the limit: the datagrams of a scan without the scan. It sends requests,
// echoes challenges and counts, over the same socket and in the same batches as the
// scanner. It keeps nothing about any server: no state, no deadline, no decoding, no
// record. Its cost is the kernel's cost; any further cost of a scan is ours.
package bare

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// A Config describes the exchange.
type Config struct {
	Port  mux.Port
	Kinds proto.Kinds // each server's INFO, and the others as the scanner asks them
	Batch int         // packets a system call

	// Window is how many servers are asked and have not answered yet: servers
	// that say nothing leave it after GiveUp.
	Window int
	// GiveUp is how long the window may stay full without a datagram coming
	// before it is taken to be lost: 10 ms.
	GiveUp time.Duration
	// Linger is the time to wait for the last answers: at least GiveUp.
	Linger time.Duration

	// Next returns the next server, false after the last.
	Next func() (mux.Key, bool)
}

// A Result holds the counts of an exchange.
type Result struct {
	Asked      uint64 // servers
	Answered   uint64 // servers whose last answer came
	Sent       uint64 // datagrams
	Received   uint64
	Challenges uint64
	Duration   time.Duration // from the first send to the last datagram
}

// Run asks all servers and returns when all have answered, or when nothing has
// come for Linger.
func Run(cfg Config) (Result, error) {
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 10 * time.Millisecond
	}
	r := runner{
		cfg: cfg,
		rx:  mux.NewBatch(cfg.Batch, 65535),
		tx:  mux.NewBatch(max(cfg.Batch*3, 64), 64),
	}
	err := r.run()
	return r.Result, err
}

type runner struct {
	Result
	cfg     Config
	rx, tx  *mux.Batch
	open    int    // servers in the window
	refused uint64 // servers that ICMP spoke for
	last    proto.Kind

	// The challenge taken before. Servers that send one twice, or one for each
	// of three requests, send them in a row: this is enough to answer it once, as
	// the scanner does.
	peer  mux.Key
	token proto.Challenge
}

func (r *runner) run() error {
	for k := range proto.Kind(proto.NumKinds) {
		if r.cfg.Kinds.Has(k) {
			r.last = k
		}
	}
	start := time.Now()
	lastHeard := start
	more := true
	for more || r.Answered+r.refused < r.Asked {
		wait := time.Duration(0)
		switch {
		case !more:
			wait = max(r.cfg.GiveUp, r.cfg.Linger)
		case r.open >= r.cfg.Window:
			wait = r.cfg.GiveUp
		}
		if err := r.cfg.Port.Recv(r.rx, wait); err != nil {
			return err
		}
		for i := range r.rx.Len() {
			r.take(r.rx.Packet(i))
		}
		if r.rx.Len() > 0 {
			lastHeard = time.Now()
		} else if wait > 0 && time.Since(lastHeard) >= wait {
			if !more {
				break
			}
			r.open = 0 // servers without an answer by now never send one
		}
		for more && r.open < r.cfg.Window && r.tx.Len() < r.cfg.Batch {
			var key mux.Key
			if key, more = r.cfg.Next(); more {
				r.tx.Commit(key, proto.KindInfo.AppendRequest(r.tx.Next(), proto.NoChallenge))
				r.open++
				r.Asked++
			}
		}
		if err := r.send(); err != nil {
			return err
		}
	}
	r.Duration = lastHeard.Sub(start)
	return nil
}

// take answers a challenge and counts the rest.
func (r *runner) take(p *mux.Packet) {
	if p.Unreachable != mux.Reachable {
		r.open = max(r.open-1, 0)
		r.refused++
		return
	}
	r.Received++
	if len(p.Data) < 5 {
		return
	}
	switch p.Data[4] {
	case proto.TypeChallenge:
		r.Challenges++
		if len(p.Data) < 9 {
			return
		}
		token := proto.Challenge(binary.LittleEndian.Uint32(p.Data[5:]))
		if token == r.token && p.Peer == r.peer {
			return
		}
		r.peer, r.token = p.Peer, token
		r.ask(p.Peer, token)
	case proto.TypeInfo:
		if r.last == proto.KindInfo {
			r.done()
		}
	case proto.TypePlayers:
		if r.last == proto.KindPlayers {
			r.done()
		}
	case proto.TypeRules:
		if r.last == proto.KindRules {
			r.done()
		}
	}
}

func (r *runner) done() {
	r.Answered++
	r.open = max(r.open-1, 0)
}

// ask sends the requests that the scanner sends once it knows the challenge.
func (r *runner) ask(to mux.Key, token proto.Challenge) {
	if r.tx.Len()+3 > r.tx.Cap() {
		return // no room was left by Send: a lost packet, as far as this is concerned
	}
	r.tx.Commit(to, proto.KindInfo.AppendRequest(r.tx.Next(), token))
	if r.cfg.Kinds.Has(proto.KindPlayers) {
		r.tx.Commit(to, proto.KindPlayers.AppendRequest(r.tx.Next(), token))
	}
	if r.cfg.Kinds.Has(proto.KindRules) {
		r.tx.Commit(to, proto.KindRules.AppendRequest(r.tx.Next(), token))
	}
}

func (r *runner) send() error {
	for r.tx.Len() > 0 {
		n, err := r.cfg.Port.Send(r.tx)
		r.Sent += uint64(n)
		r.tx.DropFront(n)
		if err == nil {
			return nil
		}
		var refused *mux.PeerError
		if !errors.As(err, &refused) {
			return err
		}
		r.tx.DropFront(1)
	}
	return nil
}
