package proto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Rule 1: all code that changes the state of a conversation is in this file.
//
// A Query asks up to three kinds. Each is in one of these states, and moves so:
//
//	state    | Sent      | challenge            | fragment | whole reply    | its deadline       | ceiling, abort
//	---------+-----------+----------------------+----------+----------------+--------------------+---------------
//	unasked  | –         | –                    | –        | –              | –                  | –
//	held     | –         | → ready (1)          | –        | –              | –                  | → failed
//	ready    | → waiting | new token (5)        | kept     | → answered (3) | –                  | → failed
//	waiting  | –         | → ready or failed (4)| gap (2)  | → answered (3) | → ready or failed  | → failed
//	grace    | –         | –                    | –        | → answered (6) | → answered         | → answered
//	answered | –         | –                    | –        | –              | –                  | –
//	failed   | –         | –                    | kept     | → answered (3) | –                  | –
//
//	(1) not with Sequential: there the next kind is released when one is settled.
//	(2) the fragment is kept; the deadline of the kind that it belongs to becomes
//	    FragmentGap from now. If the fragment does not show its kind, no waiting
//	    kind gives up before that. The ceiling holds all the same.
//	(3) if the reply decodes; otherwise it is malformed and only noted. 'm' and 'C'
//	    go to grace: HLDS answers one INFO with two datagrams, 'm' and then 'I', and
//	    the second is the better. Others release the next held kind. A kind that was
//	    never sent can't be answered. An answer to a failed kind is welcome as long
//	    as the Query is not done.
//	(4) a challenge that the outstanding requests carry already is a duplicate and
//	    changes nothing; more than MaxChallenges per attempt are a loop. If a
//	    request without a token is out, the challenge answers that one, and requests
//	    that carry a token go on waiting.
//	(5) if the kind was sent before, this send is an answer to the challenge and no
//	    longer a retry: it counts as a round, while rounds are left.
//	(6) by 'I' only.
//	(7) a 'D' or 'E' that comes sooner than the server can have answered (tooEarly)
//	    is delivered, and its kind goes on waiting for a better one, for about two
//	    round trips. A later reply replaces it; if none comes, it is the answer.
//
// An answer may come while a retry waits in ready: it is the answer. Once no
// kind is held, ready, waiting or in grace the Query is done, and nothing that
// still comes changes it.
type kindState uint8

const (
	unasked kindState = iota
	held
	ready
	waiting
	grace
	answered
	failed
)

// numAsked is how many kinds a Query can ask: INFO, PLAYER and RULES.
const numAsked = 3

// A track is one kind's part of a Query. Times are microseconds since the
// Query's first send.
type track struct {
	// sent is when the last request went out. Once answered it is the RTT; if
	// fragments were missing at the end it is got<<16 | total.
	sent     uint32
	deadline uint32 // waiting: the attempt's end; grace: the grace's end
	flags    trackFlags
	attempts uint8
	rounds   uint8
	state    kindState
	why      Reason // failed; NoReason: the evidence decides
}

type trackFlags uint16

const (
	trackRepeat    trackFlags = 1 << iota // ready: the next send repeats the last, on silence; waiting: the last did
	trackAmbiguous                        // the answer may be to an earlier send: no RTT
	trackMalformed                        // an answer of this kind did not decode
	trackDoubt                            // ready: the send before may yet be answered
	trackExtra                            // a part of the answer came: one request more is allowed
	trackSpent                            // and was made
	trackNoise                            // a datagram that does not parse came while this kind waited
	trackToken                            // the last request carried a token
	trackPlain                            // ready: the next request carries none, to get a new one (D-16)
	trackGranted                          // a token met silence: one attempt more is allowed (D-16)
	trackEarly                            // an answer came too early (D-17), and stands if no better one comes
	trackUpgraded                         // a better answer came after one that stands without it
	trackNoRoom                           // the caller had no memory for an answer
	trackEmpty                            // the early answer has no players
)

// A Query is the client's half of a conversation with one server. It holds no
// pointers, so a million of them cost the garbage collector nothing. The zero
// Query is done; Begin makes it ask.
type Query struct {
	start    Time // of the first send
	owner    setOwner
	token    Challenge
	former   Challenge // the token before, with queryFormer
	tracks   [numAsked]track
	shortest uint16 // shortest round trip that was seen, in rttUnit; 0: none
	flags    queryFlags
}

type queryFlags uint16

const (
	queryStarted     queryFlags = 1 << iota // start is set
	queryToken                              // token is set
	queryHeard                              // a datagram came that parses
	queryNoise                              // a datagram came that does not
	queryUnexpected                         // a well-formed reply came that was not asked for
	queryInflate                            // a complete compressed reply waits for budget
	queryChallenged                         // a challenge was taken
	queryFragment                           // a part of a split reply came, and not the whole since
	queryRefused                            // an ICMP error said so, which only ends an attempt
	queryUnreachable                        // likewise
	queryFormer                             // former is set, and was not heard again
	queryForgave                            // a challenge came again after the next, as a late duplicate does
	queryConfirmed                          // the server gave out token again after a request with it met silence
	queryOccupied                           // INFO has players
)

// minGrace is the shortest wait for the 'I' after an 'm'; maxGrace the longest.
// In between, it is the server's own round trip.
const (
	minGrace = 30 * time.Millisecond
	maxGrace = 300 * time.Millisecond
)

// minBetter is the shortest wait for a better answer than an early list without players if
// INFO has some: the list is surely no answer, and a server that is busy is slower than its
// shortest round trip.
const minBetter = 200 * time.Millisecond

// maxBackoff is the largest factor by which an attempt waits longer than the first.
const maxBackoff = 4

// rttUnit is the unit of Query.shortest, which so holds up to a second.
const rttUnit = 16 // µs

// leastEarly is the shortest round trip for which an answer can be too early
// (D-17): on a LAN or loopback nothing is.
const leastEarly = 5 * time.Millisecond

// Begin resets q to ask want, some of info, players and rules. q then wants to
// send. Begin does not release what q held before: a Query that was begun must be
// done, or given up with Abort, before it is begun again.
func (c *Client) Begin(q *Query, want Kinds) {
	c.serial++
	if c.serial == 0 {
		c.serial = 1 // 0 is the serial of free sets
	}
	*q = Query{owner: setOwner{serial: c.serial}}
	for k := range q.tracks {
		if want.Has(Kind(k)) {
			q.tracks[k].state = held
		}
	}
	c.release(q)
}

// BeginSince is Begin for a conversation that is the continuation of another, such as one
// with another port of the same host: its time, and with it the ceiling, counts from start,
// and q counts as having sent.
func (c *Client) BeginSince(q *Query, want Kinds, start Time) {
	c.Begin(q, want)
	q.start, q.flags = start, q.flags|queryStarted
}

// SetChallenge gives q a challenge known from before. It is tried at once; a stale
// one costs a round or, if the server ignores stale ones, an attempt.
func (c *Client) SetChallenge(q *Query, token Challenge) {
	q.token = token
	q.flags |= queryToken
	c.release(q)
}

// Challenge returns the last challenge of q's server.
func (q *Query) Challenge() (Challenge, bool) { return q.token, q.flags&queryToken != 0 }

// Started returns when q first sent, and whether it has.
func (q *Query) Started() (Time, bool) { return q.start, q.flags&queryStarted != 0 }

// WasChallenged reports whether the server ever sent a challenge.
func (q *Query) WasChallenged() bool { return q.flags&queryChallenged != 0 }

// Heard reports whether any datagram that parses came from the server.
func (q *Query) Heard() bool { return q.flags&queryHeard != 0 }

// WantsSend reports whether AppendTransmit may be called.
func (q *Query) WantsSend() bool {
	for k := range q.tracks {
		if q.tracks[k].state == ready {
			return true
		}
	}
	return false
}

// settled reports whether every kind of q is settled.
func (q *Query) settled() bool {
	for k := range q.tracks {
		switch q.tracks[k].state {
		case held, ready, waiting, grace:
			return false
		}
	}
	return true
}

// release moves held kinds to ready as the rules allow: all of them once the
// challenge is known, otherwise one at a time.
func (c *Client) release(q *Query) {
	open := false
	for k := range q.tracks {
		if s := q.tracks[k].state; s == ready || s == waiting {
			open = true
		}
	}
	all := !c.cfg.Sequential && q.flags&queryToken != 0
	for k := range q.tracks {
		if q.tracks[k].state == held && (all || !open) {
			q.tracks[k].state = ready
			open = true
		}
	}
}

// nextReady returns the kind whose request is the next to be sent. It panics if q does
// not want to send.
func (q *Query) nextReady() Kind {
	for k := range q.tracks {
		if q.tracks[k].state == ready {
			return Kind(k)
		}
	}
	panic("proto: the Query does not want to send")
}

// AppendTransmit appends the next request that q wants to send to dst. It changes
// nothing: once the system took the request, call Sent. It must be called only
// while q wants to send.
func (c *Client) AppendTransmit(dst []byte, q *Query) []byte {
	k := q.nextReady()
	t := &q.tracks[k]
	token, known := q.tokenFor(t)
	if !known {
		token = NoChallenge
	}
	switch typ := c.requestType(q, k, known); typ {
	case TypeInfoRequest:
		dst = KindInfo.AppendRequest(dst, token)
		if known && token == NoChallenge { // a server may hand out these four bytes too
			dst = binary.LittleEndian.AppendUint32(dst, uint32(token))
		}
		return dst
	case TypePlayersRequest:
		return KindPlayers.AppendRequest(dst, token)
	case TypeRulesRequest:
		return KindRules.AppendRequest(dst, token)
	default:
		return appendGetChallengeRequest(dst)
	}
}

// tokenFor returns the token that t's next request carries, if it carries one.
func (q *Query) tokenFor(t *track) (Challenge, bool) {
	return q.token, q.flags&queryToken != 0 && t.flags&trackPlain == 0
}

// requestType returns the type of the next request for k. It is k's own, or asks for a
// challenge in another way: after silence to a request without a token, by PLAYER
// and then by the legacy request, as some servers give tokens to these only (D-21).
// Once the server gave a token there is no need for that.
func (c *Client) requestType(q *Query, k Kind, known bool) byte {
	own := [numAsked]byte{TypeInfoRequest, TypePlayersRequest, TypeRulesRequest}[k]
	t := &q.tracks[k]
	switch {
	case k == KindInfo || known:
		return own
	case c.cfg.GetChallenge:
		return TypeGetChallengeRequest
	case q.flags&(queryChallenged|queryUnexpected) != 0 || t.flags&trackPlain == 0 || t.flags&trackToken != 0:
		return own
	}
	switch t.attempts % 3 {
	case 1:
		return TypePlayersRequest
	case 2:
		return TypeGetChallengeRequest
	}
	return own
}

// Sent notes that the system took the request that AppendTransmit wrote: its attempt
// begins at now, so the wait for a place in the sending queue does not shorten the
// server's time to answer. q must not have changed since.
func (c *Client) Sent(q *Query, now Time) {
	t := &q.tracks[q.nextReady()]
	if q.flags&queryStarted == 0 {
		q.start, q.flags = now, q.flags|queryStarted
	}
	_, carries := q.tokenFor(t)
	repeat := t.flags&trackRepeat != 0
	if t.attempts == 0 || repeat && t.flags&trackSpent == 0 {
		t.attempts++
	}
	doubt := t.flags&trackDoubt != 0
	t.flags &^= trackAmbiguous | trackDoubt | trackToken | trackPlain
	if repeat || doubt {
		t.flags |= trackAmbiguous
	}
	if carries {
		t.flags |= trackToken
	}
	t.state = waiting
	t.sent = q.micros(now)
	t.deadline = later(t.sent, c.wait(q, t))
	if t.flags&trackEarly != 0 {
		t.deadline = min(t.deadline, later(t.sent, q.earlyWait(t)))
	}
}

// mayRepeat reports whether t, whose attempt is over, may be asked once more. Beyond the
// retries one attempt is allowed after a token met silence, and one request that is
// not counted if it was not silence.
func (c *Client) mayRepeat(t *track) bool {
	return c.attemptsLeft(t) || t.flags&(trackExtra|trackSpent) == trackExtra && c.cfg.Retries > 0
}

func (c *Client) attemptsLeft(t *track) bool {
	most := c.cfg.Retries + 1
	if t.flags&trackGranted != 0 {
		most++
	}
	return int(t.attempts) < most
}

// repeat lets t, which may repeat, want to send again. With plain it asks for a new
// token, since caches and filters in front of servers drop spent and unknown ones
// silently (D-16).
func (c *Client) repeat(t *track, plain bool) {
	if !c.attemptsLeft(t) {
		t.flags |= trackSpent
	}
	t.state = ready
	t.flags |= trackRepeat
	if plain {
		t.flags |= trackPlain
	}
}

// staggered returns when kind k may be repeated at the earliest. Retries of one Query are
// half a timeout apart (D-19): a server that allows one query per moment would answer
// the same one each time.
func (c *Client) staggered(q *Query, k Kind, at uint32) uint32 {
	gap, until := uint32(c.cfg.Timeout/2/time.Microsecond), at
	for other := range q.tracks {
		t := &q.tracks[other]
		if Kind(other) == k || t.flags&trackRepeat == 0 {
			continue
		}
		switch t.state {
		case ready:
			return later(at, max(gap, 1))
		case waiting:
			until = max(until, later(t.sent, gap))
		}
	}
	return until
}

// wait returns the length of t's current attempt in microseconds: the first is
// exactly Timeout, each further one twice the one before, up to maxBackoff, and up to
// an eighth more, so that many servers that fell silent together are not asked again
// together.
func (c *Client) wait(q *Query, t *track) uint32 {
	n := int(t.attempts) - 1
	d := c.cfg.backoff(n)
	if n > 0 {
		d += time.Duration(uint64(d/8) * uint64(jitter(q.owner.serial, t.attempts)) >> 16)
	}
	return uint32(min(d, maxElapsed) / time.Microsecond)
}

// backoff returns the length of an attempt, from 0, without the part that jitter adds.
func (c *Config) backoff(attempt int) time.Duration {
	return min(c.Timeout<<min(max(attempt, 0), 8), c.Timeout*maxBackoff)
}

// Silence returns the longest time that a Query for one kind takes if nothing comes: all of
// its attempts, the further ones up to an eighth longer, or MaxElapsed if that is shorter.
// Timeout and MaxElapsed must be set.
func (c *Config) Silence() time.Duration {
	total := c.backoff(0)
	for i := range c.Retries {
		d := c.backoff(i + 1)
		total += d + d/8
	}
	return min(total, c.MaxElapsed)
}

// jitter is a 16-bit hash of a Query and an attempt: random enough to scatter, and
// the same in every run of the same scan.
func jitter(serial uint32, attempt uint8) uint16 {
	x := uint64(serial)<<8 | uint64(attempt)
	x = (x ^ x>>31) * 0x9E3779B97F4A7C15
	x = (x ^ x>>29) * 0xBF58476D1CE4E5B9
	return uint16(x >> 48)
}

// micros returns now as q counts time, rounded up, so that a deadline counted from
// it is not early. It stops at the ends of its range: a machine that slept for
// hours finds its deadlines passed.
func (q *Query) micros(now Time) uint32 {
	return uint32(min(max((now.Sub(q.start)+time.Microsecond-1)/time.Microsecond, 0), math.MaxUint32))
}

// passed returns now as q counts time, rounded down: only a deadline that is over
// is over.
func (q *Query) passed(now Time) uint32 {
	return uint32(min(max(now.Sub(q.start)/time.Microsecond, 0), math.MaxUint32))
}

// later returns a + b, or the end of the range.
func later(a, b uint32) uint32 { return a + min(b, math.MaxUint32-a) }

// since returns b − a, or 0 if b is before a.
func since(a, b uint32) uint32 { return b - min(a, b) }

// measured notes a round trip of q's server, in microseconds.
func (q *Query) measured(rtt uint32) {
	n := uint16(min(max(rtt/rttUnit, 1), math.MaxUint16))
	if q.shortest == 0 || n < q.shortest {
		q.shortest = n
	}
}

// tooEarly reports whether a reply at now comes too early to be the answer to t's
// request (D-17): the request is the first of its kind, and the reply took less than
// half of the server's shortest round trip. dproto and ReUnion answer one INFO with
// 'm', 'D' and 'I'; that 'D' may be empty.
func (q *Query) tooEarly(t *track, now Time) bool {
	rtt := uint32(q.shortest) * rttUnit
	return time.Duration(rtt)*time.Microsecond > leastEarly && t.attempts == 1 &&
		since(t.sent, q.micros(now)) < rtt/2
}

// earlyWait returns how long a better answer than t's early one is waited for.
func (q *Query) earlyWait(t *track) uint32 {
	least := minGrace
	if t.flags&trackEmpty != 0 && q.flags&queryOccupied != 0 {
		least = minBetter
	}
	return max(2*uint32(q.shortest)*rttUnit, uint32(least/time.Microsecond))
}

func (c *Client) ceiling() uint32 {
	return uint32((c.cfg.MaxElapsed + time.Microsecond - 1) / time.Microsecond)
}

// Deadline returns when HandleTimeout is next due. It is false before the first
// send and after the end. While q waits only to send, or for inflation budget, its
// ceiling is the deadline.
func (c *Client) Deadline(q *Query) (Time, bool) {
	if q.flags&queryStarted == 0 {
		return 0, false
	}
	if q.flags&queryInflate != 0 {
		return q.start.Add(time.Duration(c.ceiling()) * time.Microsecond), true
	}
	d, open := c.ceiling(), false
	for k := range q.tracks {
		switch t := &q.tracks[k]; t.state {
		case waiting, grace:
			d = min(d, t.deadline)
			open = true
		case ready, held:
			open = true
		}
	}
	return q.start.Add(time.Duration(d) * time.Microsecond), open
}

// HandleDatagram advances q by one datagram from its server. It reads b only
// during the call, but Output.Body may alias it.
func (c *Client) HandleDatagram(q *Query, now Time, b []byte) Output {
	if q.flags&queryStarted == 0 || q.settled() {
		return c.late(q, b)
	}
	if len(b) < 5 || b[1]&b[2]&b[3] != 0xFF {
		return c.noise(q)
	}
	switch b[0] {
	case 0xFE:
		return c.handleFragment(q, now, b)
	case 0xFF:
	default:
		return c.noise(q)
	}
	switch b[4] {
	case TypeChallenge:
		token, ok := parseChallenge(b[4:])
		if !ok {
			return c.noise(q)
		}
		return c.handleChallenge(q, now, token)
	case TypePrint, TypeReject:
		return c.handleDenial(q, b[5:])
	}
	k, ok := kindOfReply(b[4])
	if !ok {
		return c.noise(q)
	}
	return c.deliver(q, now, k, b[4:], false)
}

// late takes a datagram for which q has no use, before the first send or after
// the end. It changes nothing, and above all keeps nothing.
func (c *Client) late(q *Query, b []byte) Output {
	if h, _, ok := parseHeader(b); ok && !h.Split {
		if k, ok := kindOfReply(h.Type); ok && k < numAsked && q.tracks[k].state == answered {
			return c.note(q, Duplicate)
		}
	}
	return c.note(q, Unexpected)
}

func (c *Client) noise(q *Query) Output {
	q.flags |= queryNoise
	for k := range q.tracks {
		if t := &q.tracks[k]; t.state == waiting || t.state == ready && t.attempts > 0 {
			t.flags |= trackNoise
		}
	}
	return c.note(q, Malformed)
}

// handleDenial takes a text in place of an answer, such as "Banned by server": it ends
// all that is open (D-20). The Output's Body is the text.
func (c *Client) handleDenial(q *Query, text []byte) Output {
	q.flags |= queryHeard
	text, _, _ = bytes.Cut(text, []byte{0})
	out := c.end(q, ReasonDenied)
	out.Verdict, out.Body = Denied, bytes.TrimSpace(text)
	return out
}

func (c *Client) handleChallenge(q *Query, now Time, token Challenge) Output {
	q.flags |= queryHeard
	outstanding, plain, asked := false, false, 0
	for k := range q.tracks {
		t := &q.tracks[k]
		if t.state == waiting || t.state == ready && t.attempts > 0 {
			outstanding = true
		}
		if t.state == waiting && t.flags&trackToken == 0 {
			plain = true
		}
	}
	if !outstanding {
		return c.note(q, Unexpected)
	}
	known := q.flags&queryToken != 0
	if known && token == q.token && !plain {
		return c.note(q, Duplicate)
	}
	again := q.flags&queryFormer != 0 && token == q.former
	if again && !plain && q.flags&queryForgave == 0 {
		// A late copy of the challenge before: its answer is out. That may happen once; a
		// server that goes back and forth between two is a loop.
		q.flags |= queryForgave
		return c.note(q, Duplicate)
	}
	switch {
	case known && token == q.token:
		q.flags |= queryConfirmed // silence has other reasons than the token
	case known && plain: // the exchange begins anew
		q.flags &^= queryFormer | queryConfirmed
	case known:
		q.former = q.token
		q.flags |= queryFormer
		q.flags &^= queryConfirmed
	}
	q.token = token
	q.flags |= queryToken | queryChallenged
	answers := func(t *track) bool { return t.state == waiting && (!plain || t.flags&trackToken == 0) }
	for k := range q.tracks {
		if t := &q.tracks[k]; answers(t) {
			if asked++; t.flags&trackAmbiguous == 0 {
				q.measured(since(t.sent, q.micros(now)))
			}
		}
	}
	for k := range q.tracks {
		t := &q.tracks[k]
		spent := int(t.rounds) >= min(c.cfg.MaxChallenges*int(t.attempts), math.MaxUint8-1)
		switch {
		case answers(t) && spent:
			c.conclude(q, Kind(k), ReasonLoop)
		case answers(t), t.state == ready && t.flags&trackRepeat != 0 && !spent:
			if asked > 1 || again || t.rounds > 1 {
				// The challenge does not show which request it answers; and one that comes
				// once more, or for the third time (some servers ask twice), may be late, and
				// the answer to the send before on its way.
				t.flags |= trackDoubt
			}
			t.rounds++
			t.state = ready
			t.flags &^= trackRepeat | trackPlain
		}
	}
	c.release(q)
	return c.note(q, Challenged)
}

func (c *Client) handleFragment(q *Query, now Time, b []byte) Output {
	result, n := c.asm.add(&q.owner, b)
	if result == fragmentMalformed {
		return c.noise(q)
	}
	q.flags |= queryHeard
	switch result {
	case fragmentDuplicate:
		return c.note(q, Duplicate)
	case fragmentDropped:
		q.flags |= queryFragment
		return c.note(q, Dropped)
	case fragmentLast:
		return c.takeSplit(q, now, n)
	}
	q.flags |= queryFragment
	k, known := c.asm.kindOf(n)
	for i := range q.tracks {
		t := &q.tracks[i]
		if t.state != waiting || known && Kind(i) != k {
			continue
		}
		gap := q.micros(now.Add(c.cfg.FragmentGap))
		if !known { // a part of any kind's reply: it takes no time away from the others
			gap = max(gap, t.deadline)
		}
		t.deadline = gap
	}
	return c.note(q, Fragment)
}

// takeSplit joins a complete split reply, if the budget allows to decompress it.
func (c *Client) takeSplit(q *Query, now Time, n uint16) Output {
	size, packed, compressed := c.asm.compressedSize(n)
	looked := compressed && size <= maxAssembled && packed <= bzipMost(size) // others are refused unseen, which costs nothing
	if looked && q.owner.duds >= maxDuds {
		c.asm.drop(n)
		return c.noise(q)
	}
	if looked {
		if c.inflate <= 0 {
			q.flags |= queryInflate
			return c.note(q, Deferred)
		}
		c.inflate -= packed * bzipByte
	}
	q.flags &^= queryFragment
	body, err := c.asm.take(n)
	opened := looked && !errors.Is(err, errInflateMany)
	if opened {
		c.inflate -= int(size) + bzipSetup
	}
	if err != nil {
		if opened {
			c.inflate -= bzipBlock
		}
		if looked {
			q.owner.duds++
		}
		return c.noise(q)
	}
	var out Output
	if k, ok := kindOfReply(body[0]); ok {
		out = c.deliver(q, now, k, body, true)
	} else {
		out = c.noise(q)
	}
	if opened && out.Verdict != Answer && out.Verdict != Upgrade {
		q.owner.duds++
	}
	return out
}

// deliver takes a whole reply from its type byte on. It is an answer only if it decodes.
func (c *Client) deliver(q *Query, now Time, k Kind, body []byte, split bool) Output {
	q.flags |= queryHeard
	if k >= numAsked || q.tracks[k].state < ready { // unasked, held
		q.flags |= queryUnexpected
		return c.note(q, Unexpected)
	}
	t := &q.tracks[k]
	switch t.state {
	case ready, failed:
		if t.attempts == 0 {
			q.flags |= queryUnexpected
			return c.note(q, Unexpected)
		}
	case grace:
		if body[0] != TypeInfo {
			return c.note(q, Duplicate)
		}
	case answered:
		// The network repeats a datagram soon. A reply that comes when another kind is
		// asked for again is the answer to that, of the wrong kind.
		for i := range q.tracks {
			if t := &q.tracks[i]; t.state == waiting && t.attempts > 1 {
				q.flags |= queryUnexpected
			}
		}
		return c.note(q, Duplicate)
	}
	ok, occupied := decodes(k, body)
	if occupied {
		q.flags |= queryOccupied
	}
	if !ok {
		if t.state != grace { // there the answer before it stands
			t.flags |= trackMalformed | trackAmbiguous
		}
		return c.note(q, Malformed)
	}
	verdict := Answer
	switch {
	case t.state == grace:
		t.state = answered
		t.flags |= trackUpgraded
		verdict = Upgrade
	case k != KindInfo && t.state != failed && q.tooEarly(t, now):
		if t.flags&trackEarly != 0 {
			return c.note(q, Duplicate)
		}
		t.flags |= trackEarly
		if k == KindPlayers && body[1] == 0 {
			t.flags |= trackEmpty
		}
		t.deadline = min(t.deadline, q.micros(now.Add(time.Duration(q.earlyWait(t))*time.Microsecond)))
	default:
		if t.flags&trackEarly != 0 {
			t.flags = t.flags&^(trackEarly|trackEmpty) | trackUpgraded
			verdict = Upgrade
		}
		if t.state == failed {
			t.flags |= trackAmbiguous
			t.why = NoReason
		}
		if q.micros(now) < t.sent {
			t.flags |= trackAmbiguous // it arrived before this request left: it answers an earlier one
		}
		t.sent = since(t.sent, q.micros(now))
		if t.flags&trackAmbiguous == 0 {
			q.measured(t.sent)
		}
		t.state = answered
		if body[0] == TypeInfoGoldSource || body[0] == TypeInfoObsolete {
			rtt := time.Duration(t.sent) * time.Microsecond
			t.state = grace
			t.deadline = q.micros(now.Add(min(max(rtt, minGrace), maxGrace)))
		}
		c.release(q)
	}
	out := c.output(q)
	out.Verdict, out.Kind, out.Body, out.Split = verdict, k, body, split
	return out
}

// Reject takes back the answer of kind k that q has just delivered without being done,
// because the caller has no memory to keep it. The attempt continues as if nothing
// had come, and the kind ends with ReasonNoMemory if nothing comes that can be kept. If
// the answer's attempt is over, the next HandleTimeout retries. If an Upgrade is
// rejected, the answer before it stands.
func (c *Client) Reject(q *Query, k Kind, now Time) Output {
	t := &q.tracks[k]
	early := t.flags&trackEarly != 0
	if q.settled() || t.flags&trackUpgraded != 0 || !early && t.state != answered && t.state != grace {
		return c.output(q)
	}
	t.flags |= trackNoRoom | trackAmbiguous
	t.flags &^= trackEarly | trackEmpty
	if !early {
		t.sent = since(t.sent, q.micros(now))
	}
	if early || t.state == grace {
		t.deadline = later(t.sent, c.wait(q, t))
	}
	if t.state != ready {
		t.state = waiting
	}
	for i := range q.tracks { // kinds that the answer released wait again
		if t := &q.tracks[i]; t.state == ready && t.attempts == 0 {
			t.state = held
		}
	}
	c.release(q)
	return c.note(q, Dropped)
}

// HandleTimeout does the work that is due at now: retries, failures, the end of a
// grace. Early and repeated calls do nothing.
func (c *Client) HandleTimeout(q *Query, now Time) Output {
	if q.flags&queryStarted == 0 {
		return c.output(q)
	}
	at := q.passed(now)
	if at >= c.ceiling() {
		return c.end(q, NoReason)
	}
	if q.flags&queryInflate != 0 {
		// A reply that came in time is not asked for again, nor given up, because this
		// machine is behind.
		return c.output(q)
	}
	for k := range q.tracks {
		t := &q.tracks[k]
		switch {
		case t.state == grace && t.deadline <= at, t.state == waiting && t.deadline <= at && t.flags&trackEarly != 0:
			c.conclude(q, Kind(k), NoReason)
		case t.state == waiting && t.deadline <= at:
			got, _ := c.asm.progress(&q.owner, Kind(k))
			silent := got == 0 && t.flags&trackNoise == 0
			blamed := silent && q.flags&queryConfirmed == 0 // the token
			if got > 0 {
				// A part was lost. Of five datagrams and a request, if 5 % are lost each way,
				// one is missing in every fourth attempt.
				t.flags |= trackExtra
			} else if blamed && t.flags&trackToken != 0 {
				t.flags |= trackGranted
			}
			if !c.mayRepeat(t) {
				c.fail(q, Kind(k), NoReason)
			} else if until := c.staggered(q, Kind(k), at); until > at {
				t.deadline = until
			} else {
				c.repeat(t, blamed)
			}
		}
	}
	// A server that has sent nothing at all in reply to one kind is not asked the others.
	if q.flags&(queryHeard|queryNoise) == 0 && c.noneOpen(q) {
		return c.end(q, NoReason)
	}
	c.release(q)
	return c.output(q)
}

// Deferred reports whether a whole compressed reply of q waits for inflation
// budget. Until Inflate has taken it q stands still, but for its ceiling.
func (q *Query) Deferred() bool { return q.flags&queryInflate != 0 }

// CanInflate reports whether this turn has inflation budget left.
func (c *Client) CanInflate() bool { return c.inflate > 0 }

// Inflate decompresses a reply that waited for inflation budget. The owner of the loop
// calls it, in turns that have budget, for each Query that is Deferred, the one that
// has waited longest first. It may deliver one answer, and q may still be Deferred then.
// Deadlines that passed meanwhile are due at once.
func (c *Client) Inflate(q *Query, now Time) Output {
	if q.flags&queryInflate == 0 {
		return c.output(q)
	}
	q.flags &^= queryInflate
	for _, n := range q.owner.sets {
		if !c.asm.whole(&q.owner, n) {
			continue
		}
		out := c.takeSplit(q, now, n)
		if out.Done || out.Verdict == Deferred {
			return out
		}
		for _, n := range q.owner.sets { // another may wait
			if c.asm.whole(&q.owner, n) {
				q.flags |= queryInflate
			}
		}
		return out
	}
	return c.output(q) // it was evicted meanwhile
}

func (c *Client) noneOpen(q *Query) bool {
	for k := range q.tracks {
		if s := q.tracks[k].state; s == ready || s == waiting || s == grace {
			return false
		}
	}
	return true
}

// HandleUnreachable takes an ICMP error about one of q's datagrams. With final
// it ends all that is open; otherwise it is remembered, and if silence follows,
// the error rather than the silence is the reason. Errors that come before
// anything was sent are about other datagrams.
func (c *Client) HandleUnreachable(q *Query, refused, final bool) Output {
	if q.flags&queryStarted == 0 || q.settled() {
		return c.note(q, Unexpected)
	}
	reason := ReasonUnreachable
	if refused {
		reason = ReasonRefused
	}
	if final {
		return c.end(q, reason)
	}
	q.flags &^= queryRefused | queryUnreachable
	if refused {
		q.flags |= queryRefused
	} else {
		q.flags |= queryUnreachable
	}
	return c.output(q)
}

// Abort ends all that is open, for a reason of the caller's: ReasonAborted,
// ReasonSend, or NoReason if the time is over and the evidence decides. It may be called
// before the first send.
func (c *Client) Abort(q *Query, reason Reason) Output { return c.end(q, reason) }

// end settles every open kind and releases the memory of q's fragments.
func (c *Client) end(q *Query, reason Reason) Output {
	for k := range q.tracks {
		switch q.tracks[k].state {
		case held, ready, waiting, grace:
			c.conclude(q, Kind(k), reason)
		}
	}
	return c.output(q)
}

// conclude ends an open kind: with the answer that it has, or as failed.
func (c *Client) conclude(q *Query, k Kind, reason Reason) {
	switch t := &q.tracks[k]; {
	case t.state == grace:
		t.state = answered
	case t.flags&trackEarly != 0:
		t.state = answered
		t.flags |= trackAmbiguous
	default:
		c.fail(q, k, reason)
	}
}

// fail ends a kind. Without a reason of its own, Result finds it in the evidence.
func (c *Client) fail(q *Query, k Kind, reason Reason) {
	t := &q.tracks[k]
	t.state = failed
	t.sent = 0
	t.why = reason
	if reason == NoReason && t.attempts > 0 {
		if got, total := c.asm.progress(&q.owner, k); got > 0 {
			t.sent = uint32(got)<<16 | uint32(total)
		}
	}
}

// output returns what q wants now. Once everything is settled it frees q's
// fragments.
func (c *Client) output(q *Query) Output {
	out := Output{Send: q.WantsSend(), Done: q.settled()}
	if out.Done {
		c.asm.release(&q.owner)
		q.flags &^= queryInflate
	}
	return out
}

// note is output with a verdict.
func (c *Client) note(q *Query, v Verdict) Output {
	out := c.output(q)
	out.Verdict = v
	return out
}

// Result returns how kind k of q ended, or its state so far.
func (q *Query) Result(k Kind) Result {
	r := Result{RTT: -1}
	if k >= numAsked {
		return r
	}
	t := &q.tracks[k]
	r.Attempts, r.Rounds = int(t.attempts), int(t.rounds)
	switch t.state {
	case answered, grace:
		r.Answered = true
		if t.flags&trackAmbiguous == 0 {
			r.RTT = time.Duration(t.sent) * time.Microsecond
		}
	case failed:
		r.Reason, r.Got, r.Total = q.verdictOn(k)
	}
	return r
}

// verdictOn finds the reason of a failed kind: the strongest evidence decides.
func (q *Query) verdictOn(k Kind) (reason Reason, got, total int) {
	t := &q.tracks[k]
	if t.why != NoReason {
		return t.why, 0, 0
	}
	if t.attempts == 0 {
		// Its turn never came. The reason why another kind was not answered is the reason
		// why this one was not asked.
		for other := range Kind(numAsked) {
			if o := &q.tracks[other]; o.state == failed && o.attempts > 0 {
				return q.verdictOn(other)
			}
		}
	}
	quiet := true // no kind was answered: noise and stray replies are about this one too
	for k := range q.tracks {
		if s := q.tracks[k].state; s == answered || s == grace {
			quiet = false
		}
	}
	switch {
	case t.flags&trackNoRoom != 0:
		return ReasonNoMemory, 0, 0
	case t.flags&trackMalformed != 0:
		return ReasonMalformed, 0, 0
	case t.sent != 0:
		return ReasonFragments, int(t.sent >> 16), int(t.sent & 0xFFFF)
	case q.flags&queryFragment != 0 && (k == KindPlayers || k == KindRules):
		return ReasonFragments, 0, 0 // there was no memory for them
	case q.flags&queryRefused != 0:
		return ReasonRefused, 0, 0
	case q.flags&queryUnreachable != 0:
		return ReasonUnreachable, 0, 0
	case t.flags&trackNoise != 0 || q.flags&queryNoise != 0 && quiet:
		return ReasonMalformed, 0, 0
	case t.rounds > 0:
		return ReasonChallenge, 0, 0
	case q.flags&queryUnexpected != 0 && (quiet || t.attempts > 0):
		return ReasonUnexpected, 0, 0
	case q.flags&queryChallenged != 0 && quiet:
		return ReasonChallenge, 0, 0
	}
	return ReasonTimeout, 0, 0
}
