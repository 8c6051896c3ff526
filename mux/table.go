package mux

import (
	"fmt"
	"math/bits"
)

// A Table finds the slot number of a Key. Its capacity is fixed when it is
// made, and it owns the keys, so that slots need not repeat them.
//
// It is an open-addressing hash table of 8-byte cells, two for every slot,
// which holds no pointers and allocates nothing after NewTable: 40 bytes a slot
// in all, of which the Key is 24. A scan inserts and deletes for hours;
// deletion by backward shift leaves no tombstones, so a Table is as fast in the
// last hour as in the first, where a map of the same size goes on growing under
// such churn.
//
// A Table is not safe for concurrent use.
type Table struct {
	cells []uint64 // tag<<32 | slot+1, or 0 where the cell is empty
	keys  []Key    // by slot
	used  int
	seed  [4]uint64
}

// MaxTable is the largest capacity of a Table.
const MaxTable = 1 << 30

// cellsPerSlot holds the load at or below one half, where a search by linear
// probing takes 1.5 cells on average if the key is there and 2.5 if not (Knuth,
// TAOCP 3, 6.4). Eight cells share a cache line.
const cellsPerSlot = 2

// NewTable returns an empty Table for the slots 0 to capacity-1. The seed keys
// the hash: whoever does not know it cannot choose addresses that collide. It
// panics where capacity is not between 1 and MaxTable.
func NewTable(capacity int, seed uint64) *Table {
	if capacity < 1 || capacity > MaxTable {
		panic(fmt.Sprintf("mux: NewTable: capacity %d is not between 1 and %d", capacity, MaxTable))
	}
	t := &Table{
		cells: make([]uint64, capacity*cellsPerSlot),
		keys:  make([]Key, capacity),
	}
	for i := range t.seed {
		seed += 0x9E3779B97F4A7C15
		t.seed[i] = mix(seed)
	}
	return t
}

// Len returns the number of keys in t.
func (t *Table) Len() int { return t.used }

// Cap returns the number of slots.
func (t *Table) Cap() int { return len(t.keys) }

// Find returns the slot of k.
func (t *Table) Find(k Key) (slot uint32, ok bool) {
	tag := t.tag(k)
	for i := t.home(tag); ; i = t.next(i) {
		c := t.cells[i]
		if c == 0 {
			return 0, false
		}
		if uint32(c>>32) == tag {
			// A miss almost never comes here (1 in 2³²), so that datagrams from
			// strangers do not touch the keys.
			if slot := uint32(c) - 1; t.keys[slot] == k {
				return slot, true
			}
		}
	}
}

// Insert puts k at slot, and reports false and changes nothing where k already
// has a slot. The slot must be free; Insert panics where it is not, or is not
// below Cap.
func (t *Table) Insert(k Key, slot uint32) bool {
	tag := t.tag(k)
	i := t.home(tag)
	for ; t.cells[i] != 0; i = t.next(i) {
		c := t.cells[i]
		if uint32(c>>32) == tag && t.keys[uint32(c)-1] == k {
			return false
		}
	}
	if t.keys[slot] != (Key{}) {
		panic(fmt.Sprintf("mux: Table.Insert: slot %d holds %v", slot, t.keys[slot].AddrPort()))
	}
	t.cells[i] = uint64(tag)<<32 | uint64(slot) + 1
	t.keys[slot] = k
	t.used++
	return true
}

// Delete removes the key at slot, which is free then. It does nothing where the
// slot is free already.
func (t *Table) Delete(slot uint32) {
	tag := t.tag(t.keys[slot])
	cell := uint64(tag)<<32 | uint64(slot) + 1
	i := t.home(tag)
	for t.cells[i] != cell {
		if t.cells[i] == 0 {
			return
		}
		i = t.next(i)
	}

	// Close the gap: of the cells behind it, up to the next empty one, each
	// that may stand in the gap moves there and leaves the gap where it was.
	for j := t.next(i); t.cells[j] != 0; j = t.next(j) {
		home := t.home(uint32(t.cells[j] >> 32))
		if t.distance(home, j) >= t.distance(i, j) {
			t.cells[i] = t.cells[j]
			i = j
		}
	}
	t.cells[i] = 0
	t.keys[slot] = Key{}
	t.used--
}

// Key returns the key at slot, or the zero Key where the slot is free.
func (t *Table) Key(slot uint32) Key { return t.keys[slot] }

// home is the cell where the search for tag begins: the tag as a fraction of
// 2³², of all cells. A cell's home so follows from what the cell itself holds,
// and the number of cells need not be a power of two.
func (t *Table) home(tag uint32) int {
	return int(uint64(tag) * uint64(len(t.cells)) >> 32)
}

func (t *Table) next(i int) int {
	if i++; i < len(t.cells) {
		return i
	}
	return 0
}

// distance is the number of steps from cell i to cell j.
func (t *Table) distance(i, j int) int {
	if j >= i {
		return j - i
	}
	return j - i + len(t.cells)
}

// tag hashes k: two rounds of wyhash's multiply-and-fold, keyed by four
// secrets, and a finaliser, without which the ports of one address make an
// arithmetic progression that for some secrets falls into few clusters.
func (t *Table) tag(k Key) uint32 {
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
