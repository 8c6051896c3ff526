package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// A watchTable shows the fullest servers of a watch on a terminal, drawn again after each
// round. A nil watchTable shows nothing.
type watchTable struct {
	app   *app
	lines map[string]*watchLine // by address
	round uint64                // that runs
	drawn time.Time             // in the first round, which is shown as it goes
	note  string                // for the line below the next table; empty: none
}

// A watchLine is a server and its line of the round before.
type watchLine struct {
	serverLine
	round  uint64 // of its last record
	before serverLine
}

func newWatchTable(a *app) *watchTable {
	return &watchTable{app: a, lines: map[string]*watchLine{}, round: 1, drawn: time.Now()}
}

// add takes in a record.
func (t *watchTable) add(r *output.Record) {
	if t == nil {
		return
	}
	l := lineOf(r).own()
	line := t.lines[l.address]
	if line == nil {
		line = new(watchLine)
		if t.round == 1 { // all are new
			line.before = *l
		}
		t.lines[l.address] = line
	} else {
		line.before = line.serverLine
	}
	line.round = t.round
	line.serverLine = *l
	if now := time.Now(); t.round == 1 && now.Sub(t.drawn) > time.Second {
		t.drawn = now
		_ = t.show(now.Local().Format(time.TimeOnly)+"  round 1 is under way", t.present()) // the end of the round draws again
	}
}

// present returns the servers of the round that runs, and forgets those that left the list
// before it.
func (t *watchTable) present() (shown []*watchLine) {
	for address, l := range t.lines {
		if l.round < t.round {
			delete(t.lines, address)
			continue
		}
		shown = append(shown, l)
	}
	return shown
}

// draw draws the table at the end of a round.
func (t *watchTable) draw(round *scanner.Round) error {
	c := &round.Counts
	title := fmt.Sprintf("%s  round %d  %s of %s answered", round.End.Local().Format(time.TimeOnly), round.Number,
		thousands(c.Statuses.Answered()), plural(c.Targets, "target", "targets"))
	for _, kind := range []output.EventKind{output.Appeared, output.Changed, output.Gone, output.Returned} {
		if n := c.Events[kind]; n > 0 {
			title += fmt.Sprintf("  %s %s", thousands(n), kind)
		}
	}
	shown := t.present()
	t.round = round.Number + 1
	return t.show(title, shown)
}

// show shows the fullest servers below a title. A terminal that cannot move its cursor gets
// one table below the other.
func (t *watchTable) show(title string, shown []*watchLine) error {
	screen := &t.app.screen
	rows := screen.rows()
	if rows == 0 {
		rows = 24
	}
	slices.SortFunc(shown, func(a, b *watchLine) int {
		up := func(l *watchLine) int {
			if l.answered {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(up(a), up(b)), cmp.Compare(b.players, a.players), strings.Compare(a.address, b.address))
	})
	var b []byte
	if screen.redraw {
		b = append(b, "\x1b[H\x1b[2J"...)
	}
	b = append(b, screen.paint(bold, fit(title, screen.columns()))+"\n"...)
	table := serverTable{screen: screen}
	for _, l := range shown {
		table.address = max(table.address, min(width(l.address)+markWidth, mostAddress+markWidth))
	}
	table.address = max(table.address, leastAddress)
	room := max(rows-5, 1) // the title, the header, the footer, a note and the cursor
	silent := 0            // of those that are not shown
	for i, l := range shown {
		if i >= room {
			table.count(&l.serverLine)
			if !l.answered {
				silent++
			}
			continue
		}
		line := l.serverLine
		line.address = l.mark() + line.address
		b = table.append(b, &line)
	}
	footer := table.sums()
	if more := len(shown) - room; more > 0 {
		footer += fmt.Sprintf("; %d more lines", more)
		if silent > 0 {
			footer += fmt.Sprintf(", %d of them silent", silent)
		}
	}
	b = append(b, screen.paint(dim, fit(footer, screen.columns()))+"\n"...)
	if t.note != "" {
		b = append(b, screen.paint(yellow, fit(t.note, screen.columns()))+"\n"...)
		t.note = ""
	}
	return t.app.show(b)
}

// markWidth is the width of a mark.
const markWidth = 2

// mark shows whether a server has changed since the round before.
func (l *watchLine) mark() string {
	a, b := &l.serverLine, &l.before
	switch {
	case a.answered != b.answered:
		return "! "
	case a.name != b.name || a.mapName != b.mapName || a.game != b.game:
		return "* "
	case a.players > b.players:
		return "+ "
	case a.players < b.players:
		return "- "
	}
	return "  "
}

// noEvents is a Sink for a watch that shows a table.
type noEvents struct{}

func (noEvents) WriteLines([]byte) error { return nil }
func (noEvents) Sync() (int64, error)    { return 0, nil }
func (noEvents) Close() error            { return nil }
