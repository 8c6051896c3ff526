package scanner

import (
	"math/bits"

	"github.com/a2scan/a2scan/proto"
)

// The wheel's geometry. A deadline fires up to one tick late and never early.
// 8192 × 4.19 ms = 34.4 s is the horizon; the default deadlines (1, 2 and 4 s
// and 12 %; 10 s in all) lie within. Later ones stay in their bucket and are
// looked at again a lap later.
const (
	tickBits     = 22 // 2^22 ns = 4.19 ms
	wheelBuckets = 8192
	wheelWords   = wheelBuckets / 64
)

// A wheel holds at most one deadline for each of a fixed number of entries.
// Arming, moving and disarming cost the same for any number of entries,
// and nothing is ever allocated (a heap costs ten times as much at a million
// entries, a runtime timer each costs memory and collector time besides).
type wheel struct {
	heads  [wheelBuckets]uint32 // entry+1, 0: empty
	used   [wheelWords]uint64   // bit b: bucket b is not empty
	nodes  []wheelNode
	cursor uint32 // the first tick that has not been expired to its end
	armed  int
}

type wheelNode struct {
	next, prev uint32 // entry+1, 0: none
	tick       uint32 // 0: not armed
}

// newWheel returns a wheel for entries 0 to n-1 whose time begins at now.
func newWheel(n int, now proto.Time) *wheel {
	return &wheel{nodes: make([]wheelNode, n), cursor: max(uint32(now>>tickBits), 1)}
}

// arm sets entry i's deadline, in place of the one it had.
func (w *wheel) arm(i uint32, at proto.Time) {
	tick := uint32((at + 1<<tickBits - 1) >> tickBits)
	if at < 0 || tick < w.cursor {
		tick = w.cursor
	}
	n := &w.nodes[i]
	if n.tick == tick {
		return
	}
	if n.tick != 0 {
		w.unlink(i)
	}
	b := tick % wheelBuckets
	head := w.heads[b]
	*n = wheelNode{next: head, tick: tick}
	if head != 0 {
		w.nodes[head-1].prev = i + 1
	}
	w.heads[b] = i + 1
	w.used[b/64] |= 1 << (b % 64)
	w.armed++
}

// disarm takes entry i's deadline away, if it has one.
func (w *wheel) disarm(i uint32) {
	if w.nodes[i].tick != 0 {
		w.unlink(i)
	}
}

func (w *wheel) unlink(i uint32) {
	n := &w.nodes[i]
	b := n.tick % wheelBuckets
	if n.prev != 0 {
		w.nodes[n.prev-1].next = n.next
	} else {
		w.heads[b] = n.next
		if n.next == 0 {
			w.used[b/64] &^= 1 << (b % 64)
		}
	}
	if n.next != 0 {
		w.nodes[n.next-1].prev = n.prev
	}
	*n = wheelNode{}
	w.armed--
}

// expire disarms entries that are due at now and appends them to dst, up to
// its capacity: the rest comes with the next call. Entries of one tick come in
// no particular order.
func (w *wheel) expire(now proto.Time, dst []uint32) []uint32 {
	end := uint32(now >> tickBits)
	for w.cursor <= end {
		if w.armed == 0 {
			w.cursor = end + 1
			break
		}
		b := w.cursor % wheelBuckets
		for i := w.heads[b]; i != 0; {
			next := w.nodes[i-1].next
			if w.nodes[i-1].tick <= w.cursor {
				if len(dst) == cap(dst) {
					return dst
				}
				w.unlink(i - 1)
				dst = append(dst, i-1)
			}
			i = next
		}
		w.cursor++
		if skip := w.toNextUsed(); w.cursor+skip <= end {
			w.cursor += skip
		} else {
			w.cursor = end + 1
		}
	}
	return dst
}

// toNextUsed returns how many ticks on from the cursor the next bucket in use
// is, or wheelBuckets if there is none.
func (w *wheel) toNextUsed() uint32 {
	b := w.cursor % wheelBuckets
	word := w.used[b/64] >> (b % 64)
	if word != 0 {
		return uint32(bits.TrailingZeros64(word))
	}
	skip := 64 - b%64
	for range wheelWords {
		if word := w.used[(b+skip)%wheelBuckets/64]; word != 0 {
			return skip + uint32(bits.TrailingZeros64(word))
		}
		skip += 64
	}
	return wheelBuckets
}

// next returns a time at which expire may have something to do: exact within
// the horizon, early beyond it. It is false if nothing is armed.
func (w *wheel) next() (proto.Time, bool) {
	if w.armed == 0 {
		return 0, false
	}
	return proto.Time(w.cursor+w.toNextUsed()) << tickBits, true
}
