package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// step is a turn of the loop d after the one before.
func (w *window) step(now *proto.Time, d time.Duration, drops uint64) {
	*now = now.Add(d)
	if w.turn(*now) {
		w.judge(*now, drops)
	}
}

func TestWindowCountsWhatIsExpected(t *testing.T) {
	w := newWindow(1000, 0, proto.WantInfo)
	now := proto.Time(time.Second)
	w.step(&now, 0, 0)
	at := stampAt(now)
	for range startWindow {
		require.False(t, w.full(0, 0))
		w.sent(at)
	}
	require.True(t, w.full(0, 0))
	now = now.Add(time.Millisecond)
	w.answered(at, now)
	require.False(t, w.full(0, 0))
	require.Equal(t, startWindow-1, w.open)
	// The others are silent: their places are free after a few round trips.
	w.step(&now, leastPatience+3*time.Millisecond, 0)
	require.Zero(t, w.open)
	w.answered(at, now)
	require.Zero(t, w.open, "a late answer frees no second place")
}

// However long nothing happens, and wherever the stamps wrap, places are given back.
func TestWindowAfterALongRest(t *testing.T) {
	for _, rest := range []time.Duration{0, time.Second, 36 * time.Minute, 40 * time.Minute, 72 * time.Minute, 74 * time.Minute, 5 * time.Hour} {
		w := newWindow(1000, 0, proto.WantInfo)
		now := proto.Time(time.Second)
		w.step(&now, 0, 0)
		w.sent(stampAt(now))
		w.step(&now, rest+time.Second, 0)
		require.Zero(t, w.open, "after %v", rest)
		for range 1000 {
			require.False(t, w.full(0, 0), "after %v", rest)
			at := stampAt(now)
			w.sent(at)
			w.step(&now, 500*time.Microsecond, 0)
			w.answered(at, now)
			require.Zero(t, w.open, "after %v", rest)
		}
	}
}

// busy lets the loop run for an epoch in which rate answers a second come, as
// far as the window is at least need.
func (w *window) busy(now *proto.Time, need int, idle bool, drops uint64) {
	end := w.epochEnd
	n := 0
	for *now < end {
		*now = now.Add(time.Millisecond)
		n += min(w.limit, need)
		for range min(w.limit, need) {
			at := stampAt(*now)
			w.sent(at)
			w.received(200)
			w.answered(at, *now)
		}
		w.limited, w.idle = true, idle
		if *now < end {
			w.turn(*now)
		}
	}
	w.turn(*now)
	w.judge(*now, drops)
}

// The window grows as long as that brings more answers, and stops where it doesn't.
func TestWindowFindsTheSmallestThatIsBusy(t *testing.T) {
	for _, need := range []int{600, 4000} {
		w := newWindow(100_000, 0, proto.WantInfo)
		now := proto.Time(time.Second)
		w.judge(now, 0)
		for range 100 {
			w.busy(&now, need, true, 0)
		}
		require.GreaterOrEqual(t, w.limit, need*9/10, "it is found")
		require.LessOrEqual(t, w.limit, need*8/5, "and not passed by much")
	}
}

// A loop that never sleeps needs no larger window, and gives some back.
func TestWindowOfABusyLoop(t *testing.T) {
	w := newWindow(100_000, 0, proto.WantInfo)
	w.limit = 10_000
	now := proto.Time(time.Second)
	w.judge(now, 0)
	for range 300 {
		w.busy(&now, 300, false, 0)
	}
	require.Equal(t, startWindow, w.limit)
}

// Drops shrink it at once, those of one moment once only, and it comes back slowly.
func TestWindowShrinksOnDrops(t *testing.T) {
	w := newWindow(100_000, 0, proto.WantInfo)
	w.limit = 10_000
	now := proto.Time(time.Second)
	w.judge(now, 0)
	w.busy(&now, 5000, true, 10)
	require.Equal(t, 7000, w.limit)
	w.busy(&now, 5000, true, 20)
	require.GreaterOrEqual(t, w.limit, 7000, "the same event")
	for drops := uint64(21); drops < 200; drops++ {
		w.busy(&now, 5000, true, drops)
	}
	require.Equal(t, minWindow, w.limit, "it never is smaller")
	for range 400 {
		w.busy(&now, 5000, true, 200)
	}
	require.GreaterOrEqual(t, w.limit, 4500)
}

// It never is larger than what the receive buffer holds of the answers that come.
func TestWindowFitsTheBuffer(t *testing.T) {
	const buffer = 1 << 20
	w := newWindow(100_000, buffer, proto.WantInfo)
	require.LessOrEqual(t, float64(w.limit*replyCost), shareShort*buffer)
	now := proto.Time(time.Second)
	w.judge(now, 0)
	for range 200 {
		w.busy(&now, 100_000, true, 0)
		require.LessOrEqual(t, float64(w.limit)*w.cost, (shareShort+.01)*buffer)
	}
	require.InDelta(t, shareShort*buffer/(200+datagramOverhead), w.limit, 10)
	require.LessOrEqual(t, newWindow(10, 0, proto.WantInfo).limit, 10, "nor than --max-in-flight")
}

// With lists, it asks only as many servers at once as the buffer holds all answers of.
func TestWindowFitsTheListsOfServers(t *testing.T) {
	const buffer = 1 << 19
	ask := func(w *window, at stamp) (n int) {
		for ; !w.full(0, 0); n++ {
			w.sent(at)
			w.serverAsked(at, 0, false)
		}
		return n
	}
	w := newWindow(100_000, buffer, allKinds)
	now := proto.Time(time.Second)
	w.step(&now, 0, 0)
	at := stampAt(now)
	n := ask(w, at)
	require.Equal(t, 42, n, "before any has answered: 0.65 x 512 KiB / 8,000")
	require.True(t, w.full(0, 0))

	// A challenge frees the place for a moment: the further requests take it again.
	w.answered(at, now)
	w.serverAnswered(at)
	require.False(t, w.full(0, 0))
	require.True(t, w.full(1, 1), "the request that is about to be sent counts")
	w.serverAsked(at, at, false)
	for range 2 {
		w.serverAsked(at, at, true)
		require.Equal(t, n, w.servers, "a server counts once")
	}
	w.step(&now, leastPatience+3*time.Millisecond, 0)
	require.Zero(t, w.servers, "silent ones are not waited for")

	for range 1000 {
		w.settled(12, 14_000, true)
	}
	require.InDelta(t, shareLong*buffer/(14_000+12*datagramOverhead), ask(w, stampAt(now)), 1)
	for range 10_000 {
		w.settled(0, 0, false)
	}
	require.InDelta(t, shareLong*buffer/(14_000+12*datagramOverhead)/leastAnswering, w.mostServers(), 3)
	most := w.mostServers()
	for drops := range uint64(3) {
		w.step(&now, time.Second, drops+1)
	}
	require.InDelta(t, float64(most)*shrink*shrink*shrink, w.mostServers(), 2, "drops")
	for range 200 {
		w.step(&now, time.Second, 3)
	}
	require.Equal(t, most, w.mostServers())

	require.False(t, newWindow(100_000, 0, allKinds).full(0, 500), "an unknown buffer")
	require.Equal(t, minServers, newWindow(100_000, 1, allKinds).mostServers())
}

// FuzzWindow plays sends, answers and the passing of time on a list of requests.
func FuzzWindow(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 5, 2, 40, 0, 0, 1, 0, 2, 255, 0, 1})
	f.Add([]byte{0, 0, 3, 255, 0, 0, 1, 0, 2, 10, 1, 0, 3, 200, 2, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := newWindow(1000, 0, proto.WantInfo)
		var now proto.Time
		type request struct {
			at   stamp
			tick int64
			open bool
		}
		var list []request
		var tail int64
		tickOf := func(at proto.Time) int64 { return int64(at) >> stampBits }
		for ; len(ops) >= 2; ops = ops[2:] {
			arg := int(ops[1])
			switch ops[0] % 4 {
			case 0:
				w.sent(stampAt(now))
				w.serverAsked(stampAt(now), 0, false)
				list = append(list, request{stampAt(now), tickOf(now), true})
			case 1:
				if len(list) > 0 {
					r := &list[arg%len(list)]
					if r.open {
						r.open = false
						w.answered(r.at, now)
						w.serverAnswered(r.at)
					}
				}
			case 2, 3:
				d := time.Duration(arg) * 300 * time.Microsecond // to 76 ms
				if ops[0]%4 == 3 {
					d = time.Duration(arg) * time.Duration(arg) * 200 * time.Millisecond // to 3.6 hours
				}
				now = now.Add(d)
				patience := min(max(4*w.rtt, leastPatience), mostPatience)
				w.turn(now)
				tail = max(tail, tickOf(max(now.Add(-patience), 0)))
			}
			open := 0
			for i := range list {
				// A request that is out of patience has given its place back.
				if list[i].tick < tail {
					list[i].open = false
				}
				if list[i].open {
					open++
				}
			}
			require.Equal(t, open, w.open)
			require.Equal(t, open, w.servers)
		}
	})
}
