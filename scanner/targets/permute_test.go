package targets

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// place returns where the permutation puts x: the inverse of at. That it exists for
// every x below n is the proof that no two places hold the same number.
func (p *permutation) place(x uint64) uint64 {
	if p.n <= 1 {
		return x
	}
	for {
		maskL, maskR := uint64(1)<<p.left-1, uint64(1)<<p.right-1
		l, r := x>>p.right, x&maskR
		for i := feistelRounds - 2; i >= 0; i -= 2 {
			r ^= round(l, p.keys[i+1]) & maskR
			l ^= round(r, p.keys[i]) & maskL
		}
		if x = l<<p.right | r; x < p.n {
			return x
		}
	}
}

func TestSmallPermutationsExhaustively(t *testing.T) {
	for n := range uint64(300) {
		for seed := range uint64(20) {
			p := newPermutation(n, seed)
			seen := make([]bool, n)
			for i := range n {
				x := p.at(i)
				if x >= n || seen[x] {
					t.Fatalf("n=%d seed=%d: place %d holds %d, out of range or held twice", n, seed, i, x)
				}
				seen[x] = true
			}
		}
	}
}

func TestWholePermutation(t *testing.T) {
	const n = 200_003
	p := newPermutation(n, 7)
	seen := make([]bool, n)
	fixed, neighbours, last := 0, 0, uint64(0)
	for i := range uint64(n) {
		x := p.at(i)
		if seen[x] {
			t.Fatalf("%d came twice", x)
		}
		seen[x] = true
		if x == i {
			fixed++
		}
		if x == last+1 || last == x+1 {
			neighbours++
		}
		last = x
	}
	// A random permutation has one fixed point and two neighbours in the mean.
	require.Less(t, fixed, 10)
	require.Less(t, neighbours, 15)
}

// Which of 16 equal parts a target lies in must not depend on which of 16 parts of the
// scan it comes in: chi-square over the 256 pairs, 225 degrees of freedom.
func TestPermutationSpreads(t *testing.T) {
	for _, n := range []uint64{1 << 16, 1<<16 + 1, 100_000} {
		for seed := range uint64(10) {
			p := newPermutation(n, seed)
			var cells [16][16]float64
			for i := range n {
				cells[i*16/n][p.at(i)*16/n]++
			}
			want, chi := float64(n)/256, 0.0
			for _, row := range cells {
				for _, c := range row {
					chi += (c - want) * (c - want) / want
				}
			}
			require.Less(t, chi, 340.0, "n=%d seed=%d", n, seed) // beyond 5 standard deviations
		}
	}
}

func FuzzPermute(f *testing.F) {
	f.Add(uint64(1), uint64(0), uint64(0))
	f.Add(uint64(1<<32), uint64(5), uint64(1<<32-1))
	f.Add(uint64(1<<63-1), uint64(5), uint64(12345))
	f.Add(uint64(1<<63), uint64(5), uint64(12345))
	f.Fuzz(func(t *testing.T, n, seed, i uint64) {
		if n == 0 {
			return
		}
		i %= n
		p := newPermutation(n, seed)
		x := p.at(i)
		require.Less(t, x, n)
		require.Equal(t, i, p.place(x))
		require.Equal(t, x, p.at(p.place(x)))
		if n > 4096 {
			return
		}
		seen := make([]bool, n)
		for i := range n {
			x := p.at(i)
			require.False(t, seen[x])
			seen[x] = true
		}
	})
}

func BenchmarkPermutation(b *testing.B) {
	p := newPermutation(3_702_258_432, 1) // the addresses that a scan of all IPv4 may ask
	var sum uint64
	for i := uint64(0); b.Loop(); i++ {
		sum += p.at(i)
	}
	_ = sum
}
