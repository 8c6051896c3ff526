package dataset

import "github.com/a2scan/a2scan/output"

// An Update is one line of --status-updates-file: how far a run has come. A line
// is written each second and one at the end. Its words are those of Metadata, of
// which the counts are the running values.
type Update struct {
	Schema     int              `json:"schema"` // output.SchemaVersion
	Time       output.Timestamp `json:"time"`
	DurationS  Decimal          `json:"duration_s"`  // since the start
	RemainingS *Decimal         `json:"remaining_s"` // an estimate; null where the number of targets is not known

	Input    InputCounts         `json:"input"`
	Targets  UpdateTargets       `json:"targets"`
	Statuses output.StatusCounts `json:"statuses"`
	Packets  PacketCounts        `json:"packets"`
	Socket   SocketCounts        `json:"socket"`
	Rate     UpdateRate          `json:"rate"`
	Output   OutputCounts        `json:"output"`
}

// UpdateTargets tell where the targets are.
type UpdateTargets struct {
	Total    *uint64 `json:"total"` // null while the input is not read to its end
	Done     uint64  `json:"done"`
	Aborted  uint64  `json:"aborted"`
	InFlight int     `json:"in_flight"` // open now
}

// UpdateRate tells the speed since the line before.
type UpdateRate struct {
	SentPPS          Decimal `json:"sent_pps"`           // packets a second out
	ReceivedPPS      Decimal `json:"received_pps"`       // packets a second in
	TargetsPerSecond Decimal `json:"targets_per_second"` // settled
}

// AppendJSON appends u as one line, newline included.
func (u *Update) AppendJSON(dst []byte) ([]byte, error) { return appendLine(dst, u) }
