package main

import (
	"github.com/a2scan/a2scan/output"
)

// A tableSink shows records as a table on standard output, in place of writing them.
type tableSink struct {
	app    *app
	table  serverTable
	all    bool        // targets that did not answer have a line too
	hidden uint64      // targets without a line
	lines  []byte      // to be shown
	copy   *memorySink // receives the records too; nil: none
}

// mostSilent is the number of targets up to which those that do not answer are shown.
const mostSilent = 256

func (a *app) newTableSink(all bool) *tableSink {
	screen := &a.screen
	if !screen.present { // a file has room
		screen = &terminal{color: screen.color, size: func() (int, int) { return fileColumns, 0 }}
	}
	return &tableSink{app: a, table: serverTable{screen: screen}, all: all}
}

// fileColumns is the width of a table in a file or a pipe.
const fileColumns = 160

// WriteRecord adds the line of a record.
func (s *tableSink) WriteRecord(r *output.Record) {
	if l := lineOf(r); l.answered || s.all {
		s.lines = s.table.append(s.lines, l)
	} else {
		s.hidden++
	}
	if s.copy != nil {
		s.copy.lines = output.AppendJSON(s.copy.lines, r)
	}
}

// WriteLines shows the lines that were added.
func (s *tableSink) WriteLines([]byte) error {
	b := s.lines
	s.lines = s.lines[:0]
	return s.app.show(b)
}

// show writes to standard output, above the progress line.
func (a *app) show(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return a.ui.aside(func() error {
		_, err := a.stdout.Write(b)
		return err
	})
}

func (s *tableSink) Sync() (int64, error) { return 0, nil }

// Close prints the footer.
func (s *tableSink) Close() error {
	if !s.table.begun && s.hidden == 0 {
		return nil
	}
	return s.app.show([]byte(s.table.footer(s.hidden) + "\n"))
}

// lineOf returns the table line of a record.
func lineOf(r *output.Record) *serverLine {
	l := &serverLine{address: cell(addressOf(r)), status: r.Status, reason: cell(r.Error), rtt: r.RTT}
	i := r.Info
	if i == nil || !i.Has(output.InfoName) {
		return l
	}
	l.answered = true
	if l.rtt < 0 {
		l.rtt = i.RTT
	}
	l.name, l.mapName, l.game, l.folder = cell(i.Name), cell(i.Map), cell(i.Game), cell(i.Folder)
	if l.game == "" {
		l.game = l.folder
	}
	l.players, l.most = playersOf(i)
	return l
}

// addressOf returns the address and port of a record, or its input if it has none.
func addressOf(r *output.Record) string {
	if r.Addr.IsValid() {
		return r.Addr.String()
	}
	return r.Input
}

// playersOf returns the players and places: the true ones if the game has more than fit
// into INFO.
func playersOf(i *output.Info) (players, most int) {
	if i.Has(output.InfoPlayersActual) {
		return i.PlayersActual, i.MaxPlayersActual
	}
	return i.Players, i.MaxPlayers
}
