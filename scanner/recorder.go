package scanner

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A recorder makes the record of one target after another in memory that it
// keeps: nothing is allocated for an ordinary server.
type recorder struct {
	record output.Record
	asked  bool // the record is of a target that was sent to

	info       proto.Info
	playerList proto.PlayerList
	ruleList   proto.RuleList
	decoded    proto.Kinds // of the datagram that is being handled

	infoSection    output.InfoSection
	playersSection output.PlayersSection
	rulesSection   output.RulesSection

	body     [proto.NumKinds][]byte // stored answers, made contiguous
	raw      []output.RawDatagram
	rawBytes []byte
	refs     []proto.Ref

	texts map[reasonKey]string
}

// maxTexts bounds the error texts that are remembered. There are a few dozen in
// an ordinary scan.
const maxTexts = 4096

type reasonKey struct {
	reason   proto.Reason
	attempts int
	got      int
	total    int
	prefix   proto.Kind // NumKinds: none
}

func (r *recorder) init() { r.texts = map[reasonKey]string{} }

// decode decodes an answer and reports whether it is one. The decoded values
// alias body, and are used by the next gather if body is then still valid.
func (r *recorder) decode(k proto.Kind, body []byte) bool {
	r.decoded = k.Bit()
	switch k {
	case proto.KindInfo:
		return r.info.Decode(body) == nil
	case proto.KindPlayers:
		return r.playerList.Decode(body) == nil
	case proto.KindRules:
		return r.ruleList.Decode(body) == nil
	}
	return true
}

// gather fills the record of the target in slot s, which is done.
func (r *recorder) gather(e *Engine, s *slot, key mux.Key, now proto.Time, sendError string) {
	fresh := r.decoded // what the last datagram brought
	r.decoded = 0
	start, started := s.q.Started()
	if !started {
		start = now
	}
	rec := &r.record
	*rec = output.Record{
		Seq:             s.seq,
		Addr:            key.AddrPort(),
		Time:            e.wall.Add(time.Duration(start)),
		Duration:        now.Sub(start),
		RTT:             output.NoRTT,
		PacketsSent:     int(s.sent),
		PacketsReceived: int(s.heard),
		BytesReceived:   int64(s.bytes),
		Challenged:      s.q.WasChallenged(),
	}
	r.name(rec, e.origins.get(s.origin))
	r.collect(e, s, fresh, rec)

	first, worst := -1, -1 // kinds: the first that failed, the one whose failure tells most
	successes, asked := 0, 0
	var firstResult, worstResult proto.Result
	for k := proto.KindInfo; k <= proto.KindRules; k++ {
		if !e.cfg.Kinds.Has(k) {
			continue
		}
		asked++
		res := s.q.Result(k)
		if res.Reason == proto.ReasonMalformed && s.flags&slotNoRoom != 0 {
			res.Reason = reasonNoRoom
		}
		sec := output.Section{Attempts: res.Attempts, RTT: res.RTT}
		sec.Status = statusOf(res)
		rec.Attempts = max(rec.Attempts, res.Attempts)
		e.stats.Retransmits += uint64(max(res.Attempts-1, 0))
		if rec.RTT < 0 {
			rec.RTT = res.RTT
		}
		if res.Answered {
			successes++
		} else {
			sec.Error = r.text(res, proto.NumKinds, sendError)
			if first < 0 {
				first, firstResult = int(k), res
			}
			if worst < 0 || weight[sec.Status] > weight[statusOf(worstResult)] {
				worst, worstResult = int(k), res
			}
		}
		switch k {
		case proto.KindInfo:
			r.infoSection.Section = sec
			rec.Info = &r.infoSection
		case proto.KindPlayers:
			r.playersSection.Section = sec
			rec.Players = &r.playersSection
		case proto.KindRules:
			r.rulesSection.Section = sec
			rec.Rules = &r.rulesSection
		}
	}
	switch {
	case successes == asked:
		rec.Status = output.Success
	case successes > 0:
		rec.Status = output.Partial
		rec.Error = r.text(firstResult, proto.Kind(first), sendError)
	default:
		rec.Status = statusOf(worstResult)
		rec.Error = r.text(worstResult, proto.NumKinds, sendError)
	}
	r.asked = true
}

// reasonNoRoom is a Reason of the scanner's own: an answer was thrown away, and
// asked for again in vain, because the memory for answers was used up.
const reasonNoRoom proto.Reason = 255

// weight ranks failures by how much they tell of a target that answered nothing.
var weight = [output.NumStatuses]int{
	output.Timeout: 1, output.Incomplete: 2, output.ProtocolError: 3,
	output.Unreachable: 4, output.Refused: 5, output.SendError: 6, output.Aborted: 7,
}

func (r *recorder) name(rec *output.Record, o *targets.Origin) {
	if o != nil {
		rec.Input, rec.Tag = o.Input, o.Tag
	}
}

// collect brings the answers together: those that were stored, and the one that
// was decoded last.
func (r *recorder) collect(e *Engine, s *slot, fresh proto.Kinds, rec *output.Record) {
	r.infoSection.Data, r.playersSection.Data, r.rulesSection.Data = nil, nil, nil
	r.rulesSection.A3SB = nil
	r.refs = r.refs[:0]
	have := proto.Kinds(0)
	for k := proto.KindInfo; k <= proto.KindRules; k++ {
		if fresh.Has(k) && s.q.Result(k).Answered {
			have |= k.Bit()
		}
	}
	for ref := s.kept; ref != 0; ref = e.store.Link(ref) {
		tag := e.store.Tag(ref)
		if tag&(tagReceived|tagSent) != 0 {
			r.refs = append(r.refs, ref)
			continue
		}
		k := proto.Kind(tag)
		if have.Has(k) || !s.q.Result(k).Answered {
			continue
		}
		r.body[k] = e.store.AppendTo(r.body[k][:0], ref)
		if r.decode(k, r.body[k]) {
			have |= k.Bit()
		}
	}
	r.decoded = 0
	if have.Has(proto.KindInfo) {
		r.infoSection.Data = &r.info
	}
	if have.Has(proto.KindPlayers) {
		r.playersSection.Data = &r.playerList
	}
	if have.Has(proto.KindRules) {
		game := a3sb.Unknown
		if have.Has(proto.KindInfo) {
			game = a3sb.GameOf(&r.info)
		}
		if block, rest, err := a3sb.Decode(r.ruleList.List, game); err == nil && block != nil {
			r.rulesSection.A3SB = block
			r.ruleList.List = rest
		}
		r.rulesSection.Data = &r.ruleList
	}
	if e.cfg.Raw {
		rec.Raw = r.datagrams(e.store)
	}
}

// datagrams returns the raw datagrams in the order of time; refs has them newest first.
func (r *recorder) datagrams(store *proto.Arena) []output.RawDatagram {
	r.raw, r.rawBytes = r.raw[:0], r.rawBytes[:0]
	for i := len(r.refs) - 1; i >= 0; i-- {
		r.rawBytes = store.AppendTo(r.rawBytes, r.refs[i])
	}
	rest := r.rawBytes
	for i := len(r.refs) - 1; i >= 0; i-- {
		tag, n := store.Tag(r.refs[i]), store.Len(r.refs[i])
		r.raw = append(r.raw, output.RawDatagram{
			At:       time.Duration(tag&tagTime) * tagUnit,
			Sent:     tag&tagSent != 0,
			Datagram: rest[:n:n],
		})
		rest = rest[n:]
	}
	if r.raw == nil {
		r.raw = []output.RawDatagram{}
	}
	return r.raw
}

// refused fills the record of a target that is settled without a packet.
func (r *recorder) refused(e *Engine, t *targets.Target, now proto.Time) {
	r.asked = false
	r.record = output.Record{
		Seq:   t.Seq,
		Time:  e.wall.Add(time.Duration(now)),
		RTT:   output.NoRTT,
		Error: t.Reason,
	}
	rec := &r.record
	if t.Key.Hi != 0 || t.Key.Lo != 0 {
		rec.Addr = t.Key.AddrPort()
	} else if t.Key.Port != 0 {
		rec.Addr = netip.AddrPortFrom(netip.Addr{}, t.Key.Port)
	}
	r.name(rec, t.Origin)
	switch t.Refusal {
	case targets.Resolve:
		rec.Status = output.ResolveError
	case targets.Blocked:
		rec.Status = output.Blocked
	default:
		rec.Status = output.InvalidInput
	}
	if rec.Error == "" {
		rec.Error = rec.Status.String()
	}
	sec := output.Section{Status: rec.Status, Error: rec.Error, RTT: output.NoRTT}
	if e.cfg.Kinds.Has(proto.KindInfo) {
		r.infoSection = output.InfoSection{Section: sec}
		rec.Info = &r.infoSection
	}
	if e.cfg.Kinds.Has(proto.KindPlayers) {
		r.playersSection = output.PlayersSection{Section: sec}
		rec.Players = &r.playersSection
	}
	if e.cfg.Kinds.Has(proto.KindRules) {
		r.rulesSection = output.RulesSection{Section: sec}
		rec.Rules = &r.rulesSection
	}
}

// statusOf returns the word for how a kind ended.
func statusOf(r proto.Result) output.Status {
	if r.Answered {
		return output.Success
	}
	switch r.Reason {
	case proto.ReasonRefused:
		return output.Refused
	case proto.ReasonUnreachable:
		return output.Unreachable
	case proto.ReasonSend:
		return output.SendError
	case proto.ReasonChallenge, proto.ReasonFragments, proto.ReasonUnexpected, reasonNoRoom:
		return output.Incomplete
	case proto.ReasonMalformed, proto.ReasonLoop:
		return output.ProtocolError
	case proto.ReasonAborted:
		return output.Aborted
	}
	return output.Timeout
}

// text returns the words for a failure, made once and remembered.
func (r *recorder) text(res proto.Result, prefix proto.Kind, sendError string) string {
	if res.Reason == proto.ReasonSend && sendError != "" { // rare, and different every time
		if prefix < proto.NumKinds {
			return prefix.String() + ": " + sendError
		}
		return sendError
	}
	key := reasonKey{res.Reason, res.Attempts, res.Got, res.Total, prefix}
	if t, ok := r.texts[key]; ok {
		return t
	}
	t := describe(res)
	if prefix < proto.NumKinds {
		t = prefix.String() + ": " + t
	}
	if len(r.texts) < maxTexts {
		r.texts[key] = t
	}
	return t
}

func describe(res proto.Result) string {
	tries := fmt.Sprintf("%d tries", res.Attempts)
	if res.Attempts == 1 {
		tries = "1 try"
	}
	if res.Attempts == 0 && res.Reason != proto.ReasonAborted && res.Reason != proto.ReasonSend {
		return "not asked: an earlier query was not answered"
	}
	switch res.Reason {
	case proto.ReasonRefused:
		return "port unreachable"
	case proto.ReasonUnreachable:
		return "host or network unreachable"
	case proto.ReasonSend:
		return "the system would not send"
	case proto.ReasonChallenge:
		return "challenged, never answered, after " + tries
	case proto.ReasonFragments:
		if res.Got == 0 {
			return "parts of a reply came, and none could be kept"
		}
		return (&proto.FragmentsError{Got: res.Got, Total: res.Total}).Error()
	case proto.ReasonUnexpected:
		return "only replies to other queries, after " + tries
	case proto.ReasonMalformed:
		return "the reply does not parse"
	case reasonNoRoom:
		return "answered, but there was no memory left to keep it; use a smaller --max-in-flight"
	case proto.ReasonLoop:
		return "challenge loop"
	case proto.ReasonAborted:
		return "the scan stopped first"
	}
	return "no answer after " + tries
}
