package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A strayPort counts datagrams whose sender was never sent anything: a server that replies
// from another port, for example. Its counts are for the owner of the Port.
type strayPort struct {
	mux.Port
	asked  map[mux.Key]bool
	strays map[mux.Key]uint64
}

// mostStrays is the number of senders that are told apart.
const mostStrays = 100

func watchStrays(p mux.Port) *strayPort {
	return &strayPort{Port: p, asked: map[mux.Key]bool{}, strays: map[mux.Key]uint64{}}
}

func (p *strayPort) Send(b *mux.Batch) (int, error) {
	for i := range b.Len() {
		p.asked[b.Packet(i).Peer] = true
	}
	return p.Port.Send(b)
}

func (p *strayPort) Recv(b *mux.Batch, wait time.Duration) error {
	err := p.Port.Recv(b, wait)
	for i := range b.Len() {
		q := b.Packet(i)
		if q.Unreachable != mux.Reachable || p.asked[q.Peer] {
			continue
		}
		if _, known := p.strays[q.Peer]; known || len(p.strays) < mostStrays {
			p.strays[q.Peer]++
		}
	}
	return err
}

// A stray is a sender that was not asked.
type stray struct {
	from mux.Key
	n    uint64
}

// most returns the senders, those of most datagrams first.
func (p *strayPort) most() []stray {
	var all []stray
	for from, n := range p.strays {
		all = append(all, stray{from, n})
	}
	slices.SortFunc(all, func(a, b stray) int {
		return cmp.Or(cmp.Compare(b.n, a.n), a.from.AddrPort().Compare(b.from.AddrPort()))
	})
	return all
}
