package scanner

import (
	"slices"
	"time"

	"github.com/a2scan/a2scan/internal/arena"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// expireStep is how many deadlines are handled in one turn of the loop: a hundred
// thousand that fall together must not keep it from the socket, and the records of
// one turn should fit an output buffer (80 of them do).
const expireStep = 64

// maxDenial is how many bytes of a server's refusal go into the record.
const maxDenial = 256

// An engine is a whole scan, less the socket, the clock and the goroutines:
// targets, datagrams and the time go in, requests and records come out. It is a
// value of its inputs and its seed alone, so that a scan of a million targets
// can be run in virtual time. It is not safe for concurrent use.
//
// Order of service: answers to challenges and further queries first, since a
// server is waiting; then retries; then fresh targets. What is in flight
// therefore drains before more is taken in, and overload shows as slower
// admission instead of as timeouts.
type engine struct {
	cfg      Config
	wall     time.Time // at proto.Time 0
	stalls   []stall
	client   *proto.Client
	table    *table
	slab     slab
	wheel    *wheel
	hosts    *hosts
	twins    twins
	budget   budget
	recent   recent
	store    *arena.Arena       // answers that wait for the target's other answers
	raws     []rawUse           // by slot, with Config.Raw
	searches []search           // by slot, with Config.PortOffsets
	isTarget func(mux.Key) bool // reports whether the Source names an address and port; nil: unknown
	strays   strays             // by slot, if few targets are in flight; else nil

	answers  readyList
	retries  readyList
	fresh    readyList // nothing was sent to these yet
	filled   []uint32  // slots of the packets that Fill wrote
	begun    int       // of these, without an open request
	deferred deferred
	origins  origins

	feed    []targets.Target // not yet admitted
	feedAt  int
	ended   bool // no more targets will be fed
	stopped bool // none are to be admitted
	behind  bool // the output is behind: none are to be admitted now
	blocked bool // the next target waits for a place among the parked ones
	held    bool // by addresses alone, since heldAt
	heldAt  proto.Time
	window  *window // with Config.Rate 0, else nil
	pace    pace
	reached bool // MaxResults

	kinds     func(seq uint64) proto.Kinds // the queries of a target; nil: cfg.Kinds
	cancelled map[uint64]struct{}          // targets that are not to begin

	sendTime sendTime

	latest proto.Time // of the datagrams: HandleTimeout is told of times before

	stats Stats
	rtts  histogram
	out   []byte // outcomes
	due   []uint32
	done  outcome // of the target that is being settled
}

// newEngine returns an engine for a valid cfg. Virtual time 0 is wall.
// ReassemblyBytes and the other sizes are decided here; only the memory of parked
// targets grows later.
func newEngine(cfg Config, wall time.Time) (*engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := cfg.MaxInFlight
	rules := cfg.rules()
	rules.ReassemblyBytes = min(max(n*2048, min(8<<20, (n+3)*leastStore)), 64<<20)
	client, err := proto.NewClient(rules)
	if err != nil {
		return nil, err
	}
	e := &engine{
		cfg:     cfg,
		wall:    wall,
		client:  client,
		table:   newTable(n, cfg.Seed),
		slab:    newSlab(n),
		wheel:   newWheel(n, 0),
		hosts:   newHosts(cfg.PerIPRate, n, cfg.Seed),
		budget:  newBudget(cfg.Rate, cfg.Bandwidth),
		recent:  newRecent(n, cfg.Seed),
		store:   arena.New(storeBytes(&cfg)),
		answers: readyList{mark: slotAnswer},
		retries: readyList{mark: slotRetry},
		fresh:   readyList{mark: slotFresh},
		filled:  make([]uint32, 0, cfg.Batch),
		due:     make([]uint32, 0, expireStep),
	}
	if cfg.Raw {
		e.raws = make([]rawUse, n)
	}
	if len(cfg.PortOffsets) > 0 {
		e.searches = make([]search, n)
	}
	if cfg.Rate == 0 {
		e.window = newWindow(n, 0, cfg.Kinds)
	}
	e.countResults()
	return e, nil
}

// storeBytes is the memory for answers that wait for others of their target:
// a short INFO and a medium list for each, within bounds. With --raw, which keeps
// every datagram, four times that.
func storeBytes(cfg *Config) int {
	n := cfg.MaxInFlight * 2048
	if cfg.Raw {
		n *= 4
	}
	return min(max(n, min(16<<20, (cfg.MaxInFlight+3)*leastStore)), 256<<20)
}

// leastStore is the memory per target if few are in flight: more than the longest answer.
const leastStore = 256 << 10

// Feed gives the engine targets. It keeps the slice until NeedsTargets is true again.
func (e *engine) Feed(list []targets.Target) { e.feed, e.feedAt = list, 0 }

// EndFeed says that no more targets will come.
func (e *engine) EndFeed() { e.ended = true }

// NeedsTargets reports whether Feed may be called: all that was fed is taken in.
func (e *engine) NeedsTargets() bool {
	return e.feedAt == len(e.feed) && !e.ended && !e.stopped
}

// Stop ends admission: targets in flight go on, targets that wait their turn
// are given back uncounted.
func (e *engine) Stop() {
	e.stopped = true
	for {
		if _, ok := e.hosts.drain(); !ok {
			break
		}
	}
	e.twins = twins{}
	e.feed, e.feedAt = nil, 0
}

// Hold stops admission while the output is behind.
func (e *engine) Hold(behind bool) { e.behind = behind }

// SetReceiveBuffer tells a closed loop (Config.Rate 0) how many bytes of
// datagrams the socket can hold, as the kernel accounts them.
func (e *engine) SetReceiveBuffer(n int) {
	if e.window != nil && n > 0 {
		e.window = newWindow(e.cfg.MaxInFlight, n, e.cfg.Kinds)
	}
}

// Slept tells a closed loop that it had to wait for packets.
func (e *engine) Slept() {
	if e.window != nil {
		e.window.idle = true
	}
}

// Judge lets a closed loop adapt its window, if it is time.
// drops is called then, for the datagrams that the socket has lost so far.
func (e *engine) Judge(now proto.Time, drops func() uint64) {
	if e.window != nil && e.window.turn(now) {
		e.window.judge(now, drops())
	}
}

// Window returns how many answers a closed loop expects at once at most, 0
// where there is no such limit.
func (e *engine) Window() int {
	if e.window == nil {
		return 0
	}
	return e.window.limit
}

// InFlight returns the number of targets that are open.
func (e *engine) InFlight() int { return e.slab.live }

// Finished reports whether there is nothing left to do.
func (e *engine) Finished() bool {
	if e.slab.live > 0 {
		return false
	}
	return e.stopped || e.ended && e.feedAt == len(e.feed) && e.hosts.parked == 0 && e.twins.none()
}

// ReachedMaxResults reports whether Config.MaxResults targets were successes, their
// records written or left out by Config.Filter.
// The engine then settles no more, and is to be aborted.
func (e *engine) ReachedMaxResults() bool { return e.reached }

// Output returns the outcomes written down since TakeOutput was last called: a
// recorder makes lines of them.
func (e *engine) Output() []byte { return e.out }

// TakeOutput returns the outcomes and continues to write into buf, which must be empty.
func (e *engine) TakeOutput(buf []byte) []byte {
	out := e.out
	e.out = buf
	return out
}

// Stats returns the present counts.
func (e *engine) Stats() Stats {
	s := e.stats
	s.InFlight, s.Parked, s.Window = e.slab.live, e.hosts.parked+e.twins.waiting, e.Window()
	s.RTT = [3]time.Duration{e.rtts.percentile(.5), e.rtts.percentile(.9), e.rtts.percentile(.99)}
	s.RTTMax = -1
	if e.rtts.n > 0 {
		s.RTTMax = e.rtts.max
	}
	return s
}

// A stall is time that passed on the wall and not in the scan.
type stall struct {
	at   proto.Time // when it was over
	lost time.Duration
}

// maxStalls is how many stalls are remembered: more than there can be in the time of
// a target, each being a second at least.
const maxStalls = 1 << 13

// Stalled tells the engine that the clock was set back by lost, so that it shows now:
// of what is sent from now on the wall time is later by that.
func (e *engine) Stalled(now proto.Time, lost time.Duration) {
	if n := len(e.stalls); n > 0 {
		lost += e.stalls[n-1].lost
	}
	if n := len(e.stalls); n == maxStalls {
		e.stalls = append(e.stalls[:0], e.stalls[n/2:]...)
	}
	e.stalls = append(e.stalls, stall{now, lost})
}

// lostBefore returns how much time on the wall the scan had lost by then.
func (e *engine) lostBefore(at proto.Time) time.Duration {
	for n := len(e.stalls) - 1; n >= 0; n-- {
		if e.stalls[n].at <= at {
			return e.stalls[n].lost
		}
	}
	return 0
}

// BeginTurn is called once a turn of the loop, before anything else.
func (e *engine) BeginTurn() { e.client.BeginTurn() }

// HandlePacket takes a datagram or ICMP error that arrived in the socket at arrived, from
// which round trips and the deadlines that it sets are counted. It reads p only during the
// call.
func (e *engine) HandlePacket(now, arrived proto.Time, p *mux.Packet) {
	e.latest = now
	i, known := e.table.Find(p.Peer)
	if p.Unreachable != mux.Reachable {
		e.stats.ICMP++
		if known && e.cfg.ICMP != ICMPOff && !e.reached {
			s := &e.slab.slots[i]
			e.expectLess(now, s)
			out := e.client.HandleUnreachable(&s.q, p.Unreachable == mux.PortUnreachable, e.cfg.ICMP == ICMPOn)
			e.step(now, i, &out)
		}
		return
	}
	e.stats.Received++
	e.stats.BytesReceived += uint64(len(p.Data))
	if e.window != nil {
		e.window.received(len(p.Data))
	}
	if !known {
		if e.recent.has(p.Peer) {
			e.stats.Late++
		} else {
			e.stats.Unmatched++
			e.noteStray(p.Peer)
		}
		return
	}
	if e.reached {
		return // the scan has reached MaxResults and is about to be aborted
	}
	s := &e.slab.slots[i]
	e.expectLess(now, s)
	if s.heard++; s.heard == 0 {
		s.heard--
	}
	if n := uint32(len(p.Data)); s.bytes+n >= s.bytes { // stops near 4 GiB
		s.bytes += n
	}
	if e.searches != nil {
		e.searches[i].heard, e.searches[i].until = true, 0
	}
	data := p.Data
	if p.Truncated { // half a datagram is noise
		e.stats.Truncated++
		data = nil
	}
	out := e.client.HandleDatagram(&s.q, arrived, data)
	if e.cfg.Raw {
		e.keepReceived(now, i, p.Data, &out)
	}
	e.step(now, i, &out)
}

// expectLess counts an answer of s for the closed loop.
func (e *engine) expectLess(now proto.Time, s *slot) {
	if e.window != nil && s.open > 0 {
		s.open--
		e.window.answered(s.asked, now)
		if s.open == 0 {
			e.window.serverAnswered(s.asked)
		}
	}
}

// HandleTimeout does what is due at now, at most expireStep deadlines: Deadline
// stays in the past while there are more.
func (e *engine) HandleTimeout(now proto.Time) {
	e.due = e.wheel.expire(now, e.due[:0])
	for _, i := range e.due {
		if e.reached {
			e.rearm(i)
			continue
		}
		s := &e.slab.slots[i]
		if s.flags&slotPaced != 0 && s.paced <= now {
			s.flags &^= slotPaced
			e.list(s).push(&e.slab, i)
		}
		out := e.client.HandleTimeout(&s.q, now)
		if out.Send && s.flags&slotQueued == 0 {
			s.flags |= slotRetries
		}
		if !out.Done && e.givesUp(now, i) {
			out = e.client.Abort(&s.q, proto.NoReason)
		}
		e.step(now, i, &out)
	}
}

// Inflate decompresses replies that waited, within the budget of this turn. It is called
// once per turn, after the packets and deadlines, so it never delays them.
func (e *engine) Inflate(now proto.Time) {
	for e.client.CanInflate() && !e.reached {
		i, ok := e.deferred.pop()
		if !ok {
			return
		}
		s := &e.slab.slots[i]
		if s.flags&slotDeferred == 0 {
			continue // it ended meanwhile
		}
		s.flags &^= slotDeferred
		out := e.client.Inflate(&s.q, now)
		if e.cfg.Raw {
			e.pinInflated(i, &out)
		}
		e.step(now, i, &out)
		if s.flags&slotLive != 0 {
			e.postpone(i)
		}
	}
}

// postpone queues a slot whose Query waits for inflation budget.
func (e *engine) postpone(i uint32) {
	if s := &e.slab.slots[i]; s.q.Deferred() && s.flags&slotDeferred == 0 {
		s.flags |= slotDeferred
		e.deferred.push(i)
	}
}

// step acts on a Query's Output.
func (e *engine) step(now proto.Time, i uint32, out *proto.Output) {
	s := &e.slab.slots[i]
	switch out.Verdict {
	case proto.Answer, proto.Upgrade:
		if out.Done {
			e.settle(now, i, out, nil)
			return
		}
		if !e.keep(s, out.Body, uint32(out.Kind)) {
			e.stats.NoMemory++
			*out = e.client.Reject(&s.q, out.Kind, now)
		}
	case proto.Deferred:
		e.postpone(i)
	case proto.Challenged:
		e.stats.Challenges++
	case proto.Duplicate:
		e.stats.Duplicate++
	case proto.Unexpected:
		e.stats.Unexpected++
	case proto.Malformed:
		e.stats.Malformed++
	case proto.Dropped:
		e.stats.NoMemory++
	case proto.Denied:
		e.stats.Denied++
		e.settle(now, i, nil, out.Body[:min(len(out.Body), maxDenial)])
		return
	}
	if out.Done {
		if !e.tryNext(now, i) {
			e.settle(now, i, nil, nil)
		}
		return
	}
	if out.Send {
		e.want(now, i)
	}
	e.rearm(i)
}

// want queues a slot that wants to send, now or when its address has a turn.
func (e *engine) want(now proto.Time, i uint32) {
	s := &e.slab.slots[i]
	if s.flags&slotQueued != 0 {
		return
	}
	if at := e.hosts.reserve(now, e.table.Key(i)); at > now {
		s.flags |= slotPaced
		s.paced = at
		return
	}
	e.list(s).push(&e.slab, i)
}

func (e *engine) list(s *slot) *readyList {
	if s.flags&slotRetries != 0 {
		return &e.retries
	}
	return &e.answers
}

func (e *engine) unlist(i uint32) {
	s := &e.slab.slots[i]
	if s.flags&slotAnswer != 0 {
		e.answers.remove(&e.slab, i)
	}
	if s.flags&slotRetry != 0 {
		e.retries.remove(&e.slab, i)
	}
	if s.flags&slotFresh != 0 {
		e.fresh.remove(&e.slab, i)
	}
}

// rearm sets the slot's deadline by its Query and its pacing.
func (e *engine) rearm(i uint32) {
	s := &e.slab.slots[i]
	at, ok := e.client.Deadline(&s.q)
	if s.flags&slotPaced != 0 && (!ok || s.paced < at) {
		at, ok = s.paced, true
	}
	if e.searches != nil {
		if until := e.searches[i].until; until != 0 && (!ok || until < at) {
			at, ok = until, true
		}
	}
	if ok {
		e.wheel.arm(i, at)
	}
}

// Fill replaces the packets of tx by requests that may be sent at now: answers to
// challenges and further queries first, since their servers wait, then retries, then
// fresh targets. Nothing counts as sent before Commit.
func (e *engine) Fill(now proto.Time, tx *mux.Batch) {
	tx.Reset()
	e.filled, e.begun = e.filled[:0], 0
	allowed := e.budget.available(now, tx.Cap())
	for _, l := range [...]*readyList{&e.answers, &e.retries, &e.fresh} {
		for next := l.head; next != 0 && len(e.filled) < allowed; {
			i := next - 1
			s := &e.slab.slots[i]
			next = s.next
			if !s.q.WantsSend() { // the request that it wanted to repeat was answered
				l.remove(&e.slab, i)
				s.flags &^= slotRetries
				continue
			}
			e.fill(tx, i)
		}
	}
	for len(e.filled) < allowed {
		i, ok := e.admit(now)
		if !ok {
			break
		}
		e.fresh.push(&e.slab, i)
		e.fill(tx, i)
	}
	e.noteHeld(now, len(e.filled) < allowed)
}

// noteHeld counts the time in which the rate allows more, and all targets at hand wait for
// their addresses' turns.
func (e *engine) noteHeld(now proto.Time, spare bool) {
	held := spare && e.hosts.parked > 0 && e.accepts() && (e.window == nil || !e.window.full(len(e.filled), e.begun))
	if held && e.held {
		e.stats.HeldByAddress += now.Sub(e.heldAt)
	}
	e.held, e.heldAt = held, now
}

// fill appends the next request of slot i to tx. Of one slot there is one in a batch.
func (e *engine) fill(tx *mux.Batch, i uint32) {
	tx.Commit(e.table.Key(i), e.client.AppendTransmit(tx.Next(), &e.slab.slots[i].q))
	e.filled = append(e.filled, i)
	if e.slab.slots[i].open == 0 {
		e.begun++
	}
}

// Commit starts the clocks of the first n packets of tx, which Fill wrote at now and the
// system took between now and done, and counts them. The others stay ready. It reports
// whether more can be sent at once to servers that wait.
func (e *engine) Commit(now, done proto.Time, tx *mux.Batch, n int) (more bool) {
	payload := 0
	each := e.sendTime.each(done.Sub(now), n)
	for j, i := range e.filled[:n] {
		s := &e.slab.slots[i]
		data := tx.Packet(j).Data
		payload += len(data)
		e.unlist(i)
		s.flags &^= slotRetries
		at := now.Add(each * time.Duration(j))
		e.client.Sent(&s.q, at)
		if e.searches != nil {
			e.limitPort(at, i)
		}
		if e.window != nil {
			before := s.asked
			s.asked = stampAt(at)
			e.window.serverAsked(s.asked, before, s.open > 0)
			s.open++
			e.window.sent(s.asked)
		}
		if s.sent++; s.sent == 0 {
			s.sent--
		}
		if e.cfg.Raw {
			e.keepSent(at, i, data)
		}
		if s.q.WantsSend() {
			e.want(now, i)
		}
		e.rearm(i)
	}
	if n > 0 {
		e.budget.spend(now, n, payload)
		e.stats.Sent += uint64(n)
		e.stats.BytesSent += uint64(payload)
	}
	return e.answers.head != 0
}

// SendFailed settles the target of packet n of the batch that Fill wrote, which the system
// refused to send for that target's own sake. The packets before it must have been
// committed. A refused packet takes its share of the rate, or a network that is down
// would end a whole list at once.
func (e *engine) SendFailed(now proto.Time, n int, err error) {
	i := e.filled[n]
	e.budget.spend(now, 1, 0)
	e.stats.SendErrors++
	e.client.Abort(&e.slab.slots[i].q, proto.ReasonSend)
	e.settle(now, i, nil, []byte(err.Error()))
}

// SendBlocked counts that the system had no room for a packet.
func (e *engine) SendBlocked() { e.stats.SendWaits++ }

// accepts reports whether a fresh target would find a place.
func (e *engine) accepts() bool {
	return !e.stopped && !e.behind && !e.slab.full() &&
		e.store.Available() >= e.store.Capacity()/4
}

// admit takes in the next target that may be sent to and returns its slot.
func (e *engine) admit(now proto.Time) (uint32, bool) {
	for e.accepts() {
		if e.window != nil && e.window.full(len(e.filled), e.begun) {
			e.window.limited = true
			return 0, false
		}
		if t, ok := e.hosts.unpark(now); ok {
			if i, ok := e.open(&t); ok {
				return i, true
			}
			continue
		}
		t := e.nextTarget()
		if t == nil || now < e.pace.next() {
			return 0, false
		}
		if t.Refusal != targets.Accepted {
			e.dropTarget()
			e.refuse(now, t)
			continue
		}
		if e.hosts.waits(t.Key) || !e.hosts.take(now, t.Key) {
			if !e.hosts.park(now, *t) {
				e.blocked = true
				return 0, false
			}
			e.dropTarget()
			continue
		}
		e.dropTarget()
		if i, ok := e.open(t); ok {
			return i, true
		}
	}
	return 0, false
}

// nextTarget returns the target that is to be admitted next; nil if there is none.
func (e *engine) nextTarget() *targets.Target {
	switch {
	case len(e.twins.due) > 0:
		return &e.twins.due[0]
	case e.feedAt < len(e.feed) && e.twins.waiting < maxParked:
		return &e.feed[e.feedAt]
	}
	return nil
}

// dropTarget continues behind the target that nextTarget returned.
func (e *engine) dropTarget() {
	if len(e.twins.due) > 0 {
		e.twins.due = e.twins.due[1:]
	} else {
		e.feedAt++
		e.pace.begun++
	}
}

// open gives a target a slot. One whose address and port is in flight already waits
// until that has ended: there is one conversation with each.
func (e *engine) open(t *targets.Target) (uint32, bool) {
	if e.cancelled != nil {
		if _, ok := e.cancelled[t.Seq]; ok {
			delete(e.cancelled, t.Seq)
			e.twins.release(t.Key)
			return 0, false
		}
	}
	i := e.slab.alloc()
	if !e.table.Insert(t.Key, i) {
		e.slab.release(i)
		e.twins.add(t)
		e.stats.Twins++
		return 0, false
	}
	e.blocked = false
	s := &e.slab.slots[i]
	s.seq = t.Seq
	s.origin = e.origins.add(t.Origin)
	if e.cfg.Raw {
		e.raws[i] = rawUse{}
	}
	if e.searches != nil {
		e.searches[i] = search{given: t.Key.Port}
	}
	s.kinds = e.cfg.Kinds
	if e.kinds != nil {
		s.kinds = e.kinds(t.Seq)
	}
	e.client.Begin(&s.q, s.kinds)
	e.stats.PeakInFlight = max(e.stats.PeakInFlight, e.slab.live)
	return i, true
}

// Cancel settles a target that is in flight as aborted. It returns false if it is not in
// flight: if it still waits, it is dropped once its turn comes.
func (e *engine) Cancel(now proto.Time, key mux.Key, seq uint64) bool {
	if i, ok := e.table.Find(key); ok && e.slab.slots[i].seq == seq {
		e.client.Abort(&e.slab.slots[i].q, proto.ReasonAborted)
		e.settle(now, i, nil, nil)
		return true
	}
	if e.cancelled == nil {
		e.cancelled = map[uint64]struct{}{}
	}
	e.cancelled[seq] = struct{}{}
	return false
}

// SetKinds makes the engine ask targets for different queries.
func (e *engine) SetKinds(kinds func(seq uint64) proto.Kinds) { e.kinds = kinds }

// Abort settles all that is in flight as aborted.
func (e *engine) Abort(now proto.Time) {
	e.Stop()
	for i := range e.slab.slots[:e.slab.fresh] {
		if s := &e.slab.slots[i]; s.flags&slotLive != 0 {
			e.client.Abort(&s.q, proto.ReasonAborted)
			e.settle(now, uint32(i), nil, nil)
		}
	}
}

// Deadline returns when the engine has something to do by itself: a deadline,
// a packet that the rate allows again, an address whose turn comes. It is false
// if it only waits for targets or packets. If the socket is full, only deadlines count.
func (e *engine) Deadline(now proto.Time, full bool) (proto.Time, bool) {
	at, ok := e.wheel.next()
	if e.deferred.waiting() && !e.reached {
		at, ok = now, true
	}
	if full {
		return at, ok
	}
	sooner := func(t proto.Time) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	fresh := e.nextTarget() != nil && !e.blocked && e.accepts()
	if e.window != nil && e.window.full(0, 0) {
		if fresh || e.hosts.parked > 0 { // silence frees places too
			sooner(now.Add(leastPatience / 4))
		}
		fresh = false
	}
	if e.answers.head != 0 || e.retries.head != 0 || e.fresh.head != 0 {
		sooner(e.budget.next(now))
	}
	if fresh {
		sooner(max(e.pace.next(), e.budget.next(now)))
	}
	if t, parked := e.hosts.next(); parked && e.accepts() {
		sooner(max(t, e.budget.next(now)))
	}
	return at, ok
}

// keep stores an answer until the target is settled. Of two of a kind the recorder
// takes the later.
func (e *engine) keep(s *slot, b []byte, tag uint32) bool {
	r, ok := e.store.Put(b, tag)
	if ok {
		e.store.SetLink(r, s.kept)
		s.kept = r
	}
	return ok
}

// settle writes the target's one outcome and frees its slot. answer is the reply that
// ended the target, if one did; problem is the reason that the system or the server
// gave in words.
func (e *engine) settle(now proto.Time, i uint32, answer *proto.Output, problem []byte) {
	s := &e.slab.slots[i]
	key := e.table.Key(i)
	o := &e.done
	start, started := s.q.Started()
	if !started {
		start = now
	}
	end, before := max(now, e.latest), e.lostBefore(start)
	stalled := e.lostBefore(end) - before
	*o = outcome{
		seq: s.seq, key: key, start: start.Add(before), duration: end.Sub(start) + stalled,
		sent: s.sent, heard: s.heard, bytes: s.bytes,
		kinds: s.kinds, challenged: s.q.WasChallenged(), raw: e.cfg.Raw,
		problem: append(o.problem[:0], problem...), input: o.input, tag: o.tag, source: o.source,
	}
	for k := range o.results {
		if !o.kinds.Has(proto.Kind(k)) {
			continue
		}
		res := s.q.Result(proto.Kind(k))
		if stalled > 0 {
			res.RTT = output.NoRTT // the time of its answer is not known
		}
		e.stats.Retransmits += uint64(max(res.Attempts-1, 0))
		o.results[k] = res
	}
	if e.searches != nil {
		e.searches[i].finish(o)
	}
	if o.status, _ = o.verdict(); e.reached && o.status == output.Success {
		// It waited for a better answer only, but there are results enough.
		o.abortFirst()
		o.status, _ = o.verdict()
	}
	if o.status == output.Timeout {
		o.problem = e.strays.appendTo(o.problem, i)
	} else if int(i) < len(e.strays) {
		e.strays[i] = stray{}
	}
	for k, res := range o.results {
		if o.kinds.Has(proto.Kind(k)) {
			e.stats.Sections[k][statusOf(res)]++
		}
	}
	if rtt := o.rtt(); rtt >= 0 {
		e.rtts.add(rtt)
	}
	if e.window != nil {
		e.window.settled(int(s.heard), int(s.bytes), o.status == output.Success)
	}
	if at, wanted := e.write(e.origins.get(s.origin)); wanted {
		if answer != nil {
			e.out = appendPart(e.out, uint32(answer.Kind), answer.Body)
		}
		for r := s.kept; r != 0; r = e.store.Link(r) {
			e.out = appendPartHead(e.out, e.store.Tag(r), e.store.Len(r))
			e.out = e.store.AppendTo(e.out, r)
		}
		e.out = endOutcome(e.out, at)
		if e.cfg.Raw {
			e.countLeft(i)
		}
	}
	e.unlist(i)
	e.wheel.disarm(i)
	e.table.Delete(i)
	e.twins.release(key)
	e.recent.add(key)
	e.store.FreeAll(s.kept)
	e.origins.release(s.origin)
	e.slab.release(i)
}

// refuse writes down the outcome of a target that is not asked.
func (e *engine) refuse(now proto.Time, t *targets.Target) {
	o := &e.done
	*o = outcome{
		seq: t.Seq, key: t.Key, start: now.Add(e.lostBefore(now)), status: refusedStatus(t.Refusal),
		kinds: e.cfg.Kinds, refusal: t.Refusal,
		problem: append(o.problem[:0], t.Reason...), input: o.input, tag: o.tag, source: o.source,
	}
	if at, wanted := e.write(t.Origin); wanted {
		e.out = endOutcome(e.out, at)
	}
}

// countResults looks whether Config.MaxResults is reached.
func (e *engine) countResults() {
	if most := e.cfg.MaxResults; most > 0 && e.cfg.HadResults+e.stats.Statuses[output.Success] >= most {
		e.reached = true
	}
}

// write counts e.done, and appends it to the output if it is to have a record:
// then its parts may be appended, and endOutcome must be called.
func (e *engine) write(origin *targets.Origin) (at int, wanted bool) {
	o := &e.done
	e.stats.Statuses[o.status]++
	if o.status == output.Aborted {
		e.stats.Aborted++
	} else {
		e.stats.Done++
	}
	if o.given != 0 && (o.status == output.Success || o.status == output.Partial) {
		e.stats.OtherPort++
	}
	if o.status == output.Success {
		e.countResults()
	}
	if len(e.cfg.Filter) > 0 && !slices.Contains(e.cfg.Filter, o.status) {
		e.stats.Filtered++
		return 0, false
	}
	e.stats.Records++
	o.input, o.tag, o.source = o.input[:0], o.tag[:0], o.source[:0]
	if origin != nil {
		o.input, o.tag = append(o.input, origin.Input...), append(o.tag, origin.Tag...)
		o.source = append(o.source, origin.Source...)
	}
	e.out, at = o.append(e.out)
	return at, true
}
