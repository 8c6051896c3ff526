package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
)

const (
	// progressEvery is how often status updates are written and a terminal's
	// progress line is drawn.
	progressEvery = time.Second
	// plainEvery is how many of them go by for a plain line where there is no
	// terminal: a log is not to fill up with a scan that takes a day.
	plainEvery = 10
)

// A sample is where a scan stood at some time.
type sample struct {
	time   time.Time
	at     time.Duration // since the scan began
	stats  scanner.Stats
	input  dataset.InputCounts
	socket dataset.SocketCounts
	output dataset.OutputCounts
	total  uint64 // targets there will be; 0: not known
	before uint64 // of those that are done, done by an earlier run
}

// A progress shows once a second how a scan goes on, until it is stopped.
type progress struct {
	ui     *ui
	show   bool    // the progress line
	file   *outlet // for status updates; nil: none
	sample func() sample
	start  time.Time

	last    sample // at the last tick, at first of the beginning
	told    sample // of the last update
	earlier sample // of the one before
	updates chan *dataset.Update
	err     error // the first of file
	done    chan struct{}
	wg      sync.WaitGroup
}

func (p *progress) run() {
	p.done = make(chan struct{})
	p.updates = make(chan *dataset.Update)
	p.earlier, p.told = p.last, p.last
	p.wg.Go(func() {
		defer close(p.updates)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
				p.tick(p.ui.terminal || n%plainEvery == 0)
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

// stop writes the last update and returns the first error that there was with
// the updates. Where nobody reads them it does not wait for long.
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

func (p *progress) current() *sample {
	cur := p.sample()
	cur.time = time.Now() // a tick's own time may be long ago
	cur.at = cur.time.Sub(p.start)
	return &cur
}

func (p *progress) tick(line bool) {
	cur := p.current()
	if p.show && line {
		p.ui.progress(progressLine(&p.last, cur))
	}
	p.last = *cur
	if p.file == nil {
		return
	}
	select {
	case p.updates <- statusUpdate(&p.told, cur):
		p.earlier, p.told = p.told, *cur
	default: // whoever reads them is late, and is not waited for: the next is fresher
	}
}

// lastUpdate returns the update of the scan's end. Its rates are of no less than half a
// tick: of a millisecond they would say what a single batch was.
func (p *progress) lastUpdate() *dataset.Update {
	cur, since := p.current(), &p.told
	if cur.at-since.at < progressEvery/2 {
		since = &p.earlier
	}
	return statusUpdate(since, cur)
}

// write writes the updates, of which it waits for one at a time.
func (p *progress) write() {
	for u := range p.updates {
		if p.err != nil {
			continue
		}
		b, err := u.AppendJSON(nil)
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

// progressLine says where the scan stands at cur, with rates since prev.
func progressLine(prev, cur *sample) string {
	s, d := &cur.stats, cur.at-prev.at
	settled := s.Done + s.Aborted
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", formatDuration(cur.at.Round(time.Second)), thousands(settled))
	if cur.total > 0 {
		fmt.Fprintf(&b, " of %s (%d%%)", thousands(cur.total), settled*100/cur.total)
	}
	b.WriteString(" done")
	if left, ok := timeLeft(cur); ok {
		fmt.Fprintf(&b, ", %s left", formatDuration(left.Round(time.Second)))
	}
	answered := s.Statuses[output.Success] + s.Statuses[output.Partial]
	fmt.Fprintf(&b, "; %s answered", thousands(answered))
	if s.Done > 0 {
		fmt.Fprintf(&b, " (%d%%)", answered*100/s.Done)
	}
	fmt.Fprintf(&b, "; %s p/s out, %s in; %s in flight", thousands(uint64(perSecond(prev.stats.Sent, s.Sent, d))),
		thousands(uint64(perSecond(prev.stats.Received, s.Received, d))), thousands(uint64(s.InFlight)))
	if n := cur.socket.RxDropped; n > 0 {
		fmt.Fprintf(&b, "; %s dropped", thousands(n))
	}
	return b.String()
}

// timeLeft guesses from the mean rate so far.
func timeLeft(cur *sample) (time.Duration, bool) {
	settled := cur.stats.Done + cur.stats.Aborted
	if cur.total <= settled || settled <= cur.before || cur.at < 2*time.Second {
		return 0, false
	}
	return time.Duration(float64(cur.at) * float64(cur.total-settled) / float64(settled-cur.before)), true
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
func statusUpdate(prev, cur *sample) *dataset.Update {
	s, d := &cur.stats, cur.at-prev.at
	u := &dataset.Update{
		Schema:    output.SchemaVersion,
		Time:      output.Timestamp{Time: cur.time},
		DurationS: dataset.Seconds(cur.at),
		Input:     cur.input,
		Targets:   dataset.UpdateTargets{Done: s.Done, Aborted: s.Aborted, InFlight: s.InFlight},
		Statuses:  s.Statuses,
		Packets:   packetCounts(s),
		Socket:    cur.socket,
		Rate: dataset.UpdateRate{
			SentPPS:          dataset.Decimal(perSecond(prev.stats.Sent, s.Sent, d)),
			ReceivedPPS:      dataset.Decimal(perSecond(prev.stats.Received, s.Received, d)),
			TargetsPerSecond: dataset.Decimal(perSecond(prev.stats.Done, s.Done, d)),
		},
		Output: cur.output,
	}
	if cur.total > 0 {
		u.Targets.Total = &cur.total
	}
	if left, ok := timeLeft(cur); ok {
		seconds := dataset.Seconds(left)
		u.RemainingS = &seconds
	}
	return u
}
