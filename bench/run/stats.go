package run

import (
	"math"
	"slices"
)

// A Summary describes repeated measurements of one quantity.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
}

// Summarize returns the Summary of values without those that are no number. It is zero if
// there are none.
func Summarize(values []float64) Summary {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	slices.Sort(sorted)
	n := len(sorted)
	if n == 0 {
		return Summary{}
	}
	return Summary{
		Median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Min:    sorted[0],
		Max:    sorted[n-1],
		Runs:   n,
	}
}

// Ratios returns values[i]/base[i] for every round that both have. A round
// without a base (zero) yields NaN, which Summarize leaves out.
func Ratios(values, base []float64) []float64 {
	out := make([]float64, min(len(values), len(base)))
	for i := range out {
		out[i] = quotient(values[i], base[i])
	}
	return out
}

// quotient returns a/b, NaN if b is zero: a rate over no time is none.
func quotient(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}
