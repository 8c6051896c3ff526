package targets

import "math/bits"

// A permutation puts the numbers from 0 to n-1 into an order that looks random
// and follows from a key alone. It needs no memory: a cursor and the key are the
// whole state.
//
// It is a Feistel network over the smallest power of two that is not below n,
// with halves that may differ by one bit. A result that is n or more is put
// through again until it is below (cycle walking), which keeps it a
// permutation of the numbers below n. The domain is less than 2n, so two
// rounds through the network are the mean at worst.
type permutation struct {
	n     uint64
	keys  [feistelRounds]uint64
	left  uint // bits of the upper half
	right uint // bits of the lower half
}

// Four rounds make a Feistel network pseudo-random in theory; six leave no
// pattern to see in spaces of a few bits either.
const feistelRounds = 6

func newPermutation(n, seed uint64) *permutation {
	p := &permutation{n: n}
	width := uint(0)
	if n > 1 {
		width = uint(bits.Len64(n - 1))
	}
	p.left = width / 2
	p.right = width - p.left
	for i := range p.keys {
		seed += 0x9E3779B97F4A7C15 // splitmix64
		p.keys[i] = mix64(seed)
	}
	return p
}

// at returns the number in place i. i is below n.
func (p *permutation) at(i uint64) uint64 {
	if p.n <= 1 {
		return i
	}
	for {
		if i = p.encrypt(i); i < p.n {
			return i
		}
	}
}

// encrypt permutes the numbers of left+right bits. Each round changes one half by
// the other and so can be undone whatever the round function is.
func (p *permutation) encrypt(x uint64) uint64 {
	maskL, maskR := uint64(1)<<p.left-1, uint64(1)<<p.right-1
	l, r := x>>p.right, x&maskR
	for i := 0; i < feistelRounds; i += 2 {
		l ^= round(r, p.keys[i]) & maskL
		r ^= round(l, p.keys[i+1]) & maskR
	}
	return l<<p.right | r
}

func round(x, key uint64) uint64 {
	hi, lo := bits.Mul64(x^key, 0x9E3779B97F4A7C15)
	return (hi ^ lo) * 0xD1342543DE82EF95 >> 29
}

// mix64 is the finalizer of splitmix64: every bit of x moves half of the result.
func mix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
