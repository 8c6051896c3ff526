package main

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// An outlet writes to what somebody else reads, and may have stopped to read: a write
// that waits for them ends when the outlet is given up. Any goroutine may use it.
type outlet struct {
	w    io.Writer
	turn chan struct{} // holds one while a write is under way
	gone chan struct{} // closed: given up
	once sync.Once

	// limit is how long a write may wait; then the outlet is given up. 0: for ever.
	limit time.Duration
}

// errNobodyReads is what a Write returns after giveUp.
var errNobodyReads = errors.New("the reader stalled")

func newOutlet(w io.Writer) *outlet {
	return &outlet{w: w, turn: make(chan struct{}, 1), gone: make(chan struct{})}
}

// Write writes b, and keeps nothing of it. After giveUp it still does, where the write
// before has ended.
func (o *outlet) Write(b []byte) (int, error) {
	if o.limit > 0 {
		late := time.AfterFunc(o.limit, o.giveUp)
		defer late.Stop()
	}
	select {
	case o.turn <- struct{}{}:
	default:
		select {
		case o.turn <- struct{}{}:
		case <-o.gone:
			return 0, errNobodyReads
		}
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1) // so that a write that comes late bothers nobody
	b = bytes.Clone(b)
	go func() {
		n, err := o.w.Write(b)
		<-o.turn
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-o.gone:
	}
	select {
	case r := <-done: // at the same moment
		return r.n, r.err
	case <-time.After(lastWords):
		return 0, errNobodyReads
	}
}

// lastWords is how long a write may take that was begun when nobody seemed to read.
const lastWords = 50 * time.Millisecond

// giveUp lets writes that wait return. It may be called again.
func (o *outlet) giveUp() { o.once.Do(func() { close(o.gone) }) }

// patience is how long whoever reads what a2scan says may keep it from its end.
const patience = 2 * time.Second
