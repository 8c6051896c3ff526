package scanner

import (
	"cmp"
	"slices"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/scanner/targets"
)

// known is the memory of a watch: its targets, and the last answer of each.
type known struct {
	fields    output.Fields
	goneAfter uint16

	servers []server // in the order of their moments
	index   map[mux.Key]uint32
	refused []targets.Target // settled without a packet

	round   uint64
	state   []byte // scratch
	changes output.Event
}

// A server is a target with an address. Its state comes from AppendState of known.fields,
// for its last answer.
type server struct {
	key    mux.Key
	phase  phase
	silent uint16 // complete rounds in a row without an answer
	mute   bool   // it was silent in the round that runs
	seq    uint64
	origin *targets.Origin
	state  string
	time   int64 // of the last answer, in microseconds since 1970
}

// A phase is the last event of a server, as far as it matters.
type phase uint8

const (
	unseen phase = iota // it has never answered
	up
	gone
)

func newKnown(fields output.Fields, goneAfter int) *known {
	return &known{fields: fields, goneAfter: uint16(goneAfter), index: map[mux.Key]uint32{}}
}

// setTargets makes list the targets from now on. Servers that were in the list before keep
// their state; the others are forgotten.
func (k *known) setTargets(list []targets.Target) {
	if k.sameTargets(list) {
		return
	}
	servers := make([]server, 0, len(list))
	k.refused = nil
	seen := make(map[mux.Key]uint32, len(list))
	for i := range list {
		t := &list[i]
		if t.Refusal != targets.Accepted {
			k.refused = append(k.refused, *t)
			continue
		}
		if _, twice := seen[t.Key]; twice {
			continue
		}
		s := server{key: t.Key}
		if at, ok := k.index[t.Key]; ok {
			s = k.servers[at]
		}
		s.seq, s.origin, s.mute = t.Seq, t.Origin, false
		seen[t.Key] = 0
		servers = append(servers, s)
	}
	k.order(servers, seen)
}

// sameTargets reports whether list has the known servers, and only them. It takes over
// their numbers and origins.
func (k *known) sameTargets(list []targets.Target) bool {
	if len(list) != len(k.servers) || len(k.refused) > 0 {
		return false
	}
	found := make([]bool, len(k.servers)) // a list may hold a target twice, and another not at all
	for i := range list {
		at, ok := k.index[list[i].Key]
		if !ok || found[at] || list[i].Refusal != targets.Accepted {
			return false
		}
		found[at] = true
	}
	for i := range list {
		s := &k.servers[k.index[list[i].Key]]
		s.seq, s.origin = list[i].Seq, list[i].Origin
	}
	return true
}

// order sorts servers by their moments and makes them the known ones.
func (k *known) order(servers []server, index map[mux.Key]uint32) {
	slices.SortFunc(servers, func(a, b server) int {
		return cmp.Or(cmp.Compare(momentHash(a.key), momentHash(b.key)), compareKeys(a.key, b.key))
	})
	for i := range servers {
		index[servers[i].key] = uint32(i)
	}
	k.servers, k.index = servers, index
}

// momentHash is a server's place in the order of a round: a hash of its address and port,
// so servers keep their order when a list grows or shrinks.
func momentHash(k mux.Key) uint64 {
	return mix(k.Lo ^ mix(k.Hi^mix(uint64(k.Scope)<<16|uint64(k.Port))))
}

func compareKeys(a, b mux.Key) int {
	return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Scope, b.Scope))
}

// begin begins a round.
func (k *known) begin(round uint64) {
	k.round = round
	for i := range k.servers {
		k.servers[i].mute = false
	}
}

// end ends a round in which every server was asked.
func (k *known) end() {
	for i := range k.servers {
		if s := &k.servers[i]; s.mute && s.silent < k.goneAfter {
			s.silent++
		}
	}
}

// take takes in a record of the round and returns its event, nil if it is no news. The
// event is valid until the next call; its Record is not set.
func (k *known) take(r *output.Record) *output.Event {
	at, ok := k.index[mux.KeyFrom(r.Target())]
	if !ok {
		return nil
	}
	s := &k.servers[at]
	switch {
	case r.Answered():
		return k.answered(s, r)
	case silence(r.Status):
		s.mute = true
		if s.phase == up && s.silent+1 >= k.goneAfter {
			s.phase = gone
			return k.event(output.Gone, r, r.Time.Add(r.Duration))
		}
	}
	return nil
}

// silence reports whether a status says that a server gave no answer. A packet that could
// not be sent says nothing about the server.
func silence(s output.Status) bool {
	switch s {
	case output.Timeout, output.Refused, output.Unreachable, output.Incomplete, output.ProtocolError:
		return true
	}
	return false
}

// answered compares an answer with the last one.
func (k *known) answered(s *server, r *output.Record) *output.Event {
	end := r.Time.Add(r.Duration)
	before, old := s.phase, s.state
	s.phase, s.silent, s.mute, s.time = up, 0, false, end.UnixMicro()
	k.state = k.fields.AppendState(k.state[:0], r)
	if before == unseen {
		s.state = string(k.state)
		return k.event(output.Appeared, r, end)
	}
	if before == up && string(k.state) == old {
		return nil
	}
	changes, err := k.fields.Changes([]byte(old), k.state)
	if err != nil { // the state was of other fields
		changes = nil
	}
	s.state = string(k.fields.MergeState(nil, []byte(old), k.state))
	switch {
	case before == gone:
		e := k.event(output.Returned, r, end)
		e.Changes = changes
		if changes == nil {
			e.Changes = []output.Change{}
		}
		return e
	case changes == nil:
		return nil
	}
	e := k.event(output.Changed, r, end)
	e.Changes = changes
	return e
}

func (k *known) event(kind output.EventKind, r *output.Record, at time.Time) *output.Event {
	k.changes = output.Event{Kind: kind, Time: at, Round: k.round, Addr: r.Target(), Tag: r.Tag}
	return &k.changes
}

// replay takes in an event that an earlier run has written after its last state.
func (k *known) replay(kind output.EventKind, addr mux.Key, at time.Time, r *output.Record) {
	i, ok := k.index[addr]
	if !ok {
		i = uint32(len(k.servers))
		k.index[addr] = i
		k.servers = append(k.servers, server{key: addr})
	}
	s := &k.servers[i]
	s.silent = 0
	switch {
	case kind == output.Gone:
		s.phase, s.silent = gone, k.goneAfter
	case r != nil && r.Answered():
		s.phase, s.time = up, at.UnixMicro()
		s.state = string(k.fields.MergeState(nil, []byte(s.state), k.fields.AppendState(nil, r)))
	}
}
