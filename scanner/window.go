package scanner

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// Constants of the closed loop (--rate 0).
const (
	// startWindow keeps a loopback busy and no buffer full: 256 answers of an
	// INFO take 330 KB as the kernel accounts them.
	startWindow = 256
	minWindow   = 32

	// replyTruesize is what the kernel accounts for a datagram of 1,400 bytes in
	// a receive buffer; one of 200 bytes takes 1,283 (Linux 6.18, amd64, 2026-11).
	// The window never is larger than the buffer, so that it holds even if
	// all that is expected comes while the process is not running.
	replyTruesize = 2304

	// A request that is not answered for so long is not expected any more: the
	// server is silent, and holds no place. Four round trips, within these.
	leastPatience = 8 * time.Millisecond
	mostPatience  = 250 * time.Millisecond

	stampBits = 20 // 1.05 ms, the grain in which requests grow old
	stampRing = 256

	leastEpoch   = 20 * time.Millisecond
	growth       = 1.25
	worthwhile   = 1.10 // a larger window must bring that much more answers
	relief       = 0.98 // an epoch in which the loop never slept gives some back
	restEpochs   = 16   // before the next try, after one that brought nothing
	windowShrink = 0.5  // on drops
)

// A window is the closed loop of a scan at full speed. It limits the requests
// whose answers are still expected, and looks for the smallest limit that keeps
// the socket busy: more in flight costs speed (the working set leaves the
// caches: 10 % at 4,096, 16 to 30 % at 16,384) and, where a buffer is
// small, answers. It tries a quarter more where the loop had to wait for
// packets, and keeps it only if more answers came; it gives some back where the
// loop never waits; and when the socket has dropped datagrams it halves.
type window struct {
	limit int
	most  int
	open  int // requests sent, and neither answered nor out of patience

	ring [stampRing]uint32 // open requests by the stamp of their send
	tail uint32            // stamps before this are out of patience
	rtt  time.Duration     // smoothed

	epochEnd  proto.Time
	epochFrom proto.Time
	answers   int  // in this epoch
	limited   bool // a target had to wait for the window in this epoch
	idle      bool // the loop slept in this epoch
	drops     uint64

	tried   bool // limit is on trial against the epoch before
	before  int  // limit before the trial
	rate    float64
	rest    int
	shrinks int // times that drops halved it
}

func newWindow(most int) *window {
	most = max(most, minWindow)
	return &window{limit: min(startWindow, most), most: most, rtt: time.Millisecond}
}

// stamp is when a request was sent, as a slot keeps it: units of 1,024 ns that wrap.
type stamp uint32

func stampAt(now proto.Time) stamp { return stamp(uint64(now) >> 10) }

func (s stamp) tick() uint32 { return uint32(s) >> (stampBits - 10) }

// stampTicks is the number of ticks before stamp's own wrap.
const stampTicks = 1 << (32 - (stampBits - 10))

// full reports whether no request may be sent to a fresh target.
func (w *window) full() bool { return w.open >= w.limit }

// sent counts a request.
func (w *window) sent(at stamp) {
	w.open++
	w.ring[at.tick()%stampRing]++
}

// answered counts the answer to a request sent at that time.
func (w *window) answered(sent stamp, now proto.Time) {
	w.answers++
	age := stampAt(now) - sent
	if d := time.Duration(age) << 10; d < mostPatience {
		w.rtt += (d - w.rtt) / 16
	}
	// Whether its tick is out of patience, in arithmetic that wraps.
	if n := (sent.tick() - w.tail) % stampTicks; n < stampRing {
		if i := sent.tick() % stampRing; w.ring[i] > 0 {
			w.ring[i]--
			w.open--
		}
	}
}

// turn ages the requests and, at an epoch's end, judges the limit. It reports whether
// the epoch has ended: then the caller may tell of drops.
func (w *window) turn(now proto.Time) bool {
	patience := min(max(4*w.rtt, leastPatience), mostPatience)
	from := stampAt(now.Add(-patience)).tick()
	if now < proto.Time(patience) {
		from = 0
	}
	n := (from - w.tail) % stampTicks
	if n >= stampTicks/2 {
		n = 0 // patience has grown: the tail stays
	}
	for range min(n, stampRing) {
		i := w.tail % stampRing
		w.open -= int(w.ring[i])
		w.ring[i] = 0
		w.tail = (w.tail + 1) % stampTicks
	}
	if n > stampRing {
		w.tail = from
	}
	return now >= w.epochEnd
}

// judge ends an epoch. drops is the socket's count of lost datagrams so far.
func (w *window) judge(now proto.Time, drops uint64) {
	took := now.Sub(w.epochFrom)
	rate := float64(w.answers) / max(took.Seconds(), 1e-6)
	switch {
	case drops > w.drops:
		w.drops = drops
		w.limit = max(int(float64(w.limit)*windowShrink), minWindow)
		w.most = max(w.limit*3/2, minWindow)
		w.shrinks++
		w.tried, w.rest = false, restEpochs
	case w.tried:
		w.tried = false
		if rate < w.rate*worthwhile {
			w.limit = w.before
			w.rest = restEpochs
		}
	case w.rest > 0:
		w.rest--
	case w.limited && w.idle && w.limit < w.most:
		w.before, w.rate = w.limit, rate
		w.limit = min(int(float64(w.limit)*growth)+1, w.most)
		w.tried = true
	case w.limited && !w.idle:
		w.limit = max(int(float64(w.limit)*relief), min(startWindow, w.most))
	}
	w.epochFrom = now
	w.epochEnd = now.Add(max(2*w.rtt, leastEpoch))
	w.answers, w.limited, w.idle = 0, false, false
}
