package prototest

import "math/bits"

// golden is 2⁶⁴ divided by the golden ratio: the step of splitmix64, and a
// multiplier that spreads small integers.
const golden = 0x9E3779B97F4A7C15

// mix is the finalizer of splitmix64 (Steele, Lea and Flood, 2014): two
// multiplications, after which every input bit reaches every output bit.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// A Rand is a small seeded generator, splitmix64. Its zero value is the one
// with seed 0. It is neither safe for concurrent use nor fit for secrets.
type Rand struct{ state uint64 }

// NewRand returns the generator of that seed.
func NewRand(seed uint64) Rand { return Rand{mix(seed + golden)} }

// Uint64 returns the next 64 bits.
func (r *Rand) Uint64() uint64 {
	r.state += golden
	return mix(r.state)
}

// Below returns a number in [0, n), or 0 if n is not positive. The bias of the
// multiplication is below n in 2⁶⁴.
func (r *Rand) Below(n int) int {
	if n <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(hi)
}

// Percent reports true in that share of its calls.
func (r *Rand) Percent(share float64) bool { return percent(r.Uint64(), share) }

// oneIn reports true once in n calls.
func (r *Rand) oneIn(n int) bool { return r.Below(n) == 0 }

// unit maps 64 random bits to [0, 1), exactly: the upper 53 fill a float.
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }

// percent reports whether the draw x falls into a share: never at 0, always at
// 100 and above.
func percent(x uint64, share float64) bool { return unit(x)*100 < share }
