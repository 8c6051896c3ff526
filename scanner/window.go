package scanner

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// Constants of the closed loop (--rate 0).
const (
	// startWindow keeps a loopback busy and no buffer full: 512 answers of an
	// INFO take 660 KB as the kernel accounts them. With lists, three requests to a
	// server are open at once, and twice as many are better
	// (42,400 servers a second with 256, 48,800 with 1,024; 2 cores, 2026-11).
	startWindow = 512
	minWindow   = 64
	minServers  = 4

	// The bytes that the kernel adds to a datagram's payload when it accounts for the
	// receive buffer: 200 bytes take 1,283, and 1,400 take 2,304 (Linux 6.18, amd64,
	// 2026-11).
	datagramOverhead = 1100

	// replyCost is the assumed cost of the answers to a request in the receive buffer
	// before any were seen: one datagram of 1,400 bytes.
	replyCost = 2304

	// listsCost is the assumed cost of all answers of a server with lists, before any were
	// seen: INFO, a datagram of players and two of rules.
	listsCost = 8000

	// A request that is not answered within four round trips, within these limits, is
	// no longer expected: the server is silent and holds no place.
	leastPatience = 8 * time.Millisecond
	mostPatience  = 250 * time.Millisecond

	// The share of the receive buffer that expected answers may take, by the mean of
	// earlier ones. Answers to INFO are alike. Lists are not, and each drop costs a timeout.
	shareShort = 0.8
	shareLong  = 0.65

	// Silent servers need no space, but a few of them say little about the next ones.
	leastAnswering = 1.0 / 3

	stampBits = 20 // 1.05 ms, the grain in which requests grow old
	stampRing = 256

	leastEpoch = 20 * time.Millisecond
	growth     = 1.25
	worthwhile = 1.10 // a larger window must bring that much more answers
	relief     = 0.98 // an epoch in which the loop never slept gives some back
	restEpochs = 16   // before the next try, after one that brought nothing

	shrink    = 0.7                    // on drops
	shrinkGap = 100 * time.Millisecond // the drops of so long are one event
	recovery  = 1.02                   // by which the limit that drops have set relaxes each epoch
)

// A window is the closed loop of a scan at full speed. It limits the requests
// whose answers are still expected, and looks for the smallest limit that keeps
// the socket busy: more in flight costs speed (the working set leaves the
// caches: 10 % at 4,096, 16 to 30 % at 16,384) and, if the buffer is small,
// answers. If the loop had to wait for packets, it tries a quarter more, and keeps
// that only if more answers came. If the loop never waits, it gives some back. If the
// socket has dropped datagrams, it shrinks. The expected answers never exceed the
// receive buffer, so it holds them even if they come while the process does not run:
// the cost of the answers to a request is measured all the time.
type window struct {
	limit  int
	least  int     // that relief goes down to
	most   int     // Config.MaxInFlight
	buffer int     // bytes that the receive buffer holds, as the kernel accounts them; 0: unknown
	share  float64 // of it that may be expected
	relax  float64 // the limit that drops have set
	open   int     // requests sent, and neither answered nor out of patience

	ring [stampRing]uint32 // open requests by the stamp of their send

	// With lists, a server that is asked for INFO is asked for all else at once when its
	// challenge comes. So the limit also counts servers, with the cost of all their answers.
	lists      bool
	servers    int               // with open requests
	asked      [stampRing]uint32 // of these, by the stamp of the last send
	serverCost float64           // bytes of buffer that all answers of one take
	answering  float64           // share of servers that answer
	trust      float64           // share of the limit of servers that drops have left

	tail uint32        // stamps before this are out of patience
	aged proto.Time    // when tail was last moved
	rtt  time.Duration // smoothed

	epochEnd  proto.Time
	epochFrom proto.Time
	answers   int  // in this epoch
	datagrams int  // in this epoch
	payload   int  // of these, bytes
	limited   bool // a target had to wait for the window in this epoch
	idle      bool // the loop slept in this epoch

	cost      float64    // bytes of buffer that a request's answers take
	drops     uint64     // of the socket, so far
	spareTill proto.Time // drops before this are those that shrank the window last

	tried  bool // limit is on trial against the epoch before
	before int  // limit before the trial
	rate   float64
	rest   int
}

func newWindow(most, buffer int, kinds proto.Kinds) *window {
	w := &window{most: most, buffer: buffer, share: shareShort, rtt: time.Millisecond, cost: replyCost, serverCost: listsCost, answering: 1, trust: 1, relax: float64(most)}
	if kinds&(proto.WantPlayers|proto.WantRules) != 0 {
		w.share, w.lists = shareLong, true
	}
	w.least = startWindow
	if w.share == shareLong {
		w.least *= 2
	}
	w.limit = min(w.least, w.cap())
	return w
}

// cap returns the largest limit that is safe by the measurements so far.
func (w *window) cap() int {
	c := min(float64(w.most), w.relax)
	if w.buffer > 0 && !w.lists {
		c = min(c, w.share*float64(w.buffer)/w.cost)
	}
	return min(max(int(c), minWindow), w.most)
}

// stamp is when a request was sent, as a slot keeps it: units of 1,024 ns that wrap.
type stamp uint32

func stampAt(now proto.Time) stamp { return stamp(uint64(now) >> 10) }

func (s stamp) tick() uint32 { return uint32(s) >> (stampBits - 10) }

// stampTicks is the number of ticks before stamp's own wrap.
const stampTicks = 1 << (32 - (stampBits - 10))

// full reports whether no request may be sent to a fresh target, with n that are about
// to be sent, to so many servers more.
func (w *window) full(n, servers int) bool {
	return w.open+n >= w.limit || w.lists && w.buffer > 0 && w.servers+servers >= w.mostServers()
}

// mostServers returns how many servers may be asked for lists at once.
func (w *window) mostServers() int {
	expected := w.serverCost * max(w.answering, leastAnswering)
	return max(int(w.share*w.trust*float64(w.buffer)/expected), minServers)
}

// sent counts a request.
func (w *window) sent(at stamp) {
	w.open++
	w.ring[at.tick()%stampRing]++
}

// serverAsked counts a server with open requests: the last was sent at that time, and the one
// before at before, if again is set.
func (w *window) serverAsked(at, before stamp, again bool) {
	if again {
		w.serverAnswered(before)
	}
	w.servers++
	w.asked[at.tick()%stampRing]++
}

// serverAnswered counts a server less: it has answered all requests, the last one sent at
// that time.
func (w *window) serverAnswered(sent stamp) {
	if n := (sent.tick() - w.tail) % stampTicks; n < stampRing {
		if i := sent.tick() % stampRing; w.asked[i] > 0 {
			w.asked[i]--
			w.servers--
		}
	}
}

// settled notes the number and the bytes of the datagrams that a server sent, and whether it
// answered every query.
func (w *window) settled(datagrams, payload int, success bool) {
	if success {
		w.serverCost += (float64(payload+datagrams*datagramOverhead) - w.serverCost) / 64
	}
	answered := 0.0
	if datagrams > 0 {
		answered = 1
	}
	w.answering += (answered - w.answering) / 256
}

// received counts a datagram from any sender.
func (w *window) received(payload int) {
	w.datagrams++
	w.payload += payload
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
	if now.Sub(w.aged) > stampRing<<stampBits { // nothing happened for long; it may be laps of the stamps
		clear(w.ring[:])
		clear(w.asked[:])
		w.open, w.servers, w.tail = 0, 0, from
	}
	w.aged = now
	n := (from - w.tail) % stampTicks
	if n >= stampTicks/2 {
		n = 0 // patience has grown: the tail stays
	}
	for range n {
		i := w.tail % stampRing
		w.open -= int(w.ring[i])
		w.ring[i] = 0
		w.servers -= int(w.asked[i])
		w.asked[i] = 0
		w.tail = (w.tail + 1) % stampTicks
	}
	return now >= w.epochEnd
}

// judge ends an epoch. drops is the socket's count of lost datagrams so far.
func (w *window) judge(now proto.Time, drops uint64) {
	took := now.Sub(w.epochFrom)
	rate := float64(w.answers) / max(took.Seconds(), 1e-6)
	if w.answers >= minWindow/2 {
		cost := float64(w.payload+w.datagrams*datagramOverhead) / float64(w.answers)
		w.cost += (cost - w.cost) / 4
	}
	if lost := drops > w.drops; lost && now >= w.spareTill {
		w.relax = max(float64(w.limit)*shrink, minWindow)
		w.trust *= shrink
		w.spareTill = now.Add(max(4*w.rtt, shrinkGap))
		w.tried, w.rest = false, 4
	} else if !lost {
		if w.relax < float64(w.most) {
			w.relax *= recovery
		}
		w.trust = min(w.trust*recovery, 1)
	}
	w.drops = drops

	switch {
	case w.tried:
		w.tried = false
		if rate < w.rate*worthwhile {
			w.limit = w.before
			w.rest = restEpochs
		}
	case w.rest > 0:
		w.rest--
	case w.limited && w.idle && w.limit < w.cap():
		w.before, w.rate = w.limit, rate
		w.limit = int(float64(w.limit)*growth) + 1
		w.tried = true
	case w.limited && !w.idle:
		w.limit = max(int(float64(w.limit)*relief), w.least)
	}
	w.limit = min(w.limit, w.cap())
	w.epochFrom = now
	w.epochEnd = now.Add(max(2*w.rtt, leastEpoch))
	w.answers, w.datagrams, w.payload, w.limited, w.idle = 0, 0, 0, false, false
}
