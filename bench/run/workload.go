package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A Group is a kind of workload, which decides how the report shows it.
type Group string

// The groups.
const (
	Throughput Group = "throughput" // as fast as replies come
	Scale      Group = "scale"      // the same, of more and more targets
	Memory     Group = "memory"     // memory held at once
	Rate       Group = "rate"       // packets by the clock, counted by the farm
)

// A Workload is a farm of servers and variants of one job, all of which ask
// each of them.
type Workload struct {
	Group  Group
	Name   string // a word of the report, and of --only
	Title  string // for people
	Shares prototest.Shares
	Kinds  proto.Kinds

	Targets int // places that are asked, each once
	// Lines is 0 if the targets are given as a range, else the number of lines of the file
	// that lists them. More lines than targets are duplicates.
	Lines int
	// Rate is in packets a second; 0: as fast as replies come.
	Rate     float64
	Duration time.Duration // ends a scan at a Rate
	// Tail means that some targets end by a timeout: the time until the last live server is
	// recorded is then reported separately.
	Tail bool
	// Discard says that the records are thrown away, since only memory is looked at.
	Discard bool

	Rounds   int
	Variants []Variant
}

// A Variant is one way to do a Workload's job.
type Variant struct {
	Name   string
	Bare   bool     // the bare socket, not the scanner
	Window int      // servers that the bare socket waits for at once
	Rcvbuf int      // bytes of receive buffer to ask for; 0: the scanner's default
	Zstd   bool     // records are compressed
	Args   []string // further flags of scan
}

// Names of the variants that plans use.
const (
	nameBare  = "bare"
	nameScan  = "scan"
	nameZstd  = "scan, zstd"
	nameSmall = "scan, --rcvbuf 212992"
	nameBareS = "bare, --rcvbuf 212992"
)

// patience returns how long the bare socket lets its window be full of servers that do not
// answer. If all servers answer, only a farm that is not scheduled is silent, and that
// passes.
func (w *Workload) patience() time.Duration {
	if w.Shares.Silent+w.Shares.Loss == 0 {
		return lingering
	}
	return giveUp + w.Shares.DelayMax
}

const (
	giveUp = 10 * time.Millisecond
	// lingering is how long the bare socket waits for the last answers.
	lingering = time.Second
)

const (
	// smallRcvbuf is the default of a socket on Linux (net.core.rmem_default, 2026-11).
	smallRcvbuf = 212992

	// The flags that scan has by default.
	defaultRcvbuf = 8 << 20
	defaultSndbuf = 4 << 20
	defaultBatch  = 64

	// bareWindow is the window at which the bare socket is fastest on loopback: 256 to
	// 1,024 make no difference, 4,096 cost a tenth (2 cores, 2026-11).
	bareWindow = 512
)

func (v *Variant) rcvbuf() int {
	if v.Rcvbuf == 0 {
		return defaultRcvbuf
	}
	return v.Rcvbuf
}

// scanArgs returns the command line of a scan, without the targets.
func (w *Workload) scanArgs(v *Variant, seed uint64, records, metadata string) []string {
	args := []string{
		"scan", "--quiet",
		"--seed", strconv.FormatUint(seed, 10),
		"--query", kindList(w.Kinds),
		"--rate", strconv.FormatFloat(w.Rate, 'f', -1, 64),
		"--per-ip-rate", "0",
		"--output-file", records,
		"--metadata-file", metadata,
	}
	if w.Duration > 0 {
		args = append(args, "--max-runtime", w.Duration.String())
	}
	if v.Rcvbuf != 0 {
		args = append(args, "--rcvbuf", strconv.Itoa(v.Rcvbuf))
	}
	return append(args, v.Args...)
}

// kindList returns the kinds as --query takes them.
func kindList(kinds proto.Kinds) string {
	var names []string
	for k := range proto.Kind(proto.NumKinds) {
		if kinds.Has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, ",")
}

// A share is one of a farm's, by the name of its flag.
type share struct {
	flag  string
	value float64
}

func shares(s *prototest.Shares) []share {
	return []share{
		{"challenge", s.Challenge}, {"silent", s.Silent}, {"goldsource", s.GoldSource}, {"split", s.Split},
		{"bzip2", s.BZip2}, {"ship", s.Ship}, {"duplicate", s.Duplicate}, {"reorder", s.Reorder},
		{"garbage", s.Garbage}, {"challenge-loop", s.ChallengeLoop}, {"endless", s.Endless},
		{"wrong-type", s.WrongType}, {"truncate", s.Truncate}, {"ask-twice", s.AskTwice},
		{"strict-length", s.StrictLength}, {"loss", s.Loss},
	}
}

// ShareFlags returns the names of the farm's flags that are shares.
func ShareFlags() []string {
	var names []string
	for _, f := range shares(new(prototest.Shares)) {
		names = append(names, f.flag)
	}
	return names
}

// shareList returns the shares in s that are not zero, as flags of the farm.
func shareList(s *prototest.Shares) string {
	var parts []string
	for _, f := range shares(s) {
		if f.value != 0 {
			parts = append(parts, fmt.Sprintf("--%s %v", f.flag, f.value))
		}
	}
	if s.DelayMax > 0 {
		parts = append(parts, fmt.Sprintf("--delay %v:%v", s.DelayMin, s.DelayMax))
	}
	return strings.Join(parts, " ")
}
