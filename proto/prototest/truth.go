package prototest

import (
	"strings"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// Outcomes is a set of the words with which a section of a record may end.
type Outcomes uint8

// The outcomes. They are the statuses of records that a server can cause.
const (
	Success Outcomes = 1 << iota
	Timeout
	Incomplete
	ProtocolError
	Refused
)

var outcomeNames = [...]string{"success", "timeout", "incomplete", "protocol_error", "refused"}

// ParseOutcome returns the outcome of that name, or none.
func ParseOutcome(status string) Outcomes {
	for i, n := range outcomeNames {
		if n == status {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether o contains any of the outcomes in what.
func (o Outcomes) Has(what Outcomes) bool { return o&what != 0 }

// String returns the words, joined by " or ".
func (o Outcomes) String() string {
	var names []string
	for i, n := range outcomeNames {
		if o.Has(1 << i) {
			names = append(names, n)
		}
	}
	return strings.Join(names, " or ")
}

// An InfoTruth is one INFO reply that a server may be taken at its word for.
type InfoTruth struct {
	proto.Info
	// ActualPlayers and ActualMaxPlayers are the counts beyond the byte, valid
	// with HasActual.
	ActualPlayers, ActualMaxPlayers int
	HasActual                       bool
}

// A Truth is the record that a perfect scanner writes of one server if it asks for Want.
// Values are exactly the bytes that were sent. They are meaningful if the section of their
// kind may succeed.
type Truth struct {
	Server Server
	Want   proto.Kinds

	// Sections is how each kind that was asked for may end, by Kind.
	Sections [3]Outcomes

	// Info holds every acceptable answer, the best first: HLDS sends two.
	// Extra fields that did not come whole are zero, and named by EDFMissing.
	Info []InfoTruth
	// Players holds every acceptable answer: a plugin may answer in addition to the engine.
	Players []proto.PlayerList
	Rules   proto.RuleList // without the rules that carry A3SB
	A3SB    *a3sb.Block    // nil if there is none

	// LeastRTT is the shortest round trip that can be recorded: the server's delay. It is
	// zero if an answer may come right after a request that it does not answer. That
	// happens with servers of the wrong type, and with servers that ask twice and
	// duplicate: they answer a late first challenge again while the reply is on its way.
	LeastRTT time.Duration

	// Challenged says whether the server asked for a challenge, valid with
	// ChallengedKnown.
	Challenged, ChallengedKnown bool
}

// A TruthTeller knows the replies of its servers: a World, or a Replay.
type TruthTeller interface {
	// Truth returns the expected record of the server at e for a scan that asks for want.
	// It returns false if there is no server.
	Truth(e Endpoint, want proto.Kinds) (Truth, bool)
}

// Truth returns the expected record of the server at e. Every endpoint has a server. All
// memory belongs to the caller.
func (w *World) Truth(e Endpoint, want proto.Kinds) (Truth, bool) {
	s := w.ServerAt(e)
	t := Truth{Server: s, Want: want, ChallengedKnown: true, LeastRTT: s.Delay}
	if s.Does.Has(WrongType) {
		t.LeastRTT = 0
	}
	for k := range proto.Kind(3) {
		if !want.Has(k) {
			continue
		}
		t.Sections[k] = s.outcomes(k, want)
		t.Challenged = t.Challenged || s.demandsChallenge(k)
	}
	var sc scratch
	if w.Shares.Loss > 0 {
		t.AllowLoss()
	}
	if want.Has(proto.KindInfo) {
		e := s.engine()
		if e == engineSource || e == engineHLDS || e == engineBoth {
			t.Info = append(t.Info, s.infoTruth(&sc, false))
		}
		if e >= engineOldHLDS {
			t.Info = append(t.Info, s.infoTruth(&sc, true))
		}
	}
	if want.Has(proto.KindPlayers) {
		t.Players = make([]proto.PlayerList, 1)
		s.players(&sc, &t.Players[0])
	}
	if want.Has(proto.KindRules) {
		s.rules(&sc, &t.Rules)
		if g := s.game(); g.kind == arma || g.kind == dayz {
			t.A3SB = &sc.block
			kept := t.Rules.List[:0]
			for _, rule := range t.Rules.List {
				if len(rule.Name) != 2 {
					kept = append(kept, rule)
				}
			}
			t.Rules.List = kept
		}
	}
	return t, true
}

// AllowLoss also allows the outcomes that lost or late packets cause in each section. A
// client that waits in vain may ask for a token by the legacy request, which even servers
// that demand none answer with a challenge.
func (t *Truth) AllowLoss() {
	t.ChallengedKnown = t.ChallengedKnown && t.Challenged
	for k := range t.Sections {
		if t.Want.Has(proto.Kind(k)) {
			t.Sections[k] |= Timeout | Incomplete
			if t.Server.Does.Has(Garbage) {
				t.Sections[k] |= ProtocolError // the noise came through and the answer did not
			}
		}
	}
}

// infoTruth returns a reader's knowledge after the reply of that format.
func (s *Server) infoTruth(sc *scratch, goldSource bool) InfoTruth {
	reply := s.info(sc, goldSource)
	return InfoTruth{Info: reply.whole(), ActualPlayers: reply.actual, ActualMaxPlayers: reply.actualMax, HasActual: reply.hasActual}
}

// outcomes returns how the section of kind k may end without loss.
func (s *Server) outcomes(k proto.Kind, want proto.Kinds) Outcomes {
	switch {
	case s.Does.Has(Silent):
		return Timeout
	case s.Does.Has(Garbage) && !s.noiseFirst():
		return ProtocolError | Incomplete // a ban notice is well-formed
	case s.Does.Has(ChallengeLoop):
		return ProtocolError
	case s.Does.Has(Endless):
		return Incomplete
	case s.Does.Has(WrongType) && s.alwaysWrong():
		switch asker := (k + 2) % 3; { // the kind whose query k is sent for
		case want == k.Bit():
			return Incomplete | ProtocolError
		case want.Has(asker):
			return Success | Incomplete | ProtocolError | Timeout
		}
		return Incomplete | ProtocolError | Timeout
	case s.Does.Has(WrongType) && k != proto.KindInfo:
		return Success | Incomplete | ProtocolError | Timeout
	}
	return Success
}
