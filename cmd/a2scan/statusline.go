package main

import (
	"github.com/a2scan/a2scan/internal/jsontext"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
)

// A statusLine is one line of --status-updates-file. One is written each second and one
// at the end. Its members are those of the metadata, with the counts so far.
type statusLine struct {
	Schema     int              `json:"schema"` // output.SchemaVersion
	Time       output.Timestamp `json:"time"`
	DurationS  dataset.Decimal  `json:"duration_s"`  // since the start
	RemainingS *dataset.Decimal `json:"remaining_s"` // an estimate; null if the number of targets is not known

	Input    any                 `json:"input"`
	Targets  statusTargets       `json:"targets"`
	Statuses output.StatusCounts `json:"statuses"`
	Packets  any                 `json:"packets"`
	Socket   any                 `json:"socket"`
	Rate     statusRate          `json:"rate"`
	Output   any                 `json:"output"`
}

type statusTargets struct {
	Total    *uint64 `json:"total"` // null until the input is read to its end
	Done     uint64  `json:"done"`
	Aborted  uint64  `json:"aborted"`
	InFlight int     `json:"in_flight"` // now
}

// A statusRate is the speed since the last update, per second.
type statusRate struct {
	SentPPS          dataset.Decimal `json:"sent_pps"`
	ReceivedPPS      dataset.Decimal `json:"received_pps"`
	TargetsPerSecond dataset.Decimal `json:"targets_per_second"` // settled
}

// appendJSON appends u as one line, newline included.
func (u *statusLine) appendJSON(dst []byte) ([]byte, error) {
	b, err := jsontext.AppendValue(dst, u)
	if err != nil {
		return dst, err
	}
	return append(b, '\n'), nil
}
