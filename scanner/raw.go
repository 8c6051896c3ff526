package scanner

import (
	"encoding/binary"
	"time"

	"github.com/a2scan/a2scan/internal/arena"
	"github.com/a2scan/a2scan/proto"
)

// The two highest bits of a stored string's tag tell answers (the tag is the kind) from raw
// datagrams. The other 30 bits of a datagram's tag are its time since the target's first
// send. They hold 71 minutes, more than maxTimeout.
const (
	tagReceived uint32 = 1 << 30
	tagSent     uint32 = 2 << 30
	tagStep     uint32 = 3 << 30 // received; makes way for newer ones
	tagRaw             = tagStep // any of these
	tagTime            = tagReceived - 1
	tagUnit            = 4 * time.Microsecond
)

// Limits of the datagrams that --raw keeps per target. A thousand datagrams are three long
// replies in small fragments, each sent several times. A server that sends without end
// cannot take the memory of others.
//
// Half of the room is for useless datagrams: noise, duplicates, unsolicited replies. The
// other half is for useful ones, so noise cannot displace them. Whole answers stay in it:
// it holds four datagrams of the largest size, and no target has more answers (INFO twice,
// PLAYER, RULES). Challenges and fragments are steps towards an answer, and a server can
// send any number of them: if they have no room, the oldest are dropped, as in reassembly.
// The fragments of a whole answer belong to the answer.
const (
	maxRaw      = 1024
	maxRawBytes = 512 << 10
)

// A rawShare is a part of the datagrams that a target may keep.
type rawShare struct {
	bytes uint32
	n     uint16
}

func (r *rawShare) add(n int) { r.bytes += uint32(n); r.n++ }

func (r *rawShare) remove(n int) { r.bytes -= uint32(n); r.n-- }

// has reports whether a datagram of n bytes fits in.
func (r *rawShare) has(n int) bool {
	return r.n < maxRaw/2 && int(r.bytes)+n <= maxRawBytes/2
}

// A rawUse counts the datagrams of a target. It is not part of the slot because only scans
// with --raw need it.
type rawUse struct {
	noise rawShare // useless datagrams
	taken rawShare // the rest, steps among them
	steps rawShare // that may be dropped
	left  uint32   // datagrams that are not in the record
}

// A rawClass is the role that a received datagram had.
type rawClass uint8

const (
	rawNoise  rawClass = iota // nothing
	rawStep                   // a challenge, or a fragment
	rawAnswer                 // an answer, or the last fragment of one
)

// classOf returns the role of the datagram that led to out.
func classOf(out *proto.Output) rawClass {
	switch out.Verdict {
	case proto.Answer, proto.Upgrade:
		return rawAnswer
	case proto.Challenged, proto.Fragment, proto.Deferred:
		return rawStep
	}
	return rawNoise
}

// keepReceived keeps a datagram for the record; out is the Query's reaction to it.
func (e *engine) keepReceived(now proto.Time, i uint32, b []byte, out *proto.Output) {
	s, u := &e.slab.slots[i], &e.raws[i]
	class, share, tag := classOf(out), &u.taken, tagReceived
	switch {
	case class == rawNoise:
		share = &u.noise
	case class == rawStep:
		tag = tagStep
	case out.Split && len(b) >= 8:
		e.pinSteps(s, u, binary.LittleEndian.Uint32(b[4:]), ^uint32(0))
	}
	if class != rawNoise && !share.has(len(b)) {
		e.dropSteps(s, u, len(b), class)
	}
	if !share.has(len(b)) || !e.keepRaw(now, s, b, tag) {
		u.left++
		return
	}
	share.add(len(b))
	if class == rawStep {
		u.steps.add(len(b))
	}
}

// keepSent keeps a datagram that was sent. There are few, and short ones.
func (e *engine) keepSent(now proto.Time, i uint32, b []byte) {
	if !e.keepRaw(now, &e.slab.slots[i], b, tagSent) {
		e.raws[i].left++
	}
}

// keepRaw reports whether it kept b.
func (e *engine) keepRaw(now proto.Time, s *slot, b []byte, tag uint32) bool {
	start, started := s.q.Started()
	if !started {
		return false // it has not been asked yet: its time has no beginning
	}
	if !e.keep(s, b, tag|uint32(now.Sub(start)/tagUnit)&tagTime) {
		e.stats.NoMemory++
		return false
	}
	return true
}

// pinSteps lets those fragments stay whose id is that of an answer, in the bits of mask.
func (e *engine) pinSteps(s *slot, u *rawUse, id, mask uint32) {
	for r := s.kept; r != 0; r = e.store.Link(r) {
		if e.store.Tag(r)&tagRaw != tagStep {
			continue
		}
		if h := e.store.Head(r); len(h) >= 8 && h[0] == 0xFE && binary.LittleEndian.Uint32(h[4:])&mask == id&mask {
			e.store.SetTag(r, e.store.Tag(r)&tagTime|tagReceived)
			u.steps.remove(e.store.Len(r))
		}
	}
}

// pinInflated is pinSteps for an answer that had waited for inflation budget. Its id is
// not known any more, but that it was compressed shows in each.
func (e *engine) pinInflated(i uint32, out *proto.Output) {
	if classOf(out) == rawAnswer {
		e.pinSteps(&e.slab.slots[i], &e.raws[i], 1<<31, 1<<31)
	}
}

// dropSteps makes room for a datagram of n bytes: the older half of the steps makes way,
// and again until it fits. For one that is a step itself that is done only where there
// are many, since each time all that the target has is gone through.
func (e *engine) dropSteps(s *slot, u *rawUse, n int, class rawClass) {
	for u.steps.n > 0 && !u.taken.has(n) {
		if class == rawStep && u.steps.bytes < maxRawBytes/16 && u.steps.n < maxRaw/16 {
			return
		}
		most, newest := u.steps, rawShare{}
		most.bytes, most.n = most.bytes/2, most.n/2
		var behind arena.Ref // the one before r, which is newer
		for r := s.kept; r != 0; {
			next, size := e.store.Link(r), e.store.Len(r)
			if e.store.Tag(r)&tagRaw != tagStep {
				behind, r = r, next
				continue
			}
			if newest.add(size); newest.n <= most.n && newest.bytes <= most.bytes {
				behind, r = r, next
				continue
			}
			if behind == 0 {
				s.kept = next
			} else {
				e.store.SetLink(behind, next)
			}
			e.store.Free(r)
			u.taken.remove(size)
			u.steps.remove(size)
			u.left++
			r = next
		}
	}
}

// countLeft counts the datagrams that are not in the record of slot i.
func (e *engine) countLeft(i uint32) {
	if n := e.raws[i].left; n > 0 {
		e.stats.RawLeft += uint64(n)
		e.stats.RawShort++
	}
}
