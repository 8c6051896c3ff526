package proto

import (
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
	b := AppendPlayersRequest(nil, token)
	b[4] = TypeChallenge
	return b
}

var infoReply = []byte("\xFF\xFF\xFF\xFFI\x11a\x00b\x00c\x00d\x00\x00\x00\x01\x02\x00dl\x00\x011.0\x00\x00")

func TestQuerySize(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Query{}), uintptr(80), "a million of these are alive at once")
}

func TestAllThreeInTwoRoundTrips(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantInfo|WantPlayers|WantRules)
	require.Equal(t, AppendInfoRequest(nil, NoChallenge), c.AppendTransmit(nil, &q, 0))
	require.False(t, q.WantsSend(), "the others wait for the challenge")
	out := c.HandleDatagram(&q, 100*ms, challenge(7))
	require.Equal(t, Challenged, out.Verdict)
	require.True(t, out.Send)
	require.Equal(t, AppendInfoRequest(nil, 7), c.AppendTransmit(nil, &q, 100*ms))
	require.Equal(t, AppendPlayersRequest(nil, 7), c.AppendTransmit(nil, &q, 100*ms))
	require.Equal(t, AppendRulesRequest(nil, 7), c.AppendTransmit(nil, &q, 100*ms))
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
			c.AppendTransmit(nil, &q, now)
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
			c.AppendTransmit(nil, &q, 0)
			c.HandleTimeout(&q, 1000*ms)
			c.AppendTransmit(nil, &q, 1000*ms)
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
	c.AppendTransmit(nil, &q, 0)
	c.HandleDatagram(&q, 10*ms, challenge(1))
	c.AppendTransmit(nil, &q, 10*ms)
	c.AppendTransmit(nil, &q, 10*ms)
	c.HandleDatagram(&q, 18*ms, challenge(2)) // PLAYER's, say
	c.AppendTransmit(nil, &q, 18*ms)
	c.AppendTransmit(nil, &q, 18*ms)
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
					c.AppendTransmit(nil, &q, now)
				}
				now += 5 * ms
				c.HandleDatagram(&q, now, challenge(token))
			}
			require.True(t, q.WantsSend())
			c.AppendTransmit(nil, &q, now)
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
	c.AppendTransmit(nil, &q, 0)
	c.HandleDatagram(&q, 10*ms, challenge(1))
	c.AppendTransmit(nil, &q, 10*ms)
	c.HandleDatagram(&q, 20*ms, challenge(2))
	c.AppendTransmit(nil, &q, 20*ms)
	require.Equal(t, Duplicate, c.HandleDatagram(&q, 22*ms, challenge(1)).Verdict)
	require.False(t, q.WantsSend())
	require.Equal(t, Answer, c.HandleDatagram(&q, 30*ms, infoReply).Verdict)
	require.Equal(t, 10*time.Millisecond, q.Result(KindInfo).RTT)
}

// What is lost before the challenge comes is not taken from the tries behind it.
func TestChallengeAfterSilenceGrantsATry(t *testing.T) {
	c := newClient(t, Config{Retries: 1})
	var q Query
	c.Begin(&q, WantInfo)
	now := Time(0)
	lose := func() {
		c.AppendTransmit(nil, &q, now)
		now, _ = c.Deadline(&q)
		c.HandleTimeout(&q, now)
	}
	lose()
	c.AppendTransmit(nil, &q, now)
	c.HandleDatagram(&q, now.Add(time.Millisecond), challenge(7))
	lose()
	require.True(t, q.WantsSend(), "the second phase has a retry too")
	lose()
	require.False(t, q.WantsSend())
	require.Equal(t, Result{Reason: ReasonChallenge, Attempts: 2, Rounds: 1, RTT: -1}, q.Result(KindInfo), "which counts as no try on silence")
}

// TestSerialsSkipZero: 0 is the serial of free sets, which belong to nobody.
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
	c := newClient(t, Config{Retries: 254, Timeout: time.Millisecond, MaxElapsed: time.Hour, ReassemblyBytes: 1 << 20})
	var q Query
	c.Begin(&q, WantRules)
	now, sends := Time(0), 0
	for id := byte(0); ; id++ {
		for q.WantsSend() {
			c.AppendTransmit(nil, &q, now)
			sends++
			require.Equal(t, min(sends, 255), q.Result(KindRules).Attempts)
		}
		c.HandleDatagram(&q, now, []byte{0xFE, 0xFF, 0xFF, 0xFF, id, 0, 0, 0, 2, 0, 0xE0, 4, 0xFF, 0xFF, 0xFF, 0xFF, 'E', 1, 0})
		at, open := c.Deadline(&q)
		if !open {
			break
		}
		now = at
		c.HandleTimeout(&q, now)
	}
	require.Equal(t, 256, sends)
	require.Equal(t, ReasonFragments, q.Result(KindRules).Reason)
}

// TestTakeBack: a request that was written and could not be sent spends no try, and
// no time, whatever it was: the first, a repetition, the answer to a challenge, one of several.
func TestTakeBack(t *testing.T) {
	silence := func(c *Client, q *Query, now Time) { c.HandleTimeout(q, now) }
	asks := func(token Challenge) func(c *Client, q *Query, now Time) {
		return func(c *Client, q *Query, now Time) { c.HandleDatagram(q, now, challenge(token)) }
	}
	send := func(c *Client, q *Query, now Time) {
		for q.WantsSend() {
			c.AppendTransmit(nil, q, now)
		}
	}
	for name, steps := range map[string][]func(c *Client, q *Query, now Time){
		"the first":                       {},
		"a repetition":                    {send, silence},
		"the second repetition":           {send, silence, send, silence},
		"answers to a challenge":          {send, asks(7)},
		"to one after silence":            {send, silence, send, asks(7)},
		"to one that may be late":         {send, asks(7), send, asks(8)},
		"to one while a repetition waits": {send, silence, asks(7)},
		"a repetition of answers":         {send, asks(7), send, silence},
		"the request beyond the tries":    {send, silence, send, silence, send, asks(7), send, silence},
		"an answer to the one beyond":     {send, silence, send, silence, send, asks(7), send, silence, send, asks(8)},
	} {
		for _, legacy := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c := newClient(t, Config{Retries: 2, GetChallenge: legacy, MaxElapsed: time.Hour})
				var q Query
				c.Begin(&q, WantInfo|WantPlayers|WantRules)
				if legacy {
					c.Begin(&q, WantRules)
				}
				now := Time(0)
				for _, step := range steps {
					now += 5000 * ms
					step(c, &q, now)
				}
				require.True(t, q.WantsSend())
				before := q
				var requests [][]byte
				for q.WantsSend() {
					requests = append(requests, c.AppendTransmit(nil, &q, now))
				}
				for i := len(requests) - 1; i >= 0; i-- {
					c.TakeBack(&q, requests[i])
				}
				_, started := q.Started()
				require.Equal(t, len(steps) > 0, started)
				at, due := c.Deadline(&q)
				require.Equal(t, started, due)
				require.True(t, !due || at >= Time(time.Hour), "no try can be over")
				for k := range Kind(NumKinds) {
					require.Equal(t, before.Result(k), q.Result(k))
				}
				later := now + 60_000*ms
				for _, b := range requests {
					require.Equal(t, b, c.AppendTransmit(nil, &q, later))
					c.AppendTransmit(nil, &before, later)
				}
				require.Equal(t, before, q, "as if it had been written but once")
			})
		}
	}
}

// TestTakeBackForgetsTheSendBefore: an answer that comes while a repetition waits for
// room is one, and its round trip is nobody's.
func TestTakeBackForgetsTheSendBefore(t *testing.T) {
	c := newClient(t, Config{Retries: 2})
	var q Query
	c.Begin(&q, WantInfo)
	c.AppendTransmit(nil, &q, 0)
	c.HandleTimeout(&q, 1000*ms)
	c.TakeBack(&q, c.AppendTransmit(nil, &q, 1000*ms))
	require.Equal(t, Answer, c.HandleDatagram(&q, 1500*ms, infoReply).Verdict)
	require.Equal(t, Result{Answered: true, Attempts: 1, RTT: -1}, q.Result(KindInfo))

	// Of what was never sent nothing is an answer.
	c.Begin(&q, WantInfo)
	b := c.AppendTransmit(nil, &q, 0)
	c.TakeBack(&q, b)
	require.Equal(t, Unexpected, c.HandleDatagram(&q, 5*ms, infoReply).Verdict)
	require.Panics(t, func() { c.TakeBack(&q, b) })
}
