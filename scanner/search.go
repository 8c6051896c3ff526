package scanner

import (
	"math"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// A search tries the ports of one target, one after another, until one of them says
// anything but that it is closed. Config.PortOffsets gives the further ports.
//
// All ports share the target's time. The given port gets half of it at most, and each
// further one an equal part of what is left, so every port is tried however long the
// timeouts are. A port that begins to answer gets all that is left.
type search struct {
	until    proto.Time // when a silent port is given up, or a busy one is looked at again; 0: never
	attempts [numSections]uint16
	reasons  [numSections]proto.Reason // of the given port
	given    uint16
	tried    uint8 // ports that were given up
	next     uint8 // in PortOffsets
	heard    bool  // a datagram came from this port
}

// busyTime is how long a search waits before it looks again at a port that another target
// is asking.
const busyTime = 20 * time.Millisecond

// nextPort returns the next port to try for slot i. It leaves out those that do not exist
// and those that are targets themselves.
func (e *engine) nextPort(i uint32) (mux.Key, bool) {
	x, key := &e.searches[i], e.table.Key(i)
	for ; int(x.next) < len(e.cfg.PortOffsets); x.next++ {
		port := int(x.given) + e.cfg.PortOffsets[x.next]
		if port < 1 || port > math.MaxUint16 {
			continue
		}
		key.Port = uint16(port)
		if e.isTarget == nil || !e.isTarget(key) {
			return key, true
		}
	}
	return mux.Key{}, false
}

// isSilent reports whether slot i's query ended, and nothing came but ICMP errors that say
// that the port is closed.
func (e *engine) isSilent(i uint32) bool {
	s := &e.slab.slots[i]
	for k := range proto.Kind(numSections) {
		if s.kinds.Has(k) {
			if r := s.q.Result(k).Reason; r != proto.ReasonTimeout && r != proto.ReasonRefused {
				return false
			}
		}
	}
	return true
}

// tryNext lets slot i, whose query is done, ask its target's next port. It returns false if
// the target is to be settled.
func (e *engine) tryNext(now proto.Time, i uint32) bool {
	if e.searches == nil || !e.isSilent(i) {
		return false
	}
	s, x := &e.slab.slots[i], &e.searches[i]
	start, started := s.q.Started()
	end := start.Add(e.cfg.TargetTimeout)
	if !started || now >= end {
		return false
	}
	key, ok := e.nextPort(i)
	if !ok {
		return false
	}
	e.unlist(i)
	s.flags &^= slotPaced | slotRetries | slotDeferred
	if _, busy := e.table.Find(key); busy { // there is one conversation with each port
		s.flags |= slotBusy
		x.until = min(now.Add(busyTime), end)
		e.rearm(i)
		return true
	}
	for k := range proto.Kind(numSections) {
		if !s.kinds.Has(k) {
			continue
		}
		res := s.q.Result(k)
		e.stats.Retransmits += uint64(max(res.Attempts-1, 0))
		x.attempts[k] += uint16(res.Attempts)
		if x.tried == 0 {
			x.reasons[k] = res.Reason
		}
	}
	old := e.table.Key(i)
	e.table.Delete(i)
	e.table.Insert(key, i)
	e.twins.release(old)
	e.recent.add(old)
	x.tried++
	x.next++
	x.until, x.heard = 0, false
	s.open = 0
	s.flags = s.flags&^slotBusy | slotRetries // before fresh targets
	e.client.BeginSince(&s.q, s.kinds, start)
	e.want(now, i)
	e.rearm(i)
	return true
}

// limitPort decides when slot i's port is given up if it stays silent, once the first
// packet went there.
func (e *engine) limitPort(now proto.Time, i uint32) {
	x := &e.searches[i]
	if x.heard || x.until != 0 {
		return
	}
	start, _ := e.slab.slots[i].q.Started()
	parts := 2
	if x.tried > 0 {
		parts = len(e.cfg.PortOffsets) - int(x.next) + 1
	}
	x.until = now.Add(start.Add(e.cfg.TargetTimeout).Sub(now) / time.Duration(parts))
}

// givesUp reports whether slot i's port was silent for its part of the time, and there is
// another.
func (e *engine) givesUp(now proto.Time, i uint32) bool {
	if e.searches == nil || e.slab.slots[i].flags&slotBusy != 0 {
		return false
	}
	x := &e.searches[i]
	if x.heard || x.until == 0 || now < x.until {
		return false
	}
	if _, more := e.nextPort(i); !more {
		x.heard, x.until = true, 0 // the rest of the time is this port's
		return false
	}
	return true
}

// finish completes the outcome of a target of which several ports were tried. It is about
// the port that said something, else about the given one.
func (x *search) finish(o *outcome) {
	if x.tried == 0 {
		return
	}
	o.ports = x.tried + 1
	for k := range o.results {
		o.results[k].Attempts += int(x.attempts[k])
	}
	switch status, _ := o.verdict(); status {
	case output.Timeout, output.Refused:
		for k := range o.results {
			o.results[k].Reason = x.reasons[k]
		}
		o.key.Port = x.given
	case output.Aborted, output.SendError, output.Unreachable:
		o.key.Port = x.given
	default:
		o.given = x.given
	}
}
