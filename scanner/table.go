package scanner

import (
	"fmt"
	"math/bits"

	"github.com/a2scan/a2scan/mux"
)

// A table finds the slot of an address and port. Its capacity is fixed when it is
// made, and it owns the keys, so slots need not repeat them.
//
// It is an open-addressing hash table of 8-byte cells, two per slot. It holds no
// pointers and allocates nothing after newTable: 40 bytes per slot, of which the
// key is 24. Deletion by backward shift leaves no tombstones, so a table is as
// fast after hours of churn as at the start; a map of the same size keeps growing
// under such churn.
//
// A table is not safe for concurrent use.
type table struct {
	cells []uint64  // tag<<32 | slot+1, or 0 if the cell is empty
	keys  []mux.Key // by slot
	used  int
	seed  [4]uint64
}

// maxTable is the largest capacity of a table.
const maxTable = 1 << 30

// cellsPerSlot holds the load at or below one half, where a search by linear
// probing takes 1.5 cells on average if the key is there and 2.5 if not (Knuth,
// TAOCP 3, 6.4). Eight cells share a cache line.
const cellsPerSlot = 2

// newTable returns an empty table for the slots 0 to capacity-1. The seed keys
// the hash, so addresses that collide cannot be chosen without it. It panics if
// capacity is not between 1 and maxTable.
func newTable(capacity int, seed uint64) *table {
	if capacity < 1 || capacity > maxTable {
		panic(fmt.Sprintf("scanner: newTable: capacity %d is not between 1 and %d", capacity, maxTable))
	}
	t := &table{
		cells: make([]uint64, capacity*cellsPerSlot),
		keys:  make([]mux.Key, capacity),
	}
	for i := range t.seed {
		seed += 0x9E3779B97F4A7C15
		t.seed[i] = mix(seed)
	}
	return t
}

// Len returns the number of keys in t.
func (t *table) Len() int { return t.used }

// Cap returns the number of slots.
func (t *table) Cap() int { return len(t.keys) }

// Find returns the slot of k.
func (t *table) Find(k mux.Key) (slot uint32, ok bool) {
	tag := t.tag(k)
	for i := t.home(tag); ; i = t.next(i) {
		c := t.cells[i]
		if c == 0 {
			return 0, false
		}
		if uint32(c>>32) == tag {
			// A miss almost never comes here (1 in 2³²), so datagrams from strangers
			// do not touch the keys.
			if slot := uint32(c) - 1; t.keys[slot] == k {
				return slot, true
			}
		}
	}
}

// Insert puts k at slot. It reports false and changes nothing if k already has a
// slot. Insert panics if the slot is not free or not below Cap.
func (t *table) Insert(k mux.Key, slot uint32) bool {
	tag := t.tag(k)
	i := t.home(tag)
	for ; t.cells[i] != 0; i = t.next(i) {
		c := t.cells[i]
		if uint32(c>>32) == tag && t.keys[uint32(c)-1] == k {
			return false
		}
	}
	if t.keys[slot] != (mux.Key{}) {
		panic(fmt.Sprintf("scanner: table.Insert: slot %d holds %v", slot, t.keys[slot].AddrPort()))
	}
	t.cells[i] = uint64(tag)<<32 | uint64(slot) + 1
	t.keys[slot] = k
	t.used++
	return true
}

// Delete removes the key at slot, which is then free. It does nothing if the slot
// is free already.
func (t *table) Delete(slot uint32) {
	tag := t.tag(t.keys[slot])
	cell := uint64(tag)<<32 | uint64(slot) + 1
	i := t.home(tag)
	for t.cells[i] != cell {
		if t.cells[i] == 0 {
			return
		}
		i = t.next(i)
	}

	// Close the gap: each of the following cells, up to the next empty one, moves
	// into the gap if it may, and leaves the gap at its old place.
	for j := t.next(i); t.cells[j] != 0; j = t.next(j) {
		home := t.home(uint32(t.cells[j] >> 32))
		if t.distance(home, j) >= t.distance(i, j) {
			t.cells[i] = t.cells[j]
			i = j
		}
	}
	t.cells[i] = 0
	t.keys[slot] = mux.Key{}
	t.used--
}

// Key returns the key at slot, or the zero Key if the slot is free.
func (t *table) Key(slot uint32) mux.Key { return t.keys[slot] }

// home is the cell where the search for tag begins: the tag as a fraction of 2³²,
// times the number of cells. So a cell's home follows from its own content, and
// the number of cells need not be a power of two.
func (t *table) home(tag uint32) int {
	return int(uint64(tag) * uint64(len(t.cells)) >> 32)
}

func (t *table) next(i int) int {
	if i++; i < len(t.cells) {
		return i
	}
	return 0
}

// distance is the number of steps from cell i to cell j.
func (t *table) distance(i, j int) int {
	if j >= i {
		return j - i
	}
	return j - i + len(t.cells)
}

// tag hashes k: two rounds of wyhash's multiply-and-fold, keyed by four secrets,
// and a finaliser. Without it the ports of one address form an arithmetic
// progression that for some secrets falls into few clusters.
func (t *table) tag(k mux.Key) uint32 {
	h := fold(k.Lo^t.seed[0], k.Hi^t.seed[1])
	h = fold(h^t.seed[2], uint64(k.Scope)<<16^uint64(k.Port)^t.seed[3])
	return uint32(mix(h) >> 32)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// mix is the finaliser of splitmix64: every bit of x counts in every bit of the
// result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
