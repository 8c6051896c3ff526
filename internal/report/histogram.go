package report

import (
	"math"
	"math/bits"
)

// A histogram counts durations in microseconds: each value below 16.8 s by itself,
// so that percentiles are exact; larger ones in buckets that are 1/1024 of their
// value wide. It uses at most 70 MB, and far less for usual round trips.
type histogram struct {
	pages [exactPages + coarsePages]*[pageSize]uint32
	n     uint64
	max   int64
}

const (
	pageSize    = 1 << 10
	exactBits   = 24
	exactPages  = 1 << exactBits / pageSize
	coarsePages = 64 - exactBits
)

// bucket returns the place of us in pages.
func bucket(us int64) int {
	if us < 1<<exactBits {
		return int(us)
	}
	e := bits.Len64(uint64(us)) - 1 // us>>(e-10) is 1024 to 2047
	return (exactPages+e-exactBits)*pageSize + int(us>>(e-10)) - pageSize
}

// lowest returns the smallest value of a bucket.
func lowest(b int) int64 {
	page, i := b/pageSize, b%pageSize
	if page < exactPages {
		return int64(b)
	}
	return int64(i+pageSize) << (page - exactPages + exactBits - 10)
}

func (h *histogram) add(us int64) {
	b := bucket(us)
	p := &h.pages[b/pageSize]
	if *p == nil {
		*p = new([pageSize]uint32)
	}
	if n := &(*p)[b%pageSize]; *n < math.MaxUint32 {
		*n++
	}
	h.n++
	h.max = max(h.max, us)
}

// percentile returns the smallest value that the share p of all values is not
// above (the nearest-rank definition), false if there is none.
func (h *histogram) percentile(p float64) (us int64, ok bool) {
	rank := uint64(math.Ceil(p * float64(h.n)))
	var seen uint64
	for b, n := range h.each() {
		if seen += n; seen >= rank {
			return min(lowest(b), h.max), true
		}
	}
	return 0, false
}

// each returns the buckets that are not empty, in order.
func (h *histogram) each() func(yield func(bucket int, n uint64) bool) {
	return func(yield func(int, uint64) bool) {
		for i, p := range h.pages {
			if p == nil {
				continue
			}
			for j, n := range p {
				if n > 0 && !yield(i*pageSize+j, uint64(n)) {
					return
				}
			}
		}
	}
}

// A Bar is a part of a distribution: the values from From up to, not including, To.
type Bar struct {
	From float64 `json:"from"` // milliseconds
	To   float64 `json:"to"`
	N    uint64  `json:"n"`
}

// bars returns the distribution over at most n bars of equal width. The last one
// holds everything above the 99th percentile too, if values reach far beyond it.
func (h *histogram) bars(n int) []Bar {
	if h.n == 0 {
		return nil
	}
	high, _ := h.percentile(0.99)
	if h.max <= 2*high {
		high = h.max
	}
	width := niceWidth(float64(high+1)/1000/float64(n)) * 1000
	count := max(int(math.Ceil(float64(high+1)/width)), 1)
	out := make([]Bar, count)
	for i := range out {
		out[i].From, out[i].To = float64(i)*width/1000, float64(i+1)*width/1000
	}
	for b, n := range h.each() {
		out[min(int(float64(lowest(b))/width), count-1)].N += n
	}
	if h.max > high {
		out[count-1].To = float64(h.max) / 1000
	}
	return out
}

// niceWidth returns 1, 2 or 5 times a power of ten that is at least w.
func niceWidth(w float64) float64 {
	if w <= 0 {
		return 1
	}
	e := math.Pow(10, math.Floor(math.Log10(w)))
	for _, m := range []float64{1, 2, 5} {
		if m*e >= w {
			return m * e
		}
	}
	return 10 * e
}
