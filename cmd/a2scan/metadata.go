package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// newMetadata returns what is known of a run before it begins.
func (r *scanRun) newMetadata(start time.Time) *dataset.Metadata {
	o := r.options
	m := &dataset.Metadata{
		Schema:      output.SchemaVersion,
		Tool:        "a2scan",
		Version:     version(),
		CommandLine: commandLine(r.args),
		Config:      r.flags.values(),
		StartTime:   output.Timestamp{Time: start},
		Seed:        o.ask.cfg.Seed,
		Shard:       o.shard,
		Shards:      o.shards,
		Socket:      socketCounts(r.port.shared()),
		Rate:        dataset.RateCounts{RequestedPPS: dataset.Decimal(o.ask.cfg.Rate)},
	}
	if o.earlier != nil {
		m.Notes = slices.Clone(o.earlier.remarks)
	}
	return m
}

// fillMetadata adds how the run went.
func (r *scanRun) fillMetadata(m *dataset.Metadata, result *scanner.Result) {
	s := &result.Stats
	m.StartTime = output.Timestamp{Time: result.Start}
	m.EndTime = output.Timestamp{Time: result.End}
	m.DurationS = dataset.Seconds(result.End.Sub(result.Start))
	m.EndReason = dataset.EndReason(result.Reason)
	m.Input = inputCounts(r.list.Counts(), s)
	m.Targets = dataset.TargetCounts{Done: s.Done, Aborted: s.Aborted}
	m.Statuses = s.Statuses
	m.Sections = dataset.SectionCounts{
		Info:    s.Sections[proto.KindInfo],
		Players: s.Sections[proto.KindPlayers],
		Rules:   s.Sections[proto.KindRules],
	}
	m.Packets = packetCounts(s)
	m.Socket = socketCounts(result.Port)
	m.Rate.AchievedPPS = dataset.Decimal(perSecond(0, s.Sent, result.End.Sub(result.Start)))
	m.Rate.PeakInFlight = s.PeakInFlight
	m.RTT = dataset.Percentiles{
		P50: milliseconds(s.RTT[0]), P90: milliseconds(s.RTT[1]), P99: milliseconds(s.RTT[2]), Max: milliseconds(s.RTTMax),
	}
	m.Output = r.outputCounts(result.Output)
	if r.options.earlier != nil {
		r.options.earlier.count(m)
	}
}

// outputCounts returns what w says of the file of records.
func (r *scanRun) outputCounts(w dataset.WriterStats) dataset.OutputCounts {
	c := dataset.OutputCounts{Records: w.Records, Bytes: w.Bytes}
	if r.options.compress.For(r.options.outputFile) != dataset.CompressNone {
		c.CompressedBytes = &w.Committed
	}
	return c
}

// writeMetadata writes m where it was asked for.
func (r *scanRun) writeMetadata(m *dataset.Metadata) error {
	switch path := r.options.metadataPath(); path {
	case "":
		return nil
	case "-":
		b, err := m.AppendJSON(nil)
		if err == nil {
			_, err = r.ui.w.Write(b)
		}
		return err
	default:
		if err := m.WriteFile(path); err != nil {
			return fmt.Errorf("cannot write metadata: %w", err)
		}
		return nil
	}
}

// sum prints the summary of the run and its notes, which are also added to m.
func (r *scanRun) sum(m *dataset.Metadata, result *scanner.Result, err error) {
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
	if n := int64(settled) - m.Output.Records - int64(result.Stats.Filtered); err != nil && n > 0 {
		text := plural(uint64(n), "record is", "records are") + " lost: not written"
		if dataset.IsBrokenPipe(err) { // the reader closed the pipe
			m.Notes = append(m.Notes, text)
		} else {
			note("", "%s", text)
		}
	}
	if n := m.Socket.RxDropped; n > 0 {
		note(fmt.Sprintf("raise net.core.rmem_max (the receive buffer is %s of %s requested) or lower --rate", formatSize(m.Socket.RcvbufActual), formatSize(m.Socket.RcvbufRequested)),
			"this machine dropped %s: the receive buffer was full", plural(n, "reply", "replies"))
	}
	if n := result.Stats.SendErrors; n > 0 {
		note("", "%s could not be sent; see the records with status send_error", plural(n, "packet", "packets"))
	}
	if n := m.Input.Invalid; n > 0 {
		note("", "%s not a target", plural(n, "line is", "lines are"))
	}
	if n := m.Packets.Truncated; n > 0 {
		note("", "%s longer than the receive buffer of a packet", plural(n, "reply was", "replies were"))
	}
	if n := result.Stats.RawLeft; n > 0 {
		note("", "%s of %s left out of raw: the limit per target was reached",
			plural(n, "datagram", "datagrams"), plural(result.Stats.RawShort, "target", "targets"))
	}
	if m.Packets.Sent > 0 && result.Reason == scanner.EndComplete && m.Packets.Received == 0 && m.Packets.ICMP == 0 {
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

// inputCounts returns what the list counted. Targets are those that the scan has
// taken in: what the list had ready when a scan ended early is not among them.
func inputCounts(c targets.Counts, s *scanner.Stats) dataset.InputCounts {
	return dataset.InputCounts{
		Lines:      c.Lines,
		Targets:    s.Done + s.Aborted,
		Duplicates: c.Duplicates,
		Invalid:    c.Invalid,
		Blocked:    c.Blocked,
	}
}

func packetCounts(s *scanner.Stats) dataset.PacketCounts {
	return dataset.PacketCounts{
		Sent:          s.Sent,
		SendErrors:    s.SendErrors + s.SendWaits,
		Retransmits:   s.Retransmits,
		Challenges:    s.Challenges,
		Received:      s.Received,
		BytesSent:     s.BytesSent,
		BytesReceived: s.BytesReceived,
		Unmatched:     s.Unmatched,
		Late:          s.Late,
		Duplicate:     s.Duplicate,
		Malformed:     s.Malformed,
		Truncated:     s.Truncated,
		ICMP:          s.ICMP,
	}
}

func socketCounts(p mux.PortStats) dataset.SocketCounts {
	return dataset.SocketCounts{RcvbufRequested: p.RcvbufRequested, RcvbufActual: p.RcvbufActual, RxDropped: p.Drops}
}

// milliseconds returns nil for a time that was not measured.
func milliseconds(d time.Duration) *dataset.Decimal {
	if d < 0 {
		return nil
	}
	ms := dataset.Milliseconds(d)
	return &ms
}

// values returns every flag's value, as one would write it.
func (fs *flagSet) values() map[string]string {
	m := map[string]string{}
	fs.VisitAll(func(f *pflag.Flag) { m[f.Name] = f.Value.String() })
	return m
}

// commandLine returns args as one would type them into a shell.
func commandLine(args []string) string {
	return quoteWords(append([]string{"a2scan"}, args...))
}

// quoteWords joins words so that they can be told apart again. What is not UTF-8,
// which JSON does not carry, stands as bash's escapes.
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
