package run

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want Summary
	}{
		{name: "nothing", in: nil, want: Summary{}},
		{name: "one", in: []float64{7}, want: Summary{Median: 7, Min: 7, Max: 7, Runs: 1}},
		{name: "odd", in: []float64{9, 1, 2}, want: Summary{Median: 2, Min: 1, Max: 9, Runs: 3}},
		{name: "even: the mean of the middle two", in: []float64{4, 1, 10, 2}, want: Summary{Median: 3, Min: 1, Max: 10, Runs: 4}},
		{name: "one wild value moves the spread only", in: []float64{5, 5, 5, 5, 900}, want: Summary{Median: 5, Min: 5, Max: 900, Runs: 5}},
		{name: "what is no number is left out", in: []float64{math.NaN(), 3, math.Inf(1)}, want: Summary{Median: 3, Min: 3, Max: 3, Runs: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Summarize(c.in))
		})
	}
}

func TestSummarizeKeepsItsArgument(t *testing.T) {
	in := []float64{3, 1, 2}
	Summarize(in)
	require.Equal(t, []float64{3, 1, 2}, in)
}

// A machine that gets slower and slower: the medians are far apart, the ratio within each
// round stays the same.
func TestRatiosOfADriftingMachine(t *testing.T) {
	var base, values []float64
	r := rand.New(rand.NewPCG(1, 2))
	speed := 1.0
	for range 9 {
		base = append(base, 10*speed)
		values = append(values, 12*speed)
		speed *= 1 + r.Float64()
	}
	s := Summarize(Ratios(values, base))
	require.InDelta(t, 1.2, s.Median, 1e-9)
	require.InDelta(t, 1.2, s.Min, 1e-9)
	require.InDelta(t, 1.2, s.Max, 1e-9)
	require.Greater(t, Summarize(base).Max/Summarize(base).Min, 2.0)
}

func TestRatiosOfUnequalRounds(t *testing.T) {
	got := Ratios([]float64{2, 4, 6}, []float64{1, 0})
	require.Len(t, got, 2)
	require.Equal(t, 2.0, got[0])
	require.True(t, math.IsNaN(got[1]), "nothing is a multiple of nothing")
}
