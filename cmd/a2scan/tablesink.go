package main

import (
	"bytes"

	"github.com/a2scan/a2scan/output"
)

// A tableSink shows records as a table on standard output, in place of writing them.
type tableSink struct {
	app    *app
	table  serverTable
	all    bool   // targets that did not answer have a line too
	hidden uint64 // targets without a line
	bytes  int64
	record output.Record // its memory is used again
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

func (s *tableSink) WriteLines(p []byte) error {
	var b []byte
	for line := range bytes.Lines(p) {
		if err := output.Unmarshal(line, &s.record); err != nil {
			return err
		}
		if l := lineOf(&s.record); l.answered || s.all {
			b = s.table.append(b, l)
		} else {
			s.hidden++
		}
	}
	s.bytes += int64(len(p))
	return s.print(b)
}

func (s *tableSink) print(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return s.app.ui.aside(func() error {
		_, err := s.app.stdout.Write(b)
		return err
	})
}

// Sync returns the bytes of the records that were shown.
func (s *tableSink) Sync() (int64, error) { return s.bytes, nil }

// Close prints the footer.
func (s *tableSink) Close() error {
	if !s.table.begun && s.hidden == 0 {
		return nil
	}
	return s.print([]byte(s.table.footer(s.hidden) + "\n"))
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
