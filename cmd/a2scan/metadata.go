package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// newMetadata returns the metadata of a run before it begins.
func (r *scanRun) newMetadata(start time.Time) *dataset.Metadata {
	o := r.options
	m := r.commandMetadata(r.flags, o, r.targetArgs, start)
	if o.notes != "" {
		m.UserNotes = &o.notes
	}
	m.UserMetadata = o.userMetadata
	fillSocket(m, r.port.shared())
	if r.earlier != nil {
		m.Notes = slices.Clone(r.earlier.notes)
		r.earlier.count(m, 0, false)
	}
	return m
}

// commandMetadata returns the metadata that follow from the command line.
func (a *app) commandMetadata(fs *flagSet, o *scanOptions, targets []string, start time.Time) *dataset.Metadata {
	m := &dataset.Metadata{
		Schema:      output.SchemaVersion,
		Tool:        "a2scan",
		Version:     version(),
		CommandLine: commandLine(a.args),
		Config:      fs.values(),
		StartTime:   output.Timestamp{Time: start},
		Seed:        o.ask.cfg.Seed,
		Shard:       o.shard.index,
		Shards:      o.shards,
	}
	m.Config[configTargets] = strings.ToValidUTF8(strings.Join(targets, "\n"), "\uFFFD")
	m.Rate.RequestedPPS = dataset.Decimal(o.ask.cfg.Rate)
	return m
}

// fillMetadata adds the results of the run.
func (r *scanRun) fillMetadata(m *dataset.Metadata, result *scanner.Result) {
	s := &result.Stats
	m.StartTime = output.Timestamp{Time: result.Start}
	m.EndTime = output.Timestamp{Time: result.End}
	m.DurationS = dataset.Decimal(result.End.Sub(result.Start).Seconds())
	m.EndReason = result.Reason
	counts := r.list.Counts()
	fillInput(m, counts, s)
	m.Source = r.options.source.json()
	m.Targets.Done, m.Targets.Aborted = s.Done, s.Aborted
	m.Statuses = s.Statuses
	m.Sections.Info = s.Sections[proto.KindInfo]
	m.Sections.Players = s.Sections[proto.KindPlayers]
	m.Sections.Rules = s.Sections[proto.KindRules]
	fillPackets(m, s)
	fillSocket(m, result.Port)
	m.Rate.AchievedPPS = dataset.Decimal(perSecond(0, s.Sent, result.End.Sub(result.Start)))
	m.Rate.PeakInFlight = s.PeakInFlight
	m.RTT.P50, m.RTT.P90, m.RTT.P99, m.RTT.Max = milliseconds(s.RTT[0]), milliseconds(s.RTT[1]), milliseconds(s.RTT[2]), milliseconds(s.RTTMax)
	r.fillOutput(m, result.Records, result.Bytes, result.Committed)
	if r.earlier != nil {
		r.earlier.count(m, counts.Skipped, result.Reason == dataset.EndComplete && r.options.ask.cfg.MaxTargets == 0)
	}
}

// fillOutput sets the counts of the output.
func (r *scanRun) fillOutput(m *dataset.Metadata, records, bytes, committed int64) {
	m.Output.Records, m.Output.Bytes = records, bytes
	if r.options.table {
		m.Output.Bytes = 0 // it is no JSON
	}
	if r.records.Compression() != dataset.CompressNone {
		m.Output.CompressedBytes = &committed
	}
}

// spareMetadata is the number of spaces behind the metadata of a run that begins. The
// metadata of its end is longer by counters and a few notes, and must fit in place if the
// disk is full.
const spareMetadata = 2 << 10

// prepareMetadata makes the metadata of a run that begins ready to be written; nil for
// none. It goes to regular files only: the reader of a pipe wants one object.
func (r *scanRun) prepareMetadata(m *dataset.Metadata) (*osfile.Replacement, error) {
	if r.meta == nil || !r.meta.Owned() {
		return nil, nil
	}
	b, err := m.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	b = append(bytes.TrimSuffix(b, []byte{'\n'}), strings.Repeat(" ", spareMetadata)+"\n"...)
	return r.meta.Prepare(b)
}

// writeMetadata writes the metadata of a run that has ended.
func (r *scanRun) writeMetadata(m *dataset.Metadata) error {
	if r.meta == nil {
		return nil
	}
	b, err := m.AppendJSON(nil)
	if err != nil {
		return err
	}
	if r.meta == osfile.Stderr {
		_, err = r.ui.w.Write(b)
		return err
	}
	if err = errors.Join(replaceContent(r.meta, b), r.meta.Close()); err != nil {
		return fmt.Errorf("cannot write metadata: %w", err)
	}
	return nil
}

// replaceContent makes b the content of a file.
func replaceContent(f *osfile.File, b []byte) error {
	p, err := f.Prepare(b)
	if err != nil {
		return err
	}
	return p.Commit()
}

// sum prints the summary of the run and its notes, which are also added to m.
func (r *scanRun) sum(m *dataset.Metadata, result *scanner.Result, heldTold bool, err error) {
	note := func(hint, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		m.Notes = append(m.Notes, text)
		r.ui.notef("%s", text)
		if hint != "" {
			r.ui.noteHintf("%s", hint)
		}
	}
	settled := m.Targets.Done + m.Targets.Aborted
	if err == nil || settled > 0 {
		for _, line := range r.summary(m, result) {
			r.ui.notef("%s", line)
		}
	}
	if e := m.Resumed; e != nil && e.NotInTargets != nil && *e.NotInTargets > 0 {
		r.ui.notef("%s not among the targets of this run", plural(*e.NotInTargets, "record of this file is", "records of this file are"))
	}
	if n := int64(settled) - m.Output.Records - int64(result.Stats.Filtered); err != nil && n > 0 {
		text := plural(uint64(n), "record is", "records are") + " lost: not written"
		if osfile.IsBrokenPipe(err) { // the reader closed the pipe
			m.Notes = append(m.Notes, text)
		} else {
			note("", "%s", text)
		}
	}
	if n := m.Socket.RxDropped; n > 0 {
		note(fmt.Sprintf("raise net.core.rmem_max (the receive buffer is %s of %s requested) or lower --rate", formatSize(m.Socket.RcvbufActual), formatSize(m.Socket.RcvbufRequested)),
			"this machine dropped %s: the receive buffer was full", plural(n, "reply", "replies"))
	}
	if heldBack(result.Stats.HeldByAddress, result.End.Sub(result.Start)) {
		if text := heldNote(r.options.ask.cfg.PerIPRate); heldTold {
			m.Notes = append(m.Notes, text)
		} else {
			note(heldHint, "%s", text)
		}
	}
	if n := result.Stats.OtherPort; n > 0 {
		note("", "%s on another port than the given one: see port_given", plural(n, "target answered", "targets answered"))
	}
	for _, feature := range result.Port.Missing { // reported when the socket was opened
		m.Notes = append(m.Notes, missingFeature(feature))
	}
	if n := result.Stats.SendErrors; n > 0 {
		note("", "%s could not be sent; see the records with status send_error", plural(n, "packet", "packets"))
	}
	c := r.list.Counts()
	if text := removedTargets(&c); text != "" {
		note("", "%s", text)
	}
	if c.NotUDP > 0 {
		note("", "%s skipped: A2S uses UDP", plural(c.NotUDP, "port of another protocol was", "ports of other protocols were"))
	}
	if n := m.Input.Invalid; n > 0 {
		note("", "%s not a target", plural(n, "line is", "lines are"))
	}
	if n := m.Packets.Truncated; n > 0 {
		note("", "%s longer than the receive buffer of a packet", plural(n, "reply was", "replies were"))
	}
	if n := result.Stats.Unmatched; n > 0 {
		text := plural(n, "datagram", "datagrams") + " came from addresses or ports that were not asked"
		m.Notes = append(m.Notes, text)
		r.ui.detailf("%s", text)
	}
	if n := result.Stats.RawLeft; n > 0 {
		note("", "%s of %s left out of raw: the limit per target was reached",
			plural(n, "datagram", "datagrams"), plural(result.Stats.RawShort, "target", "targets"))
	}
	if m.Packets.Sent > 0 && result.Reason == dataset.EndComplete && m.Packets.Received == 0 && m.Packets.ICMP == 0 {
		note("a firewall may drop the packets; try a server that you know: a2scan query HOST", "no reply")
	}
	if n := r.ui.lostMessages(); n > 0 {
		note("", "%s lost: the reader of standard error stalled", plural(n, "message was", "messages were"))
	}
	if next := r.nextStep(m, result, err); next != "" {
		r.ui.noteHintf("%s", next)
	}
	if wrong := m.Check(result.Stats.Filtered); wrong != nil && err == nil {
		note("this is a bug; please report it with the metadata file", "the counts do not add up: %s", strings.Join(errorLines(wrong), "; "))
	}
}

// fillInput sets the counts of the list. Its targets were settled by the scan or by an
// earlier run.
func fillInput(m *dataset.Metadata, c targets.Counts, s *scanner.Stats) {
	in := &m.Input
	in.Lines, in.Duplicates, in.Invalid, in.Blocked = c.Lines, c.Duplicates, c.Invalid, c.Blocked
	in.Targets = s.Done + s.Aborted + c.Skipped
}

func fillPackets(m *dataset.Metadata, s *scanner.Stats) {
	p := &m.Packets
	p.Sent, p.SendErrors = s.Sent, s.SendErrors+s.SendWaits
	p.Retransmits, p.Challenges, p.Received = s.Retransmits, s.Challenges, s.Received
	p.BytesSent, p.BytesReceived = s.BytesSent, s.BytesReceived
	p.Unmatched, p.Late, p.Duplicate = s.Unmatched, s.Late, s.Duplicate
	p.Malformed, p.Truncated, p.ICMP = s.Malformed, s.Truncated, s.ICMP
}

func fillSocket(m *dataset.Metadata, p mux.PortStats) {
	m.Socket.RcvbufRequested, m.Socket.RcvbufActual, m.Socket.RxDropped = p.RcvbufRequested, p.RcvbufActual, p.Drops
}

// milliseconds returns nil for a time that was not measured.
func milliseconds(d time.Duration) *dataset.Decimal {
	if d < 0 {
		return nil
	}
	ms := dataset.Decimal(d.Seconds() * 1000)
	return &ms
}

// values returns every flag's value, as one would write it. The values of a list are
// one per line.
func (fs *flagSet) values() map[string]string {
	m := map[string]string{}
	fs.VisitAll(func(f *pflag.Flag) { m[f.Name] = configValue(f) })
	return m
}

func configValue(f *pflag.Flag) string {
	if v, ok := f.Value.(*flagValue[[]string]); ok {
		return strings.Join(*v.p, "\n")
	}
	return f.Value.String()
}

// commandLine returns args as one would type them into a shell.
func commandLine(args []string) string {
	return quoteWords(append([]string{"a2scan"}, args...))
}

// quoteWords joins words as a shell reads them. Bytes that are not UTF-8, which JSON does
// not carry, are written as escapes of bash.
func quoteWords(words []string) string {
	var quoted []string
	for _, a := range words {
		if !utf8.ValidString(a) {
			escaped := strconv.QuoteToASCII(a)
			a = "$'" + strings.ReplaceAll(escaped[1:len(escaped)-1], "'", `\'`) + "'"
		} else if a == "" || strings.ContainsAny(a, " \t\n\"'`$\\*?[]{}()<>|&;#~!") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted = append(quoted, a)
	}
	return strings.Join(quoted, " ")
}
