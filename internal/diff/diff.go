// Package diff compares two datasets and reports the differences as events.
package diff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/a2scan/a2scan/internal/extsort"
	"github.com/a2scan/a2scan/output"
)

// Options configure a Comparison.
type Options struct {
	Fields  output.Fields
	TempDir string // empty: the system's
	Memory  int    // bytes for records, the rest is sorted on disk; 0: 80 MiB
}

// A Comparison collects the records of two datasets, in any order. Of several
// records of an address the latest counts.
type Comparison struct {
	fields  output.Fields
	entries *extsort.Sorter
	latest  time.Time // of the new records
	key     []byte
	value   []byte
}

// New returns a Comparison. Close it.
func New(o Options) *Comparison {
	if o.Memory == 0 {
		o.Memory = 80 << 20
	}
	return &Comparison{fields: o.Fields, entries: extsort.New(o.TempDir, o.Memory)}
}

// Sides of a comparison.
const (
	oldSide = 0
	newSide = 1
)

// AddOld adds a record of the old dataset. Records without an address are ignored.
// An error is one of temporary files.
func (c *Comparison) AddOld(r *output.Record) error { return c.add(oldSide, r) }

// AddNew adds a record of the new dataset.
func (c *Comparison) AddNew(r *output.Record) error {
	if r.Time.After(c.latest) {
		c.latest = r.Time
	}
	return c.add(newSide, r)
}

// add stores the record under its address, side and time, so that the last of the
// entries of an address and side is the latest record.
func (c *Comparison) add(side byte, r *output.Record) error {
	if !r.Addr.Addr().IsValid() {
		return nil
	}
	addr, err := netip.AddrPortFrom(r.Addr.Addr().Unmap(), r.Addr.Port()).MarshalBinary()
	if err != nil {
		return err
	}
	// MarshalBinary writes the port in little endian: the order within a host is by
	// its bytes, turned round here.
	port := addr[len(addr)-2:]
	port[0], port[1] = port[1], port[0]
	c.key = append(c.key[:0], byte(len(addr)))
	c.key = append(c.key, addr...)
	c.key = append(c.key, side)
	c.key = binary.BigEndian.AppendUint64(c.key, uint64(r.Time.UnixMicro())^1<<63)

	c.value = append(c.value[:0], 0)
	if r.Answered() {
		c.value[0] = 1
	}
	c.value = appendPart(c.value, []byte(r.Tag))
	if r.Answered() {
		c.value = appendPart(c.value, c.fields.AppendState(nil, r))
		if side == newSide {
			c.value = output.AppendJSON(c.value, r)
		}
	}
	return c.entries.Add(c.key, c.value)
}

func appendPart(dst, part []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(part)))
	return append(dst, part...)
}

// A side is the latest record of an address in one dataset.
type side struct {
	there    bool
	answered bool
	time     time.Time
	tag      string
	state    []byte
	record   []byte
}

var errEntry = errors.New("a temporary file of the comparison was changed by another program")

func (s *side) set(key, value []byte) error {
	s.there = true
	s.time = time.UnixMicro(int64(binary.BigEndian.Uint64(key[len(key)-8:]) ^ 1<<63)).UTC()
	s.answered = value[0] == 1
	tag, rest, ok := cutPart(value[1:])
	if !ok {
		return errEntry
	}
	s.tag = string(tag)
	if !s.answered {
		return nil
	}
	state, rest, ok := cutPart(rest)
	if !ok {
		return errEntry
	}
	s.state = append(s.state[:0], state...)
	s.record = append(s.record[:0], rest...)
	return nil
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// Events calls emit with each event, in the order of addresses. The event is valid
// during the call. It returns the errors of emit, and those of temporary files.
func (c *Comparison) Events(emit func(*output.Event) error) error {
	var target []byte
	var sides [2]side
	for e, err := range c.entries.All() {
		if err != nil {
			return err
		}
		const tail = 1 + 8 // side and time
		addr := e.Key[:len(e.Key)-tail]
		if !bytes.Equal(addr, target) {
			if err := c.compare(target, &sides, emit); err != nil {
				return err
			}
			target = append(target[:0], addr...)
			sides[oldSide].there, sides[newSide].there = false, false
		}
		if err := sides[e.Key[len(e.Key)-tail]].set(e.Key, e.Value); err != nil {
			return err
		}
	}
	return c.compare(target, &sides, emit)
}

// compare reports the event of one address, if there is one.
func (c *Comparison) compare(target []byte, sides *[2]side, emit func(*output.Event) error) error {
	before, after := &sides[oldSide], &sides[newSide]
	was, is := before.there && before.answered, after.there && after.answered
	e := output.Event{Time: after.time, Tag: after.tag}
	switch {
	case is && !was:
		e.Kind, e.Record = output.Appeared, after.record
	case was && !is:
		e.Kind = output.Gone
		if !after.there {
			e.Time, e.Tag = c.latest, before.tag
		}
		if e.Time.IsZero() {
			e.Time = before.time // nothing new was asked at all
		}
	case was && is:
		changes, err := c.fields.Changes(before.state, after.state)
		if err != nil || changes == nil {
			return err
		}
		e.Kind, e.Changes, e.Record = output.Changed, changes, after.record
	default:
		return nil
	}
	addr := bytes.Clone(target[1:])
	port := addr[len(addr)-2:]
	port[0], port[1] = port[1], port[0]
	if err := e.Addr.UnmarshalBinary(addr); err != nil {
		return errEntry
	}
	return emit(&e)
}

// Close removes temporary files.
func (c *Comparison) Close() error { return c.entries.Close() }
