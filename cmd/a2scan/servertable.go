package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/a2scan/a2scan/output"
)

// A serverLine is one server in a table: plain text that cell has made safe.
type serverLine struct {
	address  string
	status   output.Status
	reason   string // of a status other than success
	rtt      time.Duration
	answered bool // there is an INFO reply, and so the fields below
	game     string
	folder   string // a shorter name of the game
	mapName  string
	players  int
	most     int
	name     string
}

// own copies the texts of l, which may alias a record whose memory is used again.
func (l *serverLine) own() *serverLine {
	for _, text := range []*string{&l.address, &l.reason, &l.game, &l.folder, &l.mapName, &l.name} {
		*text = strings.Clone(*text)
	}
	return l
}

// A serverTable lays out servers in aligned lines, one each. The columns follow from the
// width that the terminal has when a line is made. The name is last, so that characters
// whose width a terminal disagrees on move nothing.
type serverTable struct {
	screen  *terminal
	begun   bool
	address int // width of the first column, which only grows

	servers, players, places uint64
}

const (
	roomyColumns = 100
	leastAddress = 16 // 127.0.1.99:27015
	mostAddress  = 21 // 255.255.255.255:65535; a longer address moves its own line
	rttWidth     = 7
	countWidth   = 7
	columnSpace  = 2
)

// layout returns the widths of the columns in the present terminal; 0 leaves one out.
func (t *serverTable) layout() (rtt, game, mapName int) {
	rest := t.screen.columns() - t.address - columnSpace - countWidth - columnSpace
	if rest >= 24 {
		rtt = rttWidth
		rest -= rtt + columnSpace
	}
	if rest >= 36 {
		game = min(max(rest*22/100, 8), 26)
		mapName = min(max(rest*25/100, 10), 30)
	}
	return rtt, game, mapName
}

// append appends the line of a server to b, after the header if it is the first.
func (t *serverTable) append(b []byte, s *serverLine) []byte {
	columns := t.screen.columns()
	if t.address == 0 {
		t.address = leastAddress
		if columns >= roomyColumns {
			t.address = mostAddress
		}
	}
	t.address = min(max(t.address, width(s.address)), mostAddress)
	rtt, game, mapName := t.layout()
	if !t.begun {
		t.begun = true
		head := t.row(rtt, game, mapName, "ADDRESS", "RTT", "GAME", "MAP", "PLAYERS") + "NAME"
		b = append(b, t.screen.paint(bold, fit(head, columns))+"\n"...)
	}
	if !s.answered {
		text := fit(left(s.address, max(t.address, width(s.address)))+"  ", columns)
		status := fit(s.status.String(), columns-width(text))
		reason := ""
		if s.reason != s.status.String() {
			reason = fit("  "+s.reason, columns-width(text+status))
		}
		return append(b, strings.TrimRight(text+t.screen.paint(statusColor(s.status), status)+t.screen.paint(dim, reason), " ")+"\n"...)
	}
	t.count(s)
	gameName := s.game
	if width(gameName) > game && s.folder != "" && width(s.folder) < width(gameName) {
		gameName = s.folder
	}
	row := t.row(rtt, game, mapName, s.address, formatRTT(s.rtt), gameName, s.mapName, fmt.Sprintf("%d/%d", s.players, s.most))
	row = fit(row, columns)
	rest, mark := columns-width(row), ""
	if s.status != output.Success {
		if mark = "~ "; rest >= 24 {
			mark = "(" + s.status.String() + ") "
		}
	}
	mark = fit(mark, rest)
	return append(b, strings.TrimRight(row+t.screen.paint(statusColor(s.status), mark)+fit(s.name, rest-width(mark)), " ")+"\n"...)
}

// count adds a server to the footer.
func (t *serverTable) count(s *serverLine) {
	if !s.answered {
		return
	}
	t.servers++
	t.players += uint64(max(s.players, 0))
	t.places += uint64(max(s.most, 0))
}

// row returns the columns before the name.
func (t *serverTable) row(rttWide, gameWide, mapWide int, address, rtt, game, mapName, players string) string {
	var b strings.Builder
	b.WriteString(left(address, max(t.address, width(address))) + "  ")
	if rttWide > 0 {
		b.WriteString(right(rtt, rttWide) + "  ")
	}
	if gameWide > 0 {
		b.WriteString(left(game, gameWide) + "  " + left(mapName, mapWide) + "  ")
	}
	b.WriteString(right(players, countWidth) + "  ")
	return b.String()
}

// sums returns the numbers of servers and players.
func (t *serverTable) sums() string {
	return fmt.Sprintf("%s, %s/%s players", plural(t.servers, "server", "servers"), thousands(t.players), thousands(t.places))
}

// footer returns the line below the table; hidden is the number of targets that have no
// line.
func (t *serverTable) footer(hidden uint64) string {
	text := t.sums()
	if hidden > 0 {
		text += fmt.Sprintf("; %s without an answer not shown (-v shows them)", plural(hidden, "target", "targets"))
	}
	return t.screen.paint(dim, fit(text, t.screen.columns()))
}

func formatRTT(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
}

// statusColor returns the colour of a status: green if all came, yellow if something
// came, red if a machine refused or the reply is wrong, and dim for silence.
func statusColor(s output.Status) color {
	switch s {
	case output.Success:
		return green
	case output.Partial, output.Incomplete:
		return yellow
	case output.Timeout, output.Aborted, output.Blocked:
		return dim
	}
	return red
}
