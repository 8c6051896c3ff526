package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/a2scan/a2scan/output"
)

// Metadata describes a run: one JSON object, written when the run starts, so
// that its file can be resumed after any accident, and again when it ends. Its
// members stand in the order of the fields; all of them are always there.
//
// It always holds that Input.Targets = Targets.Done + Targets.Aborted = the sum
// of Statuses = Output.Records and those that a filter left out: see Check.
type Metadata struct {
	Schema      int    `json:"schema"` // output.SchemaVersion
	Tool        string `json:"tool"`
	Version     string `json:"version"`
	CommandLine string `json:"command_line"` // as one would type it
	// Config holds the options as they took effect, each under the name of its
	// flag and as one would write it there.
	Config map[string]string `json:"config"`
	Notes  []string          `json:"notes"` // what people should know of the run, such as replies lost by this machine itself

	StartTime output.Timestamp `json:"start_time"`
	EndTime   output.Timestamp `json:"end_time"` // null while the run goes on
	DurationS Decimal          `json:"duration_s"`
	EndReason EndReason        `json:"end_reason"` // null while the run goes on

	Seed   uint64 `json:"seed"`
	Shard  int    `json:"shard"` // from 0
	Shards int    `json:"shards"`

	Input    InputCounts         `json:"input"`
	Targets  TargetCounts        `json:"targets"`
	Statuses output.StatusCounts `json:"statuses"` // of targets
	Sections SectionCounts       `json:"sections"`
	Packets  PacketCounts        `json:"packets"`
	Socket   SocketCounts        `json:"socket"`
	Rate     RateCounts          `json:"rate"`
	RTT      Percentiles         `json:"rtt_ms"`
	Output   OutputCounts        `json:"output"`
}

// An EndReason is why a run ended.
type EndReason string

// The reasons. The empty one, of a run that goes on or was killed, is null.
const (
	EndComplete    EndReason = "complete"
	EndInterrupted EndReason = "interrupted"
	EndMaxRuntime  EndReason = "max_runtime"
	EndMaxResults  EndReason = "max_results"
	EndError       EndReason = "error"
)

// MarshalJSON returns the word, or null for none.
func (r EndReason) MarshalJSON() ([]byte, error) {
	if r == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(r))
}

// InputCounts tell what the input held.
type InputCounts struct {
	Lines      uint64 `json:"lines"`      // read, comments and blank ones included
	Targets    uint64 `json:"targets"`    // accepted: each has, or would have, a record
	Duplicates uint64 `json:"duplicates"` // of targets before them, left out
	Invalid    uint64 `json:"invalid"`    // lines or places in lists that name nothing to ask
	Blocked    uint64 `json:"blocked"`    // by list, or since nobody may be asked there
}

// TargetCounts tell what became of the targets.
type TargetCounts struct {
	Done    uint64 `json:"done"`
	Aborted uint64 `json:"aborted"` // the scan stopped first
}

// SectionCounts are the statuses of each query, zero for those not asked for.
type SectionCounts struct {
	Info    output.StatusCounts `json:"info"`
	Players output.StatusCounts `json:"players"`
	Rules   output.StatusCounts `json:"rules"`
}

// PacketCounts count datagrams. Bytes are those of their UDP payloads.
type PacketCounts struct {
	Sent          uint64 `json:"sent"`        // in all, retransmits and those with a challenge included
	SendErrors    uint64 `json:"send_errors"` // the system did not take one: see the records with status send_error, or sent later where it had no room
	Retransmits   uint64 `json:"retransmits"` // further tries on silence
	Challenges    uint64 `json:"challenges"`  // challenges received
	Received      uint64 `json:"received"`    // in all, whatever they were
	BytesSent     uint64 `json:"bytes_sent"`
	BytesReceived uint64 `json:"bytes_received"`
	Unmatched     uint64 `json:"unmatched"` // from where nobody was asked
	Late          uint64 `json:"late"`      // after their target was settled
	Duplicate     uint64 `json:"duplicate"` // of a datagram that had come already
	Malformed     uint64 `json:"malformed"` // bytes that are no reply
	Truncated     uint64 `json:"truncated"` // larger than a datagram may be received
	ICMP          uint64 `json:"icmp"`      // errors that came back by ICMP
}

// SocketCounts tell of the socket's own buffer, in bytes, and of the datagrams
// that did not fit.
type SocketCounts struct {
	RcvbufRequested int    `json:"rcvbuf_requested"`
	RcvbufActual    int    `json:"rcvbuf_actual"`
	RxDropped       uint64 `json:"rx_dropped"`
}

// RateCounts tell how fast the run was.
type RateCounts struct {
	RequestedPPS Decimal `json:"requested_pps"` // packets a second; 0: as fast as replies come
	AchievedPPS  Decimal `json:"achieved_pps"`  // packets sent over the duration
	PeakInFlight int     `json:"peak_in_flight"`
}

// Percentiles are those of the round trips that were measured, in milliseconds;
// null where there was none.
type Percentiles struct {
	P50 *Decimal `json:"p50"`
	P90 *Decimal `json:"p90"`
	P99 *Decimal `json:"p99"`
	Max *Decimal `json:"max"`
}

// OutputCounts tell of the file of records, with what it held before a resume.
type OutputCounts struct {
	Records         int64  `json:"records"`
	Bytes           int64  `json:"bytes"`            // before compression
	CompressedBytes *int64 `json:"compressed_bytes"` // null for a file that is not compressed
}

// A Decimal is a number that is written with at most three decimals, and as null
// where it is none: the rate of a run without a duration breaks nothing.
type Decimal float64

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) Decimal { return Decimal(d.Seconds() * 1000) }

// Seconds returns d in seconds.
func Seconds(d time.Duration) Decimal { return Decimal(d.Seconds()) }

// MarshalJSON returns the number or null.
func (d Decimal) MarshalJSON() ([]byte, error) {
	v := float64(d)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	if rounded := math.Round(v * 1000); math.Abs(rounded) < 1<<53 {
		v = rounded / 1000
	}
	return json.Marshal(v)
}

// AppendJSON appends m as one line, newline included.
func (m *Metadata) AppendJSON(dst []byte) ([]byte, error) {
	whole := *m
	if whole.Config == nil {
		whole.Config = map[string]string{}
	}
	if whole.Notes == nil {
		whole.Notes = []string{}
	}
	return appendLine(dst, &whole)
}

// appendLine appends v and a newline.
func appendLine(dst []byte, v any) ([]byte, error) {
	b, err := output.AppendValue(dst, v)
	if err != nil {
		return dst, err
	}
	return append(b, '\n'), nil
}

// WriteFile writes m to path, which holds the old object or the new one at any
// moment and never a part: the new one is written beside it and takes its place
// when it is whole. What is not a regular file, such as a pipe or /dev/stderr, is
// written to directly.
//
// A run that ends because the disk is full must still say so. The object of a run
// that goes on therefore has spaces behind it, and where there is no room beside
// it the new object takes their place.
func (m *Metadata) WriteFile(path string) error {
	s, err := m.Stage(path)
	if err != nil {
		return err
	}
	return s.Commit()
}

// A StagedMetadata is an object that is written, but not where it belongs.
type StagedMetadata struct {
	path string
	temp *tempFile // what is to be renamed; nil: there is none
	b    []byte
	full error // why there is no temp, where b may take the old object's place
}

// Stage does what WriteFile does but for the last step, which is Commit's: it finds out
// whether m can be written while what path holds is still as it was. One of Commit and
// Discard must be called.
//
// What is no regular file has no place that an object could take, and whoever reads a
// pipe wants one object: there the object of a run that goes on is not written at all.
func (m *Metadata) Stage(path string) (*StagedMetadata, error) {
	b, err := m.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	s := &StagedMetadata{path: path, b: b}
	if m.EndReason == "" {
		s.b = append(bytes.TrimSuffix(b, []byte{'\n'}), strings.Repeat(" ", spareMetadata)+"\n"...)
	}
	if isDirect(path) {
		if m.EndReason == "" {
			s.b = nil
		}
		return s, nil
	}
	s.path = Resolve(path) // a link stays a link, also one to what is not there yet
	s.temp, err = temps{s.path, tryLock}.write(s.b)
	if IsNoSpace(err) && fits(s.path, s.b) {
		s.full, err = err, nil
	}
	return s, err
}

// Commit puts the object where it belongs.
func (s *StagedMetadata) Commit() error {
	switch {
	case s.full != nil:
		return overwrite(s.path, s.b, s.full)
	case s.temp != nil:
		return s.temp.rename(s.path)
	case s.b == nil:
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(s.b)
	return errors.Join(err, f.Close())
}

// Discard forgets the object.
func (s *StagedMetadata) Discard() {
	if s.temp != nil {
		s.temp.remove()
	}
}

// spareMetadata is by how much an object may grow during a run: counters of a
// dozen digits each, and a few notes.
const spareMetadata = 2 << 10

// fits reports whether b takes no more room than what a file holds.
func fits(path string, b []byte) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() >= int64(len(b))
}

// overwrite puts b in the place of what a file holds, if it fits there. Otherwise it
// returns full, the error that brought it here.
func overwrite(path string, b []byte, full error) error {
	if !fits(path, b) {
		return full
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(full, err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Truncate(int64(len(b)))
	}
	return errors.Join(err, f.Close())
}

// ReadMetadata reads the object that WriteFile wrote. Members it does not know
// are passed over, since later versions may add some. Of what is no regular file nothing
// is read, and the error is ErrNotRegular: a pipe may have nobody who writes.
func ReadMetadata(path string) (*Metadata, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m Metadata
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxMetadata {
		return nil, fmt.Errorf("%s: longer than %d MiB, which no scan's metadata is", path, maxMetadata>>20)
	}
	if isCut(b) {
		return nil, fmt.Errorf("%s: %w", path, ErrCutMetadata)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Schema != output.SchemaVersion {
		return nil, fmt.Errorf("%s: schema %d, where this version knows %d", path, m.Schema, output.SchemaVersion)
	}
	return &m, nil
}

// ErrNotRegular means that a path leads to a pipe, a device or the like.
var ErrNotRegular = errors.New("not a regular file")

// ErrCutMetadata means that a file is the beginning of what WriteFile wrote, or nothing:
// the power was cut, perhaps.
var ErrCutMetadata = errors.New("cut off")

// isCut reports whether b is empty, but for zeros, or begins as WriteFile begins and is
// no whole object.
func isCut(b []byte) bool {
	b = bytes.TrimRight(b, "\x00")
	const begin = `{"schema":`
	head := b[:min(len(b), len(begin))]
	return bytes.Equal(head, []byte(begin[:len(head)])) && !json.Valid(b)
}

// maxMetadata bounds what ReadMetadata reads. The words of a command line, of which
// systems take a few megabytes, stand in an object twice.
const maxMetadata = 64 << 20

// Check returns what does not add up, joined. filtered is the number of targets
// that have no record since --filter left them out.
func (m *Metadata) Check(filtered uint64) error {
	var errs []error
	same := func(what string, n uint64) {
		if n != m.Input.Targets {
			errs = append(errs, fmt.Errorf("input.targets is %d, but %s is %d", m.Input.Targets, what, n))
		}
	}
	same("targets.done + targets.aborted", m.Targets.Done+m.Targets.Aborted)
	same("the sum of statuses", m.Statuses.Total())
	same("output.records and those left out", uint64(m.Output.Records)+filtered)
	return errors.Join(errs...)
}
