package proto

import (
	"bytes"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

const ms = Time(time.Millisecond)

func newClient(t testing.TB, cfg Config) *Client {
	c, err := NewClient(cfg)
	require.NoError(t, err)
	return c
}

func challenge(token Challenge) []byte {
	b := KindPlayers.AppendRequest(nil, token)
	b[4] = TypeChallenge
	return b
}

var infoReply = []byte("\xFF\xFF\xFF\xFFI\x11a\x00b\x00c\x00d\x00\x00\x00\x01\x02\x00dl\x00\x011.0\x00\x00")

// oldInfoReply is an 'm'.
var oldInfoReply = []byte("\xFF\xFF\xFF\xFFm1.2.3.4:5\x00a\x00b\x00c\x00d\x00\x01\x02\x2Fdl\x00\x00\x01\x00")

func TestQuerySize(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Query{}), uintptr(80), "a million of these are alive at once")
}

func TestAllThreeInTwoRoundTrips(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantInfo|WantPlayers|WantRules)
	require.Equal(t, KindInfo.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, 0))
	require.False(t, q.WantsSend(), "the others wait for the challenge")
	out := c.HandleDatagram(&q, 100*ms, challenge(7))
	require.Equal(t, Challenged, out.Verdict)
	require.True(t, out.Send)
	require.Equal(t, KindInfo.AppendRequest(nil, 7), c.Transmit(nil, &q, 100*ms))
	require.Equal(t, KindPlayers.AppendRequest(nil, 7), c.Transmit(nil, &q, 100*ms))
	require.Equal(t, KindRules.AppendRequest(nil, 7), c.Transmit(nil, &q, 100*ms))
	require.False(t, q.WantsSend())
	require.Equal(t, Duplicate, c.HandleDatagram(&q, 101*ms, challenge(7)).Verdict)
	out = c.HandleDatagram(&q, 200*ms, infoReply)
	require.Equal(t, Answer, out.Verdict)
	require.Equal(t, infoReply[4:], out.Body)
	require.False(t, out.Done)
	out = c.HandleDatagram(&q, 200*ms, []byte("\xFF\xFF\xFF\xFFE\x00\x00"))
	require.Equal(t, KindRules, out.Kind)
	out = c.HandleDatagram(&q, 200*ms, []byte("\xFF\xFF\xFF\xFFD\x00"))
	require.True(t, out.Done)
	require.Equal(t, Result{Answered: true, Attempts: 1, Rounds: 1, RTT: 100 * time.Millisecond}, q.Result(KindInfo))
}

func TestSilenceEndsAfterAllTries(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantInfo|WantRules)
	now, sends := Time(0), 0
	for {
		for q.WantsSend() {
			c.Transmit(nil, &q, now)
			sends++
		}
		d, open := c.Deadline(&q)
		if !open {
			break
		}
		require.GreaterOrEqual(t, d, now)
		now = d
		out := c.HandleTimeout(&q, now)
		if out.Done {
			break
		}
	}
	require.Equal(t, 3, sends)
	require.InDelta(t, 7*time.Second, time.Duration(now), float64(time.Second))
	require.Equal(t, ReasonTimeout, q.Result(KindInfo).Reason)
	require.Equal(t, ReasonTimeout, q.Result(KindRules).Reason)
	require.Zero(t, q.Result(KindRules).Attempts)
}

// TestRetriesScatter: servers that fell silent together are not asked again
// together, and in every run at the same times.
func TestRetriesScatter(t *testing.T) {
	run := func() (waits []time.Duration) {
		c := newClient(t, Config{Retries: 1, ReassemblyBytes: 1 << 20})
		for range 1000 {
			var q Query
			c.Begin(&q, WantInfo)
			c.Transmit(nil, &q, 0)
			c.HandleTimeout(&q, 1000*ms)
			c.Transmit(nil, &q, 1000*ms)
			at, _ := c.Deadline(&q)
			waits = append(waits, at.Sub(1000*ms))
		}
		return waits
	}
	waits := run()
	require.Equal(t, waits, run())
	var tenths [10]int
	for _, w := range waits {
		tenths[(w-2*time.Second)*10/(250*time.Millisecond)]++
	}
	for _, n := range tenths {
		require.InDelta(t, 100, n, 50, "in a tenth of the eighth: %v", tenths)
	}
}

// A challenge that comes while several requests are out may be the answer to any
// of them. The reply to the first send of another then comes soon after its
// second, and is no measure of the way.
func TestNoRTTWhereAChallengeMayBeAnothers(t *testing.T) {
	c := newClient(t, Config{})
	var q Query
	c.Begin(&q, WantInfo|WantPlayers)
	c.Transmit(nil, &q, 0)
	c.HandleDatagram(&q, 10*ms, challenge(1))
	c.Transmit(nil, &q, 10*ms)
	c.Transmit(nil, &q, 10*ms)
	c.HandleDatagram(&q, 18*ms, challenge(2)) // PLAYER's, say
	c.Transmit(nil, &q, 18*ms)
	c.Transmit(nil, &q, 18*ms)
	require.Equal(t, Answer, c.HandleDatagram(&q, 20*ms, infoReply).Verdict)
	require.Negative(t, q.Result(KindInfo).RTT)
}

// Nor is it where a challenge comes once more that was answered before, or a third one:
// both may be late, and the answer to the send before be on its way.
func TestNoRTTWhereAChallengeMayBeLate(t *testing.T) {
	for name, challenges := range map[string][]Challenge{
		"the one before, again and again": {1, 2, 1, 1},
		"of before that":                  {1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{})
			var q Query
			c.Begin(&q, WantInfo)
			now := Time(0)
			for _, token := range challenges {
				if q.WantsSend() {
					c.Transmit(nil, &q, now)
				}
				now += 5 * ms
				c.HandleDatagram(&q, now, challenge(token))
			}
			require.True(t, q.WantsSend())
			c.Transmit(nil, &q, now)
			require.Equal(t, Answer, c.HandleDatagram(&q, now+ms/4, infoReply).Verdict)
			require.Negative(t, q.Result(KindInfo).RTT)
		})
	}
}

// A server that asks twice and sends everything twice repeats its first
// challenge after its second: that is no third.
func TestLateDuplicateOfTheChallengeBefore(t *testing.T) {
	c := newClient(t, Config{})
	var q Query
	c.Begin(&q, WantInfo)
	c.Transmit(nil, &q, 0)
	c.HandleDatagram(&q, 10*ms, challenge(1))
	c.Transmit(nil, &q, 10*ms)
	c.HandleDatagram(&q, 20*ms, challenge(2))
	c.Transmit(nil, &q, 20*ms)
	require.Equal(t, Duplicate, c.HandleDatagram(&q, 22*ms, challenge(1)).Verdict)
	require.False(t, q.WantsSend())
	require.Equal(t, Answer, c.HandleDatagram(&q, 30*ms, infoReply).Verdict)
	require.Equal(t, 10*time.Millisecond, q.Result(KindInfo).RTT)
}

// The first attempt after a token met silence asks for a new token, and is granted in
// addition to the retries, once (D-16).
func TestTokenThatMeetsSilenceIsReplaced(t *testing.T) {
	c := newClient(t, Config{Retries: 1})
	var q Query
	c.Begin(&q, WantInfo)
	now := Time(0)
	token := Challenge(7)
	for attempt := range 3 {
		require.True(t, q.WantsSend(), "attempt %d", attempt)
		require.Equal(t, KindInfo.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, now))
		token++
		now = now.Add(time.Millisecond)
		c.HandleDatagram(&q, now, challenge(token))
		require.Equal(t, KindInfo.AppendRequest(nil, token), c.Transmit(nil, &q, now))
		now, _ = c.Deadline(&q)
		c.HandleTimeout(&q, now)
	}
	require.False(t, q.WantsSend())
	require.Equal(t, Result{Reason: ReasonChallenge, Attempts: 3, Rounds: 3, RTT: -1}, q.Result(KindInfo))
}

// A token that the server hands out again is not to blame for the silence: later retries
// carry it, so that a server with a limit on its rate is not asked twice each time.
func TestConfirmedTokenIsKept(t *testing.T) {
	c := newClient(t, Config{Retries: 3})
	var q Query
	c.Begin(&q, WantInfo)
	now := Time(0)
	c.Transmit(nil, &q, now)
	c.HandleDatagram(&q, now, challenge(7))
	c.Transmit(nil, &q, now)
	silence := func() []byte {
		now, _ = c.Deadline(&q)
		c.HandleTimeout(&q, now)
		return c.Transmit(nil, &q, now)
	}
	require.Equal(t, KindInfo.AppendRequest(nil, NoChallenge), silence())
	require.Equal(t, Challenged, c.HandleDatagram(&q, now, challenge(7)).Verdict)
	require.Equal(t, KindInfo.AppendRequest(nil, 7), c.Transmit(nil, &q, now))
	require.Equal(t, KindInfo.AppendRequest(nil, 7), silence())
	require.Equal(t, Duplicate, c.HandleDatagram(&q, now, challenge(7)).Verdict)
	require.Equal(t, Challenged, c.HandleDatagram(&q, now, challenge(8)).Verdict)
	require.Equal(t, KindInfo.AppendRequest(nil, 8), c.Transmit(nil, &q, now))
	require.Equal(t, KindInfo.AppendRequest(nil, NoChallenge), silence(), "the new one is not confirmed")
}

// Requests that carry a token go on waiting when a challenge answers one that does not.
func TestChallengeAnswersTheRequestWithoutToken(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantPlayers|WantRules)
	c.SetChallenge(&q, 7)
	c.Transmit(nil, &q, 0)
	c.Transmit(nil, &q, 0)
	require.Equal(t, 1000*ms, deadlineOf(c, &q))
	c.HandleTimeout(&q, 1000*ms)
	require.Equal(t, KindPlayers.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, 1000*ms))
	require.False(t, q.WantsSend(), "the retries are staggered")
	require.Equal(t, 1500*ms, deadlineOf(c, &q))
	require.Equal(t, Challenged, c.HandleDatagram(&q, 1010*ms, challenge(8)).Verdict)
	require.Equal(t, KindPlayers.AppendRequest(nil, 8), c.Transmit(nil, &q, 1010*ms))
	require.False(t, q.WantsSend())
	c.HandleTimeout(&q, 1500*ms)
	require.Equal(t, KindRules.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, 1500*ms))
}

func deadlineOf(c *Client, q *Query) Time {
	at, _ := c.Deadline(q)
	return at
}

// The first reply of a kind that comes sooner than the server can answer is kept only
// until a better one comes (D-17).
func TestTooEarly(t *testing.T) {
	players := func(n byte) []byte { return []byte{0xFF, 0xFF, 0xFF, 0xFF, 'D', n} }
	beginWith := func(rtt Time, info []byte) (*Client, *Query) {
		c, q := newClient(t, Config{Retries: 2}), new(Query)
		c.Begin(q, WantInfo|WantPlayers)
		c.Transmit(nil, q, 0)
		require.Equal(t, Answer, c.HandleDatagram(q, rtt, info).Verdict)
		c.Transmit(nil, q, rtt)
		return c, q
	}
	begin := func(rtt Time) (*Client, *Query) {
		return beginWith(rtt, bytes.Replace(infoReply, []byte{1, 2, 0, 'd', 'l'}, []byte{0, 2, 0, 'd', 'l'}, 1))
	}
	t.Run("a better one comes", func(t *testing.T) {
		c, q := begin(30 * ms)
		out := c.HandleDatagram(q, 31*ms, players(0))
		require.Equal(t, Answer, out.Verdict)
		require.False(t, out.Done)
		require.Equal(t, Duplicate, c.HandleDatagram(q, 32*ms, players(0)).Verdict)
		require.Equal(t, Challenged, c.HandleDatagram(q, 60*ms, challenge(7)).Verdict)
		require.Equal(t, KindPlayers.AppendRequest(nil, 7), c.Transmit(nil, q, 60*ms))
		out = c.HandleDatagram(q, 90*ms, players(1))
		require.Equal(t, Upgrade, out.Verdict)
		require.Equal(t, players(1)[4:], out.Body)
		require.True(t, out.Done)
		require.Equal(t, Result{Answered: true, Attempts: 1, Rounds: 1, RTT: 30 * time.Millisecond}, q.Result(KindPlayers))
	})
	t.Run("none comes", func(t *testing.T) {
		c, q := begin(30 * ms)
		c.HandleDatagram(q, 31*ms, players(0))
		at := deadlineOf(c, q)
		require.InDelta(t, float64(91*ms), float64(at), float64(ms), "two round trips, not a timeout")
		require.True(t, c.HandleTimeout(q, at).Done)
		require.Equal(t, Result{Answered: true, Attempts: 1, RTT: -1}, q.Result(KindPlayers), "its round trip is unknown")
	})
	t.Run("none comes, and INFO has players", func(t *testing.T) {
		for _, row := range []struct {
			players byte
			rtt, at Time
		}{{0, 30 * ms, 231 * ms}, {1, 30 * ms, 91 * ms}, {0, 150 * ms, 451 * ms}} {
			c, q := beginWith(row.rtt, infoReply)
			c.HandleDatagram(q, row.rtt+ms, players(row.players))
			at := deadlineOf(c, q)
			require.InDelta(t, float64(row.at), float64(at), float64(ms), "an empty list is surely no answer")
			require.True(t, c.HandleTimeout(q, at).Done)
			require.True(t, q.Result(KindPlayers).Answered)
		}
	})
	t.Run("the server is close", func(t *testing.T) {
		c, q := begin(4 * ms)
		require.True(t, c.HandleDatagram(q, 5*ms, players(0)).Done)
	})
	t.Run("it is not that early", func(t *testing.T) {
		c, q := begin(30 * ms)
		require.True(t, c.HandleDatagram(q, 46*ms, players(0)).Done)
	})
	t.Run("the caller ends it", func(t *testing.T) {
		c, q := begin(30 * ms)
		c.HandleDatagram(q, 31*ms, players(0))
		c.Abort(q, ReasonAborted)
		require.True(t, q.Result(KindPlayers).Answered)
	})
	t.Run("it cannot be kept", func(t *testing.T) {
		c, q := begin(30 * ms)
		c.HandleDatagram(q, 31*ms, players(0))
		require.Equal(t, Dropped, c.Reject(q, KindPlayers, 31*ms).Verdict)
		require.Equal(t, 1030*ms, deadlineOf(c, q))
	})
}

// After silence a token is asked for in the ways that some servers alone understand
// (D-21), unless one was ever given.
func TestTokensByOtherRequests(t *testing.T) {
	for _, row := range []struct {
		want Kinds
		sent string
	}{{WantRules, "VUWVUW"}, {WantPlayers, "UUWUUW"}, {WantInfo, "TTTTTT"}} {
		c := newClient(t, Config{Retries: 5, MaxElapsed: time.Hour})
		var q Query
		c.Begin(&q, row.want)
		now, sent := Time(0), ""
		for q.WantsSend() {
			sent += string(c.Transmit(nil, &q, now)[4])
			now = deadlineOf(c, &q)
			c.HandleTimeout(&q, now)
		}
		require.Equal(t, row.sent, sent)
	}
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantRules)
	c.Transmit(nil, &q, 0)
	c.HandleTimeout(&q, 1000*ms)
	require.Equal(t, KindPlayers.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, 1000*ms))
	require.Equal(t, Unexpected, c.HandleDatagram(&q, 1010*ms, []byte("\xFF\xFF\xFF\xFFD\x00")).Verdict, "PLAYER was not asked")
	c.HandleDatagram(&q, 1020*ms, challenge(7))
	require.Equal(t, KindRules.AppendRequest(nil, 7), c.Transmit(nil, &q, 1020*ms))
	at := deadlineOf(c, &q)
	c.HandleTimeout(&q, at)
	require.Equal(t, KindRules.AppendRequest(nil, NoChallenge), c.Transmit(nil, &q, at), "it gives tokens")
}

// TestSerialsSkipZero: 0 is the serial of free sets, which have no owner.
func TestSerialsSkipZero(t *testing.T) {
	c := newClient(t, Config{ReassemblyBytes: 1 << 20})
	c.serial = 1<<32 - 1
	var q Query
	c.Begin(&q, WantInfo)
	require.Equal(t, uint32(1), q.owner.serial)
}

// TestTriesFitTheirByte: the most retries that a Config takes and the one that
// fragments add are counted in a byte.
func TestTriesFitTheirByte(t *testing.T) {
	c := newClient(t, Config{Retries: 253, Timeout: time.Millisecond, MaxElapsed: time.Hour, ReassemblyBytes: 1 << 20})
	var q Query
	c.Begin(&q, WantRules)
	now, sends := Time(0), 0
	for id := byte(0); ; id++ {
		for q.WantsSend() {
			c.Transmit(nil, &q, now)
			sends++
			require.Equal(t, min(sends, 254), q.Result(KindRules).Attempts)
		}
		c.HandleDatagram(&q, now, []byte{0xFE, 0xFF, 0xFF, 0xFF, id, 0, 0, 0, 2, 0, 0xE0, 4, 0xFF, 0xFF, 0xFF, 0xFF, 'E', 1, 0})
		at, open := c.Deadline(&q)
		if !open {
			break
		}
		now = at
		c.HandleTimeout(&q, now)
	}
	require.Equal(t, 255, sends)
	require.Equal(t, ReasonFragments, q.Result(KindRules).Reason)
}

// TestUnsentRequestsChangeNothing: a request that was written and could not be sent costs no
// attempt and no time, whatever it was: the first, a repetition, the answer to a
// challenge, one of several.
func TestUnsentRequestsChangeNothing(t *testing.T) {
	silence := func(c *Client, q *Query, now Time) { c.HandleTimeout(q, now) }
	asks := func(token Challenge) func(c *Client, q *Query, now Time) {
		return func(c *Client, q *Query, now Time) { c.HandleDatagram(q, now, challenge(token)) }
	}
	send := func(c *Client, q *Query, now Time) {
		for q.WantsSend() {
			c.Transmit(nil, q, now)
		}
	}
	for name, steps := range map[string][]func(c *Client, q *Query, now Time){
		"the first":               {},
		"a repetition":            {send, silence},
		"answers to a challenge":  {send, asks(7)},
		"to one that may be late": {send, asks(7), send, asks(8)},
		"a repetition of answers": {send, asks(7), send, silence},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{Retries: 2, MaxElapsed: time.Hour})
			var q Query
			c.Begin(&q, WantInfo|WantPlayers|WantRules)
			now := Time(0)
			for _, step := range steps {
				now += 5000 * ms
				step(c, &q, now)
			}
			before := q
			first := c.AppendTransmit(nil, &q)
			require.Equal(t, first, c.AppendTransmit(nil, &q))
			require.Equal(t, before, q)
			_, started := q.Started()
			require.Equal(t, len(steps) > 0, started)
			if !started { // nothing that was never sent has an answer or a deadline
				require.Equal(t, Unexpected, c.HandleDatagram(&q, now, infoReply).Verdict)
				_, due := c.Deadline(&q)
				require.False(t, due)
			}
			k := q.nextReady()
			c.Sent(&q, now+3000*ms)
			require.GreaterOrEqual(t, q.tracks[k].deadline, uint32(1e6), "its attempt begins when it is sent")
			require.Equal(t, q.micros(now+3000*ms), q.tracks[k].sent)
		})
	}
}

// Silence is the longest time of a silent Query: none takes longer, and of many one takes
// nearly as long.
func TestSilence(t *testing.T) {
	for _, cfg := range []Config{
		{Timeout: time.Second, Retries: 2, MaxElapsed: time.Minute},
		{Timeout: 300 * time.Millisecond, Retries: 0, MaxElapsed: time.Minute},
		{Timeout: 100 * time.Millisecond, Retries: 6, MaxElapsed: time.Minute},
		{Timeout: time.Second, Retries: 5, MaxElapsed: 4 * time.Second},
	} {
		c := newClient(t, cfg)
		longest := Time(0)
		for range 3000 {
			var q Query
			c.Begin(&q, WantInfo)
			now := Time(0)
			for q.WantsSend() {
				c.Sent(&q, now)
				at, ok := c.Deadline(&q)
				require.True(t, ok)
				now = at
				c.HandleTimeout(&q, now)
			}
			longest = max(longest, now)
		}
		silence := Time(cfg.Silence())
		require.LessOrEqual(t, longest, silence)
		require.Greater(t, longest, silence-silence/50)
	}
}

// An answer that waited in the socket while the next request left answers an earlier request:
// its round trip is not known.
func TestAnswerBeforeItsRequest(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantInfo)
	c.Transmit(nil, &q, 0)
	c.HandleDatagram(&q, 90*ms, challenge(7))
	c.Transmit(nil, &q, 100*ms)
	out := c.HandleDatagram(&q, 50*ms, infoReply)
	require.True(t, out.Done)
	require.Negative(t, q.Result(KindInfo).RTT)
}
