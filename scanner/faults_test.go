package scanner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// faultRows says by which tests of this package each row of the fault list is
// proven that an engine, a Scanner or a Client can show. docs/reliability.md holds
// the whole list, with the rows that are proven elsewhere.
var faultRows = map[string][]string{
	"L1": {"TestL1_RandomLoss", "TestL1_LossTable", "TestFoundShare"},
	"L2": {"TestL2_Silence", "TestL2_TargetTimeout"},
	"L3": {"TestL3_LateReply", "TestL3_ReplyWhileTheRetryIsQueued"},
	"L4": {"TestL4_ReplyAfterTheEnd"},
	"L5": {"TestL5_DuplicatesAndReordering"},
	"L6": {"TestL6_FragmentLost"},
	"L7": {"TestL7_InterleavedAnswers"},
	"C1": {"TestC1_ChallengeLoop", "TestC1_SameChallengeForever", "TestC1_ChallengesDoNotExtendTheDeadline"},
	"C2": {"TestC2_ChallengeForSomeQueries", "TestC2_BothFormatsOfHLDS"},
	"C3": {"TestC3_EndlessTalker", "TestC3_FleetOfBombs"},
	"S1": {"TestS1_AnotherSource"},
	"S2": {"TestS2_SpoofedFlood"},
	"S3": {"TestS3_SameTargetTwice"},
	"S4": {"TestS4_MappedAddress"},
	"P1": {"TestP1_Malformed", "TestP1_StrangeNumbers"},
	"P2": {"TestP2_TruncatedDatagram"},
	"I1": {"TestI1_ICMP", "TestI1_AnswerAfterICMP"},
	"I2": {"TestI2_ForgedICMP", "TestI2_ICMPAfterAnAnswer"},
	"N1": {"TestN1_SocketWithoutRoom", "TestClientShortSends"},
	"N2": {"TestN2_RefusedByTheSystem"},
	"N4": {"TestN4_AllSendsFail", "TestN4_SomeSendsFail", "TestN4_NetworkGoesDown", "TestN4_NoIPv6"},
	"T1": {"TestT1_Suspend", "TestBudgetSuspend"},
	"T2": {"TestT2_Stall", "TestT2_StoppedForLongerThanATarget", "TestT2_SlowTurns", "TestT2_FloodDelaysDeadlinesLittle", "TestT2_AnswersBehindAFlood", "TestClientStall"},
	"T3": {"TestT3_RateAtTheSocket", "TestRateInEveryWindow", "TestBudgetRates"},
	"O2": {"TestO2_SlowSink", "TestO2_LongRepliesForAStuckWriter", "TestO2_FailingSink"},
	"O3": {"TestO3_Interrupt", "TestO3_InterruptBeforeTheStart", "TestO3_DrainIsBounded", "TestO3_Abort", "TestO3_SecondSignal", "TestO3_AbortWithAFullSocket"},
	"M1": {"TestM1_MemoryDoesNotGrow"},
	"M2": {"TestM2_AllTimeOutAtOnce"},
	"B3": {"TestB3_InputSlowerThanTheScan"},
	"B4": {"TestB4_NoTargets"},
	"G1": {"TestG1_CancelAtAnyTime", "TestClientClose"},
}

// TestFaultRows holds faultRows against the tests that there are: each row has one, and
// each that is named exists.
func TestFaultRows(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	declared := map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				declared[fn.Name.Name] = true
			}
		}
	}
	for row, tests := range faultRows {
		require.NotEmpty(t, tests, row)
		for _, name := range tests {
			require.True(t, declared[name], "%s: there is no %s", row, name)
		}
	}
	for _, row := range strings.Fields("L1 L2 L3 L4 L5 L6 L7 C1 C2 C3 S1 S2 S3 S4 P1 P2 I1 I2 N1 N2 N4 T1 T2 T3 O2 O3 M1 M2 B3 B4 G1") {
		require.Contains(t, faultRows, row)
	}
}

// With loss both ways a server is found if one of its tries comes through, the counts
// say what was spent on it, and the same seed gives the same records.
func TestL1_RandomLoss(t *testing.T) {
	run := func() (string, uint64) {
		var all []byte
		cfg := simConfig()
		cfg.MaxInFlight = 300
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Loss: 20, DelayMin: time.Millisecond, DelayMax: 100 * time.Millisecond}, simSeed(t, 31), 300)
		s.sink = func(b []byte) { all = append(all, b...) }
		s.run()
		return string(all), s.onWire.sent
	}
	once, sent := run()
	again, _ := run()
	require.Equal(t, once, again)
	found, packets := 0, 0
	for _, r := range parseRecords(t, []byte(once)) {
		packets += r.PacketsSent
		switch r.Status {
		case output.Success:
			found++
			require.LessOrEqual(t, r.Attempts, 4)
		case output.Timeout:
			require.Equal(t, 3, r.Attempts, "it is given up after the last try only")
		case output.Incomplete: // a challenge came, perhaps after silence
			require.Contains(t, []int{3, 4}, r.Attempts, "it is given up after the last try only")
		default:
			require.Fail(t, "loss makes no other status", "%v", r.Status)
		}
	}
	require.EqualValues(t, sent, packets)
	lost := 1 - 0.8*0.8
	want := foundShare(1, 3, lost)/2 + foundShare(2, 3, lost)/2
	require.InDelta(t, want, float64(found)/300, 4*math.Sqrt(want*(1-want)/300)+0.01)
}

// Silence is a timeout after retries+1 sends and the sum of their waits, never early.
func TestL2_Silence(t *testing.T) {
	for _, retries := range []int{0, 1, 2, 5} {
		cfg := rigConfig(proto.WantInfo)
		cfg.Retries = retries
		cfg.TargetTimeout = time.Hour
		r := newRig(t, cfg, rigTargets(20)...)
		r.finish()
		sentAt := map[mux.Key][]proto.Time{}
		for _, p := range r.take() {
			sentAt[p.to] = append(sentAt[p.to], p.at)
		}
		for i := range 20 {
			rec := r.record(uint64(i))
			require.Equal(t, output.Timeout, rec.Status)
			require.Equal(t, retries+1, rec.Attempts)
			require.Equal(t, retries+1, rec.PacketsSent)
			at := sentAt[rigKey(i)]
			require.Len(t, at, retries+1)
			end := proto.Time(rec.Duration)
			for try := range at {
				// Each wait is twice the one before, four times the first at most, and
				// up to an eighth longer from the second on.
				least := min(time.Second<<try, 4*time.Second)
				most := least + least/8
				if try == 0 {
					most = least
				}
				next := end.Add(0)
				if try < retries {
					next = at[try+1]
				}
				// A tick of the wheel, and the turns that queue behind each other.
				require.GreaterOrEqual(t, next.Sub(at[try]), least-time.Millisecond/1000, "early")
				require.LessOrEqual(t, next.Sub(at[try]), most+time.Duration(tick)+time.Millisecond, "late")
			}
		}
	}
}

// The target's whole time ends it between tries too.
func TestL2_TargetTimeout(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Retries, cfg.TargetTimeout = 100, 5*time.Second
	r := newRig(t, cfg, rigTargets(1)...)
	r.finish()
	rec := r.record(0)
	require.Equal(t, output.Timeout, rec.Status)
	require.Equal(t, 3, rec.Attempts) // at 0, 1 and 3 s
	require.InDelta(t, 5000, ms(rec.Duration), 5)
}

// A reply that comes after its try's timeout is the reply, and its round trip is not
// told where it can't be known.
func TestL3_LateReply(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(3)...)
	r.advance(1200 * time.Millisecond) // the second try is out
	require.Len(t, r.take(), 6)
	r.reply(rigKey(0), infoReply("late"))
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, 2, rec.Attempts)
	require.Equal(t, output.NoRTT, rec.RTT)

	// An answer while the last try waits, and one while a retry is only due.
	r.advance(2 * time.Second)
	r.reply(rigKey(1), infoReply("later"))
	require.Equal(t, 3, r.record(1).Attempts)
	r.finish()
	require.Equal(t, output.Timeout, r.record(2).Status)
}

// The reply may come while its retry waits for the rate to allow it: then the retry
// is not sent.
func TestL3_ReplyWhileTheRetryIsQueued(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Rate = 1
	r := newRig(t, cfg, rigTargets(3)...)
	r.advance(2100 * time.Millisecond)
	sent := r.take()
	require.Len(t, sent, 3)
	require.Equal(t, []mux.Key{rigKey(0), rigKey(1), rigKey(0)}, []mux.Key{sent[0].to, sent[1].to, sent[2].to},
		"retries go before fresh targets")
	r.reply(rigKey(1), infoReply("before its retry"))
	require.Equal(t, 1, r.record(1).Attempts)
	require.NotEqual(t, output.NoRTT, r.record(1).RTT, "only one request was sent")
	r.reply(rigKey(0), infoReply("behind it"))
	r.advance(1500 * time.Millisecond)
	sent = r.take()
	require.Len(t, sent, 1)
	require.Equal(t, rigKey(2), sent[0].to, "the retry's place is another's")
	r.reply(rigKey(2), infoReply("x"))
	r.finish()
}

// A reply to a target that has ended is counted as late and does nothing.
func TestL4_ReplyAfterTheEnd(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxInFlight = 1
	r := newRig(t, cfg, rigTargets(2)...)
	r.reply(rigKey(0), infoReply("in time"))
	require.Len(t, r.records, 1)
	require.Equal(t, rigKey(1), r.take()[1].to, "the slot is in use again")
	r.reply(rigKey(0), infoReply("again"), infoReply("and again"))
	require.Len(t, r.records, 1)
	st := r.e.Stats()
	require.EqualValues(t, 2, st.Late)
	require.Zero(t, st.Unmatched)
	r.reply(rigKey(1), infoReply("the other"))
	require.Equal(t, "the other", r.record(1).Info.Name)
	r.finish()
}

// Datagrams that come twice, or in another order, change nothing but a count.
func TestL5_DuplicatesAndReordering(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(1)...)
	k := rigKey(0)
	r.reply(k, challengeReply(77), challengeReply(77))
	require.Equal(t, "TTUV", r.takeTypes())
	rules := rulesReply("a", "1", "b", "2", "c", "3", "d", "4444444444444")
	parts := fragments(9, 16, rules)
	require.Greater(t, len(parts), 2)
	for i := len(parts) - 1; i > 0; i-- {
		r.reply(k, parts[i], parts[i])
	}
	r.reply(k, playersReply("x"), playersReply("x"))
	r.reply(k, infoReply("x"), infoReply("x"))
	r.reply(k, parts[0], parts[0])
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, 4, rec.Rules.Count)
	require.Equal(t, "4444444444444", rec.Rules.List[3].Value)
	require.Equal(t, 1, rec.Players.Count)
	st := r.e.Stats()
	require.EqualValues(t, 1+len(parts)-1+2, st.Duplicate)
	require.EqualValues(t, 1, st.Late, "the last one's double")
	r.finish()
}

// Where a fragment is lost only that section is asked for again.
func TestL6_FragmentLost(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(2)...)
	parts := fragments(1, 16, rulesReply("a", "1", "b", "2", "c", "3"))
	require.Len(t, parts, 2)
	for i := range 2 {
		r.reply(rigKey(i), challengeReply(5))
		r.reply(rigKey(i), infoReply("x"), playersReply("p"), parts[0])
	}
	r.take()
	r.advance(2 * time.Second)
	require.Equal(t, "VV", r.takeTypes())
	// The answer to the retry has fragments of its own.
	again := fragments(2, 16, rulesReply("a", "1", "b", "2", "c", "3"))
	r.reply(rigKey(0), again...)
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, 2, rec.Rules.Attempts)
	require.Equal(t, output.NoRTT, rec.Rules.RTT)
	require.NotEqual(t, output.NoRTT, rec.RTT, "INFO was answered at once")

	for !r.e.Finished() {
		r.advance(500 * time.Millisecond)
		if len(r.take()) > 0 {
			r.reply(rigKey(1), fragments(uint32(r.now), 16, rulesReply("a", "1", "b", "2", "c", "3"))[0])
		}
	}
	rec = r.record(1)
	require.Equal(t, output.Partial, rec.Status)
	require.Equal(t, output.Incomplete, rec.Rules.Status)
	require.Equal(t, "1 of 2 fragments received", rec.Rules.Error)
	require.Equal(t, "rules: 1 of 2 fragments received", rec.Error)
	require.Equal(t, "p", rec.Players.List[0].Name)
	require.Nil(t, rec.Rules.List)
	r.finish()
}

// Two answers to one question whose fragments come mixed are told apart by their id,
// and one whose parts contradict each other is not believed.
func TestL7_InterleavedAnswers(t *testing.T) {
	cfg := rigConfig(proto.WantRules)
	cfg.Retries = 0
	r := newRig(t, cfg, rigTargets(2)...)
	a := fragments(1, 16, rulesReply("first", "1111", "b", "2", "c", "3"))
	b := fragments(2, 16, rulesReply("other", "9999", "y", "8", "z", "7"))
	require.Len(t, a, 2)
	r.reply(rigKey(0), a[0], b[0], b[1], a[1])
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, "other", rec.Rules.List[0].Name)
	require.Equal(t, "9999", rec.Rules.List[0].Value)

	liar := append([]byte(nil), a[1]...)
	liar[8] = 5 // of five, where the first said of two
	r.reply(rigKey(1), a[0], liar)
	require.EqualValues(t, 1, r.e.Stats().Malformed)
	r.finish()
	require.Contains(t, []output.Status{output.Incomplete, output.ProtocolError}, r.record(1).Status)
}

// A server that never stops handing out new challenges is given up; challenges cost
// no tries, and tokens of the rate all the same.
func TestC1_ChallengeLoop(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Rate = 500
	r := newRig(t, cfg, rigTargets(1)...)
	for token := range proto.Challenge(100) {
		if r.e.Finished() {
			break
		}
		r.reply(rigKey(0), challengeReply(token+1))
		r.advance(2 * time.Millisecond)
	}
	r.finish()
	rec := r.record(0)
	require.Equal(t, output.ProtocolError, rec.Status)
	require.Contains(t, rec.Error, "challenge loop")
	require.Equal(t, 1, rec.Attempts)
	require.Equal(t, 6, rec.PacketsSent, "the request and five answers")
	require.True(t, rec.Challenged)
	sent := r.take()
	for i := 1; i < len(sent); i++ {
		require.GreaterOrEqual(t, sent[i].at.Sub(sent[i-1].at), 2*time.Millisecond, "each of them took its token")
	}
}

// A refusal in words ends the target at once, with the words in its record, escaped.
func TestDenied(t *testing.T) {
	cfg := rigConfig(allKinds)
	r := newRig(t, cfg, rigTargets(4)...)
	r.take()
	r.reply(rigKey(0), []byte("\xFF\xFF\xFF\xFFlBanned by\x1b[31m server\xFF\n\x00"))
	r.reply(rigKey(1), infoReply("x"))
	r.take()
	r.reply(rigKey(1), []byte("\xFF\xFF\xFF\xFF9go away"))
	r.reply(rigKey(2), []byte("\xFF\xFF\xFF\xFFl\x00"))
	r.reply(rigKey(3), append([]byte("\xFF\xFF\xFF\xFFl"), bytes.Repeat([]byte("no "), 10_000)...))
	require.Empty(t, r.take(), "nothing more is sent")
	r.finish()
	for seq, want := range []string{
		`the server refused to answer: "Banned by\x1b[31m server\xff"`,
		`players: the server refused to answer: "go away"`,
		`the server refused to answer`,
		`the server refused to answer: "no no no `,
	} {
		rec := r.record(uint64(seq))
		require.Contains(t, rec.Error, want)
		require.Less(t, len(rec.Error), 400)
		status := output.ProtocolError
		if seq == 1 {
			require.Equal(t, output.Success, rec.Info.Status)
			require.Equal(t, output.ProtocolError, rec.Players.Status)
			require.Equal(t, output.ProtocolError, rec.Rules.Status)
			require.Contains(t, rec.Rules.Error, "go away")
			status = output.Partial
		}
		require.Equal(t, status, rec.Status)
		require.Equal(t, 1, rec.Attempts)
	}
	require.EqualValues(t, 4, r.e.Stats().Denied)
}

// The same challenge over and over is a server that does not answer.
func TestC1_SameChallengeForever(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	for !r.e.Finished() {
		if len(r.take()) > 0 {
			r.reply(rigKey(0), challengeReply(1), challengeReply(1))
		}
		r.advance(10 * time.Millisecond)
	}
	rec := r.record(0)
	require.Equal(t, output.Incomplete, rec.Status)
	require.Equal(t, 4, rec.Attempts, "one more after the token met silence")
	require.Equal(t, 6, rec.PacketsSent, "two without a token, four with it")
	require.Contains(t, rec.Error, "challenged")
	r.finish()
}

// Challenges that come as fast as they are answered cannot hold a target beyond its time.
func TestC1_ChallengesDoNotExtendTheDeadline(t *testing.T) {
	cfg := rigConfig(allKinds)
	cfg.TargetTimeout = 3 * time.Second
	r := newRig(t, cfg, rigTargets(1)...)
	for token := proto.Challenge(1); !r.e.Finished(); token++ {
		r.advance(400 * time.Millisecond)
		if !r.e.Finished() {
			r.reply(rigKey(0), challengeReply(token))
		}
	}
	require.LessOrEqual(t, ms(r.record(0).Duration), 3000.0+5)
}

// Servers that ask for a challenge for some queries only, and HLDS with its two
// answers to INFO.
func TestC2_ChallengeForSomeQueries(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(1)...)
	k := rigKey(0)
	require.Equal(t, "T", r.takeTypes())
	r.reply(k, infoReply("x"))
	require.Equal(t, "U", r.takeTypes())
	r.reply(k, challengeReply(3))
	require.Equal(t, "UV", r.takeTypes())
	r.reply(k, playersReply(), rulesReply())
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.True(t, rec.Challenged)
	require.Empty(t, rec.Players.List)
	require.NotNil(t, rec.Players.List)
	r.finish()
}

func TestC2_BothFormatsOfHLDS(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	for name, c := range map[string]struct {
		replies [][]byte
		format  string
		name    string
	}{
		"m alone":             {[][]byte{goldSourceReply("m")}, "goldsource", "m"},
		"m, then I":           {[][]byte{goldSourceReply("m"), infoReply("I")}, "source", "I"},
		"I, then m":           {[][]byte{infoReply("I"), goldSourceReply("m")}, "source", "I"},
		"m, then a bad I":     {[][]byte{goldSourceReply("m"), infoReply("I")[:7]}, "goldsource", "m"},
		"bad m, then I":       {[][]byte{goldSourceReply("m")[:7], infoReply("I")}, "source", "I"},
		"m twice, then I":     {[][]byte{goldSourceReply("m"), goldSourceReply("m"), infoReply("I")}, "source", "I"},
		"I twice":             {[][]byte{infoReply("I"), infoReply("J")}, "source", "I"},
		"challenge behind it": {[][]byte{goldSourceReply("m"), challengeReply(1), infoReply("I")}, "source", "I"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, cfg, rigTargets(1)...)
			for _, b := range c.replies {
				r.reply(rigKey(0), b)
				r.advance(time.Millisecond)
			}
			r.finish()
			rec := r.record(0)
			require.Equal(t, output.Success, rec.Status)
			require.Equal(t, c.format, rec.Info.Format)
			require.Equal(t, c.name, rec.Info.Name)
			require.Equal(t, 1, rec.Attempts)
			require.Len(t, r.take(), 1)
		})
	}
}

// One that talks without end is ended by the target's time, and takes no more memory
// than a reply may, with and without --raw, so that others find room.
func TestC3_EndlessTalker(t *testing.T) {
	for _, raw := range []bool{false, true} {
		cfg := rigConfig(allKinds)
		cfg.TargetTimeout = 2 * time.Second
		cfg.Raw = raw
		r := newRig(t, cfg, rigTargets(2)...)
		k := rigKey(0)
		var id uint32
		filler := make([]byte, 1200)
		for r.now < proto.Time(1900*time.Millisecond) {
			var burst [][]byte
			for range 20 {
				id++
				b := binary.LittleEndian.AppendUint32([]byte{0xFE, 0xFF, 0xFF, 0xFF}, id/30)
				b = append(b, 60, byte(id%30), 0xE0, 0x04)
				burst = append(burst, append(b, filler...))
			}
			r.reply(k, burst...)
			r.advance(20 * time.Millisecond)
			require.Less(t, r.e.client.ReassemblyUsed(), 1<<20)
			require.Less(t, r.e.store.Used(), 1<<20, "raw %v", raw)
			require.True(t, r.e.accepts(), "it keeps others out")
		}
		r.reply(rigKey(1), challengeReply(1))
		r.reply(rigKey(1), infoReply("quiet"), playersReply(), rulesReply())
		require.Equal(t, output.Success, r.record(1).Status)
		r.finish()
		rec := r.record(0)
		require.Equal(t, output.Incomplete, rec.Status)
		require.InDelta(t, 2000, ms(rec.Duration), 5)
	}
}

// Only the target's own address and port can answer for it.
func TestS1_AnotherSource(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	k := rigKey(0)
	port := k
	port.Port++
	scope := k
	scope.Scope = 7
	for _, from := range []mux.Key{port, rigKey(9), scope, {}} {
		r.reply(from, infoReply("forged"))
	}
	require.Empty(t, r.records)
	require.EqualValues(t, 4, r.e.Stats().Unmatched)
	require.Zero(t, r.e.Stats().Late)
	r.reply(k, infoReply("true"))
	require.Equal(t, "true", r.record(0).Info.Name)
	r.finish()
}

// A flood from strangers costs no memory, and little time for each datagram.
func TestS2_SpoofedFlood(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxInFlight = 10_000
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	list := rigTargets(100)
	e.Feed(list)
	e.EndFeed()
	tx := mux.NewBatch(100, maxRequest)
	e.transmit(proto.Time(time.Second), tx)
	require.Equal(t, 100, e.InFlight())
	forged := infoReply("forged")
	n := uint64(200_000)
	if raceEnabled {
		n = 20_000
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := mux.Packet{Data: forged}
	took := time.Hour // a datagram, in the best twentieth
	for from := uint64(0); from < n; from += n / 20 {
		start := time.Now()
		for i := from; i < from+n/20; i++ {
			p.Peer = mux.Key{Lo: 0xFFFF_0000_0000 | i*2654435761&0xFFFF_FFFF, Port: uint16(i)}
			e.HandlePacket(proto.Time(time.Second), proto.Time(time.Second), &p)
		}
		took = min(took, time.Since(start)/time.Duration(n/20))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.Mallocs-before.Mallocs, uint64(100), "besides what the runtime does meanwhile")
	require.Empty(t, e.Output())
	require.Equal(t, n, e.Stats().Unmatched)
	t.Logf("%v a datagram", took)
	if !raceEnabled {
		require.Less(t, took, 10*time.Microsecond, "the budget is 1 µs; this machine may be busy")
	}
	e.HandlePacket(proto.Time(time.Second), proto.Time(time.Second), &mux.Packet{Peer: rigKey(5), Data: infoReply("true")})
	require.EqualValues(t, 1, e.Stats().Statuses[output.Success])
}

// However an address is written it is one key, and never has two conversations at once;
// each target has its record.
func TestS3_SameTargetTwice(t *testing.T) {
	list := rigTargets(3)
	list[1].Key = list[0].Key
	list[2].Key = list[0].Key
	r := newRig(t, rigConfig(proto.WantInfo), list...)
	for i := range 3 {
		require.Len(t, r.take(), 1, "one conversation at a time")
		require.Equal(t, 1, r.e.InFlight())
		r.advance(time.Millisecond)
		r.reply(rigKey(0), infoReply(fmt.Sprint(i)))
	}
	for i := range 3 {
		require.Equal(t, fmt.Sprint(i), r.record(uint64(i)).Info.Name)
	}
	r.finish()
}

// A v4-mapped address is the IPv4 address.
func TestS4_MappedAddress(t *testing.T) {
	mapped := mux.KeyFrom(netip.MustParseAddrPort("[::ffff:192.0.2.0]:27015"))
	require.Equal(t, rigKey(0), mapped)
	list := []targets.Target{
		{Key: rigKey(0), Seq: 0},
		{Key: mapped, Seq: 1, Origin: &targets.Origin{Input: "gs1.example.net"}},
	}
	r := newRig(t, rigConfig(proto.WantInfo), list...)
	r.reply(rigKey(0), infoReply("x"))
	r.reply(rigKey(0), infoReply("x"))
	r.finish()
	require.Equal(t, "192.0.2.0:27015", r.record(0).Input)
	require.Equal(t, "gs1.example.net", r.record(1).Input)
	require.Equal(t, "192.0.2.0", r.record(1).Addr.Addr().String())
}

// Bytes that do not parse end as protocol_error, or are survived by a good answer, and
// never are a panic.
func TestP1_Malformed(t *testing.T) {
	info := infoReply("name")
	for name, c := range map[string]struct {
		kinds  proto.Kinds
		reply  []byte
		status output.Status
	}{
		"0 bytes":                     {proto.WantInfo, []byte{}, output.ProtocolError},
		"1 byte":                      {proto.WantInfo, []byte{0xFF}, output.ProtocolError},
		"a header and no more":        {proto.WantInfo, []byte{0xFF, 0xFF, 0xFF, 0xFF}, output.ProtocolError},
		"a type and no more":          {proto.WantInfo, info[:5], output.ProtocolError},
		"an unknown type":             {proto.WantInfo, []byte("\xFF\xFF\xFF\xFFZZZZ"), output.ProtocolError},
		"no NUL":                      {proto.WantInfo, info[:8], output.ProtocolError},
		"64 zeros":                    {proto.WantInfo, make([]byte, 64), output.ProtocolError},
		"text":                        {proto.WantInfo, []byte("HTTP/1.1 400 Bad Request"), output.ProtocolError},
		"a challenge cut short":       {proto.WantInfo, challengeReply(1)[:7], output.ProtocolError},
		"a split header cut short":    {proto.WantInfo, fragments(1, 10, info)[0][:9], output.ProtocolError},
		"a ping's answer":             {proto.WantInfo, []byte("\xFF\xFF\xFF\xFFj\x00"), output.Incomplete},
		"players, where info was due": {proto.WantInfo, playersReply("x"), output.Incomplete},
		"count 255 and no player":     {proto.WantPlayers, []byte("\xFF\xFF\xFF\xFFD\xFF"), output.Success},
		"players without a count":     {proto.WantPlayers, []byte("\xFF\xFF\xFF\xFFD"), output.ProtocolError},
		"count 65535 and no rule":     {proto.WantRules, []byte("\xFF\xFF\xFF\xFFE\xFF\xFF"), output.Success},
		"rules with half a count":     {proto.WantRules, []byte("\xFF\xFF\xFF\xFFE\x01"), output.ProtocolError},
		"not UTF-8":                   {proto.WantInfo, infoReply("\xFF\xFE\"\n\x00"[:4]), output.Success},
		"bzip2 that is none":          {proto.WantRules, packed("BZh91AY&SY and then something else altogether", 50), output.ProtocolError},
		"bzip2 without its signature": {proto.WantRules, packed("garbage that is as long as a reply", 50), output.ProtocolError},
		"a split reply of garbage":    {proto.WantRules, fragments(1, 1000, []byte("garbage, and all of it"))[0], output.ProtocolError},
		"bzip2 of 2 GiB, as it says":  {proto.WantRules, packed("BZh91AY&SY and then something else altogether", math.MaxInt32), output.ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := rigConfig(c.kinds)
			cfg.Retries = 1
			r := newRig(t, cfg, rigTargets(2)...)
			r.reply(rigKey(0), c.reply)
			r.finish()
			rec := r.record(0)
			require.Equal(t, c.status, rec.Status, "%v", rec.Error)
			if c.status != output.Success {
				require.Equal(t, 2, rec.Attempts, "it may have been another's fault: the next try is made")
			}
			// What follows is believed.
			r = newRig(t, cfg, rigTargets(1)...)
			r.reply(rigKey(0), c.reply)
			if !r.e.Finished() {
				good := map[proto.Kinds][]byte{proto.WantInfo: info, proto.WantPlayers: playersReply(), proto.WantRules: rulesReply()}
				r.reply(rigKey(0), good[c.kinds])
			}
			r.finish()
			require.Equal(t, output.Success, r.record(0).Status)
		})
	}
}

// packed is a compressed reply of one fragment that says to hold size bytes.
func packed(b string, size uint32) []byte {
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 1000, ID: 1, Packed: []byte(b)}
	d := sp.AppendFragment(nil, nil, 0)
	binary.LittleEndian.PutUint32(d[12:], size)
	return d
}

func TestP1_StrangeNumbers(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantPlayers), rigTargets(1)...)
	p := proto.PlayerList{Count: 3, List: []proto.Player{
		{Name: []byte("nan"), Duration: float32(math.NaN())}, {Name: []byte("inf"), Duration: float32(math.Inf(-1))}, {Score: math.MinInt32},
	}}
	r.reply(rigKey(0), prototest.AppendPlayers(nil, &p))
	rec := r.record(0)
	require.True(t, math.IsNaN(float64(rec.Players.List[0].Duration)))
	require.True(t, math.IsNaN(float64(rec.Players.List[1].Duration)))
	require.EqualValues(t, math.MinInt32, rec.Players.List[2].Score)
	r.finish()
}

// A datagram longer than the buffer is never taken for a short one.
func TestP2_TruncatedDatagram(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Retries = 0
	r := newRig(t, cfg, rigTargets(1)...)
	r.turn(mux.Packet{Peer: rigKey(0), Data: infoReply("whole, as it seems"), Truncated: true})
	require.Empty(t, r.records)
	require.EqualValues(t, 1, r.e.Stats().Truncated)
	r.finish()
	require.Equal(t, output.ProtocolError, r.record(0).Status)
}

// With --icmp on an ICMP error ends its target at once; off it does nothing; retry it
// costs a try.
func TestI1_ICMP(t *testing.T) {
	for _, c := range []struct {
		mode   ICMPMode
		what   mux.Unreachable
		status output.Status
		sends  int
	}{
		{ICMPOn, mux.PortUnreachable, output.Refused, 1},
		{ICMPOn, mux.HostUnreachable, output.Unreachable, 1},
		{ICMPOn, mux.NetUnreachable, output.Unreachable, 1},
		{ICMPOn, mux.Prohibited, output.Unreachable, 1},
		{ICMPOn, mux.OtherICMP, output.Unreachable, 1},
		{ICMPOff, mux.PortUnreachable, output.Timeout, 3},
		{ICMPRetry, mux.PortUnreachable, output.Refused, 3},
		{ICMPRetry, mux.Prohibited, output.Unreachable, 3},
	} {
		cfg := rigConfig(proto.WantInfo)
		cfg.ICMP = c.mode
		r := newRig(t, cfg, rigTargets(2)...)
		r.icmp(rigKey(0), c.what)
		if c.mode == ICMPOn {
			require.Len(t, r.records, 1, "at once")
		}
		r.finish()
		require.Equal(t, c.status, r.record(0).Status, "mode %d", c.mode)
		require.Equal(t, c.sends, r.record(0).PacketsSent, "mode %d", c.mode)
		require.Equal(t, output.Timeout, r.record(1).Status, "others are not touched")
		require.EqualValues(t, 1, r.e.Stats().ICMP)
	}
}

// With retry a server that answers all the same is found: what ICMP said was another's.
func TestI1_AnswerAfterICMP(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.ICMP = ICMPRetry
	r := newRig(t, cfg, rigTargets(1)...)
	r.icmp(rigKey(0), mux.PortUnreachable)
	r.reply(rigKey(0), infoReply("here"))
	require.Equal(t, output.Success, r.record(0).Status)
	r.finish()
}

// Forged ICMP errors need the exact address and port of a target in flight.
func TestI2_ForgedICMP(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	other := rigKey(0)
	other.Port++
	r.icmp(other, mux.PortUnreachable)
	r.icmp(rigKey(7), mux.PortUnreachable)
	r.icmp(mux.Key{}, mux.PortUnreachable)
	require.Empty(t, r.records)
	require.EqualValues(t, 3, r.e.Stats().ICMP)
	require.Zero(t, r.e.Stats().Received, "they are no datagrams of servers")
	r.reply(rigKey(0), infoReply("unharmed"))
	require.Equal(t, output.Success, r.record(0).Status)
	r.icmp(rigKey(0), mux.PortUnreachable)
	require.Len(t, r.records, 1)
	r.finish()
}

// What was answered before an ICMP error stays answered.
func TestI2_ICMPAfterAnAnswer(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(1)...)
	r.reply(rigKey(0), infoReply("x"))
	r.icmp(rigKey(0), mux.Prohibited)
	rec := r.record(0)
	require.Equal(t, output.Partial, rec.Status)
	require.Equal(t, "x", rec.Info.Name)
	require.Equal(t, output.Unreachable, rec.Players.Status)
	r.finish()
}

// The input may be as long as it likes: what a scan holds depends on what is in flight.
func TestM1_MemoryDoesNotGrow(t *testing.T) {
	total := uint64(300_000)
	if testing.Short() || raceEnabled {
		total = 20_000
	}
	cfg := simConfig()
	cfg.MaxInFlight = 2000
	cfg.Timeout = 10 * time.Millisecond
	s := newSim(t, cfg, prototest.Shares{Silent: 100}, simSeed(t, 1), total)
	s.e.out = make([]byte, 0, 2<<20)
	// The first tenth brings everything to its size.
	var before, after runtime.MemStats
	q := &seqs{t: t, seen: make([]uint8, total)}
	measured := false
	s.sink = func(b []byte) {
		q.add(b)
		if !measured && q.lines > int(total/10) {
			measured = true
			runtime.ReadMemStats(&before)
		}
	}
	s.run()
	runtime.ReadMemStats(&after)
	require.True(t, measured)
	require.EqualValues(t, total, q.lines)
	perTarget := float64(after.Mallocs-before.Mallocs) / float64(total) * 10 / 9
	t.Logf("%.4f allocations a target", perTarget)
	require.Less(t, perTarget, 0.01)
	require.Less(t, int64(after.HeapInuse)-int64(before.HeapInuse), int64(4<<20))
	s.requireEmpty()
}

// Deadlines that fall together are dealt with a step at a time, between which packets
// are read.
func TestM2_AllTimeOutAtOnce(t *testing.T) {
	const n = 100_000
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxInFlight = n
	cfg.Retries = 0
	cfg.Rate = 0
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	e.window = nil // not what this is about
	list := make([]targets.Target, n)
	for i := range list {
		list[i] = targets.Target{Key: mux.KeyFrom(simAddr(uint64(i))), Seq: uint64(i)}
	}
	e.Feed(list)
	e.EndFeed()
	tx := mux.NewBatch(1000, maxRequest)
	for e.InFlight() < n {
		e.transmit(0, tx)
	}
	now := proto.Time(1100 * time.Millisecond)
	answered := 0
	for turns := 0; !e.Finished(); turns++ {
		require.Less(t, turns, n)
		// An answer that has come meanwhile is read before its target's turn.
		if i := n - 1 - turns; turns < 50 {
			if _, open := e.table.Find(list[i].Key); open {
				e.HandlePacket(now, now, &mux.Packet{Peer: list[i].Key, Data: infoReply("x")})
				answered++
			}
		}
		left := e.InFlight()
		e.HandleTimeout(now)
		require.LessOrEqual(t, left-e.InFlight(), 64, "a turn has grown: what came meanwhile waits longer")
		if e.InFlight() > 0 {
			at, ok := e.Deadline(now, false)
			require.True(t, ok)
			require.LessOrEqual(t, at, now, "the rest is due now")
		}
		e.TakeOutput(e.Output()[:0])
	}
	st := e.Stats()
	require.EqualValues(t, n, st.Done)
	require.EqualValues(t, answered, st.Statuses[output.Success])
	require.NotZero(t, answered)
}

func parseRecords(t testing.TB, lines []byte) []output.Record {
	t.Helper()
	return newRecordLog(t).add(lines)
}
