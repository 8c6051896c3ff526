package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// The output file is the checkpoint. Every record carries the target's place in
// the input, so what the file holds is what need not be asked again: nothing
// else can claim to be done, whatever ended the run before. The metadata file,
// which is written when a scan begins, says what scan it was; the records themselves
// say it too, as far as they can, and are looked at whatever the metadata says: files are
// moved and copied, and then what stands beside them may be about others.
//
// Until it is known that this is the same scan nothing is changed.

// A resumption is what an earlier run left behind.
type resumption struct {
	path  string
	kinds proto.Kinds // that this run asks for

	done     targets.SeqSet
	prints   *fingerprints // where each of done was asked; nil when that was compared
	seen     uint64        // how many of done the list has skipped
	allSeen  func()        // is called when that is all of them; nil: nobody waits
	statuses output.StatusCounts
	sections dataset.SectionCounts

	survey  *dataset.Survey
	lines   uint64
	again   targets.SeqSet // the lines that are left out since their targets are asked again
	broken  uint64         // of these, lines that are no records any more
	brokeAt uint64         // the first of them, from 1
	kept    dataset.Kept   // what is left of the file

	was      *dataset.Metadata // of the earlier run; empty where there is none
	streams  []string          // what of the input can't be compared before it is read
	remarks  []string          // what could not be made sure of
	finished bool              // there is nothing left to do, if streams bring what they brought then
}

// openEarlier looks at what the output file holds, and takes over from the earlier
// run what the flags leave open. It returns nil where there is nothing to go on
// with.
func (a *app) openEarlier(fs *flagSet, o *scanOptions, args []string) (*resumption, error) {
	path := o.outputFile
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, withHint(usagef("cannot resume %s: it is no regular file, and keeps nothing", clean(path)), "without --resume the scan begins")
	}
	if dataset.IsOpenName(path) {
		return nil, withHint(usagef("cannot resume %s: what it leads to may not be replaced", clean(path)), "name the file itself")
	}
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 && !endedEmpty(o.metadataPath()) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot resume: %w", err)
	}
	r := &resumption{path: path, kinds: o.ask.cfg.Kinds, prints: newFingerprints(1)}
	if r.was, err = a.compareRuns(r, fs, o, args); err != nil {
		return nil, err
	}
	var differs error
	r.survey, err = dataset.NewSurvey(path, func(line []byte) error {
		if err := r.take(line, o); err != nil {
			if errors.As(err, new(*usageError)) {
				differs = err
			}
			return err
		}
		return nil
	})
	switch {
	case differs != nil:
		return nil, r.refuse(differs)
	case err == nil && r.broken == r.lines && r.lines > 0:
		err = errors.New("line 1 is not a record of a scan")
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("cannot resume %s: %w", clean(path), err), "the file is as it was; without --resume it is overwritten")
	}
	if err := comparePacking(r, o); err != nil {
		return nil, err
	}
	a.ui.notef("resuming %s: %s done before", clean(path), plural(r.done.Len(), "target was", "targets were"))
	if r.finished = r.isFinished(fs.values(), o.ask.cfg.Filter); r.finished {
		return r, nil
	}
	if len(r.streams) > 0 {
		r.remark(a, "%s can be read once only: of the targets those that were done are compared with their records, others can't be", strings.Join(r.streams, ", "))
	}
	if r.broken > 0 {
		r.remark(a, "%s damaged, the first of them line %d: what they were is asked again", plural(r.broken, "line is", "lines are"), r.brokeAt)
	}
	if n := r.again.Len() - r.broken; n > 0 {
		a.ui.detailf("%s given up before, and asked again", plural(n, "target was", "targets were"))
	}
	return r, nil
}

// endedEmpty reports whether a scan has ended whose records were all left out.
func endedEmpty(metadata string) bool {
	m, err := dataset.ReadMetadata(metadata)
	return err == nil && (m.EndReason == dataset.EndComplete || m.EndReason == dataset.EndMaxResults) &&
		m.Output.Records == 0 && m.Targets.Done > 0
}

// remark says what could not be made sure of, to everyone and in the metadata.
func (r *resumption) remark(a *app, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.remarks = append(r.remarks, text)
	a.ui.sayf("%s", text)
}

// refuse returns the error that says that this is another scan, for a reason.
func (r *resumption) refuse(reason error) error {
	return withHint(&usageError{fmt.Errorf("cannot resume %s: %w", clean(r.path), reason)}, "give the same targets and flags, or write to another file")
}

// isFinished reports whether all that this run would do was done by the run that
// was, and the file is still the one that it left. With --filter the records alone
// do not tell.
func (r *resumption) isFinished(now map[string]string, filter scanner.StatusSet) bool {
	was := r.was
	if len(r.remarks) > 0 || !r.survey.Whole() || r.broken > 0 {
		return false
	}
	same := func(flag string) bool { return was.Config[flag] == now[flag] }
	switch was.EndReason {
	case dataset.EndComplete:
		if r.again.Len() > 0 || was.Statuses[output.Aborted]+was.Statuses[output.SendError] > 0 {
			return false
		}
	case dataset.EndMaxResults:
		if !same("max-results") {
			return false
		}
	default:
		return false
	}
	written := int64(0) // if none was lost
	for status, n := range was.Statuses {
		if filter.Has(output.Status(status)) {
			written += int64(n)
		}
	}
	if written != was.Output.Records {
		return false
	}
	kept := r.survey.Kept()
	size := was.Output.Bytes
	if was.Output.CompressedBytes != nil {
		size = *was.Output.CompressedBytes
	}
	return same("max-targets") && kept.Lines == was.Output.Records && kept.Size == size
}

// mend makes the file one that can be appended to: without what is not whole, and
// without the records of targets that are asked again, which may have one only.
func (r *resumption) mend(a *app, lock *dataset.Lock) error {
	err := dataset.RemoveRest(r.path) // of a resume that was killed here
	if err == nil {
		r.kept, err = r.survey.Mend()
	}
	if err == nil && r.again.Len() > 0 {
		line := uint64(0)
		r.kept, err = lock.Rewrite(func([]byte) bool {
			line++
			return !r.again.Has(line)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot resume %s: %w", clean(r.path), err)
	}
	if n := r.survey.Kept().Size - r.kept.Size; n > 0 {
		a.ui.detailf("%s: %d bytes were taken out", clean(r.path), n)
	}
	return nil
}

// comparePacking refuses to append to a file that is packed in another way.
func comparePacking(r *resumption, o *scanOptions) error {
	was, want := r.survey.Kept().Compression, o.compress.For(o.outputFile)
	if was == want || r.survey.Empty() {
		return nil
	}
	return withHint(&usageError{fmt.Errorf("cannot resume %s: it is %s, and this run would write %s", clean(o.outputFile), packing(was), packing(want))},
		"--compress %s", was)
}

func packing(c dataset.Compression) string {
	if c == dataset.CompressNone {
		return "plain"
	}
	return c.String()
}

// What stands in a record, in the order in which AppendJSON writes it. Quotes
// inside of strings are escaped, so that no server can say any of these. The
// first two are of targets and of sections alike.
var (
	abortedMark   = []byte(`"status":"aborted"`)
	sendErrorMark = []byte(`"status":"send_error"`)
	statusMark    = []byte(`,"status":"`)
	sectionMark   = [...][]byte{
		proto.KindInfo:    []byte(`,"info":{"status":"`),
		proto.KindPlayers: []byte(`,"players":{"status":"`),
		proto.KindRules:   []byte(`,"rules":{"status":"`),
	}
)

// take takes in the next line of the file. An error that is a usageError says that
// this is another scan.
func (r *resumption) take(line []byte, o *scanOptions) error {
	r.lines++
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		// A page of the file was lost: that happens to disks, and to files that
		// were copied while they grew. Noise may hold a line of one digit, which is
		// JSON, but no object.
		if r.broken++; r.broken == 1 {
			r.brokeAt = r.lines
		}
		r.again.Set(r.lines)
		return nil
	}
	seq, ok := output.Seq(line)
	if !ok {
		return fmt.Errorf("line %d is not a record of a scan", r.lines)
	}
	status, ok := wordAfter(line, statusMark)
	if !ok {
		return fmt.Errorf("the record of target %d has no status", seq)
	}
	if err := r.compareKinds(seq, status, line); err != nil {
		return err
	}
	if bytes.Contains(line, abortedMark) || bytes.Contains(line, sendErrorMark) {
		// Given up, as a whole or after the answer to one query; or no packet has
		// left this machine for it, which may have been a moment of no network.
		r.again.Set(r.lines)
		return nil
	}
	if !r.done.Set(seq) {
		return fmt.Errorf("target %d has two records", seq)
	}
	host, at, err := askedAt(line)
	if err != nil {
		return fmt.Errorf("the record of target %d: %w", seq, err)
	}
	r.prints.set(seq, r.prints.of(host, at))
	r.tally(status, line)
	return nil
}

// compareKinds refuses a record of a target that was asked for something else.
func (r *resumption) compareKinds(seq uint64, status output.Status, line []byte) error {
	if unasked(status) {
		return nil
	}
	var was proto.Kinds
	for k, mark := range sectionMark {
		if bytes.Contains(line, mark) {
			was |= proto.Kind(k).Bit()
		}
	}
	if was != r.kinds {
		return &usageError{fmt.Errorf("target %d was asked for %s, and --query is %s now", seq, describeValue(formatKinds(was)), formatKinds(r.kinds))}
	}
	return nil
}

// unasked reports whether a target of that status was refused without a packet: its
// sections are not counted.
func unasked(s output.Status) bool {
	return s == output.ResolveError || s == output.Blocked || s == output.InvalidInput
}

// tally counts a record of the earlier run.
func (r *resumption) tally(status output.Status, line []byte) {
	r.statuses[status]++
	if unasked(status) {
		return
	}
	for i, counts := range []*output.StatusCounts{&r.sections.Info, &r.sections.Players, &r.sections.Rules} {
		if s, ok := wordAfter(line, sectionMark[i]); ok {
			counts[s]++
		}
	}
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
// in the file, as far as the metadata knows that, which it returns; nil where there
// is none. What cannot be compared becomes a remark.
func (a *app) compareRuns(r *resumption, fs *flagSet, o *scanOptions, args []string) (*dataset.Metadata, error) {
	path := o.metadataPath()
	m, err := a.readEarlier(r, path)
	if err != nil {
		return nil, err
	}
	_, seeded := m.Config["seed"]
	if !fs.Changed("seed") {
		if seeded {
			o.ask.cfg.Seed = m.Seed
		} else if o.shuffle {
			return nil, withHint(usagef("cannot resume %s: the order of --shuffle follows from a seed, and %s does not say which", clean(o.outputFile), clean(path)),
				"give it with --seed: the first run named it in its last line on standard error")
		}
	}
	var errs []error
	var unknown []string
	differs := func(what, was, is string) {
		if was != is {
			was, is := describeValues(was, is)
			errs = append(errs, fmt.Errorf("cannot resume %s: %s was %s, and is %s now", clean(o.outputFile), what, was, is))
		}
	}
	if seeded {
		differs("--seed", strconv.FormatUint(m.Seed, 10), strconv.FormatUint(o.ask.cfg.Seed, 10))
	}
	now := fs.values()
	for _, name := range definingFlags {
		if was, ok := m.Config[name]; ok {
			differs("--"+name, was, now[name])
		} else {
			unknown = append(unknown, "--"+name)
		}
	}
	input, err := inputConfig(o, args)
	if err != nil {
		return nil, err
	}
	for _, d := range []struct{ key, what, short string }{
		{configTargets, "the list of TARGETs", "TARGET"},
		{configInput, "the content of --input-file", "--input-file"},
		{configBlocklist, "the content of --blocklist-file", "--blocklist-file"},
		{configAllowlist, "the content of --allowlist-file", "--allowlist-file"},
	} {
		was, ok := m.Config[d.key]
		switch {
		case !ok:
			unknown = append(unknown, d.short)
		case was == stdinDigest && input[d.key] == stdinDigest:
			r.streams = append(r.streams, d.short)
		default:
			differs(d.what, was, input[d.key])
		}
	}
	if len(errs) > 0 {
		return nil, withHint(&usageError{errors.Join(errs...)}, "give the same targets and flags, or write to another file")
	}
	if len(unknown) > 0 && len(m.Config) > 0 {
		r.remark(a, "%s does not tell of %s: that this is the same scan can't be checked but by the records", clean(path), strings.Join(unknown, ", "))
	}
	return m, nil
}

// readEarlier reads the earlier run's metadata. Where there is none to read it is
// empty, and that is remarked.
func (a *app) readEarlier(r *resumption, path string) (*dataset.Metadata, error) {
	var m *dataset.Metadata
	err := dataset.ErrNotRegular
	if path != "-" {
		m, err = dataset.ReadMetadata(path)
	}
	if errors.Is(err, dataset.ErrNotRegular) {
		r.remark(a, "no metadata file is read: that this is the same scan can't be checked but by the records")
		return new(dataset.Metadata), nil
	}
	if errors.Is(err, os.ErrNotExist) {
		r.remark(a, "%s is missing: that this is the same scan can't be checked but by the records", clean(path))
		return new(dataset.Metadata), nil
	}
	if errors.Is(err, dataset.ErrCutMetadata) {
		r.remark(a, "%s is cut off: that this is the same scan can't be checked but by the records", clean(path))
		return new(dataset.Metadata), nil
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("cannot resume: %w", err), "without that file the records alone would tell what is done")
	}
	if len(m.Config) == 0 {
		r.remark(a, "%s tells of no flags: that this is the same scan can't be checked but by the records", clean(path))
	}
	return m, nil
}

// describeValues describes two values that differ, of long ones what stands around the
// first difference.
func describeValues(was, is string) (string, string) {
	from := 0
	if max(len(was), len(is)) > longValue {
		for from < min(len(was), len(is)) && was[from] == is[from] {
			from++
		}
		from = max(from-16, 0)
		for from > 0 && !utf8.RuneStart(was[from]) {
			from--
		}
	}
	return describeFrom(was, from), describeFrom(is, from)
}

func describeFrom(s string, from int) string {
	if from == 0 || digestText.MatchString(s) {
		return describeValue(s)
	}
	return "…" + truncate(clean(s[from:]), longValue)
}

func describeValue(s string) string {
	if s == "" {
		return "empty"
	}
	if digestText.MatchString(s) {
		return s[:16] + "…" // enough to tell it by
	}
	return truncate(clean(s), longValue)
}

// longValue is how much of a value is shown.
const longValue = 60

var digestText = regexp.MustCompile(`^[0-9a-f]{64}$`)

// count adds what the earlier run did to the metadata of this one, which then
// is about all that the file holds.
func (r *resumption) count(m *dataset.Metadata) {
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

// countSample adds it to where this run stands, as count does to where it has ended.
func (r *resumption) countSample(s *sample) {
	s.before = r.done.Len()
	s.stats.Done += s.before
	s.input.Targets += s.before
	for i, n := range r.statuses {
		s.stats.Statuses[i] += n
	}
	s.output.Records += r.kept.Lines
	s.output.Bytes += r.kept.Bytes
}

// inputConfig describes what the targets follow from.
func inputConfig(o *scanOptions, args []string) (map[string]string, error) {
	m := map[string]string{configTargets: quoteWords(args)}
	var err error
	if files := o.listNames(args); slices.Contains(files, "-") {
		m[configInput] = stdinDigest
	} else if m[configInput], err = digest(files); err != nil {
		return nil, fmt.Errorf("cannot read targets: %w", err)
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
