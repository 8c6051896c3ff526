package scanner

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// ICMPMode is the effect of an ICMP error about a target's datagram.
type ICMPMode uint8

// The modes.
const (
	ICMPOn    ICMPMode = iota // it ends the target: refused or unreachable
	ICMPOff                   // it is counted and ignored
	ICMPRetry                 // it costs one attempt, as silence does
)

// A Config holds the settings of a scan. The zero Config is not usable: start from
// DefaultConfig.
type Config struct {
	Kinds      proto.Kinds // the queries: some of info, players, rules
	Sequential bool        // one query of a server at a time

	Rate      float64 // packets per second in all; 0: as fast as replies come
	Bandwidth float64 // bits per second sent, with IP and UDP headers; 0: no limit
	PerIPRate float64 // packets per second to one IP address; 0: no limit

	MaxInFlight   int           // targets open at once
	Timeout       time.Duration // of the first attempt; doubles with each retry
	Retries       int           // further attempts on silence, per query
	TargetTimeout time.Duration // a target's whole time
	ICMP          ICMPMode
	Batch         int // packets per system call

	Seed uint64 // of every random choice

	MaxTargets uint64          // targets taken from the Source before a clean end; 0: all
	MaxResults uint64          // records with status success written before a clean end; 0: all
	HadResults uint64          // of these, written by the run that this one resumes
	MaxRuntime time.Duration   // time before a clean end; 0: unlimited
	Filter     []output.Status // statuses that get a record; none: all
	Raw        bool            // records carry the datagrams, within a bound: Stats.RawLeft

	// PortOffsets are further ports for a target whose port is silent or closed, counted
	// from its port. They are tried in this order until one answers, within TargetTimeout.
	// Ports that do not exist, and those that Source.Has knows, are left out.
	PortOffsets []int

	// Drain bounds how long an interrupted scan waits for targets in flight.
	// They end by their own deadlines anyway; 0: TargetTimeout.
	Drain time.Duration
}

// rules returns the part of c that the protocol obeys.
func (c *Config) rules() proto.Config {
	return proto.Config{Timeout: c.Timeout, Retries: c.Retries, MaxElapsed: c.TargetTimeout, Sequential: c.Sequential}
}

// SilentTime returns the longest time from a target's first packet to its end if nothing
// answers, on any of its ports.
func (c *Config) SilentTime() time.Duration {
	rules := c.rules()
	return min(rules.Silence()*time.Duration(1+len(c.PortOffsets)), c.TargetTimeout)
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
// microseconds in 32 bits (71 minutes) and attempts in 8. Those of rates keep the
// time between two packets, and what a burst is, inside 63 bits.
const (
	maxTimeout       = time.Hour
	maxRetries       = 200
	maxMaxInFlight   = 1 << 24
	maxPortOffsets   = 16
	minTimeout       = time.Millisecond
	minPacketsPerSec = 1e-5 // about one a day
	maxPacketsPerSec = 1e9
	maxBitsPerSec    = 1e13
)

// askable are the queries that have a section in the record.
const askable = proto.WantInfo | proto.WantPlayers | proto.WantRules

// A FieldError reports a field of a Config that is out of range.
type FieldError struct {
	Field  string // such as Rate
	Reason string // such as "-1 is out of range; use 0, or 1e-05 to 1000000000"
}

// Error returns the field and the reason.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// Validate returns a *FieldError for each field that is out of range, joined.
func (c *Config) Validate() error {
	var errs []error
	bad := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, &FieldError{field, fmt.Sprintf(format, args...)})
		}
	}
	rate := func(field string, v, least, most float64) {
		bad(v == 0 || v >= least && v <= most, field, "%v is out of range; use 0, or %v to %.0f", v, least, most)
	}
	in := func(field string, v, least, most any, ok bool) {
		bad(ok, field, "%v is out of range; use %v to %v", v, least, most)
	}
	bad(c.Kinds != 0, "Kinds", "names nothing to ask; use some of info,players,rules")
	bad(c.Kinds&^askable == 0, "Kinds", "names a query that has no place in a record; use some of info,players,rules")
	rate("Rate", c.Rate, minPacketsPerSec, maxPacketsPerSec)
	rate("Bandwidth", c.Bandwidth, 1, maxBitsPerSec)
	rate("PerIPRate", c.PerIPRate, minPacketsPerSec, maxPacketsPerSec)
	in("MaxInFlight", c.MaxInFlight, 1, maxMaxInFlight, c.MaxInFlight >= 1 && c.MaxInFlight <= maxMaxInFlight)
	in("Timeout", c.Timeout, minTimeout, maxTimeout, c.Timeout >= minTimeout && c.Timeout <= maxTimeout)
	in("Retries", c.Retries, 0, maxRetries, c.Retries >= 0 && c.Retries <= maxRetries)
	in("TargetTimeout", c.TargetTimeout, minTimeout, maxTimeout, c.TargetTimeout >= minTimeout && c.TargetTimeout <= maxTimeout)
	in("Batch", c.Batch, 1, mux.MaxBatch, c.Batch >= 1 && c.Batch <= mux.MaxBatch)
	bad(len(c.PortOffsets) <= maxPortOffsets, "PortOffsets", "has %d offsets; use at most %d", len(c.PortOffsets), maxPortOffsets)
	for _, n := range c.PortOffsets {
		bad(n != 0 && n > -math.MaxUint16 && n < math.MaxUint16, "PortOffsets", "%+d leads to no other port; use +1 to +65534, or -1 to -65534", n)
	}
	bad(c.MaxRuntime >= 0, "MaxRuntime", "%v is negative", c.MaxRuntime)
	return errors.Join(errs...)
}
