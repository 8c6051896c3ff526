package scanner

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that are 1/16 of their value wide,
// from a microsecond to over an hour, so that a percentile is right to 3 %.
type histogram struct {
	counts [16 * 32]uint64
	n      uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[rttBucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

func rttBucket(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 0))
	if us < 16 {
		return int(us)
	}
	e := bits.Len64(us) - 5 // us>>e is 16 to 31
	return min(e*16+int(us>>e), 16*32-1)
}

// percentile returns a duration that the share p (0 to 1) of all is not above, or
// -1 where nothing was counted.
func (h *histogram) percentile(p float64) time.Duration {
	if h.n == 0 {
		return -1
	}
	rank := uint64(p * float64(h.n-1))
	for b, c := range h.counts {
		if c > rank {
			low := uint64(b)
			width := uint64(1)
			if b >= 32 {
				e := b/16 - 1
				low, width = uint64(b%16+16)<<e, 1<<e
			}
			return min(time.Duration(low+width/2)*time.Microsecond, h.max)
		}
		rank -= c
	}
	return h.max
}
