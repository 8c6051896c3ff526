package scanner

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogramEmpty(t *testing.T) {
	var h histogram
	require.EqualValues(t, -1, h.percentile(0.5))
}

func TestHistogramOne(t *testing.T) {
	var h histogram
	h.add(41207 * time.Microsecond)
	for _, p := range []float64{0, 0.5, 1} {
		require.InEpsilon(t, 41207*time.Microsecond, h.percentile(p), 0.01)
		require.LessOrEqual(t, h.percentile(p), h.max)
	}
}

// Every duration has one bucket, buckets rise with durations and none is missing.
func TestHistogramBuckets(t *testing.T) {
	last := 0
	for us := range 1 << 20 {
		b := rttBucket(time.Duration(us) * time.Microsecond)
		if b != last && b != last+1 {
			t.Fatalf("%d µs is in bucket %d, behind %d", us, b, last)
		}
		last = b
	}
	require.Zero(t, rttBucket(-time.Second))
	require.Less(t, rttBucket(math.MaxInt64), len(histogram{}.counts))
}

// TestHistogramAgainstSorted compares percentiles with those of the sorted list.
func TestHistogramAgainstSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, spread := range []float64{0, 0.1, 1, 3} {
		for _, n := range []int{1, 2, 10, 1000, 50_000} {
			var h histogram
			list := make([]time.Duration, n)
			for i := range list {
				list[i] = time.Duration(30e6 * math.Exp(rng.NormFloat64()*spread))
				h.add(list[i])
			}
			slices.Sort(list)
			for _, p := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
				want := list[int(p*float64(n-1))]
				got := h.percentile(p)
				// Half of a bucket, and the microsecond.
				require.InDelta(t, float64(want), float64(got), float64(want)/127+1000, "p%v of %d", p*100, n)
				require.LessOrEqual(t, got, list[n-1])
			}
			require.Equal(t, list[n-1], h.max)
			require.EqualValues(t, n, h.n)
		}
	}
}
