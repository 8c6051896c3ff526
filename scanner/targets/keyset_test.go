package targets

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMix48IsABijection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		k := rng.Uint64() & keyMask
		require.Equal(t, k, unmix48(mix48(k)))
	}
	for _, k := range []uint64{0, 1, keyMask, 1 << 47} {
		require.Equal(t, k, unmix48(mix48(k)))
	}
}

func TestKeySetAgainstMap(t *testing.T) {
	// Three kinds of input: neighbours, one port on many addresses, and noise.
	for name, key := range map[string]func(i uint64, rng *rand.Rand) uint64{
		"neighbours": func(i uint64, rng *rand.Rand) uint64 { return rng.Uint64N(200_000) },
		"one port":   func(i uint64, rng *rand.Rand) uint64 { return (10<<24+rng.Uint64N(200_000))<<16 | 27015 },
		"noise":      func(i uint64, rng *rand.Rand) uint64 { return rng.Uint64() & (keyMask - 0x3fff_ffff) },
		"zero":       func(i uint64, rng *rand.Rand) uint64 { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			var s keySet
			oracle := make(map[uint64]struct{})
			for i := range uint64(250_000) {
				k := key(i, rng)
				_, old := oracle[k]
				if s.has(k) != old || s.add(k) == old {
					t.Fatalf("key %#x after %d keys: in the set %v, in the map %v", k, i, s.has(k), old)
				}
				oracle[k] = struct{}{}
			}
			require.Equal(t, len(oracle), s.len())
			s.all(func(k uint64) bool {
				if _, ok := oracle[k]; !ok {
					t.Fatalf("key %#x was never added, or came twice", k)
				}
				delete(oracle, k)
				return true
			})
			require.Empty(t, oracle)
		})
	}
}

// TestKeySetMemory holds the bytes a key that the documentation promises.
func TestKeySetMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("adds 1.6 million keys")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var s keySet
	worst := 0.0
	for i := range uint64(1_600_000) {
		s.add((i*2654435761&0xFFFFFFFF)<<16 | 27015)
		if n := i + 1; n >= 800_000 && n%50_000 == 0 {
			bytes := float64(len(s.pages)+len(s.overflow)) * chunkPages * 64
			worst = max(worst, bytes/float64(n))
		}
	}
	runtime.ReadMemStats(&after)
	require.LessOrEqual(t, worst, 7.5, "bytes a key")
	allocated := float64(after.TotalAlloc-before.TotalAlloc) / float64(s.len())
	require.LessOrEqual(t, allocated, 7.6, "bytes a key ever allocated: growing leaves no garbage")
	t.Logf("%.2f bytes a key at worst, %.2f allocated in all", worst, allocated)
}

func BenchmarkKeySetAdd(b *testing.B) {
	var s keySet
	for i := 0; b.Loop(); i++ {
		s.add(uint64(i) * 0x9E3779B9 & 0xFFFFFFFF << 16)
	}
	b.ReportMetric(float64(len(s.pages)+len(s.overflow))*chunkPages*64/float64(s.len()), "B/key")
}
