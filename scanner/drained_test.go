package scanner

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// The oracle is the buffer itself: every datagram that came before the returned time has
// been read. The fill level may be overstated, or unknown.
func TestDrainedIsNeverAheadOfTheBuffer(t *testing.T) {
	t.Parallel()
	const room = 64
	type datagram struct {
		at            proto.Time
		payload, size int // size is what it takes of the buffer
	}
	seeds := uint64(60)
	if raceEnabled {
		seeds = 6 // nothing here is concurrent
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		d := drainedOf(0)
		var buffer []datagram // oldest first
		taken := 0
		now, last := proto.Time(0), proto.Time(0)
		arrive := func(n int) {
			for range n {
				now += 1 + proto.Time(r.IntN(1000))
				g := datagram{at: now, payload: r.IntN(1400)}
				g.size = g.payload + leastDatagram
				if seed%2 == 0 {
					g.size += r.IntN(1000)
				}
				if taken+g.size <= d.capacity {
					taken += g.size
					buffer = append(buffer, g)
				}
			}
		}
		used := func() int {
			arrive(r.IntN(3)) // between
			switch seed % 3 {
			case 0:
				return 0
			case 1:
				return taken
			}
			return taken + r.IntN(1<<20)
		}
		for range 3000 {
			before := now
			arrive(r.IntN(130))
			n := min(room-r.IntN(2)*r.IntN(room), len(buffer)) // the rest is of ICMP
			got := 0
			for _, g := range buffer[:n] {
				got += leastDatagram + g.payload
				taken -= g.size
			}
			whole := n == len(buffer) && n < room
			buffer = buffer[n:]
			upTo := proto.Time(0)
			if whole {
				upTo = d.empty(before)
			} else {
				upTo = d.full(now, got, used)
			}
			require.LessOrEqual(t, upTo, now)
			require.GreaterOrEqual(t, upTo, last)
			if last = upTo; len(buffer) > 0 {
				require.Greater(t, buffer[0].at, upTo, "an answer from before waits")
			}
			if r.IntN(200) == 0 {
				now = now.Add(time.Second)
			}
		}
	}
}

// A flood that never ends delays it by what waits, or by a buffer's worth where nobody
// tells.
func TestDrainedUnderAFlood(t *testing.T) {
	for _, waits := range []int{0, 1 << 18} {
		d := drainedOf(1 << 20)
		used := func() int { return waits }
		now := proto.Time(0)
		const each = 64 << 10
		turn := func() proto.Time {
			now += each // a byte each nanosecond
			return d.full(now, each, used)
		}
		for range 10 * d.capacity / each {
			turn()
		}
		behind := proto.Time(waits)
		if waits == 0 {
			behind = proto.Time(d.capacity)
		}
		for range 10 * d.capacity / each {
			require.GreaterOrEqual(t, turn(), now-2*behind)
		}
	}
}

// ICMP errors stand in a batch like datagrams, and never stood in the buffer: however many
// come, what waits there has not been read.
func TestDrainedCountsDatagramsAlone(t *testing.T) {
	virtual(t, func(s *scan) {
		rx := mux.NewBatch(4, 100)
		d := drainedOf(0)
		now := proto.Time(0)
		turn := func(errors int) proto.Time {
			for i := range uint64(4) {
				if int(i) < errors {
					s.net.InjectICMP(mux.KeyFrom(simAddr(i)), s.port.Key(), mux.PortUnreachable, 0)
				} else {
					s.net.Inject(mux.KeyFrom(simAddr(i)), s.port.Key(), nil, 0)
				}
			}
			before := now
			now += 100
			require.NoError(s.t, s.port.Recv(rx, 0))
			require.Equal(s.t, 4, rx.Len())
			return d.upTo(before, now, rx, func() int { return 10 * leastDatagram })
		}
		require.Zero(s.t, turn(0)) // then ten wait
		for range 9 {
			require.Zero(s.t, turn(3))
		}
		require.Equal(s.t, proto.Time(100), turn(3))
	})
}
