package extsort

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSorter compares with a stable sort in memory: without runs, with some, and
// with more than are merged at once.
func TestSorter(t *testing.T) {
	for _, memory := range []int{64 << 20, 20_000, 2_000} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			dir := t.TempDir()
			r := rand.New(rand.NewPCG(1, uint64(memory)))
			s := New(dir, memory)
			s.maxRuns = 8
			type pair struct{ key, value string }
			var want []pair
			for i := range 5000 {
				key := make([]byte, r.IntN(12))
				for j := range key {
					key[j] = byte(r.IntN(3)) // equal keys, and keys that begin alike
				}
				value := fmt.Sprint(i)
				if r.IntN(500) == 0 {
					value += strings.Repeat("x", 300<<10) // larger than a block
				}
				require.NoError(t, s.Add(key, []byte(value)))
				want = append(want, pair{string(key), value})
			}
			slices.SortStableFunc(want, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
			i := 0
			for e, err := range s.All() {
				require.NoError(t, err)
				require.True(t, want[i].key == string(e.Key) && want[i].value == string(e.Value), "entry %d", i)
				i++
			}
			require.Equal(t, len(want), i)
			require.Equal(t, memory < 64<<20, len(s.runs) > 0)
			require.NoError(t, s.Close())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestSorterStopsEarly(t *testing.T) {
	s := New(t.TempDir(), 1000)
	defer s.Close()
	for i := range 1000 {
		require.NoError(t, s.Add([]byte{byte(i), byte(i >> 8)}, bytes.Repeat([]byte{1}, 20)))
	}
	n := 0
	for _, err := range s.All() {
		require.NoError(t, err)
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)
}

func TestSorterReportsItsFiles(t *testing.T) {
	s := New(t.TempDir()+"/gone", 100)
	defer s.Close()
	var err error
	for i := range 100 {
		if err = s.Add([]byte{byte(i)}, nil); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, os.ErrNotExist)
}

func BenchmarkSorter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	key, value := make([]byte, 15), bytes.Repeat([]byte("value "), 25)
	for b.Loop() {
		s := New(b.TempDir(), 64<<20)
		for range 1_000_000 {
			for j := range key {
				key[j] = byte(r.Uint32())
			}
			if err := s.Add(key, value); err != nil {
				b.Fatal(err)
			}
		}
		for _, err := range s.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
