package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/a2scan/a2scan/internal/display"
	"github.com/a2scan/a2scan/output"
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

// readRecords calls use with each record of the files, which is valid during the call.
// Damaged parts are reported and skipped. It returns an error if a file cannot be
// opened, if use fails, or if there was no whole record.
func (a *app) readRecords(names []string, use func(*output.Record) error) ([]*recordFile, error) {
	var files []*recordFile
	var total uint64
	var empty []error
	for _, name := range names {
		f := &recordFile{name: name}
		files = append(files, f)
		if err := a.readFile(f, use); err != nil {
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

// readFile reads one file.
func (a *app) readFile(f *recordFile, use func(*output.Record) error) (err error) {
	var in *dataset.Reader
	if f.name == "-" {
		in, err = dataset.NewReader(a.stdin)
	} else {
		in, err = dataset.OpenReader(f.name)
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shownName(f.name), err)
	}
	defer in.Close()
	var r output.Record
	for {
		line, err := in.Next()
		var cut *dataset.CutError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			a.badLines(f)
			return nil
		case errors.As(err, &cut):
			f.cut = true
			a.ui.sayf("%s:%d: the file ends in the middle of a record", shownName(f.name), in.Lines()+1)
			a.badLines(f)
			return nil
		default:
			f.cut = true
			a.ui.sayf("%s:%d: cannot read on: %s", shownName(f.name), in.Lines()+1, err)
			a.badLines(f)
			return nil
		}
		if blank(line) {
			continue
		}
		if err := output.Unmarshal(line, &r); err != nil {
			if f.bad++; f.bad <= maxBadLines {
				a.ui.sayf("%s:%d: %s", shownName(f.name), in.Lines(), err)
			}
			continue
		}
		f.records++
		if err := use(&r); err != nil {
			return err
		}
	}
}

// badLines reports how many lines of f were skipped, if not all of them were named.
func (a *app) badLines(f *recordFile) {
	if f.bad > maxBadLines {
		a.ui.sayf("%s: %d lines are no records", shownName(f.name), f.bad)
	}
}

func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
