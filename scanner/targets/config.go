package targets

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A Config says where the targets of a List come from. The zero Config is an
// empty list that keeps duplicates.
type Config struct {
	// Args are targets, each in one of the forms of a line. They come before those of
	// Files and are known as a whole, so Shuffle mixes all of them.
	Args []string
	// Files are read one after the other, as they are needed.
	Files []File
	// Ports are for targets that name none; if empty, DefaultPort.
	Ports Ports

	// Addresses in Blocklist or Exclude are not asked; if Allowlist is set, only its
	// addresses are. Nil means no such list.
	Blocklist, Exclude, Allowlist *AddrSet

	// Dedup drops duplicate targets. It takes 7 bytes for an IPv4 address and port;
	// seen.go has the other figures.
	Dedup bool

	// KeepSource keeps the JSON object that a target was read from in its Origin.
	KeepSource bool

	// Shuffle puts the targets into a random order that follows from Seed: the
	// Args as a whole, a large prefix or range in a file as a whole, and the lines of
	// files in windows of 65,536 targets.
	Shuffle bool
	Seed    uint64

	// Shard, from 0, of Shards is the part of the targets that the List yields. An
	// address's part follows from the address and Shards alone, a name's from the name
	// in lower case: not from the port, the seed or the place in the list. 0 shards
	// mean 1.
	Shards, Shard uint64

	// MaxTargets is how many targets the List yields at most. 0 means no limit.
	MaxTargets uint64

	// AllowHuge permits the prefixes and ranges to stand for more than 2^24 targets
	// together, all shards counted. Without it the List ends with ErrHuge.
	AllowHuge bool

	// Done holds the targets that are not to be yielded, because an earlier run has
	// their records. They are counted in Counts.Skipped, each once; this takes Dedup.
	Done *Done

	// Lookup returns the addresses of a host; nil means the system's resolver. It
	// must return when ctx ends, and is called by several goroutines at once: by
	// Lookups of them (0: 32), for at most LookupTimeout each (0: 5 s). localhost and
	// its subdomains are never looked up (RFC 6761).
	Lookup        func(ctx context.Context, host string) ([]netip.Addr, error)
	Lookups       int
	LookupTimeout time.Duration
	// NoLookups leaves names as they are: their targets have the Refusal Resolve.
	NoLookups bool
	// PreferIPv6 chooses the IPv6 address of a name that has both kinds.
	PreferIPv6 bool

	// Log is called for a line that is no target, with the name of its file, its
	// number from 1, and how to write it, as in list.txt:14: "10.0.0.0/33" is not a
	// prefix. After 20 lines of a file one call with line 0 gives the number of
	// further ones. For an argument, file is empty and line its number. NewList and
	// Next call Log in their own goroutine.
	Log func(file string, line int, msg string)
}

// Counts is what a List has counted so far. Targets and Skipped are this shard's;
// all others are about the whole input, and the same for every shard.
type Counts struct {
	Lines      uint64 // lines read, blank ones and comments too, and arguments
	Targets    uint64 // targets that Next has returned
	Duplicates uint64 // targets dropped as duplicates
	Invalid    uint64 // lines that are no target, and names without a usable address
	Blocked    uint64 // targets removed from prefixes and ranges, or refused as Blocked
	Skipped    uint64 // targets that Config.Done has
	NotUDP     uint64 // ports of other protocols, in lists of port scanners
	Allowed    uint64 // accepted targets that no list has removed

	// Reserved, Blocklisted, Excluded and NotAllowed add up to Blocked: targets that
	// the reserved prefixes or one of the Config's lists have removed.
	Reserved, Blocklisted, Excluded, NotAllowed uint64
}

func (c *Counts) fields() [12]*uint64 {
	return [...]*uint64{
		&c.Lines, &c.Targets, &c.Duplicates, &c.Invalid, &c.Blocked, &c.Skipped, &c.NotUDP,
		&c.Allowed, &c.Reserved, &c.Blocklisted, &c.Excluded, &c.NotAllowed,
	}
}

// ErrHuge means that the prefixes and ranges stand for more targets than
// Config.AllowHuge permits, or than can be numbered.
var ErrHuge = errors.New("too many targets")

const (
	// hugeTargets is a /8 on one port, or two hours and a half at 2,000 packets per
	// second. A typing error, a /0 for a /10 in a long list, must not scan the whole
	// Internet.
	hugeTargets = 1 << 24
	maxTargets  = 1 << 63
)

func (c *Config) setDefaults() error {
	if c.Ports.Len() == 0 {
		c.Ports = onePort(DefaultPort)
	}
	if c.Shards == 0 {
		c.Shards = 1
	}
	if c.Shard >= c.Shards {
		return fmt.Errorf("shard %d of %d does not exist; shards are counted from 0", c.Shard, c.Shards)
	}
	if c.Done != nil && !c.Dedup {
		return errors.New("a set of targets that are done takes the removal of duplicates")
	}
	if c.Log == nil {
		c.Log = func(string, int, string) {}
	}
	return nil
}
