package farm

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// FuzzLater plays a later against a sorted list: everything leaves, in the order of the
// milliseconds, never early, and no later than the first look after it is due.
func FuzzLater(f *testing.F) {
	f.Add([]byte{1, 0, 0, 2, 0, 9, 0, 200, 0})
	f.Add([]byte{255, 255, 1, 255, 255, 255, 0, 255, 255, 7, 0, 0})
	f.Add([]byte("@\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\a\x00\x00\x00\x00\x00")) // due at a look, on the millisecond
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newLater()
		type item struct {
			due proto.Time
			id  uint32
		}
		var oracle []item
		var now proto.Time
		var got []uint32
		send := func(_, peer mux.Key, b []byte) {
			require.Equal(t, uint64(binary.LittleEndian.Uint32(b)), peer.Lo, "the bytes stay with their peer")
			got = append(got, binary.LittleEndian.Uint32(b))
		}
		look := func() {
			got = got[:0]
			l.advance(now, send)
			var want, early []uint32
			due := slices.Clone(oracle)
			slices.SortStableFunc(due, func(a, b item) int { return cmp.Compare(millis(a.due), millis(b.due)) })
			oracle = oracle[:0]
			for _, it := range due {
				if millis(it.due) <= int64(now)/int64(time.Millisecond) {
					want = append(want, it.id)
				} else {
					oracle = append(oracle, it)
					early = append(early, it.id)
				}
			}
			// Those that took a lap may leave behind others of their millisecond.
			require.ElementsMatch(t, want, got)
			require.Equal(t, len(early), l.waiting)
			wait := l.wait(now)
			if len(oracle) == 0 {
				require.Negative(t, wait)
				require.Zero(t, l.bytes)
				return
			}
			first := proto.Time(millis(oracle[0].due) * int64(time.Millisecond))
			require.LessOrEqual(t, now.Add(wait), first, "sleeps past the next one")
			require.True(t, wait > 0 || first <= now)
		}
		id := uint32(0)
		for len(script) >= 3 {
			n := time.Duration(binary.LittleEndian.Uint16(script[1:]))
			if script[0]&1 == 0 {
				now = now.Add(n * 100 * time.Microsecond)
				look()
			} else {
				id++
				due := now.Add(n*137*time.Microsecond + 1) // up to 9 s: two laps; a datagram that is due now is sent and not kept
				require.True(t, l.add(due, mux.Key{}, mux.Key{Lo: uint64(id)}, binary.LittleEndian.AppendUint32(nil, id)))
				oracle = append(oracle, item{due, id})
			}
			script = script[3:]
		}
		now = now.Add(20 * time.Second)
		for range 3 { // laps
			now = now.Add(20 * time.Second)
			l.advance(now, send)
		}
		require.Zero(t, l.waiting)
		require.Zero(t, l.bytes)
	})
}

func TestLaterKeepsOrderAndMemory(t *testing.T) {
	l := newLater()
	var got []byte
	send := func(_, _ mux.Key, b []byte) { got = append(got, b...) }
	for i := range byte(5) {
		require.True(t, l.add(proto.Time(3*time.Millisecond), mux.Key{}, mux.Key{}, []byte{i}))
	}
	l.advance(proto.Time(3*time.Millisecond)-1, send)
	require.Empty(t, got, "early")
	l.advance(proto.Time(3*time.Millisecond), send)
	require.Equal(t, []byte{0, 1, 2, 3, 4}, got)

	now := proto.Time(time.Hour) // a farm that slept for an hour
	l.advance(now, send)
	require.True(t, l.add(now.Add(time.Millisecond), mux.Key{}, mux.Key{}, []byte{9}))
	require.InDelta(t, float64(time.Millisecond), float64(l.wait(now)), float64(time.Millisecond))

	l.limit = 10_000
	n := 0
	for l.add(now.Add(time.Second), mux.Key{}, mux.Key{}, make([]byte, 1000)) {
		n++
	}
	require.Equal(t, 9, n, "what may wait is bounded")
}
