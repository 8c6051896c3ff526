package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/internal/report"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

type reportOptions struct {
	json bool
	html string
	top  int
}

func reportCommand() *command {
	return &command{
		name:     "report",
		synopsis: "FILE…",
		short:    "summarize records: text, JSON or a page",
		long: `Reads the records of one or more scans and prints a summary: how the targets answered, servers and players by
		game, maps, versions, round trips, the hosts with most servers, and servers whose figures contradict each
		other. Files can be plain, gzip or zstd; - is standard input. Several files, such as the shards of a scan, are
		summarized together. If an address has several records, the latest counts.

		FILE.meta.json next to a file tells whether the scan is complete and which shards are missing.

		Memory is bounded: what does not fit is sorted in the folder for temporary files (TMPDIR).`,
		examples: []string{
			"a2scan report scan.ndjson.zst",
			"a2scan report shard-*.ndjson.zst --html report.html",
			"a2scan report --json scan.ndjson | jq -a '.games[0]'",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := &reportOptions{top: 20}
			fs.group("Output", func() {
				fs.toggle(&o.json, "json", "", "print one JSON object")
				fs.text(&o.html, "html", "", "FILE", "write a page with plots and a table of servers that can be searched and sorted; it needs no network")
				fs.count(&o.top, "top", "", "N", "entries of each list")
			})
			return func(a *app, args []string) error {
				// The text is short unless a length was asked for.
				lines := 8
				if fs.Changed("top") {
					lines = o.top
				}
				return a.report(o, lines, args)
			}
		},
	}
}

func (a *app) report(o *reportOptions, lines int, names []string) error {
	if len(names) == 0 {
		return withHint(usagef("no files to report on"), "a2scan report FILE…, or - for records on standard input")
	}
	if err := a.checkRecordFiles(names, fileUse{flag: "--html", name: o.html, std: a.stdout, writes: true}); err != nil {
		return err
	}
	defer saveMemory()()
	b := report.NewBuilder(report.Options{Top: o.top, Page: o.html != ""})
	defer b.Close()
	read, err := readRecords(a, names, report.Parse, b.Add)
	if err != nil {
		return err
	}
	var files []report.File
	for _, f := range read {
		files = append(files, report.File{Name: f.name, Cut: f.damaged(), Meta: a.reportMetadata(f.name)})
	}
	r, page, err := b.Result(files)
	if err != nil {
		return err
	}
	if page != nil {
		if err := a.writeFile(o.html, func(w *bufio.Writer) error { return page.Write(w, time.Now(), "a2scan "+version()) }); err != nil {
			return err
		}
		if o.html == "-" {
			return nil
		}
		a.ui.notef("the page is in %s", clean(o.html))
	}
	out := bufio.NewWriter(a.stdout)
	if o.json {
		line, err := r.AppendJSON(nil)
		if err != nil {
			return err
		}
		out.Write(line)
	} else {
		text := report.TextOptions{Width: 80, Lines: lines}
		if t := terminalOf(a.stdout); t.present {
			text.Color = t.color
			if n := t.columns(); n > 0 {
				text.Width = n
			}
		}
		if err := r.WriteText(out, files, text); err != nil {
			return err
		}
	}
	return out.Flush()
}

// saveMemory makes the collector run more often, because most of the memory of a
// command that sorts is in use. It returns a function that undoes this.
func saveMemory() func() {
	before := debug.SetGCPercent(30)
	return func() { debug.SetGCPercent(before) }
}

// checkRecordFiles refuses to write to a file of records that is read, and reads
// standard input once at most.
func (a *app) checkRecordFiles(names []string, writes ...fileUse) error {
	uses := writes
	if !slices.ContainsFunc(writes, func(u fileUse) bool { return u.name == "-" }) {
		uses = append(uses, fileUse{flag: "standard output", name: "-", std: a.stdout, writes: true})
	}
	stdin := 0
	for _, name := range names {
		if name == "-" {
			stdin++
		}
		uses = append(uses, fileUse{flag: "FILE", name: name, std: a.stdin})
	}
	if stdin > 1 {
		return usagef("- is given twice; standard input can be read once")
	}
	return checkFiles(uses...)
}

// writeFile writes a file as a whole; - is standard output. A file that cannot be
// written to its end stays as it was.
func (a *app) writeFile(name string, write func(*bufio.Writer) error) error {
	fill := func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
	if name == "-" {
		return fill(a.stdout)
	}
	f, err := osfile.Open(name)
	if err != nil {
		return err
	}
	if f.Owned() {
		err = f.Rewrite(fill)
	} else {
		err = fill(f)
	}
	if err != nil {
		return fmt.Errorf("%s was not written: %w", clean(name), errors.Join(err, f.Discard()))
	}
	return f.Close()
}

// reportMetadata reads the metadata next to a file of records, nil if there is none.
func (a *app) reportMetadata(name string) *report.Metadata {
	if name == "-" {
		return nil
	}
	m, err := dataset.ReadMetadata(name + ".meta.json")
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			a.ui.sayf("the metadata is not used: %s", err)
		}
		return nil
	}
	var notes string
	if m.UserNotes != nil {
		notes = *m.UserNotes
	}
	return &report.Metadata{
		Version:     m.Version,
		CommandLine: m.CommandLine,
		Start:       instant(m.StartTime),
		End:         instant(m.EndTime),
		DurationS:   float64(m.DurationS),
		EndReason:   string(m.EndReason),
		Shard:       m.Shard,
		Shards:      m.Shards,
		Targets:     m.Input.Targets,
		Sent:        m.Packets.Sent,
		Received:    m.Packets.Received,
		Dropped:     m.Socket.RxDropped,
		RatePPS:     float64(m.Rate.AchievedPPS),
		Notes:       m.Notes,
		UserNotes:   notes,
	}
}

func instant(t output.Timestamp) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t.Time
}
