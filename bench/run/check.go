package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A checkJob is to read the records of a scan; the answer is a checkResult.
type checkJob struct {
	File   string           `json:"file"`
	Start  time.Time        `json:"start"` // of the scan
	Seed   uint64           `json:"seed"`  // of the World
	Shares prototest.Shares `json:"shares"`
	Kinds  proto.Kinds      `json:"kinds"`
	// Every how many records one is verified; 0: none.
	Step int `json:"step"`
	// Lossy: datagrams were dropped by a socket, so that silence is no fault of
	// the records.
	Lossy bool `json:"lossy"`
	// Times says that LiveS is wanted.
	Times bool `json:"times"`
}

type checkResult struct {
	Check
	LiveS float64 `json:"live_s"` // from Start to the last record of success
}

func (j *checkJob) work(in *bufio.Reader, out *json.Encoder) error {
	orphaned(in, func() { os.Exit(1) })
	r, err := j.check(dataset.Lines(j.File))
	if err != nil {
		return err
	}
	return out.Encode(r)
}

func (j *checkJob) check(lines iter.Seq2[[]byte, error]) (*checkResult, error) {
	var r checkResult
	var last time.Time
	var failed error
	sampled := func(yield func([]byte, error) bool) {
		for line, err := range lines {
			if err != nil {
				failed = err
				return
			}
			if j.Times {
				if at, ok, err := foundAt(line); err != nil {
					failed = fmt.Errorf("record %d: %w", r.Records+1, err)
					return
				} else if ok && at.After(last) {
					last = at
				}
			}
			r.Records++
			if j.Step > 0 && (r.Records-1)%uint64(j.Step) == 0 && !yield(line, nil) {
				return
			}
		}
	}
	world := &prototest.World{Seed: j.Seed, Shares: j.Shares}
	report, err := farm.Verify(world, sampled, farm.VerifyOptions{Want: j.Kinds, Lossy: j.Lossy, MaxDifferences: 5})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	r.Verified, r.Wrong, r.First = report.Records, report.Total, report.Differences
	if all := report.ByBehaviour[len(report.ByBehaviour)-1]; j.Step > 0 {
		r.Expected, r.Found = all.Expected, all.Found
	}
	if !last.IsZero() {
		r.LiveS = last.Sub(j.Start).Seconds()
	}
	return &r, nil
}

// foundAt returns when a record of success was written, false for any other record. It
// reads only the beginning of the line, which has everything that it needs.
func foundAt(line []byte) (time.Time, bool, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return time.Time{}, false, errors.New("not a record")
	}
	var at time.Time
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return at, false, err
		}
		switch key {
		case "status":
			var status string
			if err := d.Decode(&status); err != nil || status != "success" {
				return at, false, err
			}
		case "timestamp":
			if err := d.Decode(&at); err != nil {
				return at, false, err
			}
		case "duration_ms":
			var ms float64
			if err := d.Decode(&ms); err != nil {
				return at, false, err
			}
			return at.Add(time.Duration(ms * float64(time.Millisecond))), true, nil
		default:
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return at, false, err
			}
		}
	}
	return at, false, io.ErrUnexpectedEOF
}
