package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A List is the source of a scan's targets: arguments and files of lines without
// duplicates and blocked addresses, in the order and the shard that its Config asks for.
// Prefixes are expanded and files are read as Next is called.
//
// Next and Close are for one goroutine. Counts and Has may be called from any.
type List struct {
	intake
	lines   *lines
	filling sync.Mutex // held while targets are taken in: Has reads what was seen
	started bool       // lines was
	over    bool       // the input is: it ended, MaxTargets did, or reading failed
	err     error      // why reading failed

	plain             [plainAhead]plainLine // lines that were cut ahead, from plainAt to plainEnd
	plainAt, plainEnd int
	touched           uint32

	faults faults // of the file that is being read
	names  *names
	cursor cursor  // over the space of the arguments, then of one line after the other
	quota  uint64  // own targets that may still be taken
	window *window // gathers what comes from files, where it is to be shuffled
	stream bool    // targets come from files: the arguments are done

	ready   []Target // whose names were resolved, from readyAt on
	readyAt int

	yielded, skipped uint64
	public           [12]atomic.Uint64 // Counts, published at the end of each call
}

// NewList returns the List that cfg describes. It takes in the arguments, and calls Log
// for those that are wrong. Of files that can be read again it reads the beginning: a file
// without a target, or that is no text, is an error. Other errors are about the Config, or
// wrap ErrHuge.
func NewList(cfg Config) (*List, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	l := &List{quota: math.MaxUint64, lines: newLines(cfg.Files)}
	l.intake.init(cfg)
	l.names = newNames(&l.cfg, func(a address) string { reason, _ := l.listed(a); return reason })
	if cfg.MaxTargets > 0 {
		l.quota = cfg.MaxTargets
	}
	for i, arg := range cfg.Args {
		l.count.Lines++
		if err := l.acceptLine(arg, false); errors.Is(err, ErrHuge) {
			return nil, err
		} else if err != nil {
			l.invalid("", i+1, err)
		}
	}
	l.faults.end(l.cfg.Log)
	for _, f := range cfg.Files {
		if err := l.checkFile(f); err != nil {
			return nil, err
		}
	}
	l.expand(0)
	if cfg.Shuffle {
		l.window = newWindow(cfg.Seed)
	}
	l.publish()
	return l, nil
}

// Counts returns the counts at the end of the last call of Next.
func (l *List) Counts() Counts {
	var c Counts
	for i, p := range c.fields() {
		*p = l.public[i].Load()
	}
	return c
}

// Has reports whether the input has named an address and port by now, as a target of any
// shard. Host names have no address here. Without Config.Dedup nothing is remembered.
func (l *List) Has(k mux.Key) bool {
	l.filling.Lock()
	defer l.filling.Unlock()
	return l.seen.has(k)
}

// Size returns how many targets the arguments stand for. If the List is one of several
// shards and the arguments are large, it is an estimate. all is true if no more targets
// can come from files. Size is called before Next.
func (l *List) Size() (n uint64, all bool) {
	n = l.cursor.size()
	return min(n, l.quota), len(l.lines.files) == 0 || n >= l.quota
}

// Close ends the lookups and the reading of files. If a read is waiting, as from a
// terminal, its goroutine ends when that read returns. Do not call Next after Close.
func (l *List) Close() error {
	l.end(net.ErrClosed)
	l.names.cancel()
	return nil
}

// want is the reason why fill returned without having filled dst.
type want uint8

const (
	wantNothing want = iota // there is nothing more to come
	wantTurn                // it took long: look at the context and continue
	wantInput               // the next block of a file
	wantNames               // the answer to a lookup
)

// fillSteps bounds the lines and places that fill goes through without
// finding a target, so that a context is noticed within milliseconds.
const fillSteps = 1 << 16

// Next fills dst with the next targets and returns how many: at least one unless err is
// set. It waits only if none is ready. After the last target the error is io.EOF; if ctx
// ends while Next waits, it is ctx's, and other errors are those of a file. Targets with
// a name come once it is resolved, others in their order; if 8,192 targets wait for
// names, the others wait too.
func (l *List) Next(ctx context.Context, dst []Target) (int, error) {
	defer l.publish()
	if len(dst) == 0 {
		return 0, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		l.collect()
		n := l.takeReady(dst)
		l.filling.Lock()
		more, want := l.fill(dst[n:])
		l.filling.Unlock()
		if n += more; n > 0 {
			l.yielded += uint64(n)
			return n, nil
		}
		switch want {
		case wantNothing:
			if l.err != nil {
				return 0, l.err
			}
			return 0, io.EOF
		case wantInput, wantNames:
			if err := l.wait(ctx, want); err != nil {
				return 0, err
			}
		}
	}
}

// fill puts targets into dst until it is full or something is lacking.
func (l *List) fill(dst []Target) (n int, lacking want) {
	for range fillSteps {
		if n == len(dst) {
			return n, wantTurn
		}
		if l.window != nil && !l.window.open {
			n += l.window.take(dst[n:])
			continue
		}
		if l.quota == 0 {
			l.end(nil)
		}
		var t Target
		var ok bool
		switch {
		case l.over:
			if l.window != nil && len(l.window.buf) > 0 {
				l.window.shuffle()
				continue
			}
			if l.names.waiting > 0 {
				return n, wantNames
			}
			return n, wantNothing
		case l.cursor.more():
			t, ok, lacking = l.place()
		default:
			l.stream = true
			t, ok, lacking = l.line()
		}
		if lacking == wantInput && l.poll() {
			continue
		}
		if lacking != wantNothing {
			return n, lacking
		}
		if !ok {
			continue
		}
		if l.stream && l.window != nil {
			l.window.add(t)
		} else {
			dst[n] = t
			n++
		}
	}
	return n, wantTurn
}

// place takes the next place of the cursor, which has one. ok is false if it yields no
// target now.
func (l *List) place() (t Target, ok bool, lacking want) {
	if !l.cursor.seek() {
		return t, false, wantTurn
	}
	p, i, seq := l.cursor.place()
	if p.name != "" && l.names.waiting >= maxWaiting {
		if _, known := l.names.known(p.name); !known {
			return t, false, wantNames
		}
	}
	l.cursor.advance()
	if !l.take(l.isDone(p, i)) {
		return t, false, wantNothing
	}
	if p.name != "" {
		port := p.port(i)
		o := &Origin{nameAndPort(p.origin.Input, port), p.origin.Tag, p.origin.Source}
		t, ok = l.names.target(p.name, waiter{seq, port, o})
		l.countRefusal(&t)
		return t, ok, wantNothing
	}
	return Target{Key: p.key(i), Seq: seq, Origin: p.origin, Refusal: p.refusal, Reason: p.reason}, true, wantNothing
}

// line takes the next line. The target of a plain line is returned; the targets of others
// are then in the cursor.
func (l *List) line() (t Target, ok bool, lacking want) {
	if l.plainAt == l.plainEnd {
		l.cutAhead()
	}
	if l.plainAt < l.plainEnd {
		p := l.plain[l.plainAt]
		l.plainAt++
		l.count.Lines++
		t, ok = l.plainTarget(p.addr, p.port)
		return t, ok, wantNothing
	}
	text, found := l.lines.next()
	if found == needBlock {
		if err := l.lines.cur.err; err != nil {
			l.end(fmt.Errorf("%s: %w", l.lines.name(), err))
		}
		return t, false, wantInput
	}
	l.count.Lines++
	if found == gotLongLine {
		l.invalid(l.lines.name(), l.lines.number, errLongLine)
		return t, false, wantNothing
	}
	if a, port, plain := parsePlain(text); plain {
		t, ok = l.plainTarget(a, port)
		return t, ok, wantNothing
	}
	base := l.seq
	l.space.reset()
	if err := l.acceptLine(string(text), true); errors.Is(err, ErrHuge) {
		l.end(fmt.Errorf("%s:%d: %w", l.lines.name(), l.lines.number, err))
	} else if err != nil {
		l.invalid(l.lines.name(), l.lines.number, err)
	}
	l.expand(base)
	return t, false, wantNothing
}

// plainAhead is how many plain lines are cut ahead.
const plainAhead = 32

// cutAhead cuts plain lines ahead, and lets the set of those before load their places from
// memory all at once: that takes most of the time of a long list.
func (l *List) cutAhead() {
	l.plainAt, l.plainEnd = 0, l.lines.cutPlain(l.plain[:])
	if l.cfg.Dedup {
		for _, p := range l.plain[:l.plainEnd] {
			l.touched ^= l.seen.v4.touch(key48(address4(p.addr), p.port))
		}
	}
}

// plainTarget takes in an address and port. ok is false if it is a duplicate, of another
// shard, or done.
func (l *List) plainTarget(a uint32, port uint16) (t Target, ok bool) {
	seq := l.seq
	key, reason, fresh := l.acceptPlain(a, port)
	if !fresh || !l.shard.all() && !l.shard.has4(a) || !l.take(l.cfg.Done.has(key)) {
		return t, false
	}
	t = Target{Key: key, Seq: seq, Reason: reason}
	if reason != "" {
		t.Refusal = Blocked
	}
	return t, true
}

var errLongLine = fmt.Errorf("the line is longer than %d bytes", maxLine)

// expand points the cursor at the space, whose targets are numbered from base.
func (l *List) expand(base uint64) {
	var seed *uint64
	if l.cfg.Shuffle {
		seed = &l.cfg.Seed
	}
	l.cursor.reset(&l.space, base, l.shard, seed)
}

// take reports whether one of this shard's targets is still to be done, and if so counts
// it against the quota.
func (l *List) take(done bool) bool {
	if done {
		l.skipped++
		return false
	}
	l.quota--
	return true
}

// isDone reports whether Config.Done has the i-th target of p.
func (l *List) isDone(p *piece, i uint64) bool {
	if p.name != "" {
		return l.cfg.Done.hasName(p.name, p.port(i))
	}
	return l.cfg.Done.has(p.key(i))
}

// end ends the input; err is nil at its regular end. Only the first end counts.
func (l *List) end(err error) {
	if l.over {
		return
	}
	l.over, l.err = true, err
	l.faults.end(l.cfg.Log)
	l.lines.close()
}

// poll takes in the next block of a file if it is there, and reports whether
// the input has moved on.
func (l *List) poll() bool {
	if l.over {
		return true
	}
	if !l.started {
		l.started = true
		l.lines.start()
	}
	select {
	case b, ok := <-l.lines.full:
		l.put(b, ok)
		return true
	default:
		return false
	}
}

func (l *List) put(b block, ok bool) {
	if !ok {
		l.end(nil)
		return
	}
	l.lines.put(b)
}

// wait returns when fill can continue.
func (l *List) wait(ctx context.Context, lacking want) error {
	if lacking == wantInput && l.poll() {
		return nil
	}
	var full <-chan block
	if lacking == wantInput {
		full = l.lines.full
	}
	var idle <-chan time.Time
	if w := l.window; w != nil && len(w.buf) > 0 {
		began := time.Now()
		timer := time.NewTimer(w.patience)
		idle = timer.C
		defer func() {
			timer.Stop()
			w.patience -= time.Since(began)
		}()
	}
	select {
	case b, ok := <-full:
		l.put(b, ok)
	case r := <-l.names.results:
		l.settle(r)
	case <-idle:
		l.window.shuffle()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// collect takes in the lookups that have ended.
func (l *List) collect() {
	for {
		select {
		case r := <-l.names.results:
			l.settle(r)
		default:
			return
		}
	}
}

func (l *List) settle(r result) {
	from := len(l.ready)
	l.ready = l.names.settle(l.ready, r)
	for i := range l.ready[from:] {
		l.countRefusal(&l.ready[from+i])
	}
}

// countRefusal corrects the counts once the address of a name is known.
func (l *List) countRefusal(t *Target) {
	switch t.Refusal {
	case Blocked:
		_, by := l.listed(address{t.Key.Hi, t.Key.Lo})
		l.count.Blocked++
		*by++
		l.count.Allowed--
	case Invalid:
		l.count.Invalid++
		l.count.Allowed--
	}
}

func (l *List) takeReady(dst []Target) int {
	n := copy(dst, l.ready[l.readyAt:])
	if l.readyAt += n; l.readyAt == len(l.ready) {
		clear(l.ready)
		l.ready, l.readyAt = l.ready[:0], 0
	}
	return n
}

func (l *List) publish() {
	c := l.count
	c.Targets, c.Skipped = l.yielded, l.skipped
	for i, p := range c.fields() {
		l.public[i].Store(*p)
	}
}
