package prototest

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// A client plays one server in virtual time with proto's own state machine, so
// that two independent writings of the protocol check each other.
type client struct {
	c   *proto.Client
	out *Replies
	now proto.Time
}

type arrival struct {
	at proto.Time
	b  []byte
}

// heard is a client's knowledge of a server.
type heard struct {
	info       *proto.Info
	players    *proto.PlayerList
	rules      *proto.RuleList
	a3sb       *a3sb.Block
	outcomes   [3]Outcomes
	rtt        [3]time.Duration
	challenged bool
}

func newClient(t *testing.T, seed uint64) *client {
	c, err := proto.NewClient(proto.Config{Timeout: time.Second, Retries: 2, MaxElapsed: 8 * time.Second})
	require.NoError(t, err)
	return &client{c: c, out: NewReplies(seed)}
}

// query asks the server at e for want.
func (c *client) query(t *testing.T, s Service, e Endpoint, want proto.Kinds) heard {
	t.Helper()
	var q proto.Query
	var h heard
	var wire []arrival
	c.c.Begin(&q, want)
	for done := false; !done; {
		c.c.BeginTurn()
		if q.WantsSend() {
			req := c.c.AppendTransmit(nil, &q)
			c.c.Sent(&q, c.now)
			s.Answer(c.out, c.now, testClient, e, req)
			for i := range c.out.Len() {
				b, delay := c.out.Datagram(i)
				wire = append(wire, arrival{c.now.Add(delay), slices.Clone(b)})
			}
			slices.SortStableFunc(wire, func(a, b arrival) int { return int(a.at - b.at) })
			continue
		}
		deadline, open := c.c.Deadline(&q)
		require.True(t, open, "a query that is not done, wants nothing and waits for nothing")
		var out proto.Output
		if len(wire) > 0 && wire[0].at <= deadline {
			a := wire[0]
			wire = wire[1:]
			c.now = max(c.now, a.at)
			out = c.c.HandleDatagram(&q, c.now, a.b)
		} else {
			c.now = max(c.now, deadline)
			out = c.c.HandleTimeout(&q, c.now)
		}
		if out.Verdict == proto.Answer || out.Verdict == proto.Upgrade {
			if !h.take(out) {
				out = c.c.Reject(&q, out.Kind, c.now)
			}
		}
		done = out.Done
	}
	h.challenged = q.WasChallenged()
	for k := range proto.Kind(3) {
		if want.Has(k) {
			r := q.Result(k)
			h.outcomes[k], h.rtt[k] = outcomeOf(r), r.RTT
		}
	}
	if h.rules != nil {
		block, rest, err := a3sb.Decode(h.rules.List, h.info)
		require.NoError(t, err)
		h.a3sb, h.rules.List = block, rest
	}
	return h
}

func (h *heard) take(out proto.Output) bool {
	body := slices.Clone(out.Body)
	switch out.Kind {
	case proto.KindInfo:
		h.info = new(proto.Info)
		return h.info.Decode(body) == nil
	case proto.KindPlayers:
		h.players = new(proto.PlayerList)
		return h.players.Decode(body) == nil
	default:
		h.rules = new(proto.RuleList)
		return h.rules.Decode(body) == nil
	}
}

func outcomeOf(r proto.Result) Outcomes {
	if r.Answered {
		return Success
	}
	switch r.Reason {
	case proto.ReasonTimeout:
		return Timeout
	case proto.ReasonChallenge, proto.ReasonFragments, proto.ReasonUnexpected:
		return Incomplete
	}
	return ProtocolError
}

// requireTrue compares a client's knowledge with the truth.
func requireTrue(t *testing.T, truth *Truth, h *heard) {
	t.Helper()
	for k := range proto.Kind(3) {
		if truth.Want.Has(k) {
			require.True(t, truth.Sections[k].Has(h.outcomes[k]), "%v of a %v server: want %v, got %v",
				k, truth.Server.Does, truth.Sections[k], h.outcomes[k])
			if h.outcomes[k] == Success && h.rtt[k] >= 0 { // negative: not measured
				require.GreaterOrEqual(t, h.rtt[k], truth.LeastRTT.Truncate(time.Microsecond), "%v of a %v server", k, truth.Server.Does)
			}
		}
	}
	if h.outcomes[proto.KindInfo] == Success {
		i := slices.IndexFunc(truth.Info, func(i InfoTruth) bool { return i.Format == h.info.Format })
		require.GreaterOrEqual(t, i, 0)
		want := truth.Info[i]
		got := *h.info
		if got.Truncated {
			got.Trailing = nil // a reader may keep the bytes of a cut field or not
		}
		requireSame(t, want.Info, got)
		players, maxPlayers, ok := h.info.ActualPlayers()
		require.Equal(t, want.HasActual, ok)
		if ok {
			require.Equal(t, []int{want.ActualPlayers, want.ActualMaxPlayers}, []int{players, maxPlayers})
		}
	}
	if h.outcomes[proto.KindPlayers] == Success {
		got := *h.players
		want := truth.Players[0]
		for _, other := range truth.Players[1:] {
			if slices.EqualFunc(other.List, got.List, samePlayer) {
				want = other
			}
		}
		if len(want.List) == 0 {
			got.Ship = want.Ship // an empty block shows nothing
		}
		if !slices.EqualFunc(want.List, got.List, samePlayer) {
			requireSame(t, want.List, got.List)
		}
		want.List, got.List = nil, nil
		requireSame(t, want, got)
	}
	if h.outcomes[proto.KindRules] == Success {
		want, got := truth.Rules, *h.rules
		if !slices.EqualFunc(want.List, got.List, sameRule) {
			requireSame(t, want.List, got.List)
		}
		want.List, got.List = nil, nil
		requireSame(t, want, got)
		if truth.A3SB == nil {
			require.Nil(t, h.a3sb)
			return
		}
		require.NotNil(t, h.a3sb)
		requireSame(t, *truth.A3SB, *h.a3sb)
	}
}

// samePlayer compares bits: NaN is not itself.
func samePlayer(a, b proto.Player) bool {
	return bytes.Equal(a.Name, b.Name) && a.Index == b.Index && a.Score == b.Score &&
		math.Float32bits(a.Duration) == math.Float32bits(b.Duration) && a.Deaths == b.Deaths && a.Money == b.Money
}

func sameRule(a, b proto.Rule) bool {
	return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
}

// requireSame compares, taking nil and empty for the same.
func requireSame[T any](t *testing.T, want, got T) {
	t.Helper()
	require.Equal(t, spell(want), spell(got))
}

func TestTruthIsWhatIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name   string
		shares Shares
	}{
		{"plain", Shares{}},
		{"split", Shares{Split: 100}},
		{"compressed", Shares{BZip2: 100}},
		{"goldsource", Shares{GoldSource: 100, Split: 60}},
		{"ship", Shares{Ship: 100, Split: 50}},
		{"truncated", Shares{Truncate: 100, Split: 30, BZip2: 20, GoldSource: 20, Ship: 20}},
		{"all", everything(0).Shares},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &World{Seed: 11, Shares: tc.shares}
			c := newClient(t, 1)
			seen := make(map[string]int)
			for i := range 500 {
				want := proto.Kinds(1 + i%7)
				truth, ok := w.Truth(at(i), want)
				require.True(t, ok)
				h := c.query(t, w, at(i), want)
				requireTrue(t, &truth, &h)
				if truth.ChallengedKnown && allSucceeded(want, h.outcomes) && !truth.Server.Does.Has(WrongType) {
					require.Equal(t, truth.Challenged, h.challenged)
				}
				for k := range proto.Kind(3) {
					seen[h.outcomes[k].String()]++
				}
			}
			require.NotZero(t, seen["success"])
			require.Zero(t, c.c.ReassemblyUsed())
		})
	}
}

// With loss, a record may have less, but nothing wrong.
func TestTruthUnderLoss(t *testing.T) {
	w := everything(12)
	w.Shares.Loss = 15
	c := newClient(t, 1)
	found, expected := 0, 0
	for i := range 600 {
		want := proto.WantInfo | proto.WantPlayers | proto.WantRules
		truth, _ := w.Truth(at(i), want)
		h := c.query(t, w, at(i), want)
		requireTrue(t, &truth, &h)
		if !truth.Server.Does.Has(tempers) {
			expected++
			if h.outcomes[proto.KindInfo] == Success {
				found++
			}
		}
	}
	require.Greater(t, float64(found)/float64(expected), 0.90)
	require.Less(t, found, expected, "nothing was lost")
}

func allSucceeded(want proto.Kinds, o [3]Outcomes) bool {
	for k := range proto.Kind(3) {
		if want.Has(k) && o[k] != Success {
			return false
		}
	}
	return true
}

// Every quirk that the package comment promises occurs.
func TestQuirksOccur(t *testing.T) {
	w := everything(1)
	seen := make(map[string]int)
	note := func(name string, is bool) {
		if is {
			seen[name]++
		} else {
			seen[name] += 0
		}
	}
	for i := range 20_000 {
		truth, _ := w.Truth(at(i), proto.WantInfo|proto.WantPlayers|proto.WantRules)
		info := truth.Info[0]
		note("info: no EDF byte", !info.HasEDF && info.Format == proto.FormatSource)
		note("info: no VAC byte", !info.VACKnown)
		note("info: cut", info.Truncated)
		note("info: cut before the EDF byte", info.Missing != 0)
		note("info: bytes behind the end", len(info.Trailing) > 0)
		note("info: app id beyond 16 bits", info.AppID16 == 0 && info.EDF&1 != 0)
		note("info: game id beyond 24 bits", info.GameID > 1<<24)
		note("info: largest SteamID", info.SteamID == 1<<64-1)
		note("info: spectator port", info.SpectatorPort != 0)
		note("info: unknown letters", info.ServerType == 0 && info.OS == 0)
		note("info: empty name", len(info.Name) == 0)
		note("info: two answers", len(truth.Info) == 2)
		note("info: relay with counts", info.HasProxyCounts)
		note("info: mod", info.HasMod)
		note("info: counts in keywords", info.HasActual && info.ActualPlayers > 255)
		players := truth.Players[0]
		note("players: more than 255", len(players.List) > 255)
		note("players: count wraps to zero", len(players.List) == 256)
		note("players: none", len(players.List) == 0)
		note("players: ship", players.Ship && len(players.List) > 0)
		note("players: cut", players.Truncated)
		note("rules: none", len(truth.Rules.List) == 0 && !truth.Rules.Truncated)
		note("rules: cut", truth.Rules.Truncated)
		note("rules: Arma", truth.A3SB != nil && truth.A3SB.Difficulty != nil)
		note("rules: DayZ", truth.A3SB != nil && truth.A3SB.HasDescription)
		for _, p := range players.List {
			note("players: negative score", p.Score < 0)
			note("players: not a number", p.Duration != p.Duration)
			note("players: bot", p.Duration == -1)
		}
	}
	for name, n := range seen {
		require.NotZero(t, n, name)
	}
}

// A late retry by the legacy request is challenged even by a server that demands nothing.
func TestAllowLossChallenged(t *testing.T) {
	for _, demanded := range []bool{false, true} {
		truth := Truth{ChallengedKnown: true, Challenged: demanded}
		truth.AllowLoss()
		require.Equal(t, demanded, truth.ChallengedKnown)
	}
}
