package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
)

// ReportSchema is in every report. Members are only added under it.
const ReportSchema = 1

// A Report is all that a benchmark has found. It is written as one JSON object.
type Report struct {
	Schema      int       `json:"schema"` // ReportSchema
	Tool        string    `json:"tool"`
	Version     string    `json:"version"`
	CommandLine string    `json:"command_line"`
	Start       time.Time `json:"start_time"`
	DurationS   float64   `json:"duration_s"`
	Size        Size      `json:"size"`
	Seed        uint64    `json:"seed"`
	Complete    bool      `json:"complete"` // false: it was interrupted
	Machine     Machine   `json:"machine"`
	Rows        []Row     `json:"rows"`
	Rates       []RateRow `json:"rates"`
	Problems    []Problem `json:"problems"` // every failed check; empty in a good report
}

// A Row is one Variant of a Workload and all its runs.
type Row struct {
	Group    Group  `json:"group"`
	Workload string `json:"workload"`
	Title    string `json:"title"`
	Variant  string `json:"variant"`
	Query    string `json:"query"`
	Shares   string `json:"shares"`  // of the farm, as its flags; empty: all answer at once
	Command  string `json:"command"` // the command line
	Targets  uint64 `json:"targets"`
	Live     uint64 `json:"live"`  // of these, servers that answer all that they are asked
	Lines    uint64 `json:"lines"` // of the list that they were read from; 0: a range
	Tail     bool   `json:"tail"`  // some targets end by a timeout
	Lossy    bool   `json:"lossy"` // datagrams are lost on purpose

	// Over the rounds. A server's share of time is that of a target, live or not.
	ServersPerS   Summary `json:"servers_per_s"` // live servers found, over live_s
	PacketsPerS   Summary `json:"packets_per_s"` // sent and received
	CPUPerServer  Summary `json:"cpu_us_per_server"`
	KernelPart    Summary `json:"cpu_system_share"`
	FarmPerServer Summary `json:"farm_cpu_us_per_server"`
	LiveS         Summary `json:"live_s"` // until the last live server was found
	TailS         Summary `json:"tail_s"` // from there to the end: waiting for the silent
	PeakRSS       Summary `json:"peak_rss_bytes"`
	FoundShare    Summary `json:"found_share"`  // of the live
	OthersShare   Summary `json:"others_share"` // of the processors, taken by other processes and other machines

	// Relative to the bare socket of the same round. They are missing if there is none, or
	// if it does another job: it does not retry lost packets.
	CPUVsBare   Summary `json:"cpu_vs_bare"`
	SpeedVsBare Summary `json:"speed_vs_bare"`

	Check *Check `json:"check"` // of the first round's records; null if they were not kept
	Runs  []Run  `json:"runs"`
}

// A Run is one measured process. Times are in seconds.
type Run struct {
	Round     int     `json:"round"`      // from 0
	WallS     float64 `json:"wall_s"`     // from the start of the process to its end
	DurationS float64 `json:"duration_s"` // of the exchange, as the process says
	LiveS     float64 `json:"live_s"`
	UserS     float64 `json:"user_s"`
	SystemS   float64 `json:"system_s"`
	PeakRSS   int64   `json:"peak_rss_bytes"` // 0: not known on this system
	FarmCPUS  float64 `json:"farm_cpu_s"`
	OthersS   float64 `json:"others_cpu_s"` // of other processes, and the time that the hypervisor gave to others
	CPUs      int     `json:"cpus"`

	Asked        uint64 `json:"asked"`
	Found        uint64 `json:"found"` // live servers that answered all
	Sent         uint64 `json:"sent"`
	Received     uint64 `json:"received"`
	Retransmits  uint64 `json:"retransmits"`
	Drops        uint64 `json:"drops"`      // by the process's own socket
	FarmDrops    uint64 `json:"farm_drops"` // by the farm's, and replies it could not send
	Duplicates   uint64 `json:"duplicates"` // targets that came before in the list
	PeakInFlight uint64 `json:"peak_in_flight"`
	RcvbufActual int    `json:"rcvbuf_actual"`
	RecordBytes  int64  `json:"record_bytes"` // as written
}

// A Check is the comparison of the records of one run with the truth.
type Check struct {
	Records  uint64 `json:"records"`  // in the file
	Verified uint64 `json:"verified"` // of these, compared value by value
	Wrong    uint64 `json:"wrong"`    // values that differ from the server's
	// Live servers among the verified, and those found.
	Expected uint64            `json:"expected"`
	Found    uint64            `json:"found"`
	First    []farm.Difference `json:"first"` // of the wrong
}

// A RateRow is a scan at a rate, as the farm saw it.
type RateRow struct {
	AskedPPS float64 `json:"asked_pps"`
	// Seconds is the number of packets in each whole second.
	Seconds []uint32 `json:"seconds"`
	// MeanPPS is their mean. WorstError is the largest distance of one of them from the
	// requested rate, as a share of that, with its sign.
	MeanPPS    float64 `json:"mean_pps"`
	WorstError float64 `json:"worst_error"`
	// Busiest10ms is the largest number in 10 ms, Even10ms that of an even stream,
	// Allowed10ms that and a burst of 5 ms.
	Busiest10ms uint32  `json:"busiest_10ms"`
	Even10ms    float64 `json:"even_10ms"`
	Allowed10ms float64 `json:"allowed_10ms"`
	Run         Run     `json:"run"`
}

// A Problem is something that should not have been.
type Problem struct {
	Workload string `json:"workload"`
	Variant  string `json:"variant"`
	Text     string `json:"text"`
}

// WriteJSON writes r, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteJSONFile writes r to a file.
func (r *Report) WriteJSONFile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteJSON(f), f.Close())
}

// ReadReport reads a report that WriteJSON wrote.
func ReadReport(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r Report
	if err := json.NewDecoder(f).Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Schema != ReportSchema {
		return nil, fmt.Errorf("%s: schema %d; this version knows %d", path, r.Schema, ReportSchema)
	}
	return &r, nil
}

// bare reports whether it is one of the bare socket's.
func (row *Row) bare() bool { return strings.HasPrefix(row.Variant, nameBare) }

// in returns the rows of a group.
func (r *Report) in(g Group) []*Row {
	var rows []*Row
	for i := range r.Rows {
		if r.Rows[i].Group == g {
			rows = append(rows, &r.Rows[i])
		}
	}
	return rows
}

// summarize fills in the values that follow from the runs, and from those of the bare
// socket.
func (row *Row) summarize(w *Workload, base *Row) {
	of := func(quantity func(*Run) float64) []float64 { return each(row.Runs, quantity) }
	row.PacketsPerS, row.CPUVsBare, row.SpeedVsBare = Summary{}, Summary{}, Summary{}
	row.ServersPerS = Summarize(of(serversPerS))
	row.Tail, row.Lossy = w.Tail, w.Shares.Loss > 0
	if !w.Tail { // most of the time nothing is sent then
		row.PacketsPerS = Summarize(of(func(r *Run) float64 { return quotient(float64(r.Sent+r.Received), r.DurationS) }))
	}
	row.CPUPerServer = Summarize(of(cpuPerServer))
	row.KernelPart = Summarize(of(func(r *Run) float64 { return quotient(r.SystemS, r.UserS+r.SystemS) }))
	row.FarmPerServer = Summarize(of(func(r *Run) float64 { return quotient(r.FarmCPUS*1e6, float64(r.Asked)) }))
	row.LiveS = Summarize(of(func(r *Run) float64 { return r.LiveS }))
	row.TailS = Summarize(of(func(r *Run) float64 { return r.DurationS - r.LiveS }))
	row.PeakRSS = Summarize(of(func(r *Run) float64 {
		if r.PeakRSS == 0 {
			return math.NaN() // not known
		}
		return float64(r.PeakRSS)
	}))
	row.FoundShare = Summarize(of(func(r *Run) float64 { return quotient(float64(r.Found), float64(row.Live)) }))
	row.OthersShare = Summarize(of(func(r *Run) float64 { return quotient(r.OthersS, r.WallS*float64(r.CPUs)) }))
	if base != nil && base != row {
		row.CPUVsBare = Summarize(Ratios(of(cpuPerServer), each(base.Runs, cpuPerServer)))
		if !row.Lossy { // the bare socket does not wait for lost packets
			row.SpeedVsBare = Summarize(Ratios(of(serversPerS), each(base.Runs, serversPerS)))
		}
	}
}

func each(runs []Run, quantity func(*Run) float64) []float64 {
	out := make([]float64, len(runs))
	for i := range runs {
		out[i] = quantity(&runs[i])
	}
	return out
}

func serversPerS(r *Run) float64  { return quotient(float64(r.Found), r.LiveS) }
func cpuPerServer(r *Run) float64 { return quotient((r.UserS+r.SystemS)*1e6, float64(r.Asked)) }
