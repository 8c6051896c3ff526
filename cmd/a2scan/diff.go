package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/a2scan/a2scan/internal/diff"
	"github.com/a2scan/a2scan/output"
)

func diffCommand() *command {
	return &command{
		name:     "diff",
		synopsis: "OLD NEW",
		short:    "compare two datasets, print events",
		long: `Prints one JSON event per server that appeared, changed or is gone between two files of records. Servers are
		identified by ip:port; if an address has several records in a file, the latest counts. The files can be plain,
		gzip or zstd, and their records in any order; - is standard input.

		A field counts as changed if both records have it. A query that was not answered changes nothing. Without
		--fields these count: ` + strings.ReplaceAll(output.Fields{}.String(), ",", ", ") + `.

		Memory is bounded: what does not fit is sorted in the folder for temporary files (TMPDIR).`,
		examples: []string{
			"a2scan diff monday.ndjson.zst tuesday.ndjson.zst",
			"a2scan diff old.ndjson new.ndjson --fields map,rules.mp_timelimit | jq -ac '[.event, .ip, .changes]'",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			var fields string
			fs.group("Comparison", func() {
				fs.words(&fields, "fields", "", "LIST", "fields whose change is an event: keys of info, and rules.NAME")
			})
			return func(a *app, args []string) error {
				if len(args) != 2 {
					return withHint(usagef("diff takes two files"), "a2scan diff OLD NEW")
				}
				f, err := parseFields(fields)
				if err != nil {
					return &usageError{err}
				}
				if err := a.checkRecordFiles(args); err != nil {
					return err
				}
				return a.diff(f, args[0], args[1])
			}
		},
	}
}

// parseFields parses the value of --fields; empty: not given.
func parseFields(list string) (f output.Fields, err error) {
	if list != "" {
		err = f.UnmarshalText([]byte(list))
	}
	if err != nil {
		err = fmt.Errorf("--fields: %w", err)
	}
	return f, err
}

func (a *app) diff(fields output.Fields, before, after string) error {
	defer saveMemory()()
	c := diff.New(diff.Options{Fields: fields})
	defer c.Close()
	if err := a.readSide(before, c.AddOld); err != nil {
		return err
	}
	if err := a.readSide(after, c.AddNew); err != nil {
		return err
	}
	out := bufio.NewWriterSize(a.stdout, 64<<10)
	counts := map[output.EventKind]uint64{}
	var line []byte
	err := c.Events(func(e *output.Event) error {
		counts[e.Kind]++
		line = e.AppendJSON(line[:0])
		_, err := out.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	a.ui.notef("%d appeared, %d changed, %d gone", counts[output.Appeared], counts[output.Changed], counts[output.Gone])
	return nil
}

// readSide reads one of the two files. A file without a whole record is refused unless
// it is empty: its servers would all seem to be new or gone.
func (a *app) readSide(name string, use func(*output.Record) error) error {
	f := &recordFile{name: name}
	if err := readOne(a, f, output.Unmarshal, use); err != nil {
		return err
	}
	if f.records == 0 {
		if f.damaged() {
			return fmt.Errorf("%s holds no records", shownName(name))
		}
		a.ui.sayf("%s holds no records", shownName(name))
	}
	return nil
}
