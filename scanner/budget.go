package scanner

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/a2scan/a2scan/proto"
)

// burstTime is how much of the rate may be sent at once. Less under-delivers:
// tokens that accrue while the process is not scheduled are cut off at the burst
// (7 % of the rate was delivered at 100,000 a second with a burst of one, 99.8 % with
// 5 ms; Linux 6.18, 2026-11). More makes bursts that routers drop. It is also all that a
// suspended machine catches up on.
const burstTime = 5 * time.Millisecond

// grantTime is how long the loop saves up tokens before it wakes for them.
const grantTime = 2 * time.Millisecond

// frameOverhead is what an IPv4 and UDP header add to a datagram, in bytes;
// an IPv6 header is 20 longer, which --bandwidth leaves out.
const frameOverhead = 28

// A budget is what --rate and --bandwidth still allow. It belongs to the loop:
// rate.Limiter goes wrong when several goroutines hand it times that are not
// in order (golang/go#71360), so one owner takes tokens in bulk with its own clock.
type budget struct {
	epoch   time.Time
	packets *rate.Limiter // nil: no limit
	bytes   *rate.Limiter // nil: no limit
}

func newBudget(packetsPerSecond, bitsPerSecond float64) budget {
	b := budget{epoch: time.Unix(0, 0)}
	limiter := func(perSecond, least, first float64) *rate.Limiter {
		if perSecond <= 0 {
			return nil
		}
		l := rate.NewLimiter(rate.Limit(perSecond), int(max(least, perSecond*burstTime.Seconds())))
		// Start all but empty: one packet may go at once, but no burst at line rate.
		l.AllowN(b.epoch, l.Burst()-int(first))
		return l
	}
	// Two at least, or what a late wake-up finds beyond the one is cut off.
	b.packets = limiter(packetsPerSecond, 2, 1)
	b.bytes = limiter(bitsPerSecond/8, 2*1500, requestSize)
	return b
}

func (b *budget) at(now proto.Time) time.Time { return b.epoch.Add(time.Duration(now)) }

// available returns how many packets may go at now, at most n.
func (b *budget) available(now proto.Time, n int) int {
	if b.packets != nil {
		n = min(n, int(b.packets.TokensAt(b.at(now))))
	}
	if b.bytes != nil {
		n = min(n, int(b.bytes.TokensAt(b.at(now))/requestSize))
	}
	return max(n, 0)
}

// requestSize is the largest request, INFO with a challenge, as --bandwidth counts it.
const requestSize = 29 + frameOverhead

// leastRequestSize is the smallest request, PLAYER or RULES, likewise.
const leastRequestSize = 9 + frameOverhead

// spend takes the tokens of packets that were counted out by available; payload
// is their bytes in all.
func (b *budget) spend(now proto.Time, packets, payload int) {
	if b.packets != nil {
		b.packets.AllowN(b.at(now), packets)
	}
	if b.bytes != nil {
		b.bytes.AllowN(b.at(now), payload+packets*frameOverhead)
	}
}

// next returns when it is worth asking again: when as many packets may go as the rate
// allows in grantTime, at least one.
func (b *budget) next(now proto.Time) proto.Time {
	at := now
	if b.packets != nil {
		at = max(at, tokensBy(b.packets, b.at(now), now, max(1, float64(b.packets.Limit())*grantTime.Seconds())))
	}
	if b.bytes != nil {
		at = max(at, tokensBy(b.bytes, b.at(now), now, max(requestSize, float64(b.bytes.Limit())*grantTime.Seconds())))
	}
	return at
}

func tokensBy(l *rate.Limiter, t time.Time, now proto.Time, want float64) proto.Time {
	missing := want - l.TokensAt(t)
	if missing <= 0 {
		return now
	}
	// One nanosecond more, so that rounding never finds 0.999… of a token.
	return now.Add(time.Duration(missing/float64(l.Limit())*1e9) + 1)
}
