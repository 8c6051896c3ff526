package scanner

import (
	"math/bits"

	"github.com/a2scan/a2scan/mux"
)

// recent remembers the targets that were settled last, so that what they still
// send is counted as late rather than as from strangers. It keeps a hash for
// each in a fixed table in which newer entries take the place of older ones.
type recent struct {
	cells []uint64
	mask  uint64
	seed  uint64
}

func newRecent(inFlight int, seed uint64) recent {
	n := 1 << bits.Len(uint(min(max(inFlight, 1<<12), 1<<20)-1))
	return recent{cells: make([]uint64, n), mask: uint64(n - 1), seed: seed}
}

func (r *recent) hash(k mux.Key) uint64 {
	x := (k.Hi ^ r.seed) * 0xD6E8FEB86659FD93
	x = (x ^ x>>32 ^ k.Lo) * 0x9E3779B97F4A7C15
	x = (x ^ x>>29 ^ uint64(k.Port)<<32 ^ uint64(k.Scope)) * 0xBF58476D1CE4E5B9
	return x ^ x>>31 | 1<<63
}

func (r *recent) add(k mux.Key) {
	h := r.hash(k)
	r.cells[h&r.mask] = h
}

func (r *recent) has(k mux.Key) bool {
	h := r.hash(k)
	return r.cells[h&r.mask] == h
}
