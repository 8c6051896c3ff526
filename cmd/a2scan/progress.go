package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
)

const (
	// progressEvery is the time between two status updates.
	progressEvery = time.Second
	// drawEvery is the time between two progress lines of a terminal.
	drawEvery = 200 * time.Millisecond
	// plainEvery is the number of updates per progress line in a log, which must not
	// fill up during a scan of a day.
	plainEvery = 10
	// ratesOver is the least time over which the rates of a progress line are measured.
	ratesOver = 2 * time.Second
)

// A sample is the state of a scan at one time.
type sample struct {
	time   time.Time
	at     time.Duration // since the scan began
	stats  scanner.Stats
	counts dataset.Metadata // input, packets, socket and output
	total  uint64           // number of targets; 0: unknown
	before uint64           // targets that an earlier run has done
}

// settled returns the number of targets that have a result.
func (s *sample) settled() uint64 { return s.stats.Done + s.stats.Aborted }

// started returns the number of targets that are in flight or have a result.
func (s *sample) started() uint64 { return s.settled() + uint64(s.stats.InFlight) }

// A progress shows the state of a scan and writes status updates, until it is stopped.
type progress struct {
	ui     *ui
	show   bool          // the progress line
	file   *outlet       // for status updates; nil: none
	sample func() sample // of now
	start  time.Time

	// timeout is the first wait for a silent server, silence the time until it is given
	// up, and limit the longest that any target can take.
	timeout, silence, limit time.Duration
	stopping                atomic.Bool // after an interrupt
	perIPRate               float64
	held                    bool // the message about perIPRate was printed

	recent    []sample // of the last ratesOver, oldest first
	told      sample   // of the last update
	earlier   sample   // of the one before
	most      uint64   // targets started so far
	lastStart time.Duration
	updates   chan *statusLine
	err       error // the first of file
	done      chan struct{}
	wg        sync.WaitGroup
}

// newProgress returns a progress for a scan with the waits of cfg.
func newProgress(u *ui, cfg *scanner.Config) *progress {
	return &progress{ui: u, show: true, timeout: cfg.Timeout, silence: cfg.SilentTime(), limit: cfg.TargetTimeout, perIPRate: cfg.PerIPRate}
}

// run begins with the state first.
func (p *progress) run(first sample) {
	p.done = make(chan struct{})
	p.updates = make(chan *statusLine)
	p.recent, p.earlier, p.told = []sample{first}, first, first
	every, draws := progressEvery, uint64(1)
	if p.show && p.ui.terminal.redraw {
		every, draws = drawEvery, uint64(progressEvery/drawEvery)
	}
	p.wg.Go(func() {
		defer close(p.updates)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := uint64(1); ; n++ {
			select {
			case <-tick.C:
				p.tick(p.ui.terminal.redraw || n%plainEvery == 0, n%draws == 0)
			case <-p.done:
				if p.file != nil {
					p.updates <- p.lastUpdate()
				}
				return
			}
		}
	})
	p.wg.Go(p.write)
}

// stop erases the progress line, writes the last update and returns the first error of
// the status updates. It does not wait long for a stalled reader of them.
func (p *progress) stop() error {
	close(p.done)
	if p.file != nil {
		late := time.AfterFunc(patience, p.file.giveUp)
		defer late.Stop()
	}
	p.wg.Wait()
	p.ui.endProgress()
	return p.err
}

// drawn reports whether the progress is a line of a terminal that is redrawn.
func (p *progress) drawn() bool { return p.show && p.ui.terminal.redraw && !p.ui.quiet }

func (p *progress) current() *sample {
	cur := p.sample()
	cur.time = time.Now() // the tick itself can be long ago
	cur.at = cur.time.Sub(p.start)
	if n := cur.started(); n > p.most {
		p.most, p.lastStart = n, cur.at
	}
	return &cur
}

func (p *progress) tick(line, update bool) {
	cur := p.current()
	if !p.held && heldBack(cur.stats.HeldByAddress, cur.at) {
		p.held = true
		p.ui.notef("%s", heldNote(p.perIPRate))
		p.ui.noteHintf("%s", heldHint)
	}
	if p.show && line {
		p.draw(cur)
	}
	for len(p.recent) > 1 && cur.at-p.recent[1].at >= ratesOver {
		p.recent = p.recent[1:]
	}
	p.recent = append(p.recent, *cur)
	if p.file == nil || !update {
		return
	}
	select {
	case p.updates <- p.statusUpdate(&p.told, cur):
		p.earlier, p.told = p.told, *cur
	default: // the reader is late; the next update has newer figures
	}
}

func (p *progress) draw(cur *sample) {
	if !p.ui.terminal.redraw {
		if !p.ui.quiet {
			p.ui.sayf("%s: %s", formatDuration(cur.at.Round(time.Second)), p.text(cur, &terminal{}, 0, ", "))
		}
		return
	}
	p.ui.progress(p.text(cur, &p.ui.terminal, p.ui.terminal.columns()-1, "  "))
}

// heldBack reports whether --per-ip-rate takes a noticeable part of a scan's time.
func heldBack(held, took time.Duration) bool { return held >= 2*time.Second && held >= took/4 }

func heldNote(rate float64) string {
	return fmt.Sprintf("the limit of %s packets per second to one address holds the scan back", formatNumber(rate))
}

const heldHint = "raise --per-ip-rate if the addresses belong to machines that can take more"

// lastUpdate returns the update of the scan's end. Its rates cover at least half a tick:
// the rate of a millisecond would be that of a single batch.
func (p *progress) lastUpdate() *statusLine {
	cur, since := p.current(), &p.told
	if cur.at-since.at < progressEvery/2 {
		since = &p.earlier
	}
	return p.statusUpdate(since, cur)
}

// write writes the updates one at a time.
func (p *progress) write() {
	for u := range p.updates {
		if p.err != nil {
			continue
		}
		b, err := u.appendJSON(nil)
		if err == nil {
			_, err = p.file.Write(b)
		}
		if err != nil {
			p.err = fmt.Errorf("cannot write status updates: %w", err)
			p.ui.error(p.err)
		}
	}
}

// perSecond returns the rate at which a counter grew from a to b.
func perSecond(a, b uint64, d time.Duration) float64 {
	if d <= 0 || b < a {
		return 0
	}
	return float64(b-a) / d.Seconds()
}

// A part is a piece of a progress line. The lower its rank, the more it matters.
type part struct {
	text  string
	color color
	rank  int
}

// text returns the progress line of cur in at most columns columns (0: any number).
func (p *progress) text(cur *sample, t *terminal, columns int, between string) string {
	if p.stopping.Load() {
		return t.paint(yellow, fit(p.waiting(cur, "stopping: %s in flight")+"; Ctrl-C again stops now", orAny(columns)))
	}
	if p.onlySilence(cur) {
		return fit(p.waiting(cur, "waiting for %s"), orAny(columns))
	}
	parts := choose(p.parts(cur), columns, len(between))
	var b strings.Builder
	for i, q := range parts {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(t.paint(q.color, fit(q.text, orAny(columns))))
	}
	return b.String()
}

// choose returns the parts that fit into so many columns (0: any number) with spaces
// between them, those of low rank first, in their order.
func choose(parts []part, columns, space int) []part {
	if columns <= 0 {
		return parts
	}
	most := 0
	for _, q := range parts {
		most = max(most, q.rank)
	}
	chosen := make([]bool, len(parts))
	left := columns + space
	for rank := range most + 1 {
		for i, q := range parts {
			if n := width(q.text) + space; q.rank == rank && (n <= left || rank == 0) {
				chosen[i] = true
				left -= n
			}
		}
	}
	var kept []part
	for i, q := range parts {
		if chosen[i] {
			kept = append(kept, q)
		}
	}
	return kept
}

// orAny turns the width 0 into a large one.
func orAny(columns int) int {
	if columns <= 0 {
		return 1 << 20
	}
	return columns
}

// onlySilence reports whether every target has been started, and those that are left have
// not answered within their first timeout.
func (p *progress) onlySilence(cur *sample) bool {
	return cur.total > 0 && cur.started() == cur.total && cur.stats.InFlight > 0 && cur.stats.Parked == 0 &&
		cur.at-p.lastStart >= p.timeout
}

// waiting describes the servers in flight, with the longest time that they can take.
func (p *progress) waiting(cur *sample, format string) string {
	kind := "silent server"
	if p.stopping.Load() {
		kind = "server"
	}
	text := fmt.Sprintf(format, plural(uint64(cur.stats.InFlight), kind, kind+"s"))
	return text + ", at most " + formatWait(p.tail(cur))
}

// tail returns the time until the last of the targets in flight is given up.
func (p *progress) tail(cur *sample) time.Duration {
	if left := p.lastStart + p.silence - cur.at; left > 0 {
		return left
	}
	return max(p.lastStart+p.limit-cur.at, 0)
}

// parts returns the pieces of the line of cur in their order.
func (p *progress) parts(cur *sample) []part {
	prev, s := &p.recent[0], &cur.stats
	d := cur.at - prev.at
	settled := cur.settled()
	var parts []part
	add := func(rank int, c color, format string, args ...any) {
		parts = append(parts, part{fmt.Sprintf(format, args...), c, rank})
	}
	if cur.total > 0 {
		add(0, plain, "%s/%s %d %%", thousands(settled), thousands(cur.total), settled*100/cur.total)
	} else {
		add(0, plain, "%s done", thousands(settled))
	}
	add(3, plain, "%s", formatRate(perSecond(prev.stats.Sent, s.Sent, d)))
	if s.Done > 0 {
		add(2, plain, "%d %% answered", s.Statuses.Answered()*100/s.Done)
	}
	if n := cur.counts.Socket.RxDropped; n > 0 {
		add(1, red, "%s dropped: lower --rate", thousands(n))
	} else {
		add(5, plain, "0 dropped")
	}
	if left, ok := p.timeLeft(cur); ok {
		add(1, plain, "%s left", formatWait(left))
	}
	add(6, plain, "%s in flight", thousands(uint64(s.InFlight)))
	add(8, plain, "%s in", formatRate(perSecond(prev.stats.Received, s.Received, d)))
	if n := s.Statuses[output.Timeout]; n > 0 {
		add(7, plain, "%s timeout", thousands(n))
	}
	if n := cur.counts.Output.Bytes; n > 0 {
		add(9, plain, "%s written", formatBytes(n))
	}
	add(10, plain, "%s elapsed", formatWait(cur.at))
	return parts
}

// timeLeft estimates the time to the end of the scan: the targets that are not started
// yet at the mean rate so far, and then the time until silent ones are given up.
func (p *progress) timeLeft(cur *sample) (time.Duration, bool) {
	started, s := cur.started(), &cur.stats
	if cur.total <= cur.settled() || started <= cur.before || cur.at < progressEvery {
		return 0, false
	}
	unstarted := cur.total - min(started, cur.total)
	left := time.Duration(float64(cur.at) * float64(unstarted) / float64(started-cur.before))
	silent := s.Statuses[output.Timeout] > 0 || s.Retransmits > 0
	switch {
	case unstarted == 0:
		left = p.tail(cur)
	case silent:
		left += p.silence
	}
	return left, true
}

// formatRate returns a number of packets per second.
func formatRate(pps float64) string {
	switch {
	case pps >= 1e6:
		return fmt.Sprintf("%.1f Mpps", pps/1e6)
	case pps >= 1e3:
		return fmt.Sprintf("%.1f kpps", pps/1e3)
	}
	return fmt.Sprintf("%.0f pps", pps)
}

// formatBytes returns a number of bytes in powers of 1000.
func formatBytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// formatWait returns a time in the two units that matter, rounded up to seconds.
func formatWait(d time.Duration) string {
	s := int64((d + time.Second - 1) / time.Second)
	switch {
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min", (s+59)/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s%86400/3600)
}

// thousands writes n with commas.
func thousands(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// plural returns a count with the word for it.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// statusUpdate returns one line of the status updates.
func (p *progress) statusUpdate(prev, cur *sample) *statusLine {
	s, d := &cur.stats, cur.at-prev.at
	u := &statusLine{
		Schema:    output.SchemaVersion,
		Time:      output.Timestamp{Time: cur.time},
		DurationS: dataset.Decimal(cur.at.Seconds()),
		Input:     &cur.counts.Input,
		Targets:   statusTargets{Done: s.Done, Aborted: s.Aborted, InFlight: s.InFlight},
		Statuses:  s.Statuses,
		Packets:   &cur.counts.Packets,
		Socket:    &cur.counts.Socket,
		Rate: statusRate{
			SentPPS:          dataset.Decimal(perSecond(prev.stats.Sent, s.Sent, d)),
			ReceivedPPS:      dataset.Decimal(perSecond(prev.stats.Received, s.Received, d)),
			TargetsPerSecond: dataset.Decimal(perSecond(prev.stats.Done, s.Done, d)),
		},
		Output: &cur.counts.Output,
	}
	if cur.total > 0 {
		u.Targets.Total = &cur.total
	}
	if left, ok := p.timeLeft(cur); ok {
		seconds := dataset.Decimal(left.Seconds())
		u.RemainingS = &seconds
	}
	return u
}
