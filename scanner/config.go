package scanner

import (
	"errors"
	"fmt"
	"time"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// ICMPMode says what an ICMP error about a target's datagram does.
type ICMPMode uint8

// The modes of --icmp.
const (
	ICMPOn    ICMPMode = iota // it ends the target: refused or unreachable
	ICMPOff                   // it is counted and ignored
	ICMPRetry                 // it costs one try, as silence does
)

// A Config is what a scan is to do, less the socket, the targets and the
// output. The zero Config is not usable: start from DefaultConfig.
type Config struct {
	Kinds      proto.Kinds // what each server is asked; not empty
	Sequential bool        // one query of a server at a time

	Rate      float64 // packets a second in all; 0: as fast as replies come
	Bandwidth float64 // bits a second sent, with IP and UDP headers; 0: no limit of its own
	PerIPRate float64 // packets a second to one IP address; 0: no limit

	MaxInFlight   int           // targets open at once
	Timeout       time.Duration // wait of the first try
	Retries       int           // further tries on silence, per query
	TargetTimeout time.Duration // a target's whole time
	ICMP          ICMPMode
	Batch         int // packets a system call

	Seed uint64 // of every random choice

	MaxTargets uint64        // targets taken from the Source before a clean end; 0: all
	MaxResults uint64        // records with status success written before a clean end; 0: all
	HadResults uint64        // of these, written by the run that this one goes on with
	MaxRuntime time.Duration // time before a clean end; 0: unlimited
	Filter     StatusSet     // statuses that get a record; 0: all
	Raw        bool          // records carry the datagrams, within a bound: Stats.RawLeft

	// Drain bounds how long an interrupted scan waits for targets in flight.
	// They end by their own deadlines anyway; 0: TargetTimeout.
	Drain time.Duration
}

// DefaultConfig returns the defaults of the command line.
func DefaultConfig() Config {
	return Config{
		Kinds:         proto.WantInfo,
		Rate:          2000,
		PerIPRate:     20,
		MaxInFlight:   10000,
		Timeout:       time.Second,
		Retries:       2,
		TargetTimeout: 10 * time.Second,
		Batch:         64,
	}
}

// Limits of a Config. They keep counters inside their fields: a Query counts
// microseconds in 32 bits (71 minutes) and tries in 8. Those of rates keep the
// time between two packets, and what a burst is, inside 63 bits.
const (
	MaxTimeout       = time.Hour
	MaxRetries       = 200
	MaxMaxInFlight   = 1 << 24
	MaxBatch         = 1024
	minTimeout       = time.Millisecond
	minPacketsPerSec = 1e-5 // about one a day
	maxPacketsPerSec = 1e9
	maxBitsPerSec    = 1e13
)

// Validate returns all that is wrong with c, joined, each naming the flag that sets it.
func (c *Config) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	rate := func(flag string, v, least, most float64) {
		bad(v == 0 || v >= least && v <= most, "%s %v is out of range; use 0, or %v to %.0f", flag, v, least, most)
	}
	const askable = proto.WantInfo | proto.WantPlayers | proto.WantRules
	bad(c.Kinds != 0, "--query names nothing to ask; use some of info,players,rules")
	bad(c.Kinds&^askable == 0, "--query names what has no place in a record; use some of info,players,rules")
	rate("--rate", c.Rate, minPacketsPerSec, maxPacketsPerSec)
	rate("--bandwidth", c.Bandwidth, 1, maxBitsPerSec)
	rate("--per-ip-rate", c.PerIPRate, minPacketsPerSec, maxPacketsPerSec)
	bad(c.MaxInFlight >= 1 && c.MaxInFlight <= MaxMaxInFlight, "--max-in-flight %d is out of range; use 1 to %d", c.MaxInFlight, MaxMaxInFlight)
	bad(c.Timeout >= minTimeout && c.Timeout <= MaxTimeout, "--timeout %v is out of range; use %v to %v", c.Timeout, minTimeout, MaxTimeout)
	bad(c.Retries >= 0 && c.Retries <= MaxRetries, "--retries %d is out of range; use 0 to %d", c.Retries, MaxRetries)
	bad(c.TargetTimeout >= minTimeout && c.TargetTimeout <= MaxTimeout, "--target-timeout %v is out of range; use %v to %v", c.TargetTimeout, minTimeout, MaxTimeout)
	bad(c.Batch >= 1 && c.Batch <= MaxBatch, "--batch %d is out of range; use 1 to %d", c.Batch, MaxBatch)
	bad(c.MaxRuntime >= 0, "--max-runtime %v is negative", c.MaxRuntime)
	return errors.Join(errs...)
}

// A StatusSet is a set of output.Status.
type StatusSet uint16

// Add returns s with st.
func (s StatusSet) Add(st output.Status) StatusSet { return s | 1<<st }

// Has reports whether st is in s; every status is in the empty set.
func (s StatusSet) Has(st output.Status) bool { return s == 0 || s&(1<<st) != 0 }
