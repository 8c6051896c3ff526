package scanner

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// The oracle is the buffer itself: whatever came by the time that is told has been read.
func TestDrainedIsNeverAheadOfTheBuffer(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := drainedOf(0)
		var buffer []proto.Time // when what waits came, oldest first
		now, last := proto.Time(0), proto.Time(0)
		for range 3000 {
			before := now
			for range min(r.IntN(130), d.capacity-len(buffer)) {
				now += proto.Time(r.IntN(1000))
				buffer = append(buffer, now)
			}
			got := min(64, len(buffer))
			buffer = buffer[got:]
			upTo := d.upTo(before, got, 64)
			require.LessOrEqual(t, upTo, before)
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

// A flood that never ends delays it by a buffer's worth of datagrams.
func TestDrainedUnderAFlood(t *testing.T) {
	d := drainedOf(1 << 20)
	now := proto.Time(0)
	for range 10 * d.capacity / 64 {
		now += 64
		d.upTo(now, 64, 64)
	}
	require.Greater(t, d.upTo(now, 64, 64), now-proto.Time(3*d.capacity))
}
