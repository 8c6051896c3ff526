package output

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
)

// An EventKind is the kind of an event.
type EventKind string

// The kinds of events. All but RoundEnded are about one server.
const (
	Appeared EventKind = "appeared" // the first answer
	Changed  EventKind = "changed"  // another value in a field that counts
	Gone     EventKind = "gone"     // no answer any more
	Returned EventKind = "returned" // an answer after Gone

	RoundEnded EventKind = "round" // every server was asked once more
)

// An Event is a change of one server, or the end of a round.
type Event struct {
	Kind    EventKind
	Time    time.Time
	Round   uint64 // from 1; 0 is written as null
	Addr    netip.AddrPort
	Tag     string   // empty is written as null
	Changes []Change // nil is written as null
	Record  []byte   // the server's record as AppendJSON wrote it; nil is written as null

	Counts *RoundCounts // of a RoundEnded, which has neither Addr nor what follows it
}

// RoundCounts count what came of a round.
type RoundCounts struct {
	Targets  uint64
	Statuses StatusCounts
	Events   map[EventKind]uint64
}

func (c *RoundCounts) appendJSON(dst []byte) []byte {
	dst = appendUint(append(dst, '{'), `"targets":`, c.Targets)
	for i, n := range c.Statuses {
		dst = appendUint(dst, `,"`+statusNames[i]+`":`, n)
	}
	for _, kind := range []EventKind{Appeared, Changed, Gone, Returned} {
		dst = appendUint(dst, `,"`+string(kind)+`":`, c.Events[kind])
	}
	return append(dst, '}')
}

// AppendJSON appends e as one line of JSON with its newline.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, SchemaVersion, 10)
	dst = appendWord(dst, `,"event":`, string(e.Kind))
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, e.Time)
	dst = appendOptionalUint(dst, `,"round":`, e.Round, e.Round != 0)
	if e.Counts != nil {
		return append(e.Counts.appendJSON(append(dst, `,"counts":`...)), '}', '\n')
	}
	dst = appendAddr(dst, e.Addr)
	dst = appendOptional(dst, `,"tag":`, e.Tag, e.Tag != "")
	dst = append(dst, `,"changes":`...)
	if e.Changes == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '{')
		for i := range e.Changes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.Changes[i].appendJSON(dst)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `,"record":`...)
	if e.Record == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, bytes.TrimSuffix(e.Record, []byte{'\n'})...)
	}
	return append(dst, '}', '\n')
}

// A Change is the old and the new value of a field.
type Change struct {
	Field    string // by its name in the record, such as map or rules.mp_timelimit
	Old, New Value
}

// appendJSON appends the member of changes. As in records, a text that is not valid
// UTF-8 has a second member with its true bytes.
func (c *Change) appendJSON(dst []byte) []byte {
	dst, _ = appendString(dst, c.Field)
	dst = append(dst, ':', '[')
	dst, oldLossy := c.Old.appendJSON(dst)
	dst = append(dst, ',')
	dst, newLossy := c.New.appendJSON(dst)
	dst = append(dst, ']')
	if !oldLossy && !newLossy {
		return dst
	}
	dst = append(dst, ',')
	dst, _ = appendString(dst, c.Field+"_b64")
	dst = append(dst, ':', '[')
	dst = c.Old.appendBase64(dst, oldLossy)
	dst = append(dst, ',')
	dst = c.New.appendBase64(dst, newLossy)
	return append(dst, ']')
}

// A Value is a field's value: a text, or another value as JSON.
type Value struct {
	encoded string // 't' and the bytes of a text, or 'j' and JSON; empty: null
}

func (v Value) appendJSON(dst []byte) (_ []byte, lossy bool) {
	switch {
	case v.encoded == "":
		return append(dst, "null"...), false
	case v.encoded[0] == 't':
		return appendString(dst, v.encoded[1:])
	}
	return append(dst, v.encoded[1:]...), false
}

func (v Value) appendBase64(dst []byte, lossy bool) []byte {
	if !lossy {
		return append(dst, "null"...)
	}
	return appendBase64(dst, v.encoded[1:])
}
