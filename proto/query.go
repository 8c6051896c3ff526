package proto

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Rule 1: whatever changes the state of a conversation is in this file.
//
// A Query asks up to four kinds. Each is in one of these states, and moves so:
//
//	state    | AppendTransmit | challenge            | fragment | whole reply    | its deadline       | ceiling, abort
//	---------+----------------+----------------------+----------+----------------+--------------------+---------------
//	unasked  | –              | –                    | –        | –              | –                  | –
//	held     | –              | → ready (1)          | –        | –              | –                  | → failed
//	ready    | → waiting      | new token (5)        | kept     | → answered (3) | –                  | → failed
//	waiting  | –              | → ready or failed (4)| gap (2)  | → answered (3) | → ready or failed  | → failed
//	grace    | –              | –                    | –        | → answered (6) | → answered         | → answered
//	answered | –              | –                    | –        | –              | –                  | –
//	failed   | –              | –                    | kept     | → answered (3) | –                  | –
//
//	(1) not with Sequential: there the next kind is released when one is settled.
//	(2) the part is kept; the deadline of the kind that it belongs to becomes
//	    FragmentGap from now. Where it does not show whose it is, no kind that
//	    waits gives up before that. The ceiling holds all the same.
//	(3) 'm' and 'C' go to grace: HLDS answers one INFO with two datagrams, 'm' and
//	    then 'I', and the second is the better. Others release the next held kind.
//	    A kind that was never sent can't be answered; an answer that comes after the
//	    kind has failed is welcome as long as the Query is not done.
//	(4) a challenge that is the one already sent is a duplicate and changes nothing;
//	    more than MaxChallenges different ones are a loop.
//	(5) if the kind was sent before, this send is an answer to the challenge and no
//	    longer a retry: it counts as a round, while rounds are left.
//	(6) by 'I' only.
//
// An answer may come while a retry waits in ready: it is the answer. Once no
// kind is held, ready, waiting or in grace the Query is done, and nothing that
// still comes changes it. TakeBack goes the one way back, from waiting to ready.
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

// A track is one kind's part of a Query. Times are microseconds since the
// Query's first send.
type track struct {
	// sent is when the last request went out. Once answered it is the RTT; where
	// fragments were missing at the end it is got<<16 | total.
	sent     uint32
	deadline uint32 // waiting: the try's end; grace: the grace's end
	attempts uint8
	rounds   uint8
	state    kindState
	flags    trackFlags
}

type trackFlags uint8

const (
	trackRepeat    trackFlags = 1 << iota // ready: the next send repeats the last, on silence; waiting: the last did
	trackAmbiguous                        // the answer may be to the send before: no RTT
	trackMalformed                        // an answer of this kind did not parse
	trackDoubt                            // ready: the send before may yet be answered
	trackUpgraded                         // 'I' came after 'm', which was good
	trackExtra                            // a challenge came only after silence, or a part of the answer did: one request more
	trackSpent                            // which was made
	trackNoise                            // what does not parse came while this kind waited
)

// A Query is the client's half of a conversation with one server. It holds no
// pointers, so that a million of them cost the garbage collector nothing. The
// zero Query is done; Begin makes it anything else.
type Query struct {
	start  Time // of the first send
	owner  setOwner
	token  Challenge
	former Challenge // the token before, with queryFormer
	tracks [NumKinds]track
	why    reasons // of failed tracks; NoReason: the evidence tells
	flags  queryFlags
}

// reasons is a Reason for each kind, in four bits.
type reasons uint16

func (r reasons) of(k Kind) Reason { return Reason(r >> (4 * k) & 0xF) }

func (r *reasons) set(k Kind, why Reason) { *r = *r&^(0xF<<(4*k)) | reasons(why)<<(4*k) }

type queryFlags uint16

const (
	queryStarted     queryFlags = 1 << iota // start is set
	queryToken                              // token is set
	queryHeard                              // something came that parses
	queryNoise                              // something came that does not
	queryUnexpected                         // a well-formed reply came that was not asked for
	queryInflate                            // a complete compressed reply waits for budget
	queryChallenged                         // a challenge was taken
	queryFragment                           // a part of a split reply came, and not the whole since
	queryRefused                            // ICMP said so, where that is only a try's end
	queryUnreachable                        // likewise
	queryFormer                             // former is set, and was not heard again
	queryOpened                             // the last answer was decompressed
	queryForgave                            // a challenge came again after the next, as a late duplicate does
)

// minGrace is the shortest wait for the 'I' behind an 'm'; maxGrace the longest.
// In between, it is the server's own round trip.
const (
	minGrace = 30 * time.Millisecond
	maxGrace = 300 * time.Millisecond
)

// maxBackoff is the largest factor by which a try waits longer than the first.
const maxBackoff = 4

// Begin resets q to ask want, which must not be empty. q then wants to send.
// What q held before is not released: a Query that was begun must have been
// done, or given up with Abort.
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

// SetChallenge gives q a challenge known from before: it is tried at once, and
// a stale one costs one round.
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

// Heard reports whether anything that parses came from the server.
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

// settled reports whether nothing of q is open any more.
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

// AppendTransmit appends the next request that q wants to send to dst and
// starts the clock of this try at now: the wait for a place in the sending
// queue is not the server's. It must be called only while q wants to send.
func (c *Client) AppendTransmit(dst []byte, q *Query, now Time) []byte {
	k := 0
	for q.tracks[k].state != ready {
		k++ // beyond the last: the caller's error
	}
	t := &q.tracks[k]
	if q.flags&queryStarted == 0 {
		q.start, q.flags = now, q.flags|queryStarted
	}
	repeat := t.flags&trackRepeat != 0
	if t.attempts == 0 || repeat && t.flags&trackSpent == 0 {
		t.attempts++
	}
	doubt := t.flags&trackDoubt != 0
	t.flags &^= trackAmbiguous | trackDoubt
	if repeat || doubt {
		t.flags |= trackAmbiguous
	}
	t.state = waiting
	t.sent = q.micros(now)
	t.deadline = later(t.sent, c.wait(q, t))

	token, known := q.token, q.flags&queryToken != 0
	if !known {
		token = NoChallenge
	}
	switch Kind(k) {
	case KindInfo:
		dst = AppendInfoRequest(dst, token)
		if known && token == NoChallenge { // a server may hand out these four bytes too
			dst = binary.LittleEndian.AppendUint32(dst, uint32(token))
		}
	case KindPlayers, KindRules:
		switch {
		case !known && c.cfg.GetChallenge:
			dst = AppendGetChallengeRequest(dst)
		case Kind(k) == KindPlayers:
			dst = AppendPlayersRequest(dst, token)
		default:
			dst = AppendRulesRequest(dst, token)
		}
	case KindPing:
		dst = AppendPingRequest(dst)
	}
	return dst
}

// TakeBack undoes the AppendTransmit that wrote request, which could not be sent after
// all: q wants to send it again, no try is spent, and the clock of q's first try and of
// this one starts when it is. It reports whether that repeats a request on silence. Of
// several requests the last is taken back first. Nothing else may have been done with q
// since they were written.
func (c *Client) TakeBack(q *Query, request []byte) (repeat bool) {
	k := KindInfo
	switch request[4] {
	case TypePlayersRequest:
		k = KindPlayers
	case TypeRulesRequest:
		k = KindRules
	case TypePingRequest:
		k = KindPing
	case TypeGetChallengeRequest: // while it is unknown one kind is asked at a time
		if k = KindPlayers; q.tracks[k].state != waiting {
			k = KindRules
		}
	}
	t := &q.tracks[k]
	if t.state != waiting {
		panic("proto: TakeBack of what was not written last")
	}
	t.state = ready
	repeat = t.flags&trackRepeat != 0
	if !repeat && t.flags&trackAmbiguous != 0 {
		t.flags |= trackDoubt
	}
	// Its first request, neither a repetition nor the answer to a challenge, or a counted one.
	if !repeat && t.rounds == 0 || repeat && t.flags&trackSpent == 0 {
		t.attempts--
	}
	if t.attempts > 0 {
		t.flags |= trackAmbiguous // when the request before was sent is forgotten
	}
	for k := range q.tracks {
		if q.tracks[k].attempts > 0 {
			return repeat
		}
	}
	q.flags &^= queryStarted
	return repeat
}

// again reports whether t, whose try is over, is asked once more. Beyond the tries
// on silence one request is allowed where it was not silence, and counts as none.
func (c *Client) again(t *track) bool {
	if int(t.attempts) <= c.cfg.Retries {
		return true
	}
	if t.flags&(trackExtra|trackSpent) != trackExtra || c.cfg.Retries == 0 {
		return false
	}
	t.flags |= trackSpent
	return true
}

// wait returns the length of t's current try in microseconds: the first is
// Timeout to the letter, each further one twice the one before, up to
// maxBackoff, and up to an eighth more, so that many servers that fell
// silent together are not asked again together.
func (c *Client) wait(q *Query, t *track) uint32 {
	d := c.cfg.Timeout
	if n := t.attempts - 1; n > 0 {
		d = min(d<<min(n, 8), d*maxBackoff)
		d += time.Duration(uint64(d/8) * uint64(jitter(q.owner.serial, t.attempts)) >> 16)
	}
	return uint32(min(d, maxElapsed) / time.Microsecond)
}

// jitter is a 16-bit hash of a Query and a try: random enough to scatter, and
// the same in every run of the same scan.
func jitter(serial uint32, attempt uint8) uint16 {
	x := uint64(serial)<<8 | uint64(attempt)
	x = (x ^ x>>31) * 0x9E3779B97F4A7C15
	x = (x ^ x>>29) * 0xBF58476D1CE4E5B9
	return uint16(x >> 48)
}

// micros returns now as q counts time, rounded up, so that what is counted from
// it is not early. It stops at the ends of its range: a machine that slept for
// hours finds its deadlines passed.
func (q *Query) micros(now Time) uint32 {
	return uint32(min(max((now.Sub(q.start)+time.Microsecond-1)/time.Microsecond, 0), math.MaxUint32))
}

// passed returns now as q counts time, rounded down: only what is over is over.
func (q *Query) passed(now Time) uint32 {
	return uint32(min(max(now.Sub(q.start)/time.Microsecond, 0), math.MaxUint32))
}

// later returns a + b, or the end of the range.
func later(a, b uint32) uint32 { return a + min(b, math.MaxUint32-a) }

// since returns b − a, or 0 where b is before a.
func since(a, b uint32) uint32 { return b - min(a, b) }

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
	if b[4] == TypeChallenge {
		if len(b) < 9 {
			return c.noise(q)
		}
		return c.handleChallenge(q, Challenge(binary.LittleEndian.Uint32(b[5:])))
	}
	k, ok := KindOfReply(b[4])
	if !ok {
		if b[4] == TypePrint {
			q.flags |= queryHeard | queryUnexpected
			return c.said(q, Unexpected)
		}
		return c.noise(q)
	}
	return c.deliver(q, now, k, b[4:], false)
}

// late takes a datagram for which q has no use, before the first send or after
// the end. It changes nothing, and above all keeps nothing.
func (c *Client) late(q *Query, b []byte) Output {
	if h, _, ok := ParseHeader(b); ok && !h.Split {
		if k, ok := KindOfReply(h.Type); ok && q.tracks[k].state == answered {
			return c.said(q, Duplicate)
		}
	}
	return c.said(q, Unexpected)
}

func (c *Client) noise(q *Query) Output {
	q.flags |= queryNoise
	for k := range q.tracks {
		if t := &q.tracks[k]; t.state == waiting || t.state == ready && t.attempts > 0 {
			t.flags |= trackNoise
		}
	}
	return c.said(q, Malformed)
}

func (c *Client) handleChallenge(q *Query, token Challenge) Output {
	q.flags |= queryHeard
	outstanding, asked := false, 0
	for k := range q.tracks {
		t := &q.tracks[k]
		if t.state == waiting || t.state == ready && t.attempts > 0 {
			outstanding = true
		}
		if t.state == waiting {
			asked++
		}
	}
	if !outstanding {
		return c.said(q, Unexpected)
	}
	if q.flags&queryToken != 0 && token == q.token {
		return c.said(q, Duplicate)
	}
	again := q.flags&queryFormer != 0 && token == q.former
	if again && q.flags&queryForgave == 0 {
		// Of the challenge before, late: its answer is out. Once that may be; a server
		// that goes back and forth between two is a loop.
		q.flags |= queryForgave
		return c.said(q, Duplicate)
	}
	if q.flags&queryToken != 0 {
		q.former = q.token
		q.flags |= queryFormer
	}
	q.token = token
	q.flags |= queryToken | queryChallenged
	for k := range q.tracks {
		t := &q.tracks[k]
		if Kind(k) == KindPing {
			continue
		}
		spent := int(t.rounds) == c.cfg.MaxChallenges
		switch {
		case t.state == waiting && spent:
			c.fail(q, Kind(k), ReasonLoop)
		case t.state == waiting, t.state == ready && t.flags&trackRepeat != 0 && !spent:
			if t.attempts > 1 {
				// The server is there, and tries were spent on finding that out:
				// where 5 % are lost each way, one more halves what is missed.
				t.flags |= trackExtra
			}
			if asked > 1 || again || t.rounds > 1 {
				// Which of them it answers it does not say; and what comes once more, or
				// for the third time where servers ask twice, may be late, and the answer
				// to the send before be on its way.
				t.flags |= trackDoubt
			}
			t.rounds++
			t.state = ready
			t.flags &^= trackRepeat
		}
	}
	c.release(q)
	return c.said(q, Challenged)
}

func (c *Client) handleFragment(q *Query, now Time, b []byte) Output {
	result, n := c.asm.add(&q.owner, b)
	if result == fragmentMalformed {
		return c.noise(q)
	}
	q.flags |= queryHeard
	switch result {
	case fragmentDuplicate:
		return c.said(q, Duplicate)
	case fragmentDropped:
		q.flags |= queryFragment
		return c.said(q, Dropped)
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
		if !known { // a part of somebody's: it takes no time away from the others
			gap = max(gap, t.deadline)
		}
		t.deadline = gap
	}
	return c.said(q, Fragment)
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
			return c.said(q, Deferred)
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
	if k, ok := KindOfReply(body[0]); ok {
		out = c.deliver(q, now, k, body, true)
	} else {
		out = c.noise(q)
	}
	switch {
	case !opened:
	case out.Verdict == Answer || out.Verdict == Upgrade:
		q.flags |= queryOpened // if it is rejected, it was for nothing
	default:
		q.owner.duds++
	}
	return out
}

// deliver takes a whole reply from its type byte on.
func (c *Client) deliver(q *Query, now Time, k Kind, body []byte, split bool) Output {
	q.flags = q.flags&^queryOpened | queryHeard
	t := &q.tracks[k]
	verdict := Answer
	switch t.state {
	case waiting:
	case ready, failed:
		if t.attempts == 0 {
			q.flags |= queryUnexpected
			return c.said(q, Unexpected)
		}
	case grace:
		if body[0] != TypeInfo {
			return c.said(q, Duplicate)
		}
		t.state = answered
		t.flags |= trackUpgraded
		out := c.output(q)
		out.Verdict, out.Kind, out.Body, out.Split = Upgrade, k, body, split
		return out
	case answered:
		// The network repeats a datagram soon. What comes when another kind is
		// asked for again is the answer to that, of the wrong kind.
		for i := range q.tracks {
			if t := &q.tracks[i]; t.state == waiting && t.attempts > 1 {
				q.flags |= queryUnexpected
			}
		}
		return c.said(q, Duplicate)
	default: // unasked, held
		q.flags |= queryUnexpected
		return c.said(q, Unexpected)
	}
	if t.state == failed {
		t.flags |= trackAmbiguous
		q.why.set(k, NoReason)
	}
	t.sent = since(t.sent, q.micros(now))
	t.state = answered
	if body[0] == TypeInfoGoldSource || body[0] == TypeInfoObsolete {
		rtt := time.Duration(t.sent) * time.Microsecond
		t.state = grace
		t.deadline = q.micros(now.Add(min(max(rtt, minGrace), maxGrace)))
	}
	c.release(q)
	out := c.output(q)
	out.Verdict, out.Kind, out.Body, out.Split = verdict, k, body, split
	return out
}

// Reject takes back the answer of kind k that q has just delivered, because
// its body does not decode: the try goes on as if nothing had come, and the
// kind ends as malformed if nothing better comes. The answer's own try may be
// over; then the next HandleTimeout retries. Where an Upgrade is rejected, the
// answer before it stands. One that was compressed is among those of its server
// that were opened for nothing.
func (c *Client) Reject(q *Query, k Kind, now Time) Output {
	t := &q.tracks[k]
	if t.state != answered && t.state != grace {
		return c.output(q)
	}
	if q.flags&queryOpened != 0 {
		q.flags &^= queryOpened
		q.owner.duds++
	}
	if t.flags&trackUpgraded != 0 {
		return c.said(q, Malformed)
	}
	t.flags |= trackMalformed | trackAmbiguous
	wasGrace := t.state == grace
	t.state = waiting
	t.sent = since(t.sent, q.micros(now))
	if wasGrace {
		t.deadline = later(t.sent, c.wait(q, t))
	}
	for i := range q.tracks { // what the answer let go first waits again
		if t := &q.tracks[i]; t.state == ready && t.attempts == 0 {
			t.state = held
		}
	}
	c.release(q)
	return c.said(q, Malformed)
}

// HandleTimeout does what is due at now: retries, failures, the end of a
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
		// What has come in time shall not be asked for again, nor given up,
		// because this machine is behind.
		return c.output(q)
	}
	for k := range q.tracks {
		t := &q.tracks[k]
		switch {
		case t.state == grace && t.deadline <= at:
			t.state = answered
		case t.state == waiting && t.deadline <= at:
			if got, _ := c.asm.progress(&q.owner, Kind(k)); got > 0 {
				// Not silence: a part was lost. Of five datagrams and a request,
				// where 5 % are lost each way, one is missing in every fourth try.
				t.flags |= trackExtra
			}
			if !c.again(t) {
				c.fail(q, Kind(k), NoReason)
				continue
			}
			t.state = ready
			t.flags |= trackRepeat
		}
	}
	// A server that has said nothing at all to one kind is not asked the others.
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

// Inflate goes on where the inflation budget ended a turn. The owner of the loop
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
	return c.output(q) // it had to make way for others
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
// it ends all that is open; otherwise it is remembered, and if silence follows
// the error rather than the silence is the reason. Errors that come before
// anything was sent are somebody else's.
func (c *Client) HandleUnreachable(q *Query, refused, final bool) Output {
	if q.flags&queryStarted == 0 || q.settled() {
		return c.said(q, Unexpected)
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
// ReasonSend. It may be called before the first send.
func (c *Client) Abort(q *Query, reason Reason) Output { return c.end(q, reason) }

// end settles every open kind and releases what q holds.
func (c *Client) end(q *Query, reason Reason) Output {
	for k := range q.tracks {
		switch t := &q.tracks[k]; t.state {
		case grace:
			t.state = answered
		case held, ready, waiting:
			c.fail(q, Kind(k), reason)
		}
	}
	return c.output(q)
}

// fail ends a kind. Without a reason of its own, Result finds it in the evidence.
func (c *Client) fail(q *Query, k Kind, reason Reason) {
	t := &q.tracks[k]
	t.state = failed
	t.sent = 0
	q.why.set(k, reason)
	if reason == NoReason && t.attempts > 0 {
		if got, total := c.asm.progress(&q.owner, k); got > 0 {
			t.sent = uint32(got)<<16 | uint32(total)
		}
	}
}

// output says what q wants now. When everything is settled it gives back what
// q holds.
func (c *Client) output(q *Query) Output {
	out := Output{Send: q.WantsSend(), Done: q.settled()}
	if out.Done {
		c.asm.release(&q.owner)
		q.flags &^= queryInflate
	}
	return out
}

// said is output with a verdict.
func (c *Client) said(q *Query, v Verdict) Output {
	out := c.output(q)
	out.Verdict = v
	return out
}

// Result returns how kind k of q ended, or stands.
func (q *Query) Result(k Kind) Result {
	t := &q.tracks[k]
	r := Result{Attempts: int(t.attempts), Rounds: int(t.rounds), RTT: -1}
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

// verdictOn finds the reason of a failed kind: the strongest evidence speaks.
func (q *Query) verdictOn(k Kind) (reason Reason, got, total int) {
	if why := q.why.of(k); why != NoReason {
		return why, 0, 0
	}
	t := &q.tracks[k]
	if t.attempts == 0 {
		// Its turn never came. What kept another from being answered kept this
		// one from being asked.
		for other := range Kind(NumKinds) {
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
