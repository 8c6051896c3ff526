package scanner

import (
	"math/bits"
	"time"
)

// A sendTime estimates how long one packet takes in a call that sends many, which leave one
// after the other: a full batch takes up to half a millisecond. If the process was
// interrupted in the call, the packets took less than their share of it. So the estimate
// falls at once, rises slowly, and is bounded. A call with few packets says little: most of
// its time is not theirs. An estimate that is too low makes a round trip longer; one that is
// too high makes it shorter than the server took.
type sendTime time.Duration

const (
	mostSendTime = 10 * time.Microsecond // two to three times that of Linux
	leastPackets = 8                     // of a call that tells how long a packet takes
)

// each returns the time per packet in a call that sent n in so much time.
func (s *sendTime) each(took time.Duration, n int) time.Duration {
	if n == 0 {
		return 0
	}
	now := sendTime(took) / sendTime(n)
	if now < *s {
		*s = now
	} else if n >= leastPackets {
		*s = min(*s+(now-*s)/32, sendTime(mostSendTime))
	}
	return time.Duration(*s)
}

// A histogram counts durations in buckets that are 1/64 of their value wide or less,
// from a microsecond to over an hour, so that a percentile is right to 0.8 %.
type histogram struct {
	counts [rttParts * 28]uint64
	n      uint64
	max    time.Duration
}

// rttParts is how many buckets there are between a duration and its double.
const rttParts = 64

func (h *histogram) add(d time.Duration) {
	h.counts[rttBucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

func rttBucket(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 0))
	if us < rttParts {
		return int(us)
	}
	e := bits.Len64(us) - bits.Len64(rttParts) // us>>e is rttParts to 2*rttParts-1
	return min(e*rttParts+int(us>>e), len(histogram{}.counts)-1)
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
			if b >= 2*rttParts {
				e := b/rttParts - 1
				low, width = uint64(b%rttParts+rttParts)<<e, 1<<e
			}
			return min(time.Duration(low+width/2)*time.Microsecond, h.max)
		}
		rank -= c
	}
	return h.max
}
