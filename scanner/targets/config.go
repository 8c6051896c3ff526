package targets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A Source yields the targets of a scan, in the order in which they are to be
// asked. One goroutine calls it.
type Source interface {
	// Next fills dst with the next targets and returns how many it put there: at
	// least one, unless err is set. It returns what is at hand and waits only where
	// that is nothing, so that slow input flows line by line. After the last
	// target the error is io.EOF; when ctx ends while Next waits, it is ctx's.
	Next(ctx context.Context, dst []Target) (n int, err error)
}

// A Config says where the targets of a List come from. The zero Config is an
// empty list without removal of duplicates.
type Config struct {
	// Args are targets, each in one of the forms of a line. They come before those of
	// Files and are known as a whole, so that Shuffle mixes all of them.
	Args []string
	// Files are read one after the other, as they are needed.
	Files []File
	// Ports are asked where a target names none; if empty, DefaultPort.
	Ports Ports

	// Blocklist and Exclude hold addresses that are not asked; where Allowlist
	// is set, only its addresses are. Nil means no such list.
	Blocklist, Exclude, Allowlist *AddrSet

	// Dedup drops a target that was there before. What it costs is told at the
	// top of seen.go: 7 bytes for an IPv4 address and port.
	Dedup bool

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

	// AllowHuge permits a single argument or line to mean more than 2^24
	// targets.
	AllowHuge bool

	// Done holds the targets that are not to be yielded, because an earlier run has
	// their records. They are counted in Counts.Skipped, each once; this takes Dedup.
	Done *Done

	// DoneSeqs holds the sequence numbers that are not to be yielded again. A SeqSet
	// is one.
	DoneSeqs interface{ Has(seq uint64) bool }
	// Skipped, if set, is told of each target that is not yielded since DoneSeqs has
	// it: where it would be asked or, where name is not empty, of which host, whose
	// address is not looked up, on port at.Port. An error ends the List, whose Next
	// or Verify returns it.
	Skipped func(seq uint64, name string, at mux.Key) error

	// Lookup resolves names; nil means the system's resolver. Lookups is how many
	// run at once (0: DefaultLookups), LookupTimeout the time for each (0:
	// DefaultLookupTimeout), Prefer the family of the address that is asked.
	Lookup        LookupFunc
	Lookups       int
	LookupTimeout time.Duration
	Prefer        Family

	// Log is told of every line that is no target: file's name, line number from
	// 1, and what would be right, as in list.txt:14: "10.0.0.0/33" is not a
	// prefix. For an argument, file is empty and line its number. It is called
	// by NewList and in the goroutine that calls Next.
	Log func(file string, line int, msg string)
}

// Counts is what a List has counted so far. Lines, Duplicates, Invalid and Blocked
// are about the whole input, the same for every shard.
type Counts struct {
	Lines      uint64 // lines read, blank ones and comments too, and arguments
	Targets    uint64 // targets that Next has returned
	Duplicates uint64 // targets dropped because they came before
	Invalid    uint64 // lines that are no target, and targets whose name stands for no place to ask
	Blocked    uint64 // addresses times ports dropped from prefixes and ranges, and targets refused as Blocked
	Skipped    uint64 // targets not returned because they are in Config.Done or DoneSeqs
}

func (c *Counts) fields() [6]*uint64 {
	return [...]*uint64{&c.Lines, &c.Targets, &c.Duplicates, &c.Invalid, &c.Blocked, &c.Skipped}
}

// ErrUncountable means that an argument stands for more targets than can be told
// apart by number, whatever --max-targets says.
var ErrUncountable = errors.New("too many targets to number")

// ErrHuge means that an argument stands for more targets than were consented to.
var ErrHuge = errors.New("too many targets")

const (
	// hugeTargets is what a single argument or line may mean without consent: a /8
	// on one port, or two hours and a half at 2,000 packets a second. A slip of the
	// finger, a /0 for a /10 in a long list, is not to ask the whole Internet.
	hugeTargets = 1 << 24
	maxTargets  = 1 << 63
)

func (c *Config) setDefaults() error {
	if c.Ports.Len() == 0 {
		c.Ports = OnePort(DefaultPort)
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
