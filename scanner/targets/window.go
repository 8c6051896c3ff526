package targets

import (
	"math/rand/v2"
	"time"
)

const (
	// windowTargets is how many targets of a file are shuffled together: 4 MiB of
	// them.
	windowTargets = 1 << 16
	// windowWait is how long a window that is not full waits for more input, so
	// that a slow list flows. Reading a file never takes as long, so that the order
	// of its targets follows from the seed.
	windowWait = time.Second
)

// A window gathers targets and gives them back in random order.
type window struct {
	rng  *rand.Rand
	buf  []Target
	next int // of those that are given back
	open bool

	patience time.Duration // how much longer the scan may wait for more
}

func newWindow(seed uint64) *window {
	return &window{rng: rand.New(rand.NewPCG(seed, 0x77696E646F77)), open: true, patience: windowWait}
}

// add puts t into the window, which is open.
func (w *window) add(t Target) {
	w.buf = append(w.buf, t)
	if len(w.buf) == windowTargets {
		w.shuffle()
	}
}

// shuffle closes the window: what it holds is given back before more is taken
// in.
func (w *window) shuffle() {
	w.rng.Shuffle(len(w.buf), func(i, j int) { w.buf[i], w.buf[j] = w.buf[j], w.buf[i] })
	w.open = false
}

// take moves targets from the closed window into dst, and opens it when it is
// empty.
func (w *window) take(dst []Target) int {
	n := copy(dst, w.buf[w.next:])
	if w.next += n; w.next == len(w.buf) {
		clear(w.buf)
		w.buf, w.next, w.open = w.buf[:0], 0, true
		w.patience = windowWait
	}
	return n
}
