package proto

import (
	"errors"
	"fmt"
	"time"
)

// A Config is the rules by which all Queries of a Client ask. The zero value
// of a field means the default given in its comment.
type Config struct {
	Timeout    time.Duration // of the first attempt; doubles with each retry: 1 s
	MaxElapsed time.Duration // a Query's whole time from its first send: 10 s

	// Retries is how many further attempts silence causes, per kind; zero means none.
	// One attempt more is made after the first silence to a request that carried a
	// token (D-16). If a part of the answer came, one request more is made, which
	// does not count as an attempt.
	Retries int

	// MaxChallenges is how many different challenges are answered per attempt: 5.
	// CS:GO and Rust need two; a server that never stops is a loop.
	MaxChallenges int

	// FragmentGap is the longest wait between two fragments of a split reply: half of
	// Timeout, at least 100 ms.
	FragmentGap time.Duration

	// Sequential asks one kind at a time. Otherwise all that are open go out
	// together once the server's challenge is known.
	Sequential bool

	// GetChallenge fetches the challenge for PLAYER and RULES with the legacy
	// request, which some old mods alone understand.
	GetChallenge bool

	ReassemblyBytes int // memory for unfinished split replies of all Queries: 64 MiB

	// InflateBudget is how many bytes may be decompressed between two calls of
	// BeginTurn: 512 KiB. Compressed bytes count twice. Replies beyond it wait for the
	// next turn, so decompression bombs can't hold up a million timers.
	InflateBudget int
}

// A Client holds what all Queries of a scan share: the rules and the memory
// for split replies. It never reads a clock and is not safe for concurrent use.
//
// No datagram makes a method fail. Misuse by the caller, such as sending for a Query
// that does not want to send, panics.
type Client struct {
	cfg     Config
	asm     *assembler
	serial  uint32
	inflate int // budget left in this turn
}

// The longest time that a Query can count, in its 32 bits of microseconds.
const maxElapsed = time.Hour

// NewClient returns a Client of these rules. The errors are joined, one for
// each field that is out of range.
func NewClient(cfg Config) (*Client, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.Timeout, time.Second)
	def(&cfg.MaxElapsed, 10*time.Second)
	def(&cfg.FragmentGap, max(cfg.Timeout/2, 100*time.Millisecond))
	if cfg.MaxChallenges == 0 {
		cfg.MaxChallenges = 5
	}
	if cfg.ReassemblyBytes == 0 {
		cfg.ReassemblyBytes = 64 << 20
	}
	if cfg.InflateBudget == 0 {
		cfg.InflateBudget = 512 << 10
	}
	var errs []error
	inRange := func(name string, v, lo, hi int64) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("proto: %s %d is out of range: %d to %d", name, v, lo, hi))
		}
	}
	inRange("Timeout", int64(cfg.Timeout), 1, int64(maxElapsed))
	inRange("MaxElapsed", int64(cfg.MaxElapsed), 1, int64(maxElapsed))
	inRange("FragmentGap", int64(cfg.FragmentGap), 1, int64(maxElapsed))
	inRange("Retries", int64(cfg.Retries), 0, 253)
	inRange("MaxChallenges", int64(cfg.MaxChallenges), 1, 254)
	inRange("ReassemblyBytes", int64(cfg.ReassemblyBytes), 1, 1<<32)
	inRange("InflateBudget", int64(cfg.InflateBudget), 1, 1<<32)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Client{cfg: cfg, asm: newAssembler(cfg.ReassemblyBytes), inflate: cfg.InflateBudget}, nil
}

// BeginTurn renews the inflation budget. The owner of the loop calls it once per
// turn.
func (c *Client) BeginTurn() { c.inflate = c.cfg.InflateBudget }

// Evicted returns how many unfinished split replies were evicted for others.
func (c *Client) Evicted() uint64 { return c.asm.evicted }

// ReassemblyUsed returns the bytes that unfinished split replies hold now.
func (c *Client) ReassemblyUsed() int { return c.asm.arena.Used() }
