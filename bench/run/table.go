package run

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A table is shown on the terminal and in the document. The first column is words, the
// others are figures.
type table struct {
	title string
	notes []string // lines that belong to it
	head  []string
	rows  [][]string // a row of one cell is a heading of those that follow
}

// tables returns the report's figures, one table for each group that has any.
func (r *Report) tables() []table {
	var all []table
	for _, t := range []table{r.speedTable(Throughput), r.speedTable(Scale), r.rateTable(), r.memoryTable()} {
		if len(t.rows) > 0 {
			all = append(all, t)
		}
	}
	return all
}

func (r *Report) speedTable(g Group) table {
	t := table{
		title: "Throughput",
		head:  []string{"", "servers/s", "packets/s", "CPU µs/server", "CPU vs bare", "speed vs bare", "peak RSS", "found of live", "wrong", "drops"},
	}
	if g == Scale {
		t.title = "Scale"
	}
	workload := ""
	for _, row := range r.in(g) {
		if row.Workload != workload {
			workload = row.Workload
			t.rows = append(t.rows, []string{row.heading()})
		}
		t.rows = append(t.rows, []string{
			row.Variant,
			spread(row.ServersPerS, short),
			median(row.PacketsPerS, short),
			spread(row.CPUPerServer, significant),
			spread(row.CPUVsBare, ratio),
			spread(row.SpeedVsBare, ratio),
			median(row.PeakRSS, mebibytes),
			median(row.FoundShare, percent),
			row.Check.cell(),
			drops(row.Runs),
		})
		if row.Tail && !row.bare() {
			t.notes = append(t.notes, row.tailNote())
		}
	}
	return t
}

// heading names a workload and its servers.
func (row *Row) heading() string {
	h := fmt.Sprintf("%s: %s targets", row.Title, thousands(row.Targets))
	if row.Live != row.Targets {
		h += fmt.Sprintf(", %s of them live", thousands(row.Live))
	}
	return fmt.Sprintf("%s, %s", h, runs(len(row.Runs)))
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs each", n)
}

// tailNote explains why a scan waited.
func (row *Row) tailNote() string {
	n := fmt.Sprintf("%s, %s: the last live server was recorded after %s", row.Title, row.Variant, spread(row.LiveS, seconds))
	if row.Lossy {
		return n + ". Lost packets are sent again after a timeout."
	}
	return n + fmt.Sprintf("; the scan ended %s later, since it retries silent servers.", spread(row.TailS, seconds))
}

// cell says how many values are wrong, and in how many records they were sought.
func (c *Check) cell() string {
	if c == nil {
		return "–"
	}
	return fmt.Sprintf("%s in %s", thousands(c.Wrong), short(float64(c.Verified)))
}

// drops returns the datagrams lost by sockets in all runs: by the process's own
// and, in brackets, by the farm's.
func drops(runs []Run) string {
	var own, farm uint64
	for _, r := range runs {
		own, farm = own+r.Drops, farm+r.FarmDrops
	}
	if farm == 0 {
		return thousands(own)
	}
	return fmt.Sprintf("%s (farm %s)", thousands(own), thousands(farm))
}

func (r *Report) rateTable() table {
	t := table{
		title: "Rate",
		head:  []string{"requested", "mean", "worst second", "busiest 10 ms", "even", "allowed", "CPU of one core", "found of queried", "drops"},
	}
	for _, row := range r.Rates {
		run := row.Run
		t.rows = append(t.rows, []string{
			fmt.Sprintf("--rate %.0f", row.AskedPPS),
			significant(row.MeanPPS),
			fmt.Sprintf("%+.2f %%", row.WorstError*100),
			thousands(uint64(row.Busiest10ms)),
			significant(row.Even10ms),
			significant(row.Allowed10ms),
			significant(quotient((run.UserS+run.SystemS)*100, run.WallS)) + " %",
			percent(quotient(float64(run.Found), float64(run.Asked))),
			drops([]Run{run}),
		})
	}
	return t
}

func (r *Report) memoryTable() table {
	t := table{
		title: "Memory",
		head:  []string{"", "peak RSS", "in flight", "bytes/target more", "duplicates", "found of live", "CPU µs/target", "drops"},
	}
	var first *Row
	for _, row := range r.in(Memory) {
		if len(row.Runs) == 0 {
			continue
		}
		if row.Lines == 0 && first == nil {
			first = row
		}
		run := row.Runs[0]
		more := "–"
		if row.Lines == 0 && row != first {
			more = significant(quotient(row.PeakRSS.Median-first.PeakRSS.Median, float64(row.Targets-first.Targets)))
		}
		t.rows = append(t.rows, []string{
			row.Title,
			median(row.PeakRSS, mebibytes),
			thousands(run.PeakInFlight),
			more,
			thousands(run.Duplicates),
			median(row.FoundShare, percent),
			median(row.CPUPerServer, significant),
			drops(row.Runs),
		})
	}
	return t
}

// machineLine describes the machine of the figures.
func (r *Report) machineLine() string {
	m := &r.Machine
	var parts []string
	if m.CPU != "" {
		parts = append(parts, m.CPU)
	}
	parts = append(parts, fmt.Sprintf("%d processors", m.CPUs))
	if m.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GiB", float64(m.Memory)/(1<<30)))
	}
	if m.Virtual {
		parts = append(parts, "a virtual machine")
	}
	return strings.Join(append(parts, strings.TrimSpace(m.OS+" "+m.Kernel), m.Go), ", ")
}

// quietLine says how much others disturbed.
func (r *Report) quietLine() string {
	var shares []float64
	for i := range r.Rows {
		if s := r.Rows[i].OthersShare; s.Runs > 0 {
			shares = append(shares, s.Median)
		}
	}
	s := Summarize(shares)
	if s.Runs == 0 {
		return ""
	}
	return fmt.Sprintf("Other programs took %.0f %% of the processors (by row: %.0f to %.0f %%).", s.Median*100, s.Min*100, s.Max*100)
}

// legend explains the columns.
var legend = []string{
	"Each figure is the median of its runs, with minimum and maximum in brackets. Variants took turns, and",
	"ratios were made turn by turn. CPU is user and system time of that process alone, divided by its targets.",
	"bare: the same datagrams over the same kind of socket, and nothing else: no state, no deadlines, no decoding,",
	"no records. CPU vs bare is the scanner's cost relative to the limit; speed vs bare is its speed relative to it.",
	"servers/s counts live servers found until the last of them. wrong: values that differ from the server's,",
	"among so many records compared. drops: datagrams lost by full sockets, in all runs.",
}

// WriteText writes the report for a terminal. Names in it, from the machine or from
// another's file, cannot control the terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.machineLine())
	if q := r.quietLine(); q != "" {
		fmt.Fprintf(&b, "%s\n", q)
	}
	for _, t := range r.tables() {
		fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(t.title))
		t.text(&b)
		for _, n := range t.notes {
			fmt.Fprintf(&b, "%s\n", n)
		}
	}
	if len(r.Rows) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(legend, "\n"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\nPROBLEM: %s, %s: %s\n", p.Workload, p.Variant, p.Text)
	}
	_, err := io.WriteString(w, strings.Map(visible, b.String()))
	return err
}

// visible returns r, or U+FFFD if r is neither a visible character nor a space.
func visible(r rune) rune {
	if r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// text writes the table in columns.
func (t *table) text(b *strings.Builder) {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		if len(row) == 1 && len(t.head) > 1 {
			continue
		}
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	line := func(row []string) {
		if len(row) == 1 && len(t.head) > 1 {
			fmt.Fprintf(b, "%s\n", row[0])
			return
		}
		var l strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				l.WriteString("  " + c + pad)
			} else {
				l.WriteString("  " + pad + c)
			}
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(l.String(), " "))
	}
	line(t.head)
	for _, row := range t.rows {
		line(row)
	}
}
