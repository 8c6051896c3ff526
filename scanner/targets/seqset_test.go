package targets

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeqSetAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s SeqSet
	oracle := make(map[uint64]bool)
	require.False(t, s.Has(0))
	_, ok := s.Max()
	require.False(t, ok)
	var greatest uint64
	for range 10_000 {
		seq := rng.Uint64N(100_000)
		if rng.IntN(100) == 0 {
			seq = rng.Uint64() // a damaged file
		}
		require.Equal(t, oracle[seq], s.Has(seq))
		require.Equal(t, !oracle[seq], s.Set(seq))
		require.True(t, s.Has(seq))
		oracle[seq] = true
		greatest = max(greatest, seq)
	}
	require.EqualValues(t, len(oracle), s.Len())
	for seq := range uint64(100_100) {
		if s.Has(seq) != oracle[seq] {
			t.Fatalf("%d is in one of set and map only", seq)
		}
	}
	got, ok := s.Max()
	require.True(t, ok)
	require.Equal(t, greatest, got)
}

func TestSeqSetMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var s SeqSet
	for seq := range uint64(2_000_000) {
		s.Set(seq)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(300_000), "an eighth of a byte for each number, and little else")
}
