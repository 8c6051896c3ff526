package targets

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkCover fails unless c is sorted, disjoint and without empty chunks.
func checkCover(t testing.TB, c *cover) {
	t.Helper()
	var before *stretch
	for _, chunk := range c.chunks {
		require.NotEmpty(t, chunk)
		require.LessOrEqual(t, len(chunk), coverChunk)
		for i := range chunk {
			s := &chunk[i]
			require.False(t, s.last.less(s.first))
			require.Positive(t, s.ports.Len())
			if before != nil {
				require.True(t, before.last.less(s.first), "%v-%v before %v-%v", before.first, before.last, s.first, s.last)
			}
			before = s
		}
	}
}

func TestCoverAgainstMap(t *testing.T) {
	type place struct {
		address
		port uint16
	}
	lists := []string{"1", "2", "1,2", "2-4", "1,5", "3,1"}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		oracle := make(map[place]bool)
		var c cover
		// Now and then right at the ends of the number line.
		base := []address{address4(0), address4(1000), address4(0xffffff80), {}, {^uint64(0), ^uint64(0) - 127}}[rng.IntN(5)]
		for range 40 {
			first := rng.Uint64N(128)
			iv := interval{base.plus(first), base.plus(first + rng.Uint64N(min(128-first, 20)))}
			ports, err := parsePorts(lists[rng.IntN(len(lists))])
			require.NoError(t, err)

			want := make(map[place]bool)
			for a := iv.first; ; a = a.plus(1) {
				for i := range ports.Len() {
					if p := (place{a, ports.At(i)}); !oracle[p] {
						want[p] = true
					}
				}
				if a == iv.last {
					break
				}
			}
			got := make(map[place]bool)
			for _, s := range c.claim(nil, iv, &ports) {
				for a := s.first; ; a = a.plus(1) {
					for i := range s.ports.Len() {
						p := place{a, s.ports.At(i)}
						require.False(t, got[p], "seed %d: %v came twice", seed, p)
						got[p] = true
					}
					if a == s.last {
						break
					}
				}
			}
			require.Equal(t, want, got, "seed %d", seed)
			for p := range want {
				oracle[p] = true
			}
			checkCover(t, &c)
		}
		for n := range uint64(128) {
			for port := range uint16(6) {
				a := base.plus(n)
				require.Equal(t, oracle[place{a, port}], c.has(a, port), "seed %d", seed)
			}
		}
	}
}

func TestCoverOfManyPrefixes(t *testing.T) {
	// Enough to fill chunks and split them, in the worst order.
	const n = 6_000
	ports := onePort(27015)
	var c cover
	rng := rand.New(rand.NewPCG(1, 1))
	for _, i := range rng.Perm(n) {
		iv := interval{address4(uint32(i) * 512), address4(uint32(i)*512 + 255)}
		fresh := c.claim(nil, iv, &ports)
		require.Len(t, fresh, 1)
	}
	checkCover(t, &c)
	for i := range uint32(n) {
		if !c.has(address4(i*512+7), 27015) || c.has(address4(i*512+256), 27015) {
			t.Fatalf("prefix %d is lost or has grown", i)
		}
	}
	require.Empty(t, c.claim(nil, single(address4(512)), &ports))
	fresh := c.claim(nil, interval{address4(0), address4(n*512 - 1)}, &ports)
	require.Len(t, fresh, n, "the gaps between the prefixes")
	checkCover(t, &c)
	require.Len(t, c.chunks, 1, "neighbours with the same ports are one stretch")
	require.Len(t, c.chunks[0], 1)
}

func TestCoverOfSortedPrefixesFillsChunks(t *testing.T) {
	ports := onePort(27015)
	var c cover
	for i := range uint32(10_000) {
		c.claim(nil, interval{address4(i * 512), address4(i*512 + 255)}, &ports)
	}
	checkCover(t, &c)
	require.LessOrEqual(t, len(c.chunks), 10_000/(coverChunk/2))
}
