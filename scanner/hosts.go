package scanner

import (
	"math/bits"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Limits of the per-address pacing.
const (
	// maxParked is how many fresh targets may wait for their addresses' turn while
	// others overtake them. Beyond it the input waits: a list sorted by address
	// whose servers share few addresses can't be faster than these allow.
	maxParked = 1 << 16
)

// hostBurst returns how many packets to one address may go at once (D-19). Below 5
// packets per second the limit holds from the first packet on, since servers that
// allow one query per second exist. From there it is a fifth of a second's packets, at
// least 4: a challenge is answered and all three queries sent without a wait.
func hostBurst(perSecond float64) float64 {
	if perSecond < 5 {
		return 1
	}
	return max(4, perSecond/5)
}

// hosts keeps each IP address below its packet rate. Servers limit queries by client
// address, and firewalls by both addresses. They drop further packets, and a live server
// then looks silent.
//
// It is a generic cell rate algorithm whose cells are shared by hash: a fixed
// number of eight-byte cells instead of a table of live addresses. Two addresses
// that share a cell share its rate, so the limit always holds. There are at least
// two cells per target in flight.
type hosts struct {
	interval time.Duration // between two packets to one address; 0: no limit
	slack    time.Duration // (burst-1) intervals
	cells    []proto.Time  // when the cell's bucket will be empty again
	shift    uint
	seed     uint64

	// Fresh targets that wait, a queue per cell, and the cells by due time.
	chains map[uint32]*chain
	due    []dueCell // a binary heap
	parked int
}

type chain struct{ waiting []targets.Target }

type dueCell struct {
	at   proto.Time
	cell uint32
}

func newHosts(perSecond float64, inFlight int, seed uint64) *hosts {
	h := &hosts{seed: seed}
	if perSecond <= 0 {
		return h
	}
	h.interval = time.Duration(float64(time.Second) / perSecond)
	h.slack = time.Duration(float64(h.interval) * (hostBurst(perSecond) - 1))
	size := bits.Len(uint(min(max(2*inFlight, 1<<12), 1<<22) - 1))
	h.cells = make([]proto.Time, 1<<size)
	h.shift = uint(64 - size)
	h.chains = map[uint32]*chain{}
	return h
}

func (h *hosts) cell(k mux.Key) uint32 {
	x := k.Hi ^ h.seed
	x = (x ^ x>>32) * 0xD6E8FEB86659FD93
	x = (x ^ k.Lo) * 0x9E3779B97F4A7C15
	x = (x ^ x>>29) * 0xBF58476D1CE4E5B9
	return uint32((x ^ x>>32) * 0x94D049BB133111EB >> h.shift)
}

// take counts a packet to k's address if it may go at now.
func (h *hosts) take(now proto.Time, k mux.Key) bool {
	if h.interval == 0 {
		return true
	}
	return h.takeCell(now, h.cell(k))
}

func (h *hosts) takeCell(now proto.Time, c uint32) bool {
	t := max(h.cells[c], now)
	if t.Sub(now) > h.slack {
		return false
	}
	h.cells[c] = t.Add(h.interval)
	return true
}

// reserve counts a packet to k's address in any case and returns when it may go.
// Continuing targets reserve and fresh ones take, so continuing ones go first.
func (h *hosts) reserve(now proto.Time, k mux.Key) proto.Time {
	if h.interval == 0 {
		return now
	}
	c := h.cell(k)
	t := max(h.cells[c], now)
	at := max(now, t.Add(-h.slack))
	if h.slack == 0 && at > now { // the wheel keeps its time in ticks, and the next turn counts from there
		at = (at + 1<<tickBits - 1) &^ (1<<tickBits - 1)
		t = at
	}
	h.cells[c] = t.Add(h.interval)
	return at
}

// park keeps a fresh target until its address has a turn. It returns false if too many
// wait already.
func (h *hosts) park(now proto.Time, t targets.Target) bool {
	if h.parked == maxParked {
		return false
	}
	h.parked++
	c := h.cell(t.Key)
	q := h.chains[c]
	if q == nil {
		q = &chain{}
		h.chains[c] = q
		h.push(dueCell{h.freeAt(now, c), c})
	}
	q.waiting = append(q.waiting, t)
	return true
}

// waits reports whether fresh targets of k's cell are waiting: one that comes now
// must queue behind them.
func (h *hosts) waits(k mux.Key) bool {
	if h.parked == 0 {
		return false
	}
	return h.chains[h.cell(k)] != nil
}

func (h *hosts) freeAt(now proto.Time, c uint32) proto.Time {
	return max(now, h.cells[c].Add(-h.slack))
}

// next returns when a parked target may be due; false if there is none.
func (h *hosts) next() (proto.Time, bool) {
	if len(h.due) == 0 {
		return 0, false
	}
	return h.due[0].at, true
}

// unpark returns a parked target whose address has a turn at now, and takes that
// turn.
func (h *hosts) unpark(now proto.Time) (targets.Target, bool) {
	for len(h.due) > 0 && h.due[0].at <= now {
		c := h.due[0].cell
		if !h.takeCell(now, c) { // continuing targets of the address went before
			h.due[0].at = h.freeAt(now, c)
			h.down(0)
			continue
		}
		q := h.chains[c]
		t := q.waiting[0]
		q.waiting[0] = targets.Target{}
		q.waiting = q.waiting[1:]
		h.parked--
		if len(q.waiting) == 0 {
			delete(h.chains, c)
			last := len(h.due) - 1
			h.due[0] = h.due[last]
			h.due = h.due[:last]
		} else {
			h.due[0].at = h.freeAt(now, c)
		}
		h.down(0)
		return t, true
	}
	return targets.Target{}, false
}

// drain returns the parked targets one by one, before their time too.
func (h *hosts) drain() (targets.Target, bool) {
	for c, q := range h.chains {
		t := q.waiting[0]
		q.waiting = q.waiting[1:]
		h.parked--
		if len(q.waiting) == 0 {
			delete(h.chains, c)
		}
		h.due = h.due[:0]
		return t, true
	}
	return targets.Target{}, false
}

func (h *hosts) push(d dueCell) {
	h.due = append(h.due, d)
	for i := len(h.due) - 1; i > 0; {
		up := (i - 1) / 2
		if h.due[up].at <= h.due[i].at {
			break
		}
		h.due[up], h.due[i] = h.due[i], h.due[up]
		i = up
	}
}

func (h *hosts) down(i int) {
	for {
		least, l := i, 2*i+1
		for c := l; c <= l+1 && c < len(h.due); c++ {
			if h.due[c].at < h.due[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		h.due[i], h.due[least] = h.due[least], h.due[i]
		i = least
	}
}
