package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/a2scan/a2scan/internal/jsontext"
	"github.com/a2scan/a2scan/output"
)

// Metadata describes a run: one JSON object, written when the run begins and again
// when it ends. All members are always there, in the order of the fields.
//
// It always holds that Targets.Done + Targets.Aborted is the sum of Statuses, which is
// Output.Records and the records that a filter left out. Without Resumed it is also
// Input.Targets: see Check.
type Metadata struct {
	Schema      int    `json:"schema"` // output.SchemaVersion
	Tool        string `json:"tool"`
	Version     string `json:"version"`
	CommandLine string `json:"command_line"` // as one would type it
	// Config holds the flags as they took effect, by their names, and under "targets"
	// the TARGET arguments, one per line.
	Config map[string]string `json:"config"`
	Notes  []string          `json:"notes"` // facts that people should know, such as replies that the kernel dropped

	StartTime output.Timestamp `json:"start_time"`
	EndTime   output.Timestamp `json:"end_time"` // null until the run ends
	DurationS Decimal          `json:"duration_s"`
	EndReason EndReason        `json:"end_reason"` // null until the run ends

	// Resumed is null if the run did not resume an earlier one. Otherwise Input is
	// about this run's list; Targets, Statuses, Sections and Output are about the whole
	// file; packets, rates and times are this run's.
	Resumed *Resumed `json:"resumed"`

	Seed   uint64 `json:"seed"`  // at most 2^53-1
	Shard  int    `json:"shard"` // from 0
	Shards int    `json:"shards"`

	Input struct {
		Lines      uint64 `json:"lines"`      // read, comments and blank ones included
		Targets    uint64 `json:"targets"`    // accepted
		Duplicates uint64 `json:"duplicates"` // of earlier targets, left out
		Invalid    uint64 `json:"invalid"`    // lines, or places in lists, that name no target
		Blocked    uint64 `json:"blocked"`    // by a list, or because such addresses are never contacted
	} `json:"input"`
	Source       json.RawMessage `json:"source"`        // of --steam and --master; null if there was none
	UserNotes    *string         `json:"user_notes"`    // of --notes
	UserMetadata json.RawMessage `json:"user_metadata"` // of --user-metadata

	Targets struct {
		Done    uint64 `json:"done"`
		Aborted uint64 `json:"aborted"` // the scan stopped first
	} `json:"targets"`
	Statuses output.StatusCounts `json:"statuses"` // of targets
	Sections struct {
		Info    output.StatusCounts `json:"info"`
		Players output.StatusCounts `json:"players"`
		Rules   output.StatusCounts `json:"rules"`
	} `json:"sections"` // statuses of each query, zero for those not made
	Packets struct {
		Sent          uint64 `json:"sent"`        // in all, with retransmits and challenge answers
		SendErrors    uint64 `json:"send_errors"` // refused by the system; sent later if it only had no space
		Retransmits   uint64 `json:"retransmits"` // further attempts after silence
		Challenges    uint64 `json:"challenges"`  // challenges received
		Received      uint64 `json:"received"`    // in all
		BytesSent     uint64 `json:"bytes_sent"`  // UDP payloads, here and below
		BytesReceived uint64 `json:"bytes_received"`
		Unmatched     uint64 `json:"unmatched"` // from addresses that are no targets
		Late          uint64 `json:"late"`      // from targets that were settled before
		Duplicate     uint64 `json:"duplicate"` // repeats of an earlier datagram
		Malformed     uint64 `json:"malformed"` // no reply
		Truncated     uint64 `json:"truncated"` // larger than the receive buffer
		ICMP          uint64 `json:"icmp"`      // ICMP errors
	} `json:"packets"`
	Socket struct {
		RcvbufRequested int    `json:"rcvbuf_requested"`
		RcvbufActual    int    `json:"rcvbuf_actual"`
		RxDropped       uint64 `json:"rx_dropped"` // by the kernel: the receive buffer was full
	} `json:"socket"`
	Rate struct {
		RequestedPPS Decimal `json:"requested_pps"` // packets per second; 0: as fast as replies come
		AchievedPPS  Decimal `json:"achieved_pps"`  // packets sent over the duration
		PeakInFlight int     `json:"peak_in_flight"`
	} `json:"rate"`
	RTT struct {
		P50 *Decimal `json:"p50"`
		P90 *Decimal `json:"p90"`
		P99 *Decimal `json:"p99"`
		Max *Decimal `json:"max"`
	} `json:"rtt_ms"` // null if no round trip was measured
	Output struct {
		Records         int64  `json:"records"`
		Bytes           int64  `json:"bytes"`            // before compression
		CompressedBytes *int64 `json:"compressed_bytes"` // null for a file that is not compressed
	} `json:"output"`
}

// Resumed is about the records that an earlier run wrote.
type Resumed struct {
	Records int64 `json:"records"`
	// NotInTargets counts the targets of those records that this run's list does not
	// have. It is null until the whole list was read.
	NotInTargets *uint64 `json:"not_in_targets"`
}

// An EndReason is why a run ended.
type EndReason string

// The reasons. The empty one, of a run that has not ended or was killed, is null.
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

// A Decimal is a number that is written with at most three decimals, and as null if it
// is infinite or NaN.
type Decimal float64

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
	b, err := jsontext.AppendValue(dst, &whole)
	if err != nil {
		return dst, err
	}
	return append(b, '\n'), nil
}

// ReadMetadata reads the metadata of a run. Members that it does not know are ignored,
// since later versions may add some. The error is ErrNotRegular for a pipe or device,
// of which nothing is read, and ErrCutMetadata for a file that was cut off.
func ReadMetadata(path string) (*Metadata, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxMetadata {
		return nil, fmt.Errorf("%s: longer than %d MiB: not the metadata of a scan", path, maxMetadata>>20)
	}
	if isCut(b) {
		return nil, fmt.Errorf("%s: %w", path, ErrCutMetadata)
	}
	var m Metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Schema != output.SchemaVersion {
		return nil, fmt.Errorf("%s: schema %d; this version reads %d", path, m.Schema, output.SchemaVersion)
	}
	for _, raw := range []*json.RawMessage{&m.Source, &m.UserMetadata} {
		if string(*raw) == "null" {
			*raw = nil
		}
	}
	return &m, nil
}

// isCut reports whether b is empty, but for zeros, or begins as metadata begins and is
// no whole object.
func isCut(b []byte) bool {
	b = bytes.TrimRight(b, "\x00")
	return isCutFrom(b, []byte(`{"schema":`)) && !json.Valid(b)
}

// maxMetadata bounds the file that ReadMetadata reads. A command line can have a few
// megabytes, and its words are in the metadata twice.
const maxMetadata = 64 << 20

// Check returns the counts that do not add up, joined. filtered is the number of
// targets that have no record because --filter left them out.
func (m *Metadata) Check(filtered uint64) error {
	var errs []error
	want, wantName := m.Targets.Done+m.Targets.Aborted, "targets.done + targets.aborted"
	same := func(name string, n uint64) {
		if n != want {
			errs = append(errs, fmt.Errorf("%s is %d, but %s is %d", wantName, want, name, n))
		}
	}
	if m.Resumed == nil {
		same("input.targets", m.Input.Targets)
	}
	same("the sum of statuses", m.Statuses.Total())
	same("output.records plus the records left out", uint64(m.Output.Records)+filtered)
	return errors.Join(errs...)
}
