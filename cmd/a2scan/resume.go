package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner/targets"
)

// The output file is the checkpoint. Every record carries the target's place in
// the input, so what the file holds is what need not be asked again: nothing
// else can claim to be done, whatever ended the run before. The metadata file,
// which is written when a scan begins, says what scan it was.

// A resumption is what an earlier run left behind.
type resumption struct {
	done     targets.SeqSet
	kept     output.Kept
	statuses output.StatusCounts
	sections output.SectionCounts
}

// openEarlier looks at what the output file holds, cuts off what is not whole,
// and takes over from the earlier run what the flags leave open. It returns nil
// where there is nothing to go on with.
func (a *app) openEarlier(fs *flagSet, o *scanOptions, args []string, lock *output.Lock) (*resumption, error) {
	path := o.outputFile
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot resume: %w", err)
	}
	if err := a.compareRuns(fs, o, args); err != nil {
		return nil, err
	}
	if err := comparePacking(o); err != nil {
		return nil, err
	}
	r := &resumption{}
	aborted := false
	r.kept, err = output.Recover(path, func(line []byte) error {
		if bytes.Contains(line, abortedMark) {
			aborted = true
			return nil
		}
		return r.add(line)
	})
	if err == nil && aborted {
		// Targets that an earlier run gave up, as a whole or after the answer to
		// one query, are asked again, and may have one record only.
		_, err = lock.Rewrite(func(line []byte) bool { return !bytes.Contains(line, abortedMark) })
		if err == nil {
			r.kept, err = output.Recover(path, func([]byte) error { return nil })
		}
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("cannot resume %s: %w", clean(path), err), "the file is as it was; without --resume it is overwritten")
	}
	a.ui.notef("resuming %s: %s done before", clean(path), plural(r.done.Len(), "target was", "targets were"))
	if r.kept.Removed > 0 {
		a.ui.detailf("%s: %d bytes of a partial record or frame were cut off", clean(path), r.kept.Removed)
	}
	return r, nil
}

// comparePacking refuses to append to a file that is packed in another way.
func comparePacking(o *scanOptions) error {
	file, err := output.OpenReader(o.outputFile)
	if err != nil {
		return fmt.Errorf("cannot resume: %w", err)
	}
	defer file.Close()
	was, want := file.Compression(), o.compress.For(o.outputFile)
	if was == want {
		return nil
	}
	return withHint(&usageError{fmt.Errorf("cannot resume %s: it is %s, and this run would write %s", clean(o.outputFile), packing(was), packing(want))},
		"--compress %s", was)
}

func packing(c output.Compression) string {
	if c == output.CompressNone {
		return "plain"
	}
	return c.String()
}

// What stands in a record, in the order in which AppendJSON writes it. Quotes
// inside of strings are escaped, so that no server can say any of these. The
// first is of targets and of sections alike.
var (
	abortedMark = []byte(`"status":"aborted",`)
	statusMark  = []byte(`,"status":"`)
	sectionMark = [...][]byte{[]byte(`,"info":{"status":"`), []byte(`,"players":{"status":"`), []byte(`,"rules":{"status":"`)}
)

// add counts a record of the earlier run.
func (r *resumption) add(line []byte) error {
	seq, ok := output.Seq(line)
	if !ok {
		return errors.New("a line is not a record of a scan")
	}
	if !r.done.Set(seq) {
		return fmt.Errorf("target %d has two records", seq)
	}
	status, ok := wordAfter(line, statusMark)
	if !ok {
		return fmt.Errorf("the record of target %d has no status", seq)
	}
	r.statuses[status]++
	if status >= output.SendError && status != output.SendError {
		return nil // refused without a packet: no section was asked
	}
	for i, counts := range []*output.StatusCounts{&r.sections.Info, &r.sections.Players, &r.sections.Rules} {
		if s, ok := wordAfter(line, sectionMark[i]); ok {
			counts[s]++
		}
	}
	return nil
}

func wordAfter(line, mark []byte) (output.Status, bool) {
	_, rest, ok := bytes.Cut(line, mark)
	if !ok {
		return 0, false
	}
	word, _, _ := bytes.Cut(rest, []byte{'"'})
	return output.ParseStatus(string(word))
}

// definingFlags are those that decide which target has which number, and what
// it is asked: a file may only hold the records of one choice of them.
var definingFlags = []string{"query", "shards", "shard", "target-ports", "exclude", "no-dedup", "shuffle", "filter"}

// The keys under which the metadata's config says what the input was.
const (
	configTargets   = "targets"          // the arguments
	configInput     = "input_sha256"     // the file of targets
	configBlocklist = "blocklist_sha256" // the files of --blocklist-file
	configAllowlist = "allowlist_sha256"
	stdinDigest     = "unknown" // standard input or a pipe: it can be read once only
)

// compareRuns refuses to go on with another scan than the one whose records are
// in the file.
func (a *app) compareRuns(fs *flagSet, o *scanOptions, args []string) error {
	path := o.metadataPath()
	if path == "-" {
		a.ui.notef("no metadata file is read: that this is the same scan can't be checked")
		return nil
	}
	m, err := output.ReadMetadata(path)
	if errors.Is(err, os.ErrNotExist) {
		a.ui.notef("%s is missing: that this is the same scan can't be checked", clean(path))
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot resume: %w", err)
	}
	if !fs.Changed("seed") {
		o.ask.cfg.Seed = m.Seed
	}
	var errs []error
	differs := func(what, was, is string) {
		if was != is {
			errs = append(errs, fmt.Errorf("cannot resume %s: %s was %s, and is %s now", clean(o.outputFile), what, describeValue(was), describeValue(is)))
		}
	}
	differs("--seed", strconv.FormatUint(m.Seed, 10), strconv.FormatUint(o.ask.cfg.Seed, 10))
	now := fs.values()
	for _, name := range definingFlags {
		if was, ok := m.Config[name]; ok {
			differs("--"+name, was, now[name])
		}
	}
	input, err := inputConfig(o, args)
	if err != nil {
		return err
	}
	for _, d := range []struct{ key, what string }{
		{configTargets, "the list of TARGETs"},
		{configInput, "the content of --input-file"},
		{configBlocklist, "the content of --blocklist-file"},
		{configAllowlist, "the content of --allowlist-file"},
	} {
		was, ok := m.Config[d.key]
		if !ok {
			continue
		}
		if was == stdinDigest && input[d.key] == stdinDigest {
			a.ui.notef("targets come from standard input: that they are the same can't be checked")
			continue
		}
		differs(d.what, was, input[d.key])
	}
	if len(errs) > 0 {
		return withHint(&usageError{errors.Join(errs...)}, "give the same targets and flags, or write to another file")
	}
	return nil
}

func describeValue(s string) string {
	if s == "" {
		return "empty"
	}
	if len(s) > 60 {
		s = s[:16] + "…" // a digest: enough to tell it by
	}
	return clean(s)
}

// count adds what the earlier run did to the metadata of this one, which then
// is about all that the file holds.
func (r *resumption) count(m *output.Metadata) {
	add := func(sum, more *output.StatusCounts) {
		for i, n := range more {
			sum[i] += n
		}
	}
	n := r.done.Len()
	m.Input.Targets += n
	m.Targets.Done += n
	add(&m.Statuses, &r.statuses)
	add(&m.Sections.Info, &r.sections.Info)
	add(&m.Sections.Players, &r.sections.Players)
	add(&m.Sections.Rules, &r.sections.Rules)
	m.Output.Records += r.kept.Lines
	m.Output.Bytes += r.kept.Bytes
	m.Notes = append(m.Notes, fmt.Sprintf("resumed: %d of the targets were done by an earlier run; times, packets and rates are this run's", n))
}

// inputConfig describes what the targets follow from.
func inputConfig(o *scanOptions, args []string) (map[string]string, error) {
	m := map[string]string{configTargets: strings.Join(args, " ")}
	var err error
	switch {
	case o.inputFile == "-" || o.inputFile == "" && len(args) == 0:
		m[configInput] = stdinDigest
	case o.inputFile == "":
		m[configInput] = ""
	default:
		if m[configInput], err = digest([]string{o.inputFile}); err != nil {
			return nil, fmt.Errorf("cannot read targets: %w", err)
		}
	}
	if m[configBlocklist], err = digest(o.blocklists); err != nil {
		return nil, err
	}
	if m[configAllowlist], err = digest(o.allowlists); err != nil {
		return nil, err
	}
	return m, nil
}

// digest returns the SHA-256 of the files' contents, one after the other; it is
// empty for no files. A pipe, which can be read once only, is named instead.
func digest(files []string) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	h := sha256.New()
	for _, name := range files {
		if info, err := os.Stat(name); err != nil {
			return "", err
		} else if !info.Mode().IsRegular() {
			return stdinDigest, nil
		}
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
