package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner"
)

// A serverLog prints a line per server and round: query --watch.
type serverLog struct {
	app     *app
	many    bool // lines begin with the address
	begun   bool
	lines   []*serverLine // of the round that runs
	history map[string]*serverHistory
	order   []string
}

// A serverHistory sums up the rounds of a server.
type serverHistory struct {
	last               serverLine
	rounds, answered   int
	fastest, sum, most time.Duration // round trips
	measured           int
}

// watchServers asks the servers of source once per interval and prints a line for each.
func (a *app) watchServers(o *queryOptions, port mux.Port, source scanner.Source, many bool) error {
	log := &serverLog{app: a, many: many, history: map[string]*serverHistory{}}
	cfg := scanner.WatchConfig{Config: o.ask.cfg, Interval: o.interval}
	cfg.OnRecord = func(r *output.Record, _ []byte) error {
		l := lineOf(r).own()
		log.lines = append(log.lines, l)
		return nil
	}
	cfg.OnRound = func(r *scanner.Round) error { return log.print(r.Start) }
	w, err := scanner.NewWatcher(cfg, port, noEvents{})
	if err != nil {
		return &usageError{nameFlags(err)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := a.watchSignals(func() { cancel(); w.Abort() }, func() {})
	err = w.Run(ctx, source)
	stopped := signals.stop()
	err = errors.Join(err, log.sum())
	if err == nil {
		err = stopped
	}
	return err
}

// print prints the lines of a round.
func (l *serverLog) print(at time.Time) error {
	screen := &l.app.screen
	columns := l.columns()
	var b strings.Builder
	if !l.begun && len(l.lines) > 0 {
		l.begun = true
		b.WriteString(screen.paint(bold, fit(l.row("TIME", "ADDRESS", "RTT", "PLAYERS", "MAP")+"NAME", columns)) + "\n")
	}
	for _, s := range l.lines {
		if s.status == output.Aborted {
			continue
		}
		h := l.history[s.address]
		first := h == nil
		if first {
			h = new(serverHistory)
			l.history[s.address] = h
			l.order = append(l.order, s.address)
		}
		h.add(s)
		clock := at.Local().Format(time.TimeOnly)
		if !s.answered {
			text := s.status.String()
			if s.reason != "" {
				text = s.reason
			}
			row := fit(l.start(clock, s.address)+text, columns)
			b.WriteString(screen.paint(statusColor(s.status), strings.TrimRight(row, " ")) + "\n")
			h.last.answered = false
			continue
		}
		mapName, name := s.mapName, s.name
		row := fit(l.row(clock, s.address, formatRTT(s.rtt), fmt.Sprintf("%d/%d", s.players, s.most), mapName)+name, columns)
		if changed := !first && (h.last.mapName != s.mapName || h.last.name != s.name || !h.last.answered); changed {
			row = screen.paint(yellow, row) // another map or name, or it is back
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
		h.last = *s
	}
	l.lines = l.lines[:0]
	return l.app.ui.aside(func() error {
		_, err := l.app.stdout.Write([]byte(b.String()))
		return err
	})
}

// row returns the columns before the name.
func (l *serverLog) row(clock, address, rtt, players, mapName string) string {
	return l.start(clock, address) + right(rtt, rttWidth) + "  " + right(players, countWidth) + "  " + left(mapName, 16) + "  "
}

// start returns the time and, of several servers, the address.
func (l *serverLog) start(clock, address string) string {
	row := left(clock, len(time.TimeOnly)) + "  "
	if l.many {
		row += left(address, max(mostAddress, width(address))) + "  "
	}
	return row
}

// columns returns the width of the terminal; a file or a pipe has no limit.
func (l *serverLog) columns() int {
	if !l.app.screen.present {
		return unlimited
	}
	return l.app.screen.columns()
}

func (h *serverHistory) add(s *serverLine) {
	h.rounds++
	if !s.answered {
		return
	}
	h.answered++
	if s.rtt < 0 {
		return
	}
	if h.measured == 0 || s.rtt < h.fastest {
		h.fastest = s.rtt
	}
	h.most = max(h.most, s.rtt)
	h.sum += s.rtt
	h.measured++
}

// sum prints a line per server about all rounds.
func (l *serverLog) sum() error {
	var b strings.Builder
	if l.app.screen.present {
		b.WriteByte('\n') // the terminal shows ^C
	}
	for _, address := range l.order {
		h := l.history[address]
		text := fmt.Sprintf("%s: answered %d of %d", address, h.answered, h.rounds)
		if h.measured > 0 {
			text += fmt.Sprintf(", rtt min/avg/max %s/%s/%s", formatRTT(h.fastest), formatRTT(h.sum/time.Duration(h.measured)), formatRTT(h.most))
		}
		b.WriteString(l.app.screen.paint(dim, fit(text, l.columns())) + "\n")
	}
	return l.app.ui.aside(func() error {
		_, err := l.app.stdout.Write([]byte(b.String()))
		return err
	})
}
