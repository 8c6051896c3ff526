package prototest

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// at returns the n-th server of a World that fills 127/8.
func at(n int) Endpoint {
	return EndpointFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)}), 27015))
}

var testClient = EndpointFrom(netip.MustParseAddrPort("127.0.0.1:40000"))

// everything is a World in which everything happens.
func everything(seed uint64) *World {
	return &World{Seed: seed, Shares: Shares{
		Challenge: 50, Silent: 3, GoldSource: 20, Ship: 10, Split: 25, BZip2: 25, Duplicate: 20, Reorder: 20,
		Garbage: 8, ChallengeLoop: 3, Endless: 3, WrongType: 8, Truncate: 15, AskTwice: 6, StrictLength: 10, DelayMin: time.Millisecond, DelayMax: 40 * time.Millisecond,
	}}
}

// tempers are the behaviours that exclude each other: each decides whether there is
// an answer at all.
const tempers = Silent | Garbage | ChallengeLoop | Endless | WrongType | Truncate

func TestSharesAreKept(t *testing.T) {
	w := everything(1)
	require.NoError(t, w.Shares.Validate())
	const n = 40_000
	count := make(map[Behaviour]int)
	for i := range n {
		s := w.ServerAt(at(i))
		for j := range NumBehaviours {
			if b := Behaviour(1) << j; s.Does.Has(b) {
				count[b]++
			}
		}
		temper := s.Does & tempers
		if s.Does.Has(GoldSource) && s.Does.Has(Ship|BZip2) || s.Does.Has(Split) && s.Does.Has(BZip2) || temper&(temper-1) != 0 {
			t.Fatalf("%v do not go together", s.Does)
		}
		if s.Delay < time.Millisecond || s.Delay >= 40*time.Millisecond {
			t.Fatalf("delay %v is not between 1 and 40 ms", s.Delay)
		}
	}
	for b, percent := range map[Behaviour]float64{
		Challenge: 50, Silent: 3, GoldSource: 20, Ship: 10, Duplicate: 20, Reorder: 20, Garbage: 8,
		ChallengeLoop: 3, Endless: 3, WrongType: 8, Truncate: 15, AskTwice: 6, StrictLength: 10,
		Split: 25 + 20*25/100, BZip2: 25 - 20*25/100, // GoldSource cannot compress
	} {
		require.InDelta(t, percent, 100*float64(count[b])/n, 0.8, "%v", b)
	}
}

func TestSharesOfNoneAndAll(t *testing.T) {
	for i := range 2000 {
		none := (&World{Seed: 9}).ServerAt(at(i))
		require.Equal(t, "plain", none.Does.String())
		all := (&World{Seed: 9, Shares: Shares{Challenge: 100, Truncate: 100, Ship: 100, BZip2: 100, Duplicate: 100}}).ServerAt(at(i))
		require.Equal(t, "challenge+bzip2+ship+duplicate+truncate", all.Does.String())
	}
}

func TestSharesThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		shares Shares
		want   string
	}{
		{Shares{Silent: 101}, "--silent 101 is not a percentage"},
		{Shares{Loss: -1}, "--loss -1 is not a percentage"},
		{Shares{Silent: 60, Garbage: 60}, "come to 120 percent"},
		{Shares{GoldSource: 60, Ship: 60}, "--goldsource and --ship come to 120 percent"},
		{Shares{Split: 60, BZip2: 60}, "--split and --bzip2 come to 120 percent"},
		{Shares{DelayMin: 2, DelayMax: 1}, "--delay 2ns:1ns is not a range"},
	} {
		require.ErrorContains(t, tc.shares.Validate(), tc.want)
	}
}

// transcript is everything that one round of queries makes a World say.
func transcript(w *World, seed uint64, servers int) []byte {
	var all []byte
	out := NewReplies(seed)
	for i := range servers {
		for _, req := range [][]byte{
			proto.KindInfo.AppendRequest(nil, proto.NoChallenge), proto.KindPlayers.AppendRequest(nil, 1), proto.KindPing.AppendRequest(nil, proto.NoChallenge),
		} {
			w.Answer(out, 5, testClient, at(i), req)
			for n := range out.Len() {
				b, delay := out.Datagram(n)
				all = append(append(all, b...), delay.String()...)
			}
		}
	}
	return all
}

func TestAnswersFollowFromTheSeed(t *testing.T) {
	w := everything(3)
	w.Shares.Loss = 10
	a := transcript(w, 7, 300)
	require.True(t, bytes.Equal(a, transcript(w, 7, 300)))
	require.False(t, bytes.Equal(a, transcript(w, 8, 300)), "the dice change nothing")
	other := everything(4)
	require.False(t, bytes.Equal(a, transcript(other, 7, 300)), "the seed changes nothing")
}

func TestV4MappedIsTheSameServer(t *testing.T) {
	w := everything(1)
	require.Equal(t, w.Server(netip.MustParseAddrPort("127.1.2.3:27015")), w.Server(netip.MustParseAddrPort("[::ffff:127.1.2.3]:27015")))
	require.NotEqual(t, w.Server(netip.MustParseAddrPort("127.1.2.3:27015")), w.Server(netip.MustParseAddrPort("127.1.2.3:27016")))
}

func TestLossIsEachWay(t *testing.T) {
	w := &World{Shares: Shares{Loss: 10}}
	out := NewReplies(1)
	req := proto.KindInfo.AppendRequest(nil, proto.NoChallenge)
	const n = 20_000
	answered := 0
	for i := range n {
		w.Answer(out, 0, testClient, at(i), req)
		answered += out.Len()
	}
	require.InDelta(t, 0.81, float64(answered)/n, 0.01)
}

// ask acts as a patient client: it sends a query, echoes challenges, and returns the final
// answer and the number of challenges before it.
func ask(t *testing.T, w *World, out *Replies, now proto.Time, e Endpoint, k proto.Kind) (challenges int) {
	t.Helper()
	token := proto.NoChallenge
	for challenges < 5 {
		w.Answer(out, now, testClient, e, requestFor(k, token))
		if out.Len() == 0 {
			return challenges
		}
		b, _ := out.Datagram(0)
		if len(b) != 9 || b[4] != proto.TypeChallenge {
			return challenges
		}
		token = proto.Challenge(le.Uint32(b[5:]))
		challenges++
	}
	return challenges
}

func requestFor(k proto.Kind, token proto.Challenge) []byte {
	switch k {
	case proto.KindPlayers:
		return proto.KindPlayers.AppendRequest(nil, token)
	case proto.KindRules:
		return proto.KindRules.AppendRequest(nil, token)
	}
	return proto.KindInfo.AppendRequest(nil, token)
}

func TestChallenges(t *testing.T) {
	out := NewReplies(1)
	plain, asks := &World{Seed: 5, Shares: Shares{AskTwice: 10}}, &World{Seed: 5, Shares: Shares{Challenge: 100, AskTwice: 10}}
	loop := &World{Seed: 5, Shares: Shares{ChallengeLoop: 100}}
	rounds := make(map[int]int)
	for i := range 600 {
		require.Zero(t, ask(t, plain, out, 0, at(i), proto.KindInfo))
		n := ask(t, asks, out, 0, at(i), proto.KindInfo)
		rounds[n]++
		require.Equal(t, n, ask(t, plain, out, 0, at(i), proto.KindRules), "PLAYER and RULES are always gated")
		require.Equal(t, 5, ask(t, loop, out, 0, at(i), proto.KindInfo))
	}
	require.Len(t, rounds, 2)
	require.InDelta(t, 60, rounds[2], 30)
	once := &World{Seed: 5, Shares: Shares{Challenge: 100}}
	for i := range 600 {
		require.Equal(t, 1, ask(t, once, out, 0, at(i), proto.KindPlayers), "asking twice is rare")
	}
}

func TestTokensExpire(t *testing.T) {
	w := &World{Seed: 5, Shares: Shares{Challenge: 100, AskTwice: 10}}
	out := NewReplies(1)
	for i := range 100 {
		w.Answer(out, 0, testClient, at(i), requestFor(proto.KindInfo, proto.NoChallenge))
		first, _ := out.Datagram(0)
		old := proto.Challenge(le.Uint32(first[5:]))
		typeAt := func(now proto.Time, client Endpoint) byte {
			w.Answer(out, now, client, at(i), requestFor(proto.KindInfo, old))
			b, _ := out.Datagram(0)
			if b[4] == proto.TypeChallenge && proto.Challenge(le.Uint32(b[5:])) == old {
				return 0 // the same token again would be a trap
			}
			return b[4]
		}
		s := w.ServerAt(at(i))
		want := byte(proto.TypeInfo)
		if s.Does.Has(AskTwice) {
			want = proto.TypeChallenge // the second round
		}
		require.Equal(t, want, typeAt(0, testClient))
		require.Equal(t, want, typeAt(2*tokenLife-1, testClient), "accepted for one more period")
		require.Equal(t, proto.TypeChallenge, typeAt(2*tokenLife, testClient))
		other := EndpointFrom(netip.MustParseAddrPort("127.9.9.9:40000"))
		require.Equal(t, proto.TypeChallenge, typeAt(0, other), "a token is one client's")
		otherPort := testClient
		otherPort.Port++
		require.Equal(t, want, typeAt(0, otherPort), "from any of its ports")
	}
}

func TestWhatIsNoRequestGetsNoAnswer(t *testing.T) {
	w := &World{}
	out := NewReplies(1)
	info := proto.KindInfo.AppendRequest(nil, proto.NoChallenge)
	for _, b := range [][]byte{nil, {0xFF}, info[:24], []byte("\xFF\xFF\xFF\xFFI"), []byte("\xFE\xFF\xFF\xFFT"), bytes.Replace(info, []byte("Source"), []byte("source"), 1)} {
		w.Answer(out, 0, testClient, at(1), b)
		require.Zero(t, out.Len(), "%q", b)
	}
}

// Engines ignore bytes behind the token; some firewalls drop such requests.
func TestBytesBehindTheToken(t *testing.T) {
	lenient, strict := &World{Seed: 3}, &World{Seed: 3, Shares: Shares{StrictLength: 100}}
	out := NewReplies(1)
	answers := func(w *World, i int, req []byte) []byte {
		w.Answer(out, 0, testClient, at(i), req)
		if out.Len() == 0 {
			return nil
		}
		b, _ := out.Datagram(0)
		return bytes.Clone(b)
	}
	for i := range 100 {
		for _, k := range []proto.Kind{proto.KindInfo, proto.KindPlayers, proto.KindRules} {
			token := proto.NoChallenge
			for range 2 { // without a token and with a good one
				req := requestFor(k, token)
				want := answers(lenient, i, req)
				require.NotEmpty(t, want)
				for _, more := range []string{"\x00", "\x00\x00\x00", "\xFF\xFF\xFF\xFF\x00"} {
					long := append(bytes.Clone(req), more...)
					if k == proto.KindInfo && token == proto.NoChallenge && len(more) > 4 {
						continue // that is a token
					}
					got := answers(lenient, i, long)
					require.NotEmpty(t, got)
					require.Equal(t, want[4], got[4], "a reply of the same type")
					require.Empty(t, answers(strict, i, long))
				}
				require.NotEmpty(t, answers(strict, i, req))
				if want[4] == proto.TypeChallenge {
					token = proto.Challenge(le.Uint32(want[5:]))
				}
			}
		}
		require.NotEmpty(t, answers(lenient, i, []byte("\xFF\xFF\xFF\xFFU")), "no token is a wrong token")
		require.Empty(t, answers(strict, i, []byte("\xFF\xFF\xFF\xFFU")))
	}
}

// Servers that split without a size field are those of the protocol's list, with the
// protocol number by which other clients know them, and no other server is.
func TestServersWithoutASizeField(t *testing.T) {
	for _, shares := range []Shares{{Split: 100}, {BZip2: 100}, everything(1).Shares} {
		w := &World{Seed: 8, Shares: shares}
		out := NewReplies(1)
		seen := map[uint16]int{}
		for i := range 4000 {
			s := w.ServerAt(at(i))
			truth, _ := w.Truth(at(i), proto.WantInfo)
			info := truth.Info[0]
			if info.Missing != 0 {
				continue // the app id may be cut off
			}
			listed := info.Protocol == 7 && (info.AppID16 == 215 || info.AppID16 == 240 || info.AppID16 == 17550 || info.AppID16 == 17700)
			sp := s.splitter(&out.rand)
			if !s.Does.Has(Split | BZip2) {
				require.False(t, listed)
				continue
			}
			require.Equal(t, sp.Dialect == proto.DialectSourceNoSize, listed, "%v: app %d, protocol %d", s.Does, info.AppID16, info.Protocol)
			if listed {
				seen[info.AppID16]++
			}
		}
		require.Len(t, seen, 4)
	}
}

func TestNoServerIsAnAmplifierWithoutEnd(t *testing.T) {
	w := everything(2)
	w.Shares.Endless = 40
	w.Shares.Silent, w.Shares.Garbage = 0, 0
	out := NewReplies(1)
	for i := range 2000 {
		for k := range proto.Kind(3) {
			ask(t, w, out, 0, at(i), k)
			require.LessOrEqual(t, out.Len(), 80, "40, twice where the server duplicates")
		}
	}
}

func TestAnsweringDoesNotAllocate(t *testing.T) {
	w := everything(6)
	w.Shares.Loss = 5
	out := NewReplies(1)
	info, players, rules := requestFor(proto.KindInfo, proto.NoChallenge), requestFor(proto.KindPlayers, 1), requestFor(proto.KindRules, 1)
	hltv := &World{Seed: 1, Shares: Shares{GoldSource: 100, Split: 50}} // one in eight answers PLAYER and RULES without a challenge
	round := func() {
		for i := range 2000 {
			w.Answer(out, 0, testClient, at(i), info)
			hltv.Answer(out, 0, testClient, at(i), players)
			hltv.Answer(out, 0, testClient, at(i), rules)
		}
	}
	round() // buffers grow to the largest, compressed texts are made
	require.Zero(t, testing.AllocsPerRun(1, round))
}

func BenchmarkAnswerInfo(b *testing.B) {
	w := &World{Seed: 1}
	out := NewReplies(1)
	req := proto.KindInfo.AppendRequest(nil, proto.NoChallenge)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Answer(out, 0, testClient, at(i&0xFFFFFF), req)
	}
}

func BenchmarkAnswerChallenge(b *testing.B) {
	w := &World{Seed: 1, Shares: Shares{Challenge: 100, Loss: 1}}
	out := NewReplies(1)
	req := proto.KindInfo.AppendRequest(nil, proto.NoChallenge)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Answer(out, 0, testClient, at(i&0xFFFFFF), req)
	}
}
