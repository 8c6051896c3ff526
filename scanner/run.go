package scanner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/internal/linewriter"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Implementation constants of the loop.
const (
	feedBatch    = 256                   // targets handed over at once
	feedBatches  = 8                     // of them between the feeder and the loop
	flushEvery   = 20 * time.Millisecond // a record waits no longer for others
	publishEvery = 100 * time.Millisecond
	gatherTime   = grantTime
	lowRoom      = 4 // free output buffers below which no targets are admitted

	// If the writer is behind, records wait in memory: first in spare buffers,
	// then with the loop. Beyond that deadlines wait too, so that a million targets
	// that fall silent together do not become a gigabyte of records.
	spareOutput = 8 << 20
	maxBacklog  = 1 << 20
	// Answers are still read then, and a server's answers may be long. With so many bytes
	// waiting they stay in the socket's buffer, and its drops are counted.
	maxWaiting = 64 << 20

	// A turn that takes so much longer than the wait it asked for was none: the
	// process was stopped, or the machine slept.
	stallTime = time.Second
	// So it sleeps no longer than this while targets are in flight: a longer sleep could not
	// be distinguished from a stop.
	longestSleep = 250 * time.Millisecond

	// An abort waits no longer for the reader of the records.
	abandonTime = 2 * time.Second

	// Sends that all fail for as long and as often as this mean that the network
	// is gone rather than the targets.
	sendFailTime  = 5 * time.Second
	sendFailCount = 1000
	// A socket that has no room for so long won't have any: the slowest link that has a
	// use takes a packet each second, and one that hangs takes none.
	noRoomTime = time.Minute

	// maxRequest is the room for a request in a batch: the longest has 29 bytes.
	maxRequest = 64
	// receiveSize is the room for a reply: the largest UDP payload.
	receiveSize = 65535
)

// A Source yields the targets of a scan: targets.List is one. With Config.PortOffsets it
// may also have the method Has(mux.Key) bool, which any goroutine may call. It reports
// whether an address and port is a target itself; such a port is no further port of another
// target.
type Source interface {
	// Next fills dst with the next targets and returns how many: it waits until
	// there is one, and not for more. It returns io.EOF after the last, possibly
	// together with it.
	Next(ctx context.Context, dst []targets.Target) (n int, err error)
}

// A Result sums up a scan.
type Result struct {
	Reason dataset.EndReason
	Start  time.Time
	End    time.Time
	Stats  Stats
	Port   mux.PortStats
	// Records and Bytes (before compression) are in the output. Committed is the length of
	// the file, with the content of before the run.
	Records, Bytes, Committed int64
}

// A Scanner gives an engine a socket, targets, an output and the time. Its
// goroutines are three, for any number of targets: one asks the Source,
// one owns the engine and the socket, one (the linewriter.Writer) writes.
type Scanner struct {
	cfg    Config
	port   mux.Port
	source Source
	writer *linewriter.Writer
	engine *engine

	start  time.Time
	fresh  chan []targets.Target // filled batches
	empty  chan []targets.Target // batches to fill
	hungry atomic.Bool           // the loop sleeps and would take targets
	fed    atomic.Bool           // fresh is closed
	held   atomic.Bool           // the loop sleeps and waits for output buffers
	room   chan struct{}         // the writer has taken something
	abort  atomic.Bool
	stop   atomic.Bool // the context is done

	// Of the feeder, read after fresh is closed.
	feedErr error
	feedCut bool // it was stopped before the last target

	mu        sync.Mutex
	published Stats
	cancels   []canceled // for the loop

	// Of a Client.
	endless    bool             // it goes on however long nothing can be sent
	flushEvery time.Duration    // a record waits no longer for others
	cancelled  func(seq uint64) // a target was cancelled before it began

	// Of the loop.
	rx, tx    *mux.Batch
	full      bool          // the socket had no room
	gather    time.Duration // how long packets may gather in the socket; 0: not at all
	heardAt   proto.Time    // of the last packets
	busy      bool          // packets came soon after others
	buf       *linewriter.Buffer
	taken     []targets.Target
	clock     clock
	flushAt   proto.Time // 0: nothing to flush
	publishAt proto.Time
	stale     bool // something may have happened since
	fedAll    bool // the engine has all targets
	holding   bool // admission waits for the writer
	reason    dataset.EndReason
	giveUpAt  proto.Time // with reason set: when the targets in flight are aborted
	runUntil  proto.Time // 0: no limit
	drained   drained
	failSince proto.Time
	fullSince proto.Time // since when packets wait for room in the socket; 0: none waits
	failCount int
}

// A RecordSink is a Sink that takes records instead of their lines.
type RecordSink interface {
	// WriteLines is called after some calls of WriteRecord, with a line feed for each.
	dataset.Sink
	// WriteRecord takes r, which is valid during the call. It is called on one goroutine,
	// which WriteLines shares. An error is returned by the WriteLines that follows.
	WriteRecord(r *output.Record)
}

// New returns a Scanner that asks what source yields through port and gives the
// records to sink, as lines or, to a RecordSink, as they are. It takes over the sink, which
// Run closes; the port remains the caller's to close. The errors of cfg are those of Config.Validate.
func New(cfg Config, port mux.Port, source Source, sink dataset.Sink) (*Scanner, error) {
	how := writing{encode: (*recorder).lines}
	if taker, ok := sink.(RecordSink); ok {
		how.encode = func(r *recorder, dst, outcomes []byte, enough int) (lines, rest []byte) {
			return r.encode(dst, outcomes, enough, func(dst []byte, record *output.Record) []byte {
				taker.WriteRecord(record)
				return append(dst, '\n')
			})
		}
	}
	return newScanner(cfg, port, source, sink, how)
}

// An encoder makes lines of outcomes with the memory of r: see linewriter.Options.Encode.
type encoder func(r *recorder, dst, outcomes []byte, enough int) (lines, rest []byte)

// writing is how a Scanner writes its outcomes.
type writing struct {
	encode   encoder    // on the writer's goroutine
	keepOpen bool       // the sink, for the next round
	rx, tx   *mux.Batch // used again; nil: new ones
}

// newScanner is New with another way of writing.
func newScanner(cfg Config, port mux.Port, source Source, sink dataset.Sink, how writing) (*Scanner, error) {
	start := time.Now()
	engine, err := newEngine(cfg, start)
	if err != nil {
		return nil, err
	}
	if h, ok := source.(interface{ Has(mux.Key) bool }); ok {
		engine.isTarget = h.Has
	}
	s := &Scanner{
		cfg:    cfg,
		port:   port,
		source: source,
		engine: engine,
		start:  start,
		clock:  clock{start: start},
		room:   make(chan struct{}, 1),
		fresh:  make(chan []targets.Target, feedBatches),
		empty:  make(chan []targets.Target, feedBatches),
		rx:     how.rx,
		tx:     how.tx,

		flushEvery: flushEvery,
	}
	if s.rx == nil {
		s.rx, s.tx = newBatches(cfg.Batch)
	}
	for range feedBatches {
		s.empty <- make([]targets.Target, feedBatch)
	}
	s.drained = drainedOf(port.Stats().RcvbufActual)
	engine.SetReceiveBuffer(port.Stats().RcvbufActual)
	s.gather = gatherFor(cfg.Rate, port.Stats().RcvbufActual)
	rec := newRecorder(start)
	s.writer = linewriter.New(sink, linewriter.Options{
		Overflow: spareOutput,
		Encode: func(dst, outcomes []byte, enough int) (lines, rest []byte) {
			return how.encode(rec, dst, outcomes, enough)
		},
		KeepOpen: how.keepOpen,
		Wake: func() {
			select {
			case s.room <- struct{}{}:
			default:
			}
			if s.held.Load() {
				port.Wake()
			}
		},
	})
	return s, nil
}

// newBatches returns batches to receive and to send.
func newBatches(n int) (rx, tx *mux.Batch) {
	return mux.NewBatch(n, receiveSize), mux.NewBatch(n, maxRequest)
}

// Stats returns the counts of a moment not longer ago than a tenth of a second.
// Any goroutine may call it.
func (s *Scanner) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published
}

// Written returns the present size of the output, as in a [Result]. Any goroutine may call
// it.
func (s *Scanner) Written() (records, bytes, committed int64) {
	w := s.writer.Stats()
	return w.Records, w.Bytes, w.Committed
}

// Abort ends the scan now: targets in flight are settled as aborted. Any
// goroutine may call it.
func (s *Scanner) Abort() {
	s.abort.Store(true)
	s.port.Wake()
}

// A canceled target is to be ended before its time.
type canceled struct {
	key mux.Key
	seq uint64
}

// cancel ends a target: it is settled as aborted, or never begun. Any goroutine may call
// it.
func (s *Scanner) cancel(key mux.Key, seq uint64) {
	s.mu.Lock()
	s.cancels = append(s.cancels, canceled{key, seq})
	s.mu.Unlock()
	s.port.Wake()
}

// cancelTargets ends the targets that were cancelled since it was last called.
func (s *Scanner) cancelTargets(now proto.Time) {
	s.mu.Lock()
	list := s.cancels
	s.cancels = nil
	s.mu.Unlock()
	for _, c := range list {
		if !s.engine.Cancel(now, c.key, c.seq) {
			s.cancelled(c.seq)
		}
	}
}

// Run scans until all targets are settled, or something in the Config or ctx
// ends it. When ctx is done no more targets are taken in, and those in flight are
// waited for. It returns after everything is written and the sink is closed. The
// error is about the scan as a whole (the output is lost, the socket failed, the
// targets can't be read), never about a target. Run must be called once.
func (s *Scanner) Run(ctx context.Context) (Result, error) {
	feeding, endFeeding := context.WithCancel(ctx)
	var feeder sync.WaitGroup
	feeder.Go(func() { s.feedFrom(feeding) })
	unhook := context.AfterFunc(ctx, func() {
		s.stop.Store(true)
		s.port.Wake()
	})
	err := s.loop()
	unhook()
	endFeeding()
	feeder.Wait()

	if closeErr := s.closeWriter(); closeErr != nil && err == nil {
		err = closeErr
	}
	switch {
	case errors.Is(err, ErrAbandoned):
		s.reason = dataset.EndInterrupted // in place of any other reason: not all is written
	case err != nil:
		s.reason = dataset.EndError
	}
	s.publish(s.now())
	result := Result{Reason: s.reason, Start: s.start, End: time.Now(), Stats: s.Stats(), Port: s.port.Stats()}
	result.Records, result.Bytes, result.Committed = s.Written()
	return result, err
}

// Errors of a scan and of a watch.
var (
	// ErrAbandoned means that a scan was aborted while the reader of its records stalled:
	// records that could not be written within two seconds are lost.
	ErrAbandoned = errors.New("the last records could not be written: their reader stalled")
	// ErrRate means that a round cannot send one packet to each server in its interval.
	ErrRate = errors.New("the rate is too low")
)

// closeWriter waits until all is written, and after an abort not much longer.
func (s *Scanner) closeWriter() error {
	closed := make(chan error, 1)
	go func() { closed <- s.writer.Close() }()
	poll := time.NewTicker(publishEvery)
	defer poll.Stop()
	var abandon <-chan time.Time
	for {
		select {
		case err := <-closed:
			return err
		case <-abandon:
			return ErrAbandoned
		case <-poll.C:
			if abandon == nil && s.abort.Load() {
				abandon = time.After(abandonTime)
			}
		}
	}
}

// now is the scan's time: see clock.
func (s *Scanner) now() proto.Time { return s.clock.now() }

// feedFrom is the feeder.
func (s *Scanner) feedFrom(ctx context.Context) {
	defer func() {
		close(s.fresh)
		s.fed.Store(true)
		s.port.Wake()
	}()
	s.feedCut = true
	var batch []targets.Target
	left := s.cfg.MaxTargets
	for ctx.Err() == nil {
		if batch == nil {
			select {
			case batch = <-s.empty:
			case <-ctx.Done():
				return
			}
			if s.cfg.MaxTargets > 0 && left < feedBatch {
				batch = batch[:left]
			}
		}
		n, err := s.source.Next(ctx, batch)
		if n > 0 {
			select {
			case s.fresh <- batch[:n]:
				batch = nil
			case <-ctx.Done():
				return
			}
			if s.hungry.Load() {
				s.port.Wake()
			}
		}
		left -= uint64(n)
		switch {
		case err == nil && (s.cfg.MaxTargets == 0 || left > 0):
		case err == nil || errors.Is(err, io.EOF):
			s.feedCut = false
			return
		default:
			if ctx.Err() == nil {
				s.feedErr, s.feedCut = fmt.Errorf("cannot read targets: %w", err), false
			}
			return
		}
	}
}

// loop owns the engine, the socket and the batches.
func (s *Scanner) loop() error {
	now, _ := s.clock.turn(-1)
	if s.cfg.MaxRuntime > 0 {
		s.runUntil = now.Add(s.cfg.MaxRuntime)
	}
	s.buf = s.writer.Take()
	s.engine.TakeOutput(s.buf.B)
	defer func() {
		s.engine.Abort(s.now()) // after an error, targets in flight have a record too
		s.buf.B = s.engine.TakeOutput(nil)
		s.writer.Put(s.buf)
	}()
	wait := time.Duration(0)
	for {
		before := now
		s.awaitWriter()
		gather := s.mayGather(now, wait)
		s.rx.SetGather(gather)
		if gather == 0 {
			if err := s.port.Recv(s.rx, 0); err != nil {
				return s.lost(err)
			}
		}
		if gather > 0 || s.rx.Len() == 0 && wait != 0 {
			s.engine.Slept()
			if err := s.port.Recv(s.rx, wait); err != nil {
				return s.lost(err)
			}
		}
		s.hungry.Store(false)
		s.held.Store(false)
		var lost time.Duration
		if now, lost = s.clock.turn(wait); lost > 0 {
			s.engine.Stalled(now, lost)
			if s.runUntil != 0 { // which is a limit of real time
				s.runUntil = max(s.runUntil.Add(-lost), 1)
			}
		}
		s.engine.BeginTurn()
		for i := range s.rx.Len() {
			// If the system's clock was set, the wait is wrong; then this limit counts.
			arrived := max(now.Add(-s.rx.Wait(i)), s.drained.checked)
			s.engine.HandlePacket(now, arrived, s.rx.Packet(i))
		}
		readUpTo := s.drained.upTo(before, now, s.rx, s.waiting)
		if !s.behind() {
			s.engine.HandleTimeout(readUpTo)
			s.engine.Inflate(now)
		}
		if err := s.control(now); err != nil {
			return err
		}
		s.cancelTargets(now)
		s.engine.Judge(now, func() uint64 { return s.port.Stats().Drops })
		s.takeTargets()
		s.holding = s.writer.Room() < lowRoom
		s.engine.Hold(s.holding)
		var err error
		if now, err = s.send(now); err != nil {
			return s.lost(err)
		}
		s.handOver(now)
		if now >= s.publishAt {
			s.publish(now)
		} else {
			s.stale = true
		}
		if s.engine.Finished() && (s.reason != "" || s.fedAll) {
			switch {
			case s.reason != "":
			case s.feedCut: // the word of the context came by another way first
				s.reason = dataset.EndInterrupted
			default:
				s.reason = dataset.EndComplete
			}
			if st := s.engine.Stats(); s.reason == dataset.EndComplete && st.Sent == 0 && st.SendErrors >= sendFailCount {
				return fmt.Errorf("nothing could be sent to any of %d targets", st.SendErrors)
			}
			return s.feedError()
		}
		if wait = s.waitTime(now); wait > longestSleep && s.engine.InFlight() > 0 {
			wait = longestSleep
		}
	}
}

// mayGather returns for how long packets may gather in the socket before the loop reads
// them, at most wait. A loop that was woken for packets twice in a moment is woken for the
// next ones soon, and each wake-up costs as much as several packets. Round trips stay true,
// as the kernel reports the times of arrival.
func (s *Scanner) mayGather(now proto.Time, wait time.Duration) time.Duration {
	recent := now.Sub(s.heardAt) < 2*gatherTime
	if s.rx.Len() > 0 {
		s.busy = recent
		s.heardAt = now
	}
	if !s.busy || !recent || s.full || s.rx.More() {
		return 0
	}
	if wait >= 0 {
		return min(s.gather, wait)
	}
	return s.gather
}

// gatherFor returns for how long packets may gather in a receive buffer of that many bytes,
// of which they may take a quarter.
func gatherFor(rate float64, rcvbuf int) time.Duration {
	if rate == 0 {
		return 0 // a closed loop answers at once
	}
	if rcvbuf == 0 {
		rcvbuf = 1 << 17
	}
	return min(gatherTime, time.Duration(float64(rcvbuf)/4/replyCost/rate*1e9))
}

// control checks the conditions that end the scan.
func (s *Scanner) control(now proto.Time) error {
	if err := s.writer.Err(); err != nil {
		return err
	}
	if s.reason == "" {
		switch {
		case s.engine.ReachedMaxResults():
			s.finish(now, dataset.EndMaxResults)
			s.engine.Abort(now)
		case s.stop.Load() || s.fedAll && s.feedCut:
			s.finish(now, dataset.EndInterrupted)
		case s.runUntil != 0 && now >= s.runUntil:
			s.finish(now, dataset.EndMaxRuntime)
		}
	}
	if s.abort.Load() || s.reason != "" && now >= s.giveUpAt {
		if s.reason == "" {
			s.finish(now, dataset.EndInterrupted)
		}
		s.engine.Abort(now)
	}
	return nil
}

// finish stops admission for a reason.
func (s *Scanner) finish(now proto.Time, reason dataset.EndReason) {
	s.reason = reason
	drain := s.cfg.Drain
	if drain == 0 {
		drain = s.cfg.TargetTimeout
	}
	s.giveUpAt = now.Add(drain)
	s.engine.Stop()
}

// takeTargets gives the engine the next batch, if it wants one and one is there.
func (s *Scanner) takeTargets() {
	for s.engine.NeedsTargets() {
		if s.taken != nil {
			s.empty <- s.taken[:feedBatch]
			s.taken = nil
		}
		select {
		case batch, ok := <-s.fresh:
			if !ok {
				s.engine.EndFeed()
				s.fedAll = true
				return
			}
			s.taken = batch
			s.engine.Feed(batch)
		default:
			return
		}
	}
}

// feedError returns the feeder's error, once it has ended.
func (s *Scanner) feedError() error {
	if s.fedAll {
		return s.feedErr
	}
	return nil
}

// send sends the packets that the engine has, at most a batch of them, and returns the time
// when it was done.
func (s *Scanner) send(now proto.Time) (proto.Time, error) {
	s.full = false
	for left := s.tx.Cap(); left > 0; {
		s.engine.Fill(now, s.tx)
		if s.tx.Len() == 0 {
			break
		}
		start := s.clock.moment()
		n, err := s.port.Send(s.tx)
		now = s.clock.moment()
		more := s.engine.Commit(start, now, s.tx, n)
		left -= n
		if n > 0 {
			s.failCount, s.fullSince = 0, 0
		}
		if err == nil && n < s.tx.Len() {
			s.full = true
			s.engine.SendBlocked()
			return now, s.awaitRoom(now)
		}
		if err == nil {
			if !more {
				break
			}
			continue
		}
		var refused *mux.PeerError
		if !errors.As(err, &refused) {
			return now, err
		}
		left--
		peer := s.tx.Packet(n).Peer
		s.engine.SendFailed(now, n, refused)
		if !peer.Is4() && isNoRoute(refused.Err) {
			// A machine without IPv6, and a list that has some: no sign that the
			// network is gone.
			continue
		}
		if s.failCount == 0 {
			s.failSince = now
		}
		s.failCount++
		if s.failCount >= sendFailCount && now.Sub(s.failSince) >= sendFailTime && !s.endless {
			return now, fmt.Errorf("nothing could be sent for %v: %w", sendFailTime, refused.Err)
		}
	}
	s.fullSince = 0 // nothing waits
	return now, nil
}

// awaitRoom returns an error if packets have waited too long for room in the socket.
func (s *Scanner) awaitRoom(now proto.Time) error {
	if s.fullSince == 0 {
		s.fullSince = now
	}
	if now.Sub(s.fullSince) >= noRoomTime && !s.endless {
		return errors.New("it had no room for a packet for a minute")
	}
	return nil
}

// isNoRoute reports whether a refusal says that there is no way to the target from
// this machine, rather than none at all.
func isNoRoute(err error) bool {
	for _, e := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// lost names the error of a socket that can't be used any more.
func (s *Scanner) lost(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("the socket was closed: %w", err)
	}
	return fmt.Errorf("the socket failed: %w", err)
}

// handOver gives the writer the outcomes once they fill a buffer or have waited long
// enough. If the writer has no empty buffer in exchange, they wait, at most maxWaiting
// bytes of them.
func (s *Scanner) handOver(now proto.Time) {
	n := len(s.engine.Output())
	if n == 0 {
		return
	}
	if s.flushAt == 0 {
		s.flushAt = now.Add(s.flushEvery)
	}
	s.buf.B = s.engine.Output()
	if !s.buf.Full() && now < s.flushAt {
		return
	}
	next, ok := s.writer.Free()
	if !ok {
		return
	}
	s.writer.Put(s.buf)
	s.buf = next
	s.engine.TakeOutput(next.B)
	s.flushAt = 0
}

// waiting returns how many bytes of the receive buffer are taken.
func (s *Scanner) waiting() int { return s.port.Stats().RcvbufUsed }

// awaitWriter waits while too many bytes wait to be written. Datagrams wait in the socket
// then.
func (s *Scanner) awaitWriter() {
	for s.writer.Waiting() > 0 && s.writer.Waiting()+len(s.engine.Output()) >= maxWaiting && s.writer.Err() == nil && !s.abort.Load() {
		select {
		case <-s.room:
		case <-time.After(publishEvery):
		}
	}
}

// behind reports whether as many records wait for the writer as may.
func (s *Scanner) behind() bool { return len(s.engine.Output()) >= maxBacklog }

func (s *Scanner) publish(now proto.Time) {
	stats := s.engine.Stats()
	stats.Drops = s.port.Stats().Drops
	s.mu.Lock()
	s.published = stats
	s.mu.Unlock()
	s.stale = false
	s.publishAt = now.Add(publishEvery)
}

// waitTime returns how long the loop may sleep: until a deadline, a token, a
// flush, unless a packet, targets or output room wake it before.
func (s *Scanner) waitTime(now proto.Time) time.Duration {
	at, ok := s.engine.Deadline(now, s.full) // if it is full Recv returns when there is room
	sooner := func(t proto.Time) {
		if t != 0 && (!ok || t < at) {
			at, ok = t, true
		}
	}
	if s.full && !s.endless {
		sooner(s.fullSince.Add(noRoomTime))
	}
	late := s.flushAt != 0 && s.flushAt <= now // waits for the writer, not for the time
	if !late {
		sooner(s.flushAt)
	}
	if s.stale {
		sooner(s.publishAt)
	}
	if s.reason == "" {
		sooner(s.runUntil)
	} else {
		sooner(s.giveUpAt)
	}
	if s.engine.NeedsTargets() {
		s.hungry.Store(true)
		if len(s.fresh) > 0 || s.fed.Load() { // a Wake for the end may have been one with a batch's
			return 0
		}
	}
	if s.holding || late {
		s.held.Store(true)
		if s.writer.Room() >= lowRoom {
			return 0
		}
		if s.behind() { // deadlines wait for the writer as well, which wakes us
			return publishEvery
		}
	}
	if s.stop.Load() && s.reason == "" || s.abort.Load() {
		return 0
	}
	if !ok {
		return -1
	}
	return max(at.Sub(now), 0)
}
