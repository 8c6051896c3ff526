package scanner

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/a2scan/a2scan/internal/reply"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A recorder makes the records of outcomes, one after another in memory that it
// reuses: an ordinary server costs no allocation. It belongs to the goroutine
// that writes, and reads nothing of the scan but the outcomes.
type recorder struct {
	wall time.Time // at proto.Time 0

	o          outcome
	record     output.Record
	info       proto.Info
	playerList proto.PlayerList
	ruleList   proto.RuleList

	infoSection    output.Info
	playersSection output.Players
	rulesSection   output.Rules
	players        []output.Player
	rules          []output.Rule

	raw   []output.Datagram
	texts map[reasonKey]string

	// The user's words that came last, as strings: the targets of a range share them.
	input, tag, problem string
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
	ports    uint8
}

// newRecorder returns a recorder for the outcomes of an engine of that wall time.
func newRecorder(wall time.Time) *recorder {
	return &recorder{wall: wall, texts: map[reasonKey]string{}}
}

// lines appends the records of outcomes to dst, one line each, until dst is
// longer than enough, and returns the outcomes that are left.
func (r *recorder) lines(dst, outcomes []byte, enough int) (_, rest []byte) {
	return r.encode(dst, outcomes, enough, output.AppendJSON)
}

// encode is lines with another way to append a record, which is valid during the call.
func (r *recorder) encode(dst, outcomes []byte, enough int, appendRecord func([]byte, *output.Record) []byte) (_, rest []byte) {
	for len(outcomes) > 0 && len(dst) <= enough {
		outcomes = r.o.parse(outcomes)
		r.fill()
		dst = appendRecord(dst, &r.record)
	}
	return dst, outcomes
}

// fill makes the record of the outcome.
func (r *recorder) fill() {
	o := &r.o
	r.record = output.Record{
		Seq:             o.seq,
		PortGiven:       o.given,
		Input:           kept(&r.input, o.input),
		Tag:             kept(&r.tag, o.tag),
		Status:          o.status,
		Time:            r.wall.Add(time.Duration(o.start)),
		Duration:        o.duration,
		RTT:             output.NoRTT,
		PacketsSent:     int(o.sent),
		PacketsReceived: int(o.heard),
		BytesReceived:   int64(o.bytes),
		Challenged:      o.challenged,
	}
	if len(o.source) > 0 {
		r.record.Source = bytes.Clone(o.source)
	}
	switch {
	case o.key == (mux.Key{}):
	case o.refusal == targets.Resolve: // a name without an address; of others a zero one is ::
		r.record.Addr = netip.AddrPortFrom(netip.Addr{}, o.key.Port)
	default:
		r.record.Addr = o.key.AddrPort()
	}
	if o.refusal != targets.Accepted {
		r.refuse()
		return
	}
	r.record.RTT = o.rtt()
	r.record.Attempts = o.attempts()
	problem := ""
	if len(o.problem) > 0 {
		problem = kept(&r.problem, o.problem)
	}
	if status, k := o.verdict(); status == output.Partial {
		r.record.Error = r.text(o.results[k], k, problem)
	} else if status != output.Success {
		r.record.Error = r.text(o.results[k], proto.NumKinds, problem)
	}
	r.infoSection = output.Info{Section: r.section(proto.KindInfo, problem)}
	r.playersSection = output.Players{Section: r.section(proto.KindPlayers, problem)}
	r.rulesSection = output.Rules{Section: r.section(proto.KindRules, problem)}
	r.showSections()
	r.answers()
}

// kept returns b as a string: *last if that is equal, so that it is not made again.
func kept(last *string, b []byte) string {
	if string(b) != *last {
		*last = string(b)
	}
	return *last
}

// section returns the common fields of the section of kind k.
func (r *recorder) section(k proto.Kind, problem string) output.Section {
	res := r.o.results[k]
	s := output.Section{Status: statusOf(res), Attempts: res.Attempts, RTT: res.RTT}
	if s.Status != output.Success && r.o.kinds.Has(k) {
		s.Error = r.text(res, proto.NumKinds, problem)
	}
	return s
}

// showSections lets the record have the sections that were asked for.
func (r *recorder) showSections() {
	if r.o.kinds.Has(proto.KindInfo) {
		r.record.Info = &r.infoSection
	}
	if r.o.kinds.Has(proto.KindPlayers) {
		r.record.Players = &r.playersSection
	}
	if r.o.kinds.Has(proto.KindRules) {
		r.record.Rules = &r.rulesSection
	}
}

// answers decodes the answers among the parts, of each kind the newest, and
// collects the raw datagrams.
func (r *recorder) answers() {
	var have proto.Kinds
	var players []byte // the PLAYER reply
	r.raw = r.raw[:0]
	for parts := r.o.parts; len(parts) > 0; {
		var tag uint32
		var b []byte
		tag, b, parts = nextPart(parts)
		if tag&tagRaw != 0 {
			r.raw = append(r.raw, output.Datagram{
				Time: time.Duration(tag&tagTime) * tagUnit, Sent: tag&tagRaw == tagSent, Data: b,
			})
			continue
		}
		if k := proto.Kind(tag); r.o.results[k].Answered && !have.Has(k) && r.decode(k, b) {
			have |= k.Bit()
			if k == proto.KindPlayers {
				players = b
			}
		}
	}
	var info *proto.Info
	if have.Has(proto.KindInfo) {
		reply.Info(&r.infoSection, &r.info)
		info = &r.info
	}
	if have.Has(proto.KindPlayers) {
		if r.playerList.Ship && have.Has(proto.KindInfo) { // INFO may name another game
			_ = r.playerList.DecodeAfter(players, &r.info)
		}
		r.players = reply.Players(&r.playersSection, &r.playerList, r.players)
	}
	if have.Has(proto.KindRules) {
		r.rules = reply.Rules(&r.rulesSection, &r.ruleList, info, r.rules)
	}
	if r.o.raw {
		slices.Reverse(r.raw) // the parts have the newest first
		r.record.Raw = r.raw
		if r.raw == nil {
			r.record.Raw = []output.Datagram{}
		}
	}
}

// decode decodes an answer and reports whether it is one. The decoded values
// alias body.
func (r *recorder) decode(k proto.Kind, body []byte) bool {
	switch k {
	case proto.KindInfo:
		return r.info.Decode(body) == nil
	case proto.KindPlayers:
		return r.playerList.Decode(body) == nil
	case proto.KindRules:
		return r.ruleList.Decode(body) == nil
	}
	return false
}

// refuse completes the record of a target that was settled without a packet.
func (r *recorder) refuse() {
	r.record.Error = kept(&r.problem, r.o.problem)
	if r.record.Error == "" {
		r.record.Error = r.record.Status.String()
	}
	sec := output.Section{Status: r.record.Status, Error: r.record.Error, RTT: output.NoRTT}
	r.infoSection = output.Info{Section: sec}
	r.playersSection = output.Players{Section: sec}
	r.rulesSection = output.Rules{Section: sec}
	r.showSections()
}

// refusedStatus returns the word for a refusal.
func refusedStatus(refusal targets.Refusal) output.Status {
	switch refusal {
	case targets.Resolve:
		return output.ResolveError
	case targets.Blocked:
		return output.Blocked
	}
	return output.InvalidInput
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
	case proto.ReasonChallenge, proto.ReasonFragments, proto.ReasonUnexpected, proto.ReasonNoMemory:
		return output.Incomplete
	case proto.ReasonMalformed, proto.ReasonLoop, proto.ReasonDenied:
		return output.ProtocolError
	case proto.ReasonAborted:
		return output.Aborted
	}
	return output.Timeout
}

// text returns the words for a failure, made once and remembered.
func (r *recorder) text(res proto.Result, prefix proto.Kind, problem string) string {
	if problem != "" && (res.Reason == proto.ReasonSend || res.Reason == proto.ReasonDenied || res.Reason == proto.ReasonTimeout) { // rare, and different every time
		switch res.Reason {
		case proto.ReasonDenied:
			problem = denial(problem)
		case proto.ReasonTimeout:
			problem = describe(res, r.o.ports) + "; " + problem
		}
		if prefix < proto.NumKinds {
			return prefix.String() + ": " + problem
		}
		return problem
	}
	key := reasonKey{res.Reason, res.Attempts, res.Got, res.Total, prefix, r.o.ports}
	if t, ok := r.texts[key]; ok {
		return t
	}
	t := describe(res, r.o.ports)
	if prefix < proto.NumKinds {
		t = prefix.String() + ": " + t
	}
	if len(r.texts) < maxTexts {
		r.texts[key] = t
	}
	return t
}

// denial describes a server's refusal in its own words, which are escaped.
func denial(words string) string { return "the server refused to answer: " + strconv.Quote(words) }

// describe returns the words for a failure. ports is how many ports were tried, if they are
// several.
func describe(res proto.Result, ports uint8) string {
	attempts := fmt.Sprintf("%d attempts", res.Attempts)
	if res.Attempts == 1 {
		attempts = "1 attempt"
	}
	if res.Attempts == 0 && res.Reason != proto.ReasonAborted && res.Reason != proto.ReasonSend && res.Reason != proto.ReasonDenied {
		return "not asked: an earlier query was not answered"
	}
	switch res.Reason {
	case proto.ReasonRefused:
		switch ports {
		case 0:
			return "port unreachable"
		case 2:
			return "port unreachable, and no answer on another port"
		}
		return fmt.Sprintf("port unreachable, and no answer on %d other ports", ports-1)
	case proto.ReasonUnreachable:
		return "host or network unreachable"
	case proto.ReasonSend:
		return "the system would not send"
	case proto.ReasonChallenge:
		return "challenged, never answered, after " + attempts
	case proto.ReasonFragments:
		if res.Got == 0 {
			return "parts of a reply came, and none could be kept"
		}
		return (&proto.FragmentsError{Got: res.Got, Total: res.Total}).Error()
	case proto.ReasonUnexpected:
		return "only replies to other queries, after " + attempts
	case proto.ReasonMalformed:
		return "the reply does not parse"
	case proto.ReasonNoMemory:
		return "answered, but there was no memory left to keep it: too many targets are in flight"
	case proto.ReasonLoop:
		return "challenge loop"
	case proto.ReasonDenied:
		return "the server refused to answer"
	case proto.ReasonAborted:
		return "the scan stopped first"
	}
	if ports > 1 {
		attempts += fmt.Sprintf(" on %d ports", ports)
	}
	return "no answer after " + attempts
}
