package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// The output file is the checkpoint: a target that has a record there is not asked
// again, whatever ended the earlier run and whatever list, order or shard this run has.

// A resumption is what an earlier run left in the output file.
type resumption struct {
	kinds proto.Kinds // that this run asks for

	done     targets.Done // the targets of the records that stay
	statuses output.StatusCounts
	sections [proto.NumKinds]output.StatusCounts

	keepAll bool // --max-results is reached: no target is asked again

	lines   uint64
	again   uint64 // records whose targets are asked again; with keepAll those that would be
	broken  uint64 // lines that are no records any more
	brokeAt uint64 // the first of them, from 1

	records, bytes int64         // that stay in the file
	record         output.Record // the last that was read; its memory is used again
	notes          []string
}

// loadEarlier reads the records in the output file.
func (r *scanRun) loadEarlier() (*resumption, error) {
	name := clean(r.options.outputFile)
	e := &resumption{kinds: r.options.ask.cfg.Kinds}
	err := r.records.Load(e.take)
	if most := r.options.ask.cfg.MaxResults; err == nil && e.again > 0 && most > 0 && e.statuses[output.Success] >= most {
		e = &resumption{kinds: e.kinds, keepAll: true}
		err = r.records.Load(e.take)
	}
	if err == nil && e.broken > 0 && e.broken == e.lines {
		err = dataset.ErrNoRecords
	}
	switch {
	case errors.Is(err, dataset.ErrNotRegular):
		return nil, withHint(usagef("cannot resume %s: it is not a regular file", name), "run the scan without --resume")
	case errors.Is(err, dataset.ErrCompression):
		return nil, withHint(&usageError{fmt.Errorf("cannot resume: %w", err)}, "add --compress %s, or write to another file", r.records.Compression())
	case errors.As(err, new(*os.PathError)):
		return nil, fmt.Errorf("cannot resume: %w", err)
	case errors.As(err, new(*usageError)):
		return nil, withHint(&usageError{fmt.Errorf("cannot resume %s: %w", name, err)}, "use the same --query, or write to another file")
	case err != nil:
		return nil, withHint(&usageError{fmt.Errorf("cannot resume %s: %w", name, err)}, "the file is unchanged; without --resume it is overwritten")
	}
	e.records, e.bytes = r.records.Held()
	if e.lines > 0 {
		r.ui.notef("resuming %s: %s", name, plural(uint64(e.records), "record", "records"))
	}
	if e.broken > 0 {
		note := fmt.Sprintf("%s damaged, the first in line %d of the output file: their targets are asked again", plural(e.broken, "line was", "lines were"), e.brokeAt)
		e.notes = append(e.notes, note)
		r.ui.sayf("%s", note)
	}
	if e.keepAll {
		r.ui.notef("--max-results is reached: nothing is asked")
	} else if e.again > 0 {
		r.ui.detailf("%s aborted or could not be sent, and are asked again", plural(e.again, "target was", "targets were"))
	}
	return e, nil
}

// take takes in the next line of the file and reports whether it stays there. A
// usageError means that the records are of another scan.
func (e *resumption) take(line []byte) (keep bool, err error) {
	e.lines++
	rec := &e.record
	if err := output.Unmarshal(line, rec); err != nil {
		if bytes.HasPrefix(line, []byte(`{`)) && !bytes.HasPrefix(line, []byte(`{"schema":1,"seq":`)) && json.Valid(line) {
			return false, fmt.Errorf("line %d is not a record of a scan: %w", e.lines, err)
		}
		// Disks lose pages, and so do files that were copied while they grew.
		if e.broken++; e.broken == 1 {
			e.brokeAt = e.lines
		}
		return false, nil
	}
	again := mustAskAgain(rec.Status)
	asked := proto.Kinds(0)
	sections := sectionsOf(rec)
	for k, s := range sections {
		if s != nil {
			asked |= proto.Kind(k).Bit()
			again = again || mustAskAgain(s.Status)
		}
	}
	if asked != e.kinds && !unasked(rec.Status) {
		return false, usagef("line %d was asked for %s, and --query is %s now", e.lines, formatKinds(asked), formatKinds(e.kinds))
	}
	at := rec.Target()
	before := e.done.Len()
	if !again || e.keepAll {
		e.done.Add(at, rec.Input)
	}
	if again || e.done.Len() == before && !at.Addr().IsValid() {
		// It was not settled, or cannot be recognized in a list.
		if e.again++; !e.keepAll {
			return false, nil
		}
	}
	e.statuses[rec.Status]++
	if !unasked(rec.Status) {
		for k, s := range sections {
			if s != nil {
				e.sections[k][s.Status]++
			}
		}
	}
	return true, nil
}

// sectionsOf returns the sections of a record by kind, nil for those that were not asked
// for.
func sectionsOf(r *output.Record) (sections [proto.NumKinds]*output.Section) {
	if r.Info != nil {
		sections[proto.KindInfo] = &r.Info.Section
	}
	if r.Players != nil {
		sections[proto.KindPlayers] = &r.Players.Section
	}
	if r.Rules != nil {
		sections[proto.KindRules] = &r.Rules.Section
	}
	return sections
}

// mustAskAgain reports whether a status does not settle a target: the scan stopped
// first, or no packet has left, which may have been a moment without a network.
func mustAskAgain(s output.Status) bool { return s == output.Aborted || s == output.SendError }

// unasked reports whether a target of that status was never sent to: its sections are
// not counted.
func unasked(s output.Status) bool {
	return s == output.ResolveError || s == output.Blocked || s == output.InvalidInput
}

// count adds the records of the earlier run to the metadata, which is about the whole
// file. skipped is how many of this run's targets have such a record, and whole
// reports whether this run has read its list to the end.
func (e *resumption) count(m *dataset.Metadata, skipped uint64, whole bool) {
	m.Resumed = &dataset.Resumed{Records: e.records}
	if whole {
		n := e.done.Len() - min(skipped, e.done.Len())
		m.Resumed.NotInTargets = &n
	}
	m.Targets.Done += uint64(e.records) - e.statuses[output.Aborted]
	m.Targets.Aborted += e.statuses[output.Aborted]
	addCounts(&m.Statuses, &e.statuses)
	addCounts(&m.Sections.Info, &e.sections[proto.KindInfo])
	addCounts(&m.Sections.Players, &e.sections[proto.KindPlayers])
	addCounts(&m.Sections.Rules, &e.sections[proto.KindRules])
	m.Output.Records += e.records
	m.Output.Bytes += e.bytes
}

func addCounts(sum, more *output.StatusCounts) {
	for i, n := range more {
		sum[i] += n
	}
}

// resumeAlone are the flags that may be given with --resume if all others come from the
// metadata of the earlier run.
var resumeAlone = map[string]bool{"resume": true, "output-file": true, "metadata-file": true, "quiet": true, "verbose": true}

// notRestored are the flags that are never taken from an earlier run.
var notRestored = map[string]bool{"config": true, "cpuprofile": true, "memprofile": true, "dry-run": true}

// configTargets is the key of the metadata's config for the TARGET arguments.
const configTargets = "targets"

// inputFlags are the flags with files that a scan reads.
var inputFlags = []string{"input-file", "blocklist-file", "allowlist-file", "key-file"}

// findRestored returns an error if a file that the earlier run read is not in this folder.
func findRestored(config map[string]string, outputFile string) error {
	for _, flag := range inputFlags {
		for name := range strings.SplitSeq(config[flag], "\n") {
			if name == "" || name == "-" || filepath.IsAbs(name) {
				continue
			}
			if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
				continue
			}
			err := usagef("cannot resume: %s, the --%s of the earlier run, is not in this folder", clean(name), flag)
			if folder := filepath.Dir(outputFile); folder != "." {
				if _, beside := os.Stat(filepath.Join(folder, name)); beside == nil {
					return withHint(err, "cd %s, and resume there", quoteWords([]string{folder}))
				}
			}
			return withHint(err, "run this in the folder of the first scan, or repeat --%s and the other flags", flag)
		}
	}
	return nil
}

// restoreFlags takes the flags and TARGETs of the earlier run from its metadata if
// --resume is given alone, with -o FILE. It returns the TARGETs.
func (a *app) restoreFlags(fs *flagSet, o *scanOptions, args []string) ([]string, error) {
	alone := o.resume && len(args) == 0
	fs.Visit(func(f *pflag.Flag) { alone = alone && resumeAlone[f.Name] })
	path := o.metadataPath()
	if !alone || path == "" || path == "-" {
		return args, nil
	}
	m, err := dataset.ReadMetadata(path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, dataset.ErrNotRegular), errors.Is(err, dataset.ErrCutMetadata):
		if info, err := os.Stat(o.outputFile); err == nil && info.Size() > 0 {
			a.ui.sayf("there is no metadata in %s: the flags are the defaults, the targets come from standard input", clean(path))
		}
		return args, nil
	case err != nil:
		return nil, withHint(&usageError{fmt.Errorf("cannot resume: %w", err)}, "give the targets and flags of the scan")
	}
	fs.pass++
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		was, ok := m.Config[f.Name]
		if !ok || resumeAlone[f.Name] || notRestored[f.Name] || was == configValue(f) {
			return
		}
		values := []string{was}
		if _, list := f.Value.(*flagValue[[]string]); list {
			values = strings.Split(was, "\n")
		}
		for _, v := range values {
			if err := fs.Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("cannot resume: %s: %w", clean(path), fs.explain(err)))
			}
		}
	})
	if len(errs) > 0 {
		return nil, withHint(&usageError{errors.Join(errs...)}, "give the targets and flags of the scan")
	}
	if err := findRestored(m.Config, o.outputFile); err != nil {
		return nil, err
	}
	if was := m.Config[configTargets]; was != "" {
		args = strings.Split(was, "\n")
	}
	return args, nil
}
