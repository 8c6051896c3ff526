package proto_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

const millisecond = proto.Time(time.Millisecond)

// ask returns a Query that waits for RULES at time 0.
func ask(c *proto.Client) *proto.Query {
	q := new(proto.Query)
	c.Begin(q, proto.WantRules)
	c.Transmit(nil, q, 0)
	return q
}

func newClient(t testing.TB, cfg proto.Config) *proto.Client {
	c, err := proto.NewClient(cfg)
	require.NoError(t, err)
	return c
}

// TestEvictionTakesTheOldest: four queries share memory for three and a half
// replies. The oldest is evicted, and its timer asks again.
func TestEvictionTakesTheOldest(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 7 << 10, Retries: 1})
	payload := rulesPayload(150)
	var queries []*proto.Query
	var halves [][][]byte
	for i := range 4 {
		queries = append(queries, ask(c))
		halves = append(halves, cutter{dialect: proto.DialectSource, id: uint32(i), size: (len(payload) + 1) / 2}.cut(payload))
		require.Len(t, halves[i], 2)
		require.Equal(t, proto.Fragment, c.HandleDatagram(queries[i], 10*millisecond, halves[i][0]).Verdict)
	}
	require.Zero(t, c.Evicted())
	for i := range 3 { // newest first: the oldest is in nobody's way at the end
		out := c.HandleDatagram(queries[3-i], 20*millisecond, halves[3-i][1])
		require.Equal(t, proto.Answer, out.Verdict)
		require.Equal(t, payload[4:], out.Body)
	}
	require.EqualValues(t, 0, c.Evicted())
	require.Equal(t, proto.Answer, c.HandleDatagram(queries[0], 20*millisecond, halves[0][1]).Verdict)
	require.Zero(t, c.ReassemblyUsed())

	// Now with more than fits.
	queries = queries[:0]
	for i := range 8 {
		queries = append(queries, ask(c))
		out := c.HandleDatagram(queries[i], 10*millisecond, halves[i%4][0])
		require.Equal(t, proto.Fragment, out.Verdict)
	}
	require.Positive(t, c.Evicted())
	for i := 7; i >= int(c.Evicted()); i-- { // newest first; its second half may cost one more
		out := c.HandleDatagram(queries[i], 20*millisecond, halves[i%4][1])
		require.Equal(t, proto.Answer, out.Verdict, "%d", i)
		require.Equal(t, payload[4:], out.Body)
	}
	gone := int(c.Evicted())
	require.Less(t, gone, 6)
	for i, q := range queries[:gone] {
		out := c.HandleDatagram(q, 20*millisecond, halves[i%4][1])
		require.Equal(t, proto.Fragment, out.Verdict, "the first half of %d is gone", i)
		out = c.HandleTimeout(q, 2000*millisecond)
		require.True(t, out.Send)
		c.Transmit(nil, q, 2000*millisecond)
		out = c.HandleDatagram(q, 2010*millisecond, halves[i%4][0])
		require.Equal(t, proto.Answer, out.Verdict, "it may use the half that came late")
		require.Equal(t, payload[4:], out.Body)
	}
	require.Zero(t, c.ReassemblyUsed())
	require.Zero(t, c.OpenSets())
}

// TestEvictionOfAWholeReply: even a reply that only waits for inflation budget
// may be evicted; its query continues as if it had not come.
func TestEvictionOfAWholeReply(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 2 << 10, InflateBudget: 1, Retries: 1})
	packed := cutter{dialect: proto.DialectSource, id: 1, size: 2000, packed: true}.cut(rulesPayload(100))
	require.Len(t, packed, 1)
	first, second := ask(c), ask(c)
	require.Equal(t, proto.Answer, c.HandleDatagram(first, 10*millisecond, packed[0]).Verdict)
	require.Equal(t, proto.Deferred, c.HandleDatagram(second, 10*millisecond, packed[0]).Verdict)
	at, open := c.Deadline(second)
	require.True(t, open)
	require.Equal(t, 10_000*millisecond, at, "nothing else is due before its ceiling")

	third := ask(c)
	plain := cutter{dialect: proto.DialectSource, id: 1, size: 2000}.cut(rulesPayload(200))
	require.Equal(t, proto.Fragment, c.HandleDatagram(third, 10*millisecond, plain[0]).Verdict)
	require.EqualValues(t, 1, c.Evicted())
	c.BeginTurn()
	require.True(t, second.Deferred())
	out := c.Inflate(second, 10*millisecond)
	require.Equal(t, proto.Output{}, out)
	require.False(t, second.Deferred())
	at, open = c.Deadline(second)
	require.True(t, open)
	require.Equal(t, 1000*millisecond, at)
	require.True(t, c.HandleTimeout(second, at).Send)
}

// TestSetsRunOut: there are fewer places for sets than the arena has chunks, and
// then too the oldest makes way.
func TestSetsRunOut(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 64 << 10, Retries: 0}) // 16 places
	half := cutter{dialect: proto.DialectSource, id: 1, size: 20}.cut(rulesPayload(3))
	require.Len(t, half, 2)
	var queries []*proto.Query
	for i := range 20 {
		q := ask(c)
		queries = append(queries, q)
		require.Equal(t, proto.Fragment, c.HandleDatagram(q, 10*millisecond, half[0]).Verdict)
		require.Equal(t, min(i+1, 16), c.OpenSets())
	}
	require.EqualValues(t, 4, c.Evicted())
	for i, q := range queries[4:] {
		require.Equal(t, proto.Answer, c.HandleDatagram(q, 20*millisecond, half[1]).Verdict, "%d", i)
	}
	for i, q := range queries[:4] {
		require.Equal(t, proto.Fragment, c.HandleDatagram(q, 20*millisecond, half[1]).Verdict, "%d", i)
		c.Abort(q, proto.ReasonAborted)
	}
	require.Zero(t, c.OpenSets())
	require.Zero(t, c.ReassemblyUsed())
}

// TestEvictingItself: the oldest set of all may be the same server's. That leaves
// it with the places that it had.
func TestEvictingItself(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 64 << 10}) // 16 places
	half := func(id uint32) []byte {
		return cutter{dialect: proto.DialectSource, id: id, size: 20}.cut(rulesPayload(3))[0]
	}
	q := ask(c)
	require.Equal(t, proto.Fragment, c.HandleDatagram(q, 10*millisecond, half(1)).Verdict)
	for range 15 {
		require.Equal(t, proto.Fragment, c.HandleDatagram(ask(c), 10*millisecond, half(1)).Verdict)
	}
	require.Zero(t, c.Evicted())
	for id := range uint32(3) {
		require.Equal(t, proto.Fragment, c.HandleDatagram(q, 10*millisecond, half(2+id)).Verdict)
		require.EqualValues(t, 1+id, c.Evicted())
	}
	for id := range uint32(3) {
		require.Equal(t, proto.Duplicate, c.HandleDatagram(q, 10*millisecond, half(2+id)).Verdict)
	}
}

// TestEvictedIsNotSilent: a server whose only fragment had to make way was heard.
func TestEvictedIsNotSilent(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 1 << 10})
	large := cutter{dialect: proto.DialectSource, id: 1, size: 700}.cut(rulesPayload(100))[0]
	q := ask(c)
	require.Equal(t, proto.Fragment, c.HandleDatagram(q, 10*millisecond, large).Verdict)
	require.Equal(t, proto.Fragment, c.HandleDatagram(ask(c), 10*millisecond, large).Verdict)
	require.EqualValues(t, 1, c.Evicted())
	require.True(t, c.HandleTimeout(q, 1000*millisecond).Done)
	require.Equal(t, proto.Result{Reason: proto.ReasonFragments, Attempts: 1, RTT: -1}, q.Result(proto.KindRules))
	require.True(t, q.Heard())
}

// TestThirdIDPushesOutTheOldest, also when the places of its server are not in
// the order of age any more.
func TestThirdIDPushesOutTheOldest(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
	q := new(proto.Query)
	c.Begin(q, proto.WantInfo|proto.WantPlayers|proto.WantRules)
	c.SetChallenge(q, 7)
	for q.WantsSend() {
		c.Transmit(nil, q, 0)
	}
	half := func(id uint32, i int) []byte {
		return cutter{dialect: proto.DialectSource, id: id, size: 20}.cut(rulesPayload(3))[i]
	}
	see := func(want proto.Verdict, id uint32, i int) {
		t.Helper()
		require.Equal(t, want, c.HandleDatagram(q, 10*millisecond, half(id, i)).Verdict)
	}
	see(proto.Fragment, 1, 0)
	see(proto.Fragment, 2, 0)
	see(proto.Fragment, 3, 0)
	see(proto.Answer, 1, 1)   // 1 is known as complete, and the oldest
	see(proto.Fragment, 4, 0) // pushes out 1
	see(proto.Duplicate, 2, 0)
	see(proto.Fragment, 5, 0) // pushes out 2, not 4
	see(proto.Duplicate, 4, 0)
	see(proto.Duplicate, 3, 0)
	see(proto.Duplicate, 5, 0)
	require.Equal(t, 3, c.OpenSets())
	require.Zero(t, c.Evicted(), "that was its own doing")
}

// TestABigReplyEvictsNobodyInVain: what can't fit is dropped before others
// have to make way for it.
func TestABigReplyEvictsNobodyInVain(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 8 << 10})
	victim := ask(c)
	half := cutter{dialect: proto.DialectSource, id: 1, size: 20}.cut(rulesPayload(3))
	require.Equal(t, proto.Fragment, c.HandleDatagram(victim, 10*millisecond, half[0]).Verdict)
	big := cutter{dialect: proto.DialectSource, id: 2, size: 20_000}.cut(make([]byte, 40_000))
	require.Equal(t, proto.Dropped, c.HandleDatagram(ask(c), 10*millisecond, big[1]).Verdict)
	require.Zero(t, c.Evicted())
	require.Equal(t, proto.Answer, c.HandleDatagram(victim, 20*millisecond, half[1]).Verdict)
}

// TestInflateBudget: a turn inflates as much as its budget says, and one reply
// more; the rest waits, in order, and loses nothing.
func TestInflateBudget(t *testing.T) {
	const replies = 40
	c := newClient(t, proto.Config{InflateBudget: 512 << 10, ReassemblyBytes: 1 << 20})
	payload := rulesPayload(100)
	packed := cutter{dialect: proto.DialectSourceNoSize, id: 1, size: 4000, packed: true}.cut(payload)
	waits := map[int]*proto.Query{}
	answered, turns := 0, 1
	for i := range replies {
		q := ask(c)
		switch out := c.HandleDatagram(q, 10*millisecond, packed[0]); out.Verdict {
		case proto.Answer:
			answered++
		case proto.Deferred:
			waits[i] = q
		default:
			require.Fail(t, "neither answered nor deferred", "%v", out.Verdict)
		}
	}
	first := answered
	require.InDelta(t, 512/65, first, 2)
	for len(waits) > 0 {
		turns++
		c.BeginTurn()
		for i, q := range waits {
			if out := c.Inflate(q, 5000*millisecond); out.Verdict == proto.Answer {
				require.Equal(t, payload[4:], out.Body)
				require.True(t, out.Done)
				delete(waits, i)
				answered++
			}
		}
		require.Less(t, turns, 20)
	}
	require.Equal(t, replies, answered)
	require.InDelta(t, replies/first, turns, 2)
	require.Zero(t, c.ReassemblyUsed())
}

// TestBombsCostATurnOnce: of bombs that lie about their size one goes off in a
// turn, however many come.
func TestBombsCostATurnOnce(t *testing.T) {
	c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
	lie := bomb(100)[0]
	verdicts := map[proto.Verdict]int{}
	for range 50 {
		verdicts[c.HandleDatagram(ask(c), 10*millisecond, lie).Verdict]++
	}
	require.Equal(t, map[proto.Verdict]int{proto.Malformed: 1, proto.Deferred: 49}, verdicts)
	c.BeginTurn()
	for range 50 { // refused unopened: no budget needed
		require.Equal(t, proto.Malformed, c.HandleDatagram(ask(c), 10*millisecond, bomb(0xFFFFFFFE)[0]).Verdict)
	}
	good := cutter{dialect: proto.DialectSource, id: 1, size: 4000, packed: true}.cut(rulesPayload(100))
	require.Equal(t, proto.Answer, c.HandleDatagram(ask(c), 10*millisecond, good[0]).Verdict, "and none used")
}

// TestBrokenRepliesAreOpenedFourTimes: of one server, however many it sends; each
// costs a block's work. The next server's are opened as before.
func TestBrokenRepliesAreOpenedFourTimes(t *testing.T) {
	c := newClient(t, proto.Config{})
	opened := func(q *proto.Query) (n int) {
		for id := range byte(20) {
			lie := bomb(100)[0]
			lie[4] = id
			c.BeginTurn()
			require.Equal(t, proto.Malformed, c.HandleDatagram(q, 10*millisecond, lie).Verdict)
			if !c.CanInflate() { // what an opened one costs is all of a turn's budget
				n++
			}
		}
		return n
	}
	require.Equal(t, 4, opened(ask(c)))
	require.Equal(t, 4, opened(ask(c)))
}

// TestSplitCapturesInAnyOrder assembles every captured split reply in twenty
// seeded orders, fragments missing none and some twice, and compares it with
// what the oracle makes of the fragments.
func TestSplitCapturesInAnyOrder(t *testing.T) {
	assembled := 0
	forEachSplitCapture(t, captures(t), func(t *testing.T, format string, fragments [][]byte) {
		want := referenceReassemble(t, fragments)
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, uint64(len(fragments))))
			arrivals := append([][]byte(nil), fragments...)
			for range 1 + r.IntN(len(fragments)) {
				arrivals = append(arrivals, fragments[r.IntN(len(fragments))])
			}
			r.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
			c, messages := converse(arrivals...)
			require.Len(t, messages, 1, "seed %d", seed)
			require.NoError(t, messages[0].Err)
			require.True(t, bytes.Equal(want, messages[0].Body), "seed %d", seed)
			require.Empty(t, c.Unfinished())
			_, held := c.Held()
			require.Zero(t, held)
			if format != "" {
				require.Equal(t, format, messages[0].Dialect.String(), "seed %d", seed)
			}
			assembled++
		}
	})
	t.Logf("%d orders", assembled)
	require.GreaterOrEqual(t, assembled, 20*21)
}

// ExampleConversation reads captured datagrams.
func ExampleConversation() {
	c := new(proto.Conversation)
	for _, d := range []string{
		"\xFF\xFF\xFF\xFFA\x29\xF9\xD5\x3C",
		"\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x02\x01\xE0\x04800\x00",
		"\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x02\x00\xE0\x04\xFF\xFF\xFF\xFFE\x01\x00sv_gravity\x00",
	} {
		if m, ok := c.Receive([]byte(d)); ok {
			fmt.Printf("%c %q from datagrams %v\n", m.Type, m.Body, m.Datagrams)
		}
	}
	// Output:
	// A "A)\xf9\xd5<" from datagrams [0]
	// E "E\x01\x00sv_gravity\x00800\x00" from datagrams [1 2]
}
