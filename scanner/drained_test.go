package scanner

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// The oracle is the buffer itself: whatever came by the time that is told has been read.
// What it holds may be overstated, and not be known at all.
func TestDrainedIsNeverAheadOfTheBuffer(t *testing.T) {
	const room = 64
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := drainedOf(0)
		var buffer []proto.Time // when what waits came, oldest first
		now, last := proto.Time(0), proto.Time(0)
		arrive := func(n int) {
			for range min(n, d.capacity-len(buffer)) {
				now += 1 + proto.Time(r.IntN(1000))
				buffer = append(buffer, now)
			}
		}
		used := func() int {
			arrive(r.IntN(3)) // between
			switch seed % 3 {
			case 0:
				return 0
			case 1:
				return len(buffer) * leastDatagram
			}
			return len(buffer)*3*leastDatagram + r.IntN(1<<20)
		}
		for range 3000 {
			before := now
			arrive(r.IntN(130))
			got := min(room-r.IntN(2)*r.IntN(room), len(buffer)) // the rest is of ICMP
			whole := got == len(buffer) && got < room
			buffer = buffer[got:]
			upTo := proto.Time(0)
			if whole {
				upTo = d.empty(before)
			} else {
				upTo = d.full(now, got, used)
			}
			require.LessOrEqual(t, upTo, now)
			require.GreaterOrEqual(t, upTo, last)
			if last = upTo; len(buffer) > 0 {
				require.Greater(t, buffer[0], upTo, "an answer from before waits")
			}
			if r.IntN(200) == 0 {
				now = now.Add(time.Second)
			}
		}
	}
}

// A flood that never ends delays it by what waits, or by a buffer's worth of datagrams
// where nobody tells.
func TestDrainedUnderAFlood(t *testing.T) {
	for _, waits := range []int{0, 1000} {
		d := drainedOf(1 << 20)
		used := func() int { return waits * leastDatagram }
		now := proto.Time(0)
		turn := func() proto.Time {
			now += 64 // a datagram each nanosecond
			return d.full(now, 64, used)
		}
		for range 10 * d.capacity / 64 {
			turn()
		}
		behind := proto.Time(waits)
		if waits == 0 {
			behind = proto.Time(d.capacity)
		}
		for range 10 * d.capacity / 64 {
			require.Greater(t, turn(), now-2*behind-3*64)
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
					s.net.Inject(mux.KeyFrom(simAddr(i)), s.port.Key(), []byte("x"), 0)
				}
			}
			before := now
			now += 100
			require.NoError(s.t, s.port.Recv(rx, 0))
			require.Equal(s.t, 4, rx.Len())
			return d.upTo(before, now, rx, func() int { return 10 * leastDatagram })
		}
		require.Zero(s.t, turn(0)) // then ten wait, as far as we know, or a part of an eleventh
		for range 10 {
			require.Zero(s.t, turn(3))
		}
		require.Equal(s.t, proto.Time(100), turn(3))
	})
}
