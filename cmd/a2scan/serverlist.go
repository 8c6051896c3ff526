package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output/dataset"
)

// A listSource fetches a list of servers: from the Steam Web API or from a master server.
type listSource struct {
	name string // "steam" or "master"
	host string // of a master
	expr string // the filter, as words

	// fetch calls emit for each server once, as rows arrive. row is what the source says
	// of the server: a JSON object on one line, valid until emit returns. The summary is
	// valid with an error too, which says why the rest of the list was not fetched.
	fetch func(ctx context.Context, emit func(at netip.AddrPort, row []byte) error) (listSummary, error)
}

// A listSummary is the JSON object about a list that was fetched.
type listSummary struct {
	Source     string     `json:"source"`
	Host       string     `json:"host,omitempty"`
	Expr       string     `json:"expr"`
	Rows       int        `json:"rows"`
	Servers    int        `json:"servers"`
	FakeIP     int        `json:"fake_ip"`
	Duplicates int        `json:"duplicates"`
	Calls      int        `json:"calls"`
	Complete   bool       `json:"complete"`
	Incomplete []listPart `json:"incomplete_parts"`
}

// A listPart is a part of a list that may lack servers.
type listPart struct {
	Part   string `json:"part"` // its filter, in Valve's form
	Region string `json:"region,omitempty"`
	Reason string `json:"reason"`
}

// listOutput are the flags about what comes of a list.
type listOutput struct {
	file            string
	json            bool
	metadataFile    string
	requireComplete bool
}

func (o *listOutput) register(fs *flagSet) {
	o.file = "-"
	fs.group("Output", func() {
		fs.text(&o.file, "output-file", "o", "FILE", "write the list to this file; .zst and .gz compress")
		fs.toggle(&o.json, "json", "", "print whole rows as JSON objects, one per line")
		fs.text(&o.metadataFile, "metadata-file", "m", "FILE", "write a JSON object with the counts to this file")
		fs.toggle(&o.requireComplete, "require-complete", "", "exit with status 1 if the list may lack servers")
	})
}

// listGarbage keeps the memory of a list with a million rows small: the collector runs
// when the heap has grown by a seventh.
const listGarbage = 15

// printList fetches a list and prints it.
func (a *app) printList(o *listOutput, s *listSource) error {
	if err := checkFiles(
		fileUse{flag: "--output-file", name: o.file, std: a.stdout, writes: true},
		fileUse{flag: "--metadata-file", name: o.metadataFile, writes: true},
	); err != nil {
		return err
	}
	if err := checkEnding("--output-file", o.file); err != nil {
		return err
	}
	out := &listWriter{}
	var err error
	if out.file, err = dataset.Open(o.file, dataset.CompressAuto); err != nil {
		return openError("the list", err)
	}
	if out.out = newOutlet(a.stdout); o.file != "-" {
		out.out = nil
	}
	meta, err := openBeside(o.metadataFile)
	if err != nil {
		return errors.Join(openError("metadata", err), out.file.Discard())
	}
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(listGarbage))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := a.watchSignals(func() { cancel(); out.giveUp() }, func() {})
	var line []byte
	sum, err := s.fetch(ctx, func(at netip.AddrPort, row []byte) error {
		if o.json {
			line = append(line[:0], row...)
		} else {
			line = at.AppendTo(line[:0])
		}
		return out.write(append(line, '\n'))
	})
	stopped := w.stop()
	writeErr := out.close()
	switch {
	case writeErr == nil:
		return a.sumUp(o, meta, &sum, err, stopped)
	case osfile.IsBrokenPipe(writeErr): // a reader such as head has enough
		a.reportList(&sum)
		return cmp.Or(a.writeListSummary(meta, &sum), stopped, writeErr)
	}
	return errors.Join(writeErr, discardMeta(meta))
}

var errIncomplete = errors.New("the list may lack servers (--require-complete)")

// sumUp reports how the fetching of a list ended.
func (a *app) sumUp(o *listOutput, meta *osfile.File, sum *listSummary, err, stopped error) error {
	if stopped == nil && err != nil && sum.Servers > 0 {
		a.ui.error(err)
		err = nil
	}
	a.reportList(sum)
	if metaErr := a.writeListSummary(meta, sum); metaErr != nil {
		return metaErr
	}
	switch {
	case stopped != nil:
		return stopped
	case err != nil:
		return err
	case sum.Servers == 0:
		return errEmptyList
	case o.requireComplete && !sum.Complete:
		return errIncomplete
	}
	return nil
}

// reportList prints which parts of a list may lack servers, and the line at its end.
func (a *app) reportList(sum *listSummary) {
	const most = 20
	for i, p := range sum.Incomplete {
		if i == most {
			a.ui.sayf("incomplete: %s", plural(uint64(len(sum.Incomplete)-most), "further part", "further parts"))
			break
		}
		a.ui.sayf("incomplete: %s", clean(p.String()))
	}
	state := "the list is complete"
	if !sum.Complete {
		state = "the list may lack servers"
	}
	line := fmt.Sprintf("%s from %s in %s (%s, %s): %s", plural(uint64(sum.Servers), "server", "servers"), plural(uint64(sum.Rows), "row", "rows"),
		plural(uint64(sum.Calls), "call", "calls"), plural(uint64(sum.Duplicates), "duplicate", "duplicates"),
		plural(uint64(sum.FakeIP), "fake address", "fake addresses"), state)
	if sum.Complete {
		a.ui.notef("%s", line)
	} else {
		a.ui.sayf("%s", line)
	}
}

func (p *listPart) String() string {
	name := p.Part
	if name == "" {
		name = "all servers"
	}
	if p.Region != "" {
		name += " in region " + p.Region
	}
	return name + ": " + p.Reason
}

func discardMeta(meta *osfile.File) error {
	if meta == nil {
		return nil
	}
	return meta.Discard()
}

// writeListSummary writes the JSON object about a list; meta is nil if none was asked for.
func (a *app) writeListSummary(meta *osfile.File, sum *listSummary) error {
	if meta == nil {
		return nil
	}
	b, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if meta == osfile.Stderr {
		_, err = a.ui.w.Write(b)
		return err
	}
	r, err := meta.Prepare(b)
	if err == nil {
		err = r.Commit()
	}
	if err = errors.Join(err, meta.Close()); err != nil {
		return fmt.Errorf("cannot write metadata: %w", err)
	}
	return nil
}

// A listWriter writes the lines of a list: in blocks, and what is left after a moment.
// A file changes with the first line, so that a list that cannot be fetched leaves an
// earlier one as it was.
type listWriter struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	file    *dataset.File
	out     *outlet // standard output instead of file; nil: none
	started bool
	err     error
	timer   *time.Timer
}

const (
	listBlock  = 32 << 10
	listMoment = 100 * time.Millisecond
)

// giveUp lets a write return whose reader does not read.
func (w *listWriter) giveUp() {
	if w.out != nil {
		time.AfterFunc(patience, w.out.giveUp)
	}
}

func (w *listWriter) write(line []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(line)
	switch {
	case w.buf.Len() >= listBlock:
		w.flush()
	case w.timer == nil:
		w.timer = time.AfterFunc(listMoment, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.flush()
		})
	case w.buf.Len() == len(line): // the first since the last flush
		w.timer.Reset(listMoment)
	}
	return w.err
}

func (w *listWriter) flush() {
	if w.buf.Len() == 0 || w.err != nil {
		return
	}
	if w.out != nil {
		_, w.err = w.out.Write(w.buf.Bytes())
	} else {
		if !w.started {
			w.err = w.file.Start()
			w.started = w.err == nil
		}
		if w.err == nil {
			w.err = w.file.WriteLines(w.buf.Bytes())
		}
	}
	if w.err != nil {
		w.err = fmt.Errorf("cannot write the list: %w", w.err)
	}
	w.buf.Reset()
}

func (w *listWriter) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.flush()
	var err error
	if w.started {
		err = w.file.Close()
	} else {
		err = w.file.Discard()
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("cannot write the list: %w", err)
	}
	return w.err
}
