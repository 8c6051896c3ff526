package scanner

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Every reason has a status and words.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		res    proto.Result
		status output.Status
		words  string
	}{
		{proto.Result{Answered: true}, output.Success, ""},
		{proto.Result{Reason: proto.ReasonTimeout, Attempts: 1}, output.Timeout, "no answer after 1 attempt"},
		{proto.Result{Reason: proto.ReasonTimeout, Attempts: 3}, output.Timeout, "no answer after 3 attempts"},
		{proto.Result{Reason: proto.ReasonTimeout}, output.Timeout, "not asked: an earlier query was not answered"},
		{proto.Result{Reason: proto.ReasonRefused, Attempts: 1}, output.Refused, "port unreachable"},
		{proto.Result{Reason: proto.ReasonUnreachable, Attempts: 1}, output.Unreachable, "host or network unreachable"},
		{proto.Result{Reason: proto.ReasonSend, Attempts: 1}, output.SendError, "the system would not send"},
		{proto.Result{Reason: proto.ReasonSend}, output.SendError, "the system would not send"},
		{proto.Result{Reason: proto.ReasonChallenge, Attempts: 2}, output.Incomplete, "challenged, never answered, after 2 attempts"},
		{proto.Result{Reason: proto.ReasonFragments, Attempts: 2, Got: 2, Total: 3}, output.Incomplete, "2 of 3 fragments received"},
		{proto.Result{Reason: proto.ReasonFragments, Attempts: 1, Got: 2}, output.Incomplete, "no first fragment among the 2 received"},
		{proto.Result{Reason: proto.ReasonFragments, Attempts: 1}, output.Incomplete, "parts of a reply came, and none could be kept"},
		{proto.Result{Reason: proto.ReasonUnexpected, Attempts: 1}, output.Incomplete, "only replies to other queries, after 1 attempt"},
		{proto.Result{Reason: proto.ReasonMalformed, Attempts: 1}, output.ProtocolError, "the reply does not parse"},
		{proto.Result{Reason: proto.ReasonLoop, Attempts: 1}, output.ProtocolError, "challenge loop"},
		{proto.Result{Reason: proto.ReasonAborted, Attempts: 1}, output.Aborted, "the scan stopped first"},
		{proto.Result{Reason: proto.ReasonAborted}, output.Aborted, "the scan stopped first"},
	} {
		require.Equal(t, c.status, statusOf(c.res), c.words)
		if !c.res.Answered {
			require.Equal(t, c.words, describe(c.res, 0))
		}
	}
	for reason := proto.ReasonTimeout; reason <= proto.ReasonAborted; reason++ {
		res := proto.Result{Reason: reason, Attempts: 1}
		require.NotZero(t, weight[statusOf(res)], "reason %d has a place among the others", reason)
		require.NotEmpty(t, describe(res, 0))
	}
}

// Texts are made once, told apart by all that stands in them, and their number is bounded.
func TestTexts(t *testing.T) {
	r := newRecorder(time.Time{})
	a := proto.Result{Reason: proto.ReasonFragments, Attempts: 2, Got: 2, Total: 3}
	require.Equal(t, "rules: 2 of 3 fragments received", r.text(a, proto.KindRules, ""))
	require.Equal(t, "2 of 3 fragments received", r.text(a, proto.NumKinds, "ignored"))
	a.Got = 1
	require.Equal(t, "1 of 3 fragments received", r.text(a, proto.NumKinds, ""))
	require.Zero(t, testing.AllocsPerRun(100, func() { r.text(a, proto.NumKinds, "") }))
	require.Len(t, r.texts, 3)
	for got := range 100 * 100 {
		a.Got, a.Total = got%100, got/100
		require.NotEmpty(t, r.text(a, proto.KindInfo, ""))
	}
	require.LessOrEqual(t, len(r.texts), maxTexts)
	send := proto.Result{Reason: proto.ReasonSend}
	require.Equal(t, "send: no route", r.text(send, proto.NumKinds, "send: no route"))
	require.Equal(t, "players: send: no route", r.text(send, proto.KindPlayers, "send: no route"))
}

// Where nothing was answered the failure that tells most is the target's, and where
// something was, the first that was not.
func TestStatusPrecedence(t *testing.T) {
	cfg := rigConfig(allKinds)
	cfg.Retries = 0
	r := newRig(t, cfg, rigTargets(8)...)
	part := fragments(1, 8, rulesReply("a", "b"))[0]
	for i := range 8 {
		r.reply(rigKey(i), challengeReply(1))
	}
	r.reply(rigKey(1), part)                                                // RULES incomplete
	r.reply(rigKey(2), part, playersReply()[:5])                            // and PLAYERS malformed
	r.reply(rigKey(3), infoReply("x"))                                      // INFO alone
	r.reply(rigKey(4), infoReply("x"), playersReply(), part)                // and a part of RULES
	r.reply(rigKey(5), rulesReply(), playersReply())                        // all but INFO
	r.reply(rigKey(6), infoReply("x"), playersReply("p")[:5], rulesReply()) // PLAYERS malformed
	r.icmp(rigKey(7), mux.PortUnreachable)
	r.finish()
	for seq, want := range []struct {
		status  output.Status
		words   string
		info    output.Status
		players output.Status
		rules   output.Status
	}{
		{output.Incomplete, "challenged, never answered, after 2 attempts", output.Incomplete, output.Incomplete, output.Incomplete},
		{output.Incomplete, "challenged, never answered, after 2 attempts", output.Incomplete, output.Incomplete, output.Incomplete},
		{output.ProtocolError, "the reply does not parse", output.Incomplete, output.ProtocolError, output.Incomplete},
		{output.Partial, "players: no answer after 2 attempts", output.Success, output.Timeout, output.Timeout},
		{output.Partial, "rules: 1 of 2 fragments received", output.Success, output.Success, output.Incomplete},
		{output.Partial, "info: challenged, never answered, after 2 attempts", output.Incomplete, output.Success, output.Success},
		{output.Partial, "players: the reply does not parse", output.Success, output.ProtocolError, output.Success},
		{output.Refused, "port unreachable", output.Refused, output.Refused, output.Refused},
	} {
		rec := r.record(uint64(seq))
		require.Equal(t, want.words, rec.Error, "target %d", seq)
		require.Equal(t, want.status, rec.Status, "target %d", seq)
		require.Equal(t, want.info, rec.Info.Status, "target %d", seq)
		require.Equal(t, want.players, rec.Players.Status, "target %d", seq)
		require.Equal(t, want.rules, rec.Rules.Status, "target %d", seq)
	}
	st := r.e.Stats()
	for k := proto.KindInfo; k <= proto.KindRules; k++ {
		n := uint64(0)
		for _, c := range st.Sections[k] {
			n += c
		}
		require.EqualValues(t, 8, n, "each section is counted once for each target")
	}
}

// The record contains the user's words.
func TestRecordSaysWhereTheTargetCameFrom(t *testing.T) {
	list := rigTargets(3)
	list[1].Origin = &targets.Origin{Input: "gs1.example.net:27015", Tag: "eu"}
	list[2].Origin = &targets.Origin{Tag: "us"}
	r := newRig(t, rigConfig(proto.WantInfo), list...)
	for i := range 3 {
		r.reply(rigKey(i), infoReply("x"))
	}
	require.Equal(t, "192.0.2.0:27015", r.record(0).Input)
	require.Empty(t, r.record(0).Tag)
	require.Equal(t, "gs1.example.net:27015", r.record(1).Input)
	require.Equal(t, "eu", r.record(1).Tag)
	require.Equal(t, "192.0.2.2:27015", r.record(2).Input)
	require.Equal(t, "us", r.record(2).Tag)
	r.finish()
}

// The address :: is one, whose Key has no bit set but the port's; a name that has none
// has a port at most.
func TestRecordOfTheUnspecifiedAddress(t *testing.T) {
	unspecified := mux.KeyFrom(netip.MustParseAddrPort("[::]:27015"))
	r := newRig(t, rigConfig(proto.WantInfo),
		targets.Target{Key: unspecified, Seq: 0, Refusal: targets.Blocked, Reason: "x"},
		targets.Target{Key: unspecified, Seq: 1, Refusal: targets.Invalid, Reason: "x", Origin: &targets.Origin{Input: "a:27015"}},
		targets.Target{Key: mux.Key{Port: 27015}, Seq: 2, Refusal: targets.Resolve, Reason: "x", Origin: &targets.Origin{Input: "b:27015"}},
		targets.Target{Seq: 3, Refusal: targets.Invalid, Reason: "x", Origin: &targets.Origin{Input: "c"}},
	)
	r.finish()
	for seq, input := range []string{"[::]:27015", "a:27015"} {
		rec := r.record(uint64(seq))
		require.Equal(t, "::", rec.Addr.Addr().String())
		require.EqualValues(t, 27015, rec.Addr.Port())
		require.Equal(t, input, rec.Input)
	}
	require.False(t, r.record(2).Addr.Addr().IsValid())
	require.EqualValues(t, 27015, r.record(2).Addr.Port())
	require.False(t, r.record(3).Addr.Addr().IsValid())
	require.Zero(t, r.record(3).Addr.Port())
}

// What a server said stays in its record, however the records before it were.
func TestRecordsDoNotMix(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(3)...)
	for i := range 3 {
		r.reply(rigKey(i), challengeReply(1))
	}
	r.reply(rigKey(0), infoReply("first"), playersReply("a", "b"), rulesReply("k", "v"))
	r.icmp(rigKey(1), mux.PortUnreachable)
	r.reply(rigKey(2), playersReply("c"), infoReply("third"))
	r.reply(rigKey(2), rulesReply())
	require.Len(t, r.record(0).Players.List, 2)
	rec := r.record(1)
	require.Empty(t, rec.Info.Name)
	require.Nil(t, rec.Players.List)
	require.Nil(t, rec.Rules.List)
	rec = r.record(2)
	require.Equal(t, "third", rec.Info.Name)
	require.Len(t, rec.Players.List, 1)
	require.Empty(t, rec.Rules.List)
	r.finish()

	// One whose last section never comes, beside one that ends with that section.
	r = newRig(t, rigConfig(allKinds), rigTargets(2)...)
	for i := range 2 {
		r.reply(rigKey(i), challengeReply(1))
	}
	r.reply(rigKey(0), infoReply("its own"), playersReply("its own"))
	r.reply(rigKey(1), playersReply("another"), rulesReply())
	r.reply(rigKey(1), infoReply("another"))
	r.finish()
	rec = r.record(0)
	require.Equal(t, output.Partial, rec.Status)
	require.Equal(t, "its own", rec.Info.Name)
	require.Equal(t, "its own", rec.Players.List[0].Name)
}

// A record has the same keys for every status.
func TestRecordsHaveTheSameKeys(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Retries = 0
	list := rigTargets(4)
	list[3].Refusal = targets.Blocked
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	e.Feed(list)
	e.EndFeed()
	now := proto.Time(time.Second)
	tx := mux.NewBatch(10, maxRequest)
	e.transmit(now, tx)
	e.HandlePacket(now, now, &mux.Packet{Peer: rigKey(0), Data: infoReply("x")})
	e.HandlePacket(now, now, &mux.Packet{Peer: rigKey(1), Unreachable: mux.PortUnreachable})
	e.Abort(now)
	var keys []map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(takeLines(e, newRecorder(e.wall))))
	for dec.More() {
		var m map[string]json.RawMessage
		require.NoError(t, dec.Decode(&m))
		keys = append(keys, m)
	}
	require.Len(t, keys, 4)
	for _, m := range keys[1:] {
		require.Len(t, m, len(keys[0]))
		for k := range m {
			require.Contains(t, keys[0], k)
		}
	}
}
