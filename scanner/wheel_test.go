package scanner

import (
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

const tick = proto.Time(1) << tickBits

func TestWheelIsNeverEarlyAndATickLateAtMost(t *testing.T) {
	w := newWheel(4, 0)
	w.arm(0, 10*tick+1)
	w.arm(1, 10*tick)
	w.arm(2, 100000*tick) // twelve laps on
	due := make([]uint32, 0, 4)
	require.Empty(t, w.expire(10*tick-1, due))
	require.Equal(t, []uint32{1}, w.expire(10*tick, due))
	at, ok := w.next()
	require.True(t, ok)
	require.Equal(t, 11*tick, at)
	require.Equal(t, []uint32{0}, w.expire(11*tick, due))
	require.Empty(t, w.expire(100000*tick-1, due))
	require.Equal(t, []uint32{2}, w.expire(100000*tick, due))
	_, ok = w.next()
	require.False(t, ok)
}

func TestWheelExpiresInBoundedSteps(t *testing.T) {
	w := newWheel(1000, 0)
	for i := range uint32(1000) {
		w.arm(i, 5*tick)
	}
	seen := map[uint32]bool{}
	for range 10 {
		due := w.expire(5*tick, make([]uint32, 0, 100))
		require.Len(t, due, 100)
		for _, i := range due {
			seen[i] = true
		}
	}
	require.Len(t, seen, 1000)
	require.Empty(t, w.expire(50*tick, make([]uint32, 0, 100)))
}

func TestWheelPastDeadlineIsDueAtOnce(t *testing.T) {
	w := newWheel(1, 1000*tick)
	w.arm(0, 3*tick)
	require.Equal(t, []uint32{0}, w.expire(1000*tick, make([]uint32, 0, 1)))
}

// FuzzWheel plays arm, disarm and expire on a plain list of deadlines.
func FuzzWheel(f *testing.F) {
	f.Add([]byte{0, 1, 5, 1, 2, 200, 3, 0, 9, 2, 0, 50, 3, 0, 255})
	f.Add([]byte{0, 7, 255, 3, 0, 255, 3, 0, 255, 3, 0, 255})
	f.Fuzz(func(t *testing.T, ops []byte) {
		const n = 16
		w := newWheel(n, 0)
		oracle := map[uint32]proto.Time{}
		var now proto.Time
		expired := tick // what was armed behind this fires on the next tick
		for len(ops) >= 3 {
			op, i, arg := ops[0]%4, uint32(ops[1]%n), proto.Time(ops[2])
			ops = ops[3:]
			switch op {
			case 0, 1:
				at := now + arg*arg*arg*tick/64 // up to 259,000 ticks: many laps
				w.arm(i, at)
				oracle[i] = max(at, expired)
			case 2:
				w.disarm(i)
				delete(oracle, i)
			case 3:
				now += arg * arg * tick / 3
				var want []uint32
				for i, at := range oracle {
					if (at+tick-1)>>tickBits <= now>>tickBits {
						want = append(want, i)
					}
				}
				got := w.expire(now, make([]uint32, 0, n))
				sort.Slice(want, func(a, b int) bool { return want[a] < want[b] })
				sort.Slice(got, func(a, b int) bool { return got[a] < got[b] })
				require.ElementsMatch(t, want, got)
				expired = (now>>tickBits + 1) << tickBits
				for _, i := range got {
					delete(oracle, i)
				}
			}
			require.Equal(t, len(oracle), w.armed)
			if at, ok := w.next(); ok {
				for _, d := range oracle {
					require.LessOrEqual(t, at, max((d+tick-1)&^(tick-1), proto.Time(w.cursor)<<tickBits))
				}
			} else {
				require.Empty(t, oracle)
			}
		}
	})
}

func BenchmarkWheelRearm(b *testing.B) {
	const n = 1 << 20
	w := newWheel(n, 0)
	i := uint32(0)
	for b.Loop() {
		i = (i*1664525 + 1013904223)
		w.arm(i%n, proto.Time(i))
	}
}
