package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A WatchConfig holds the settings of a watch. The zero value of a field behind Config
// means the default given in its comment.
type WatchConfig struct {
	Config // of each round

	Interval  time.Duration // from the beginning of a round to that of the next: 1 minute
	Rounds    uint64        // after which the watch ends: no end
	GoneAfter int           // silent rounds in a row after which a server is gone: 3
	Fields    output.Fields // whose change is an event

	// Refresh returns the targets again. It is called during a round, in another
	// goroutine, once RefreshEvery has passed since the last call (0: in each round), and
	// its targets are taken from the next round on. If it fails, Failed gets the error
	// and the targets stay. nil: the targets stay as they are.
	Refresh      func(ctx context.Context) (Source, error)
	RefreshEvery time.Duration
	// Again asks for a Refresh at once, before RefreshEvery has passed. If one is under way,
	// another follows it, because it may have read what has changed since.
	Again <-chan struct{}
	// Failed gets errors of Refresh, after which the targets stay, and ErrRate if the new
	// targets are too many for the rate; they are taken all the same. It may be nil.
	Failed func(error)

	// OnRecord gets each record and its line. Both are valid during the call, which is
	// made on another goroutine than Run's. It may be nil.
	OnRecord func(r *output.Record, line []byte) error
	// OnRound is called after each round, and after one that was stopped. It may be nil.
	OnRound func(*Round) error
}

// A Round is how a round of a watch ended.
type Round struct {
	Number  uint64 // from 1
	Start   time.Time
	End     time.Time
	Whole   bool // every server was asked
	Late    bool // it took longer than the interval
	Counts  output.RoundCounts
	Servers int // targets with an address
	Stats   Stats
	Port    mux.PortStats

	// Event is the line of the round's event, which is written once OnRound has returned;
	// nil if the round was stopped.
	Event []byte
}

// maxGoneAfter is the most that a server's state can count.
const maxGoneAfter = math.MaxUint16

// A Watcher asks the same targets again and again, once per interval, and writes an event
// for each change. A server keeps its moment in the interval from round to round, so
// packets leave evenly. Rounds never overlap: one that takes longer delays the next.
type Watcher struct {
	cfg   WatchConfig
	port  mux.Port
	sink  dataset.Sink
	known *known

	abort chan struct{}

	rx, tx  *mux.Batch
	deliver func(*output.Event) // gets the events instead of sink; nil: none
	pending []byte              // an event that the run before had not written
	line    []byte              // scratch
	counts  map[output.EventKind]uint64
	failed  error                 // of OnRecord
	next    chan []targets.Target // of the Refresh that is under way; nil: none
	stale   bool                  // another Refresh follows it
	fresh   []targets.Target      // the newest list, for the next round; nil: none
	fetched time.Time             // when the targets were asked for last
}

// NewWatcher returns a Watcher that asks through port and writes the lines of events to
// sink, which Run closes. The port remains the caller's to close.
func NewWatcher(cfg WatchConfig, port mux.Port, sink dataset.Sink) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Minute
	}
	if cfg.GoneAfter == 0 {
		cfg.GoneAfter = 3
	}
	if cfg.Interval < 0 {
		return nil, &FieldError{"Interval", fmt.Sprintf("%v is out of range", cfg.Interval)}
	}
	if cfg.GoneAfter < 1 || cfg.GoneAfter > maxGoneAfter {
		return nil, &FieldError{"GoneAfter", fmt.Sprintf("%d is out of range; use 1 to %d", cfg.GoneAfter, maxGoneAfter)}
	}
	w := &Watcher{cfg: cfg, port: port, sink: sink, known: newKnown(cfg.Fields, cfg.GoneAfter), abort: make(chan struct{})}
	w.rx, w.tx = newBatches(cfg.Batch)
	return w, nil
}

// Round returns the number of the round that runs, or of the last one. OnRecord and OnRound
// may call it.
func (w *Watcher) Round() uint64 { return w.known.round }

// Abort ends the watch now: targets in flight are settled as aborted. It may be called
// once, by any goroutine.
func (w *Watcher) Abort() { close(w.abort) }

// Run watches the targets of source until ctx ends, which ends the round that runs in good
// order, or the WatchConfig's Rounds have ended. Its error is about the watch as a whole:
// a lost socket, an output that cannot be written, ErrRate.
func (w *Watcher) Run(ctx context.Context, source Source) (err error) {
	defer func() {
		if closeErr := w.sink.Close(); err == nil {
			err = closeErr // otherwise it is the same one again, or follows from it
		}
	}()
	list, err := readAll(ctx, source, 0)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("cannot read targets: %w", err)
	}
	w.fetched = time.Now()
	w.known.setTargets(list)
	if err := w.checkRate(len(w.known.servers)); err != nil {
		return err
	}
	if len(w.pending) > 0 {
		if err := w.writeLine(w.pending); err != nil {
			return err
		}
	}
	first := w.known.round
	at := time.Now()
	for n := uint64(1); ; n++ {
		end, err := w.round(ctx, first+n)
		if err != nil || ctx.Err() != nil || w.aborted() {
			return err
		}
		if n == w.cfg.Rounds {
			break
		}
		if at = at.Add(w.cfg.Interval); at.Before(end) {
			at = end
		}
		if !w.wait(ctx, at) {
			return nil
		}
		select {
		case list := <-w.next:
			w.refreshed(ctx, list)
		default:
		}
		w.replaceTargets()
	}
	return nil
}

func (w *Watcher) aborted() bool {
	select {
	case <-w.abort:
		return true
	default:
		return false
	}
}

// wait waits until at and keeps the lists that come meanwhile. It returns false if the
// watch ends first.
func (w *Watcher) wait(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		case <-w.abort:
			return false
		case list := <-w.next:
			w.refreshed(ctx, list)
		case <-w.cfg.Again:
			w.refreshAgain(ctx)
		}
	}
}

// replaceTargets takes in the newest list, if there is one.
func (w *Watcher) replaceTargets() {
	if w.fresh == nil {
		return
	}
	w.known.setTargets(w.fresh)
	w.fresh = nil
	if err := w.checkRate(len(w.known.servers)); err != nil && w.cfg.Failed != nil {
		w.cfg.Failed(err)
	}
}

// refresh begins to read the targets again, unless that is under way.
func (w *Watcher) refresh(ctx context.Context) {
	if w.cfg.Refresh == nil || w.next != nil {
		return
	}
	w.fetched = time.Now()
	expected := len(w.known.servers) + len(w.known.refused)
	next := make(chan []targets.Target, 1)
	w.next = next
	go func() {
		source, err := w.cfg.Refresh(ctx)
		var list []targets.Target
		if err == nil {
			list, err = readAll(ctx, source, expected)
		}
		if err != nil {
			list = nil
			if ctx.Err() == nil && w.cfg.Failed != nil {
				w.cfg.Failed(err)
			}
		}
		next <- list
	}()
}

// refreshAgain is refresh, but if that is under way another one follows.
func (w *Watcher) refreshAgain(ctx context.Context) {
	w.stale = w.next != nil
	w.refresh(ctx)
}

// refreshed takes the list of the Refresh that was under way; nil means that it failed.
func (w *Watcher) refreshed(ctx context.Context, list []targets.Target) {
	w.next = nil
	if list != nil {
		w.fresh = list
	}
	if w.stale {
		w.stale = false
		w.refresh(ctx)
	}
}

// readAll reads all targets of a source, about as many as expected, and closes it if it can
// be closed.
func readAll(ctx context.Context, source Source, expected int) ([]targets.Target, error) {
	if c, ok := source.(io.Closer); ok {
		defer c.Close()
	}
	list := make([]targets.Target, 0, expected)
	batch := make([]targets.Target, feedBatch)
	for {
		n, err := source.Next(ctx, batch)
		list = append(list, batch[:n]...)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// checkRate returns an error if the rate or the bandwidth cannot fit one packet per server.
func (w *Watcher) checkRate(n int) error {
	perSecond := float64(n) / w.cfg.Interval.Seconds()
	check := func(have, need float64, unit string) error {
		if have == 0 || have >= need {
			return nil
		}
		return fmt.Errorf("%w: %.10g %s per second cannot reach %d servers in %v; %.0f or more can",
			ErrRate, have, unit, n, w.cfg.Interval, math.Ceil(need))
	}
	if err := check(w.cfg.Rate, perSecond, "packets"); err != nil {
		return err
	}
	return check(w.cfg.Bandwidth, perSecond*8*leastRequestSize, "bits")
}

// spacing is the time between two beginnings: the interval less the time that a silent
// server takes, in equal parts. If that leaves too little, a quarter of the interval.
func (w *Watcher) spacing(n int) time.Duration {
	spread := max(w.cfg.Interval-w.cfg.SilentTime()-writeTime, w.cfg.Interval/4)
	return spread / time.Duration(max(n, 1))
}

// writeTime is how long the last record of a round may take to be written.
const writeTime = 3 * flushEvery

// leastInFlight is the room of a round with few servers.
const leastInFlight = 8

// round runs a round and returns when it ended.
func (w *Watcher) round(ctx context.Context, number uint64) (end time.Time, err error) {
	if w.cfg.Refresh != nil && number > 1 && time.Since(w.fetched) >= w.cfg.RefreshEvery {
		w.refresh(ctx)
	}
	w.known.begin(number)
	n := len(w.known.servers)
	cfg := w.cfg.Config
	cfg.MaxInFlight = min(cfg.MaxInFlight, max(n+len(w.known.refused), leastInFlight))
	w.counts = map[output.EventKind]uint64{}
	start := time.Now()
	s, err := newScanner(cfg, w.port, &roundSource{known: w.known}, w.sink, writing{encode: w.encode, keepOpen: true, rx: w.rx, tx: w.tx})
	if err != nil {
		return start, err
	}
	s.engine.pace.spacing = w.spacing(n)
	over := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		for {
			select {
			case <-w.abort:
				s.Abort()
				return
			case list := <-w.next:
				w.refreshed(ctx, list)
			case <-w.cfg.Again:
				w.refreshAgain(ctx)
			case <-over:
				return
			}
		}
	})
	before := w.port.Stats()
	result, err := s.Run(ctx)
	close(over)
	beside.Wait()
	err = errors.Join(err, w.failed)
	r := &Round{
		Number: number, Start: result.Start, End: result.End, Servers: n, Stats: result.Stats, Port: result.Port,
		Whole: err == nil && result.Reason == dataset.EndComplete && result.Stats.Aborted == 0,
		Late:  result.End.Sub(result.Start) > w.cfg.Interval,
	}
	r.Stats.Drops -= min(before.Drops, r.Stats.Drops)
	r.Counts = output.RoundCounts{Targets: result.Stats.Done + result.Stats.Aborted, Statuses: result.Stats.Statuses, Events: w.counts}
	if r.Whole {
		w.known.end()
		e := output.Event{Kind: output.RoundEnded, Time: result.End, Round: number, Counts: &r.Counts}
		r.Event = w.write(nil, &e)
	} else {
		w.known.round = number - 1
	}
	if w.cfg.OnRound != nil {
		err = errors.Join(err, w.cfg.OnRound(r))
	}
	if len(r.Event) > 0 && err == nil {
		err = w.writeLine(r.Event)
	}
	return result.End, err
}

func (w *Watcher) writeLine(line []byte) error {
	err := w.sink.WriteLines(line)
	if err == nil {
		_, err = w.sink.Sync()
	}
	return err
}

// encode makes events of outcomes, on the writer's goroutine of the round.
func (w *Watcher) encode(r *recorder, dst, outcomes []byte, enough int) (lines, rest []byte) {
	return r.encode(dst, outcomes, enough, w.appendEvent)
}

// appendEvent appends the event of a record, if it has one.
func (w *Watcher) appendEvent(dst []byte, r *output.Record) []byte {
	e := w.known.take(r)
	if e == nil && w.cfg.OnRecord == nil {
		return dst
	}
	w.line = output.AppendJSON(w.line[:0], r)
	if w.cfg.OnRecord != nil && w.failed == nil {
		w.failed = w.cfg.OnRecord(r, w.line)
	}
	if e == nil {
		return dst
	}
	w.counts[e.Kind]++
	if e.Kind != output.Gone {
		e.Record = w.line
	}
	return w.write(dst, e)
}

// write appends the line of an event, or delivers the event.
func (w *Watcher) write(dst []byte, e *output.Event) []byte {
	if w.deliver == nil {
		return e.AppendJSON(dst)
	}
	own := *e
	own.Record = bytes.Clone(e.Record)
	w.deliver(&own)
	return dst
}

// A roundSource yields the targets of a round, in the order of their moments.
type roundSource struct {
	known *known
	at    int
}

func (s *roundSource) Next(_ context.Context, dst []targets.Target) (n int, err error) {
	for ; n < len(dst) && s.at < len(s.known.servers); n++ {
		v := &s.known.servers[s.at]
		dst[n] = targets.Target{Key: v.key, Seq: v.seq, Origin: v.origin}
		s.at++
	}
	for ; n < len(dst) && s.at-len(s.known.servers) < len(s.known.refused); n++ {
		dst[n] = s.known.refused[s.at-len(s.known.servers)]
		s.at++
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Has reports whether a server is watched. No list is taken in during a round.
func (s *roundSource) Has(k mux.Key) bool {
	_, ok := s.known.index[k]
	return ok
}

// Watch asks the targets of source once per interval over a socket of its own, and yields
// an event for each change, and one at the end of each round. The events belong to the
// caller. An error about the watch as a whole comes last. A loop that breaks ends the
// watch.
func Watch(ctx context.Context, cfg WatchConfig, source Source) iter.Seq2[*output.Event, error] {
	return func(yield func(*output.Event, error) bool) {
		port, err := mux.Listen(mux.Options{Rcvbuf: scanBuffer})
		if err != nil {
			yield(nil, err)
			return
		}
		defer port.Close()
		watchOver(ctx, cfg, port, source, yield)
	}
}

// watchOver is Watch over port.
func watchOver(ctx context.Context, cfg WatchConfig, port mux.Port, source Source, yield func(*output.Event, error) bool) {
	w, err := NewWatcher(cfg, port, discard{})
	if err != nil {
		yield(nil, err)
		return
	}
	yieldAll(ctx, yield, w.Abort, func(ctx context.Context, deliver func(*output.Event)) error {
		w.deliver = deliver
		return w.Run(ctx, source)
	})
}
