//go:build linux

package main

import (
	"sync/atomic"
	"time"
)

// hiccups measures how long this machine keeps a goroutine waiting that only wakes up each
// millisecond: a scan waits as long now and then, and then cannot settle its targets in
// time.
type hiccups struct {
	worst atomic.Int64 // nanoseconds
	quit  chan struct{}
	done  chan struct{}
}

func startHiccups() *hiccups {
	h := &hiccups{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(h.done)
		const nap = time.Millisecond
		for {
			began := time.Now()
			select {
			case <-h.quit:
				return
			case <-time.After(nap):
			}
			if late := time.Since(began) - nap; int64(late) > h.worst.Load() {
				h.worst.Store(int64(late))
			}
		}
	}()
	return h
}

// stop ends the measurement and returns the longest wait.
func (h *hiccups) stop() time.Duration {
	close(h.quit)
	<-h.done
	return time.Duration(h.worst.Load())
}
