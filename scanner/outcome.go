package scanner

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// An outcome is the result of a target, from which its record is made. The loop writes it
// as bytes without a pointer when it settles the target. The recorder decodes the answers
// and encodes the record on another goroutine: for a scan that asks for lists that is a
// third of the work.
//
// In a buffer an outcome is a header of fixed size, the user's words, and parts:
//
//	length u32 of all of it, header, input, tag, source, problem, { tag u32, length u32, bytes }…
//
// A part is an answer from its type byte on, under its kind, or with --raw a
// datagram, with a tag of its time and direction (raw.go). The newest comes first.
type outcome struct {
	seq        uint64
	key        mux.Key
	start      proto.Time // the first send, of a target that was never sent to its end; stalls included
	duration   time.Duration
	bytes      uint32 // received
	sent       uint16 // datagrams
	heard      uint16
	status     output.Status
	kinds      proto.Kinds // that were asked for
	refusal    targets.Refusal
	given      uint16 // the port that was asked first, if key has another; else 0
	ports      uint8  // that were tried, if they are several; else 0
	challenged bool
	raw        bool // the datagrams are among the parts
	results    [numSections]proto.Result

	input, tag []byte // of the user's; empty: none
	source     []byte // the JSON object that the target was read from; empty: none
	problem    []byte // the reason from the system or the list; empty: none
	parts      []byte
}

// numSections is how many kinds have a section in the record.
const numSections = int(proto.KindRules) + 1

// Places in the header.
const (
	atStatus     = 4
	atKinds      = 5
	atRefusal    = 6
	atFlags      = 7
	atSeq        = 8
	atKeyHi      = 16
	atKeyLo      = 24
	atKeyScope   = 32
	atKeyPort    = 36
	atSent       = 38
	atHeard      = 40
	atGiven      = 42
	atBytes      = 44
	atStart      = 48
	atDuration   = 56
	atResults    = 64
	resultSize   = 12 // RTT in µs u32, fragments u16 of u16, reason, answered, attempts u16
	atInput      = atResults + numSections*resultSize
	atTag        = atInput + 4
	atSource     = atTag + 4
	atProblem    = atSource + 4
	atPorts      = atProblem + 4
	outcomeFixed = atPorts + 1
	partFixed    = 8
)

const (
	outcomeChallenged = 1 << iota
	outcomeRaw
)

// noRTT means that no RTT was measured. A Query counts the microseconds of an hour, which
// are fewer.
const noRTT = math.MaxUint32

// append appends o, whose parts must be empty, and returns the place where it begins.
// Parts may be appended after it; then endOutcome must be called.
func (o *outcome) append(dst []byte) (_ []byte, at int) {
	at = len(dst)
	dst = slices.Grow(dst, outcomeFixed)[:at+outcomeFixed]
	h := dst[at : at+outcomeFixed : at+outcomeFixed]
	le := binary.LittleEndian
	h[atStatus] = byte(o.status)
	h[atKinds] = byte(o.kinds)
	h[atRefusal] = byte(o.refusal)
	h[atFlags] = 0
	if o.challenged {
		h[atFlags] |= outcomeChallenged
	}
	if o.raw {
		h[atFlags] |= outcomeRaw
	}
	le.PutUint64(h[atSeq:], o.seq)
	le.PutUint64(h[atKeyHi:], o.key.Hi)
	le.PutUint64(h[atKeyLo:], o.key.Lo)
	le.PutUint32(h[atKeyScope:], o.key.Scope)
	le.PutUint16(h[atKeyPort:], o.key.Port)
	le.PutUint16(h[atSent:], o.sent)
	le.PutUint16(h[atHeard:], o.heard)
	le.PutUint16(h[atGiven:], o.given)
	le.PutUint32(h[atBytes:], o.bytes)
	le.PutUint64(h[atStart:], uint64(o.start))
	le.PutUint64(h[atDuration:], uint64(o.duration))
	for k := range o.results {
		r, b := &o.results[k], h[atResults+k*resultSize:][:resultSize]
		rtt := uint32(noRTT)
		if r.RTT >= 0 {
			rtt = uint32(r.RTT / time.Microsecond)
		}
		le.PutUint32(b[0:], rtt)
		le.PutUint16(b[4:], uint16(r.Got))
		le.PutUint16(b[6:], uint16(r.Total))
		b[8], b[9] = byte(r.Reason), 0
		if r.Answered {
			b[9] = 1
		}
		le.PutUint16(b[10:], uint16(r.Attempts))
	}
	le.PutUint32(h[atInput:], uint32(len(o.input)))
	le.PutUint32(h[atTag:], uint32(len(o.tag)))
	le.PutUint32(h[atSource:], uint32(len(o.source)))
	le.PutUint32(h[atProblem:], uint32(len(o.problem)))
	h[atPorts] = o.ports
	dst = append(dst, o.input...)
	dst = append(dst, o.tag...)
	dst = append(dst, o.source...)
	return append(dst, o.problem...), at
}

// appendPart appends a part to the outcome that was appended last.
func appendPart(dst []byte, tag uint32, b []byte) []byte {
	dst = appendPartHead(dst, tag, len(b))
	return append(dst, b...)
}

// appendPartHead appends the head of a part of n bytes.
func appendPartHead(dst []byte, tag uint32, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, tag)
	return binary.LittleEndian.AppendUint32(dst, uint32(n))
}

// endOutcome completes the outcome that begins at at and ends with dst.
func endOutcome(dst []byte, at int) []byte {
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

// parse sets o to the first outcome in b and returns the rest. o aliases b.
func (o *outcome) parse(b []byte) (rest []byte) {
	le := binary.LittleEndian
	n := le.Uint32(b)
	b, rest = b[:n:n], b[n:]
	h := b[:outcomeFixed]
	o.status = output.Status(h[atStatus])
	o.kinds = proto.Kinds(h[atKinds])
	o.refusal = targets.Refusal(h[atRefusal])
	o.challenged = h[atFlags]&outcomeChallenged != 0
	o.raw = h[atFlags]&outcomeRaw != 0
	o.seq = le.Uint64(h[atSeq:])
	o.key = mux.Key{
		Hi: le.Uint64(h[atKeyHi:]), Lo: le.Uint64(h[atKeyLo:]),
		Scope: le.Uint32(h[atKeyScope:]), Port: le.Uint16(h[atKeyPort:]),
	}
	o.sent, o.heard = le.Uint16(h[atSent:]), le.Uint16(h[atHeard:])
	o.given, o.ports = le.Uint16(h[atGiven:]), h[atPorts]
	o.bytes = le.Uint32(h[atBytes:])
	o.start = proto.Time(le.Uint64(h[atStart:]))
	o.duration = time.Duration(le.Uint64(h[atDuration:]))
	for k := range o.results {
		r := h[atResults+k*resultSize:][:resultSize]
		rtt := time.Duration(-1)
		if us := le.Uint32(r); us != noRTT {
			rtt = time.Duration(us) * time.Microsecond
		}
		o.results[k] = proto.Result{
			RTT: rtt, Got: int(le.Uint16(r[4:])), Total: int(le.Uint16(r[6:])),
			Reason: proto.Reason(r[8]), Answered: r[9] != 0, Attempts: int(le.Uint16(r[10:])),
		}
	}
	words := b[outcomeFixed:]
	take := func(n uint32) (w []byte) {
		w, words = words[:n:n], words[n:]
		return w
	}
	o.input = take(le.Uint32(h[atInput:]))
	o.tag = take(le.Uint32(h[atTag:]))
	o.source = take(le.Uint32(h[atSource:]))
	o.problem = take(le.Uint32(h[atProblem:]))
	o.parts = words
	return rest
}

// nextPart takes the first of parts off.
func nextPart(parts []byte) (tag uint32, b, rest []byte) {
	tag = binary.LittleEndian.Uint32(parts)
	n := binary.LittleEndian.Uint32(parts[4:])
	return tag, parts[partFixed:][:n:n], parts[partFixed+n:]
}

// weight ranks failures of a target that answered nothing: the most specific is its error.
var weight = [output.NumStatuses]int{
	output.Timeout: 1, output.Incomplete: 2, output.ProtocolError: 3,
	output.Unreachable: 4, output.Refused: 5, output.SendError: 6, output.Aborted: 7,
}

// verdict returns the status of a target that was asked, and the kind whose
// failure is its error: the first that failed if others were answered, else the one with the
// largest weight. The kind means nothing on success.
func (o *outcome) verdict() (output.Status, proto.Kind) {
	first, worst := -1, -1
	answered := false
	for k := range o.results {
		switch {
		case !o.kinds.Has(proto.Kind(k)):
		case o.results[k].Answered:
			answered = true
		default:
			if first < 0 {
				first = k
			}
			if worst < 0 || weight[statusOf(o.results[k])] > weight[statusOf(o.results[worst])] {
				worst = k
			}
		}
	}
	switch {
	case first < 0:
		return output.Success, 0
	case answered:
		return output.Partial, proto.Kind(first)
	}
	return statusOf(o.results[worst]), proto.Kind(worst)
}

// abortFirst makes the first section that was answered an aborted one.
func (o *outcome) abortFirst() {
	for k := range o.results {
		if r := &o.results[k]; o.kinds.Has(proto.Kind(k)) && r.Answered {
			r.Answered, r.Reason, r.RTT = false, proto.ReasonAborted, output.NoRTT
			return
		}
	}
}

// rtt returns the target's round trip, that of the first kind that has one, or
// output.NoRTT.
func (o *outcome) rtt() time.Duration {
	for k := range o.results {
		if o.kinds.Has(proto.Kind(k)) && o.results[k].RTT >= 0 {
			return o.results[k].RTT
		}
	}
	return output.NoRTT
}

// attempts returns the most tries that a kind had.
func (o *outcome) attempts() int {
	n := 0
	for k := range o.results {
		if o.kinds.Has(proto.Kind(k)) {
			n = max(n, o.results[k].Attempts)
		}
	}
	return n
}
