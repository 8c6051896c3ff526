package prototest

import (
	"bytes"
	"time"

	"github.com/a2scan/a2scan/proto"
)

// tokenLife is how long a challenge stays the one that is handed out; it is
// accepted for as long again (Xash3D FWGS: 5 s and 10 s).
const tokenLife = proto.Time(10 * time.Second)

// A request is a datagram as a server reads it.
type request struct {
	kind     proto.Kind
	token    proto.Challenge
	hasToken bool
	legacy   bool // a GETCHALLENGE, for which kind means nothing
	exact    bool // it has no bytes that do not belong to it
}

var infoRequest = proto.KindInfo.AppendRequest(nil, proto.NoChallenge)

// parseRequest reads a request as engines do: bytes behind the token are ignored, and
// less than a whole token is none. It returns false for anything else, which gets no
// answer.
func parseRequest(b []byte) (request, bool) {
	if len(b) < 5 || le.Uint32(b) != 0xFFFFFFFF {
		return request{}, false
	}
	switch b[4] {
	case proto.TypeInfoRequest:
		if !bytes.HasPrefix(b, infoRequest) {
			return request{}, false
		}
		return withToken(proto.KindInfo, b[len(infoRequest):], true), true
	case proto.TypePlayersRequest, proto.TypeRulesRequest:
		k := proto.KindPlayers
		if b[4] == proto.TypeRulesRequest {
			k = proto.KindRules
		}
		return withToken(k, b[5:], false), true // without any token: seen, and answered like a wrong token
	case proto.TypeGetChallengeRequest:
		return request{legacy: true, exact: len(b) == 5}, true
	case proto.TypePingRequest:
		return request{kind: proto.KindPing, exact: len(b) == 5}, true
	}
	return request{}, false
}

// withToken returns a request of kind k with the token at the beginning of b, if there
// is one. It is exact without a token only if the token is optional.
func withToken(k proto.Kind, b []byte, optional bool) request {
	if len(b) < 4 {
		return request{kind: k, exact: len(b) == 0 && optional}
	}
	return request{kind: k, token: proto.Challenge(le.Uint32(b)), hasToken: true, exact: len(b) == 4}
}

// Answer makes the server at that endpoint answer one request. It implements [Service].
func (w *World) Answer(out *Replies, now proto.Time, client, server Endpoint, req []byte) {
	out.reset()
	q, ok := parseRequest(req)
	if !ok || w.Shares.Loss > 0 && out.rand.Percent(w.Shares.Loss) {
		return
	}
	s := w.ServerAt(server)
	if s.Does.Has(StrictLength) && !q.exact {
		return
	}
	s.answer(out, now, client, q)
	if s.Does.Has(Duplicate|Reorder) || w.Shares.Loss > 0 {
		out.disturb(s.Does, w.Shares.Loss)
	}
}

// answer adds the datagrams that s sends, before loss and reordering.
func (s *Server) answer(out *Replies, now proto.Time, client Endpoint, q request) {
	switch {
	case s.Does.Has(Silent):
		return
	case s.Does.Has(Garbage):
		out.sendNoise(q.kind, s.noiseFirst(), s.Delay)
		if !s.noiseFirst() {
			return
		}
	case s.Does.Has(ChallengeLoop):
		out.sendChallenge(proto.Challenge(out.rand.Uint64()), s.Delay)
		return
	}
	if q.kind == proto.KindPing {
		out.message = AppendPing(out.message[:0], s.Does.Has(GoldSource))
		out.add(out.message, s.Delay)
		return
	}
	if q.legacy || s.demandsChallenge(q.kind) {
		if token, ok := s.checkToken(now, client, q); !ok {
			out.sendChallenge(token, s.Delay)
			if s.draw(aspectToken)>>8%16 == 0 { // the same datagram twice (Arma 3)
				out.sendChallenge(token, s.Delay)
			}
			return
		}
	}
	switch {
	case s.Does.Has(Endless):
		s.sendEndless(out, q.kind)
	case s.Does.Has(WrongType):
		s.sendKind(out, s.wrongKind(q.kind, &out.rand), s.Delay)
	default:
		s.sendKind(out, q.kind, s.Delay)
	}
}

func (r *Replies) sendChallenge(token proto.Challenge, delay time.Duration) {
	from := len(r.buf)
	r.buf = AppendChallenge(r.buf, token)
	r.end(from, delay)
}

// demandsChallenge reports whether s wants a token for a query of kind k.
func (s *Server) demandsChallenge(k proto.Kind) bool {
	if s.Does.Has(Challenge) {
		return true
	}
	return k != proto.KindInfo && s.engine() != engineHLTV
}

// checkToken reports whether q's token is good, and otherwise returns the one
// that s hands out. Tokens follow from the client's address, the server and the
// time, so that nothing has to be remembered. Servers that ask twice answer the first
// token with a second challenge; some CS:GO and Rust servers of 2017 did.
func (s *Server) checkToken(now proto.Time, client Endpoint, q request) (proto.Challenge, bool) {
	period := uint64(now / tokenLife)
	token := func(round, period uint64) proto.Challenge {
		t := uint32(mix(client.hashAddr(s.draw(aspectToken)) ^ round<<62 ^ period))
		return proto.Challenge(t&0x7FFFFFFF | 1) // never 0 or -1, which ask for one
	}
	good := func(round uint64) bool {
		return q.hasToken && !q.legacy && (q.token == token(round, period) || q.token == token(round, period-1))
	}
	if !s.Does.Has(AskTwice) {
		return token(0, period), good(0)
	}
	switch {
	case good(1):
		return 0, true
	case good(0):
		return token(1, period), false
	}
	return token(0, period), false
}

// noiseFirst reports whether a garbage server answers after its noise.
func (s *Server) noiseFirst() bool { return s.draw(aspectFlavour)>>32%2 == 0 }

// alwaysWrong reports whether a wrong-type server never answers as asked. The
// others put INFO in the place of PLAYER and RULES once in three times.
func (s *Server) alwaysWrong() bool { return s.draw(aspectFlavour)>>32%2 == 0 }

// wrongKind returns the kind of reply with which a wrong-type server answers a query
// of kind k. The reply itself is true: a client that asks for all three kinds may
// well get them all.
func (s *Server) wrongKind(k proto.Kind, r *Rand) proto.Kind {
	if s.alwaysWrong() {
		return (k + 1) % 3
	}
	if r.oneIn(3) {
		return proto.KindInfo
	}
	return k
}

// sendKind adds the reply of kind k.
func (s *Server) sendKind(out *Replies, k proto.Kind, delay time.Duration) {
	out.message = out.message[:0]
	switch k {
	case proto.KindInfo:
		e := s.engine()
		reply := s.info(&out.sc, e >= engineOldHLDS)
		out.message = AppendInfo(out.message, &reply.info)
		out.message = out.message[:len(out.message)-reply.drop]
		out.add(out.message, delay)
		if e == engineBoth {
			reply = s.info(&out.sc, false)
			out.message = AppendInfo(out.message[:0], &reply.info)
			out.message = out.message[:len(out.message)-reply.drop]
			out.add(out.message, delay+2*time.Millisecond)
		}
	case proto.KindPlayers:
		s.players(&out.sc, &out.players)
		out.message = AppendPlayers(out.message, &out.players)
		out.sendMessage(s, delay)
	case proto.KindRules:
		if s.Does.Has(BZip2) {
			_, b := s.compressed()
			sp := s.splitter(&out.rand)
			sp.Packed = b.packed
			out.sendFragments(&sp, b.raw, delay)
			return
		}
		s.rules(&out.sc, &out.rules)
		out.message = AppendRules(out.message, &out.rules)
		out.sendMessage(s, delay)
	}
}

// An endless server talks for a second after each request and never comes to
// an end: 40 datagrams of 128 bytes, so that a forged request gains little.
const (
	endlessFragments = 40
	endlessGap       = 25 * time.Millisecond
	endlessTotal     = 60
)

// sendEndless adds valid fragments that never make a reply.
func (s *Server) sendEndless(out *Replies, k proto.Kind) {
	flavour := s.draw(aspectFlavour) >> 32 % 4
	id := uint32(out.rand.Uint64() >> 33)
	for i := range endlessFragments {
		total, index := endlessTotal, i
		switch flavour {
		case 1: // the first of two, again and again
			id++
			total, index = 2, 0
		case 2: // the same one
			total, index = 3, 1
		case 3: // some other one
			id++
			index = out.rand.Below(endlessTotal)
		}
		from := len(out.buf)
		out.buf = append(out.buf, 0xFE, 0xFF, 0xFF, 0xFF)
		out.buf = le.AppendUint32(out.buf, id)
		out.buf = le.AppendUint16(append(out.buf, byte(total), byte(index)), sizeDefault)
		if index == 0 {
			typ := [...]byte{proto.TypeInfo, proto.TypePlayers, proto.TypeRules}[k]
			out.buf = append(appendHeader(out.buf, typ), 200)
		}
		for len(out.buf)-from < 128 {
			out.buf = append(out.buf, "and on and on \x00"...)
		}
		out.end(from, s.Delay+time.Duration(i)*endlessGap)
	}
}
