package main

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// patience is how long a reader that does not read may delay the program: each message,
// the last status updates, and after an interrupt the opening of a pipe.
const patience = 2 * time.Second

// An outlet writes to a reader that may stall. Writes wait for it until giveUp is called;
// later ones then wait for lastTry only. Any goroutine may use an outlet.
type outlet struct {
	w    io.Writer
	turn chan struct{} // holds one while a write is under way
	gone chan struct{} // closed: given up
	once sync.Once

	limit time.Duration // of the wait of one write, after which giveUp is called; 0: none
}

// errStalled is the error of a Write whose reader does not read.
var errStalled = errors.New("the reader stalled")

func newOutlet(w io.Writer) *outlet {
	return &outlet{w: w, turn: make(chan struct{}, 1), gone: make(chan struct{})}
}

// Write writes b, which it does not keep.
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
			return 0, errStalled
		}
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1) // a write may end after its caller has left
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
	case r := <-done:
		return r.n, r.err
	case <-time.After(lastTry):
		return 0, errStalled
	}
}

// lastTry is how long a write may take after giveUp.
const lastTry = 50 * time.Millisecond

// giveUp lets writes that wait return. It may be called again.
func (o *outlet) giveUp() { o.once.Do(func() { close(o.gone) }) }
