package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/internal/display"
	"github.com/a2scan/a2scan/output"
)

// TextOptions say how WriteText lays out a report.
type TextOptions struct {
	Width int  // columns
	Color bool // with terminal escapes
	Lines int  // entries of each list
}

// WriteText writes the report for a person: the figures that matter first, aligned,
// with foreign text made harmless.
func (r *Report) WriteText(w io.Writer, files []File, o TextOptions) error {
	t := &textWriter{TextOptions: o, report: r}
	t.Width = max(t.Width, 30)
	t.narrow = t.Width < 60
	t.heading(files)
	t.statuses()
	if r.Servers > 0 {
		t.servers()
	}
	_, err := w.Write(t.b.Bytes())
	return err
}

type textWriter struct {
	TextOptions
	report *Report
	narrow bool // no room for bars, identifiers and the games of maps
	b      bytes.Buffer
}

// Styles of the terminal.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (t *textWriter) styled(style, s string) string {
	if !t.Color || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (t *textWriter) linef(format string, args ...any) { fmt.Fprintf(&t.b, format+"\n", args...) }

func (t *textWriter) title(s string) { t.linef("\n%s", t.styled(bold, s)) }

func (t *textWriter) heading(files []File) {
	r := t.report
	t.linef("%s", t.styled(bold, fmt.Sprintf("%s, %s", plural(r.Servers, "server"), plural(r.Players.Reported, "player"))))
	var what []string
	for i, f := range files {
		if i == 3 && len(files) > 4 {
			what = append(what, fmt.Sprintf("%d more files", len(files)-i))
			break
		}
		what = append(what, display.Cut(f.Name, t.Width/2))
	}
	if s := span(files); s != "" {
		what = append(what, s)
	}
	for _, line := range flow(what, " · ", t.Width) {
		t.linef("%s", t.styled(dim, line))
	}
	facts := []string{plural(r.Records, "record")}
	if r.Duplicates > 0 {
		facts = append(facts, plural(r.Duplicates, "older record")+" left out")
	}
	switch {
	case r.Complete == nil:
		facts = append(facts, "completeness unknown (no metadata)")
	case *r.Complete:
		facts = append(facts, t.styled(green, "complete"))
	default:
		facts = append(facts, t.styled(yellow, "incomplete"))
	}
	if r.Shards.Of != nil && *r.Shards.Of > 1 {
		facts = append(facts, fmt.Sprintf("%d of %d shards", len(r.Shards.Present), *r.Shards.Of))
	}
	for _, line := range flow(facts, " · ", t.Width) {
		t.linef("%s", line)
	}
	if m := r.Shards.Missing; len(m) > 0 {
		t.linef("%s", t.styled(yellow, "missing: shard "+list(m)))
	}
	for _, f := range files {
		if f.Cut {
			t.linef("%s", t.styled(yellow, display.Cut(f.Name, t.Width/2)+" is damaged; its whole records were used"))
		}
	}
}

// list returns the first numbers, with commas.
func list(numbers []int) string {
	var b strings.Builder
	for i, n := range numbers {
		if i == 20 {
			fmt.Fprintf(&b, ", and %d more", len(numbers)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// span returns the time from the first scan's start to the last one's end.
func span(files []File) string {
	var first, last time.Time
	for _, f := range files {
		if f.Meta == nil || f.Meta.Start == nil {
			continue
		}
		if first.IsZero() || f.Meta.Start.Before(first) {
			first = *f.Meta.Start
		}
		if e := f.Meta.End; e != nil && e.After(last) {
			last = *e
		}
	}
	if first.IsZero() {
		return ""
	}
	first, last = first.UTC(), last.UTC()
	s := first.Format("2006-01-02 15:04")
	switch {
	case last.IsZero() || last.Before(first):
	case last.Format(time.DateOnly) == first.Format(time.DateOnly):
		s += "–" + last.Format("15:04")
	default:
		s += " to " + last.Format("2006-01-02 15:04")
	}
	return s + " UTC"
}

var statusStyles = map[string]string{"success": green, "partial": green, "timeout": dim, "protocol_error": red, "send_error": red}

func (t *textWriter) statuses() {
	r := t.report
	if r.Records == 0 {
		return
	}
	b := t.newTable(left, right, right, left)
	for i, c := range r.Statuses {
		if c.N > 0 {
			b.row(t.styled(statusStyles[c.Name], output.Status(i).String()), group(c.N), share(c.N, r.Records), t.bar(c.N, r.Records))
		}
	}
	t.title("Status")
	b.write()
	if len(r.Errors) > 0 {
		t.title("Reasons")
		b := t.newTable(left, right)
		for _, e := range r.Errors[:min(len(r.Errors), t.Lines)] {
			b.row(t.name(e.Error, 12), group(e.Count))
		}
		b.write()
	}
}

func (t *textWriter) servers() {
	r := t.report
	t.title("Servers")
	b := t.newTable(left, left)
	slots := fmt.Sprintf("%s of %s slots", group(r.Players.Reported), group(r.Players.Max))
	if !t.narrow {
		slots += " (" + share(r.Players.Reported, r.Players.Max) + ")"
	}
	b.parts("players", ", ", slots, group(r.Players.Listed)+" listed", plural(r.Players.Bots, "bot"))
	if r.RTT.P50 != nil {
		b.parts("round trip", " · ", "p50 "+ms(r.RTT.P50), "p90 "+ms(r.RTT.P90), "p99 "+ms(r.RTT.P99), "max "+ms(r.RTT.Max))
	}
	b.parts("system", " · ", shares(r.Environments, r.Servers)...)
	b.parts("kind", " · ", shares(r.ServerTypes, r.Servers)...)
	b.row("password", fmt.Sprintf("%s required", share(r.Passwords.Get("private"), r.Servers)))
	b.row("VAC", fmt.Sprintf("%s secured", share(r.VAC.Get("true"), r.Servers)))
	if r.Suspect.Servers == 0 {
		b.row("suspects", "none")
	} else {
		b.row("suspects", t.styled(yellow, fmt.Sprintf("%s (%s)", plural(r.Suspect.Servers, "server"), share(r.Suspect.Servers, r.Servers))))
		for _, c := range r.Suspect.Reasons {
			if c.N > 0 {
				b.row("", fmt.Sprintf("%s %s", c.Name, group(c.N)))
			}
		}
	}
	b.write()

	b = t.lists("Games")
	for _, g := range r.Games[:min(len(r.Games), t.Lines)] {
		id := ""
		if g.AppID != 0 && !t.narrow {
			id = t.styled(dim, strconv.FormatUint(uint64(g.AppID), 10))
		}
		b.row(t.name(g.Game, 50), id, group(g.Servers), group(g.Players), t.bar(g.Servers, r.Games[0].Servers))
	}
	b.write()
	b = t.lists("Maps")
	for _, m := range r.Maps[:min(len(r.Maps), t.Lines)] {
		b.row(t.name(m.Map, 62), t.game(m.Game), group(m.Servers), group(m.Players), t.bar(m.Servers, r.Maps[0].Servers))
	}
	b.write()
	b = t.lists("Versions")
	for _, v := range r.Versions[:min(len(r.Versions), t.Lines)] {
		b.row(t.name(v.Version, 62), t.game(v.Game), group(v.Servers), group(v.Players), t.bar(v.Servers, r.Versions[0].Servers))
	}
	b.write()
	b = t.lists("Hosts")
	for _, h := range r.Hosts[:min(len(r.Hosts), t.Lines)] {
		b.row(h.IP, "", group(h.Servers), group(h.Players), t.bar(h.Servers, r.Hosts[0].Servers))
	}
	b.write()
}

// lists begins a table of servers and players.
func (t *textWriter) lists(title string) *textTable {
	t.b.WriteByte('\n')
	b := t.newTable(left, left, right, right, left)
	b.headed = true
	b.row(t.styled(bold, title), "", t.styled(dim, "servers"), t.styled(dim, "players"), "")
	return b
}

// name returns foreign text, short enough to leave other columns columns of room.
func (t *textWriter) name(s string, other int) string {
	if s == "" {
		return t.styled(dim, "(empty)")
	}
	if t.narrow {
		other = min(other, 24)
	}
	return display.Cut(s, max(min(t.Width-other, 60), 6))
}

func (t *textWriter) game(s string) string {
	if s == "" || t.narrow {
		return ""
	}
	return t.styled(dim, display.Cut(s, 22))
}

func shares(counts Counts, of uint64) (parts []string) {
	for _, c := range counts {
		if c.N > 0 {
			parts = append(parts, c.Name+" "+share(c.N, of))
		}
	}
	return parts
}

// flow joins parts to lines of at most width columns.
func flow(parts []string, separator string, width int) (lines []string) {
	line := ""
	for _, p := range parts {
		switch {
		case line == "":
			line = p
		case shownWidth(line+separator+p) <= width:
			line += separator + p
		default:
			lines = append(lines, strings.TrimRight(line+strings.TrimSuffix(separator, " · "), " "))
			line = p
		}
	}
	return append(lines, line)
}

// bar returns a bar of at most ten columns.
func (t *textWriter) bar(n, of uint64) string {
	if t.narrow {
		return ""
	}
	const parts = "▏▎▍▌▋▊▉█"
	eighths := 0
	if of > 0 {
		eighths = int((n*80 + of - 1) / of)
	}
	s := strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		s += string([]rune(parts)[eighths%8-1])
	}
	return t.styled(cyan, s)
}

// group returns n with commas between thousands.
func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return group(n) + " " + noun + "s"
}

func share(n, of uint64) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of))
}

func ms(v *float64) string { return strconv.FormatFloat(*v, 'f', 1, 64) + " ms" }

type align bool

const (
	left  align = false
	right align = true
)

// A textTable aligns columns by their width on a terminal: wide characters count twice,
// escapes not at all.
type textTable struct {
	t      *textWriter
	align  []align
	rows   [][]string
	headed bool // the first row is a title
}

func (t *textWriter) newTable(align ...align) *textTable {
	return &textTable{t: t, align: align}
}

func (b *textTable) row(cells ...string) { b.rows = append(b.rows, cells) }

// parts adds a fact of several parts, on as many lines as they need.
func (b *textTable) parts(head, separator string, parts ...string) {
	const heads = 14 // columns before the parts
	for _, line := range flow(parts, separator, b.t.Width-heads) {
		b.row(head, line)
		head = ""
	}
}

func (b *textTable) write() {
	widths := make([]int, len(b.align))
	indent := func(row, column int) string {
		if row == 0 && column == 0 && b.headed {
			return ""
		}
		return "  "
	}
	for y, row := range b.rows {
		for x, c := range row {
			widths[x] = max(widths[x], len(indent(y, x))+shownWidth(c))
		}
	}
	for y, row := range b.rows {
		var line strings.Builder
		for x, c := range row {
			c = indent(y, x) + c
			pad := strings.Repeat(" ", widths[x]-shownWidth(c))
			if b.align[x] == right {
				c = pad + c
			} else {
				c += pad
			}
			line.WriteString(c)
		}
		b.t.linef("%s", strings.TrimRight(line.String(), " "))
	}
}

// shownWidth is the width of s without our own escapes.
func shownWidth(s string) int {
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return display.Width(s)
		}
		end := strings.IndexByte(s[i:], 'm')
		s = s[:i] + s[i+end+1:]
	}
}
