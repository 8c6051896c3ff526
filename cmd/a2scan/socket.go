package main

import (
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A watchedPort is a Port whose counts others than its owner can look at, a
// second old at most.
type watchedPort struct {
	mux.Port

	next time.Time // when the owner looks again

	mu   sync.Mutex
	last mux.PortStats
}

func watch(p mux.Port) *watchedPort { return &watchedPort{Port: p, last: p.Stats()} }

// Recv is the owner's, and so may ask for the counts. It returns at least once
// a second, so that the owner publishes its own too.
func (p *watchedPort) Recv(b *mux.Batch, wait time.Duration) error {
	if wait < 0 || wait > time.Second {
		wait = time.Second
	}
	err := p.Port.Recv(b, wait)
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(time.Second)
		st := p.Stats()
		p.mu.Lock()
		p.last = st
		p.mu.Unlock()
	}
	return err
}

// shared returns the counts of a while ago. Any goroutine may call it.
func (p *watchedPort) shared() mux.PortStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}
