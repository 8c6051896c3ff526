package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/a2scan/a2scan/internal/display"
	"github.com/a2scan/a2scan/output/dataset"
)

// A recordFile is a file of records that a command reads.
type recordFile struct {
	name    string
	records uint64
	bad     uint64 // lines that are no records
	cut     bool   // it ends in the middle of a line, or cannot be decompressed to its end
}

// damaged reports whether the file holds less than it should.
func (f *recordFile) damaged() bool { return f.cut || f.bad > 0 }

// maxBadLines bounds the messages about bad lines of a file.
const maxBadLines = 20

// readRecords calls use with the value that parse makes of each line of the files, which is
// valid during the call: with output.Unmarshal, the record. Damaged parts, and files that cannot be
// opened, are reported and skipped. It returns an error if use fails, or if there was no
// whole record.
func readRecords[T any](a *app, names []string, parse func([]byte, *T) error, use func(*T) error) ([]*recordFile, error) {
	var files []*recordFile
	var total uint64
	var empty []error
	for _, name := range names {
		f := &recordFile{name: name}
		files = append(files, f)
		if err := readOne(a, f, parse, use); isUnreadable(err) && len(names) > 1 {
			empty = append(empty, err)
			f.cut = true
			continue
		} else if err != nil {
			return files, err
		}
		total += f.records
		if f.records == 0 {
			empty = append(empty, fmt.Errorf("%s holds no records", shownName(name)))
		}
	}
	if total == 0 {
		return files, errors.Join(empty...)
	}
	for _, err := range empty {
		a.ui.sayf("%s", err)
	}
	return files, nil
}

// shownName is the name of a file in messages.
func shownName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return display.Short(name, 200)
}

// isUnreadable reports whether err is that a file cannot be opened.
func isUnreadable(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission)
}

// readOne reads one file.
func readOne[T any](a *app, f *recordFile, parse func([]byte, *T) error, use func(*T) error) error {
	defer a.badLines(f)
	var in io.Reader
	if f.name == "-" {
		in = a.stdin
	}
	for r, err := range dataset.Parse(f.name, in, parse) {
		if err == nil {
			f.records++
			if err := use(r); err != nil {
				return err
			}
			continue
		}
		var line *dataset.LineError
		var cut *dataset.CutError
		switch {
		case isUnreadable(err):
			return err
		case errors.As(err, &cut):
			f.cut = true
			a.ui.sayf("%s:%d: the file ends in the middle of a record", shownName(f.name), cut.Lines+1)
		case errors.As(err, &line) && line.Line > 0:
			if f.bad++; f.bad <= maxBadLines {
				a.ui.sayf("%s:%d: %s", shownName(f.name), line.Line, line.Err)
			}
		default:
			f.cut = true
			a.ui.sayf("%s: cannot read all of it: %s", shownName(f.name), errors.Unwrap(err))
		}
	}
	return nil
}

// badLines reports how many lines of f were skipped, if not all of them were named.
func (a *app) badLines(f *recordFile) {
	if f.bad > maxBadLines {
		a.ui.sayf("%s: %d lines are no records", shownName(f.name), f.bad)
	}
}
