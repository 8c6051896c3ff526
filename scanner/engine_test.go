package scanner

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/arena"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Answers to challenges go before retries, and those before fresh targets.
func TestOrderOfService(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Rate = 2 // and two at once
	r := newRig(t, cfg, rigTargets(10)...)
	r.advance(600 * time.Millisecond)
	require.Len(t, r.take(), 2) // targets 0 and 1
	// Let both of them want something: 0 a retry (its second is over), 1 to answer.
	r.e.budget.spend(r.now, 1, 0)
	r.now += proto.Time(420 * time.Millisecond)
	r.e.HandleTimeout(r.now)
	require.NotZero(t, r.e.retries.head)
	r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: rigKey(1), Data: challengeReply(1)})
	require.NotZero(t, r.e.answers.head)
	r.e.checkInvariants(t)
	r.advance(1600 * time.Millisecond)
	sent := r.take()
	require.GreaterOrEqual(t, len(sent), 3)
	require.Equal(t, rigKey(1), sent[0].to, "whose server waits")
	require.Equal(t, rigKey(0), sent[1].to, "the retry")
	require.Equal(t, rigKey(2), sent[2].to, "the fresh one")
}

// The whole of a conversation about three queries: what goes out when.
func TestThreeQueriesTakeTwoRoundTrips(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(1)...)
	require.Equal(t, "T", r.takeTypes())
	r.reply(rigKey(0), challengeReply(1))
	require.Equal(t, "TUV", r.takeTypes())
	r.now += proto.Time(40 * time.Millisecond)
	r.reply(rigKey(0), rulesReply("a", "b"))
	r.now += proto.Time(time.Millisecond)
	r.reply(rigKey(0), playersReply("p"))
	r.now += proto.Time(time.Millisecond)
	r.reply(rigKey(0), infoReply("n"))
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, 4, rec.PacketsSent)
	require.Equal(t, 4, rec.PacketsReceived)
	require.EqualValues(t, 9+len(rulesReply("a", "b"))+len(playersReply("p"))+len(infoReply("n")), rec.BytesReceived)
	require.Equal(t, 40.0, ms(rec.Rules.RTT))
	require.Equal(t, 41.0, ms(rec.Players.RTT))
	require.Equal(t, 42.0, ms(rec.Info.RTT))
	require.Equal(t, 42.0, ms(rec.RTT), "the first section's")
	require.Equal(t, 42.0, ms(rec.Duration))
	require.Equal(t, "2027-01-15T08:00:00.001Z", rec.Time.Format(time.RFC3339Nano))
	require.Equal(t, "b", rec.Rules.List[0].Value)
	require.Equal(t, "p", rec.Players.List[0].Name)
	require.Equal(t, "n", rec.Info.Name)
	r.finish()
	st := r.e.Stats()
	require.EqualValues(t, 1, st.Challenges)
	require.Zero(t, st.Retransmits)
	for k := proto.KindInfo; k <= proto.KindRules; k++ {
		require.EqualValues(t, 1, st.Sections[k][output.Success])
	}
	require.EqualValues(t, 42*time.Millisecond, st.RTTMax)
	require.InEpsilon(t, 42*time.Millisecond, st.RTT[0], 0.04)
}

func TestSequentialAsksOneAtATime(t *testing.T) {
	cfg := rigConfig(allKinds)
	cfg.Sequential = true
	r := newRig(t, cfg, rigTargets(1)...)
	r.reply(rigKey(0), challengeReply(1))
	require.Equal(t, "TT", r.takeTypes())
	r.reply(rigKey(0), infoReply("x"))
	require.Equal(t, "U", r.takeTypes())
	r.reply(rigKey(0), playersReply())
	require.Equal(t, "V", r.takeTypes())
	r.reply(rigKey(0), rulesReply())
	require.Equal(t, output.Success, r.record(0).Status)
	r.finish()
}

// Targets that are not asked have a record at once, with what is known of them.
func TestRefusedTargets(t *testing.T) {
	list := []targets.Target{
		{Key: rigKey(1), Seq: 4, Refusal: targets.Blocked, Reason: "the address is on the blocklist"},
		{Seq: 5, Refusal: targets.Resolve, Reason: "no such host", Origin: &targets.Origin{Input: "gone.example", Tag: "eu"}},
		{Key: mux.Key{Port: 27016}, Seq: 6, Refusal: targets.Invalid, Reason: "nowhere", Origin: &targets.Origin{Input: "odd.example:27016"}},
		{Key: rigKey(2), Seq: 7, Refusal: targets.Blocked},
	}
	r := newRig(t, rigConfig(allKinds), list...)
	require.Empty(t, r.take())
	for _, c := range []struct {
		seq    uint64
		status output.Status
		words  string
	}{
		{4, output.Blocked, "the address is on the blocklist"},
		{5, output.ResolveError, "no such host"},
		{6, output.InvalidInput, "nowhere"},
		{7, output.Blocked, "blocked"},
	} {
		rec := r.record(c.seq)
		require.Equal(t, c.status, rec.Status)
		require.Equal(t, c.words, rec.Error)
		for _, s := range []output.Section{rec.Info.Section, rec.Players.Section, rec.Rules.Section} {
			require.Equal(t, c.status, s.Status)
			require.Equal(t, c.words, s.Error)
			require.Zero(t, s.Attempts)
		}
		require.Zero(t, ms(rec.Duration))
		require.Zero(t, rec.PacketsSent)
		require.Equal(t, output.NoRTT, rec.RTT)
		require.Nil(t, rec.Raw)
	}
	require.Equal(t, "192.0.2.1", r.record(4).Addr.Addr().String())
	require.Equal(t, "gone.example", r.record(5).Input)
	require.Equal(t, "eu", r.record(5).Tag)
	require.False(t, r.record(5).Addr.Addr().IsValid())
	require.EqualValues(t, 27016, r.record(6).Addr.Port())
	st := r.e.Stats()
	require.EqualValues(t, 4, st.Done)
	require.Zero(t, st.Sections, "nobody was asked")
	r.finish()
}

// -N is exact: what answers in the same moment as the last one is aborted.
// Nothing ends as a result once there are enough, not even by an ICMP error in the batch
// that brought the last.
func TestMaxResultsAndICMP(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxResults = 1
	r := newRig(t, cfg, rigTargets(2)...)
	r.reply(rigKey(1), goldSourceReply("in grace"))
	r.turn(mux.Packet{Peer: rigKey(0), Data: infoReply("x")}, mux.Packet{Peer: rigKey(1), Unreachable: mux.PortUnreachable})
	require.True(t, r.e.ReachedMaxResults())
	require.EqualValues(t, 1, r.e.Stats().Statuses[output.Success])
	require.Len(t, r.records, 1)
}

// Results are counted whether or not their records are wanted.
func TestMaxResultsBesideAFilter(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxResults = 2
	cfg.Filter = []output.Status{output.Timeout}
	r := newRig(t, cfg, rigTargets(5)...)
	r.reply(rigKey(0), infoReply("x"))
	require.False(t, r.e.ReachedMaxResults())
	r.reply(rigKey(1), infoReply("x"))
	require.True(t, r.e.ReachedMaxResults())
	require.Empty(t, r.records)
}

func TestMaxResultsIsExact(t *testing.T) {
	for name, late := range map[string]bool{"answers in one batch": false, "graces that end together": true} {
		t.Run(name, func(t *testing.T) {
			cfg := rigConfig(proto.WantInfo)
			cfg.MaxResults = 3
			r := newRig(t, cfg, rigTargets(20)...)
			reply := infoReply("x")
			if late {
				reply = goldSourceReply("x") // is waited with, for an 'I' behind it
			}
			r.e.BeginTurn()
			for i := range 10 {
				r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: rigKey(i), Data: reply})
				r.e.checkInvariants(t)
			}
			for !r.e.ReachedMaxResults() {
				r.now += tick
				r.e.HandleTimeout(r.now)
			}
			r.e.Abort(r.now)
			r.fill()
			require.True(t, r.e.Finished())
			require.Len(t, r.records, 20)
			st := r.e.Stats()
			require.EqualValues(t, 3, st.Statuses[output.Success])
			require.EqualValues(t, 17, st.Statuses[output.Aborted])
			require.EqualValues(t, 17, st.Aborted)
			require.EqualValues(t, 3, st.Done)
			r.finish()
		})
	}
}

// --filter keeps records out of the file and in the counts.
func TestFilter(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Filter = []output.Status{output.Refused, output.Success}
	cfg.Retries = 0
	cfg.MaxResults = 2
	r := newRig(t, cfg, rigTargets(4)...)
	r.reply(rigKey(0), infoReply("x"))
	r.icmp(rigKey(1), mux.PortUnreachable)
	r.finish()
	require.Len(t, r.records, 2)
	st := r.e.Stats()
	require.EqualValues(t, 4, st.Done)
	require.EqualValues(t, 2, st.Records)
	require.EqualValues(t, 2, st.Filtered)
	require.EqualValues(t, 2, st.Statuses[output.Timeout])
	require.False(t, r.e.ReachedMaxResults())
}

// Hold keeps fresh targets out and nothing else.
func TestHold(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxInFlight = 2
	r := newRig(t, cfg, rigTargets(3)...)
	r.e.Hold(true)
	r.reply(rigKey(0), challengeReply(1))
	r.reply(rigKey(1), infoReply("x"))
	require.Len(t, r.take(), 3, "two targets and an answer")
	r.advance(1500 * time.Millisecond)
	require.Len(t, r.take(), 1, "a retry")
	r.e.Hold(false)
	r.turn()
	require.Equal(t, rigKey(2), r.take()[0].to)
	r.finish()
}

// Stop lets what is in flight go on and takes no more; what waits for its address is
// not counted.
func TestStop(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.PerIPRate = 5
	list := rigTargets(20)
	for i := range list {
		list[i].Key = rigKey(0)
		list[i].Key.Port += uint16(i)
	}
	r := newRig(t, cfg, list...)
	require.Equal(t, 4, r.e.InFlight())
	require.Equal(t, 16, r.e.Stats().Parked)
	r.e.Stop()
	require.False(t, r.e.NeedsTargets())
	require.Zero(t, r.e.Stats().Parked)
	require.False(t, r.e.Finished())
	r.finish()
	require.Len(t, r.records, 4)
	require.EqualValues(t, 4, r.e.Stats().Done)
}

func TestNeedsTargets(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.MaxInFlight = 2
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	require.True(t, e.NeedsTargets())
	require.False(t, e.Finished(), "more may come")
	_, ok := e.Deadline(0, false)
	require.False(t, ok, "nothing to do without targets")
	e.Feed(rigTargets(3))
	require.False(t, e.NeedsTargets())
	tx := mux.NewBatch(10, maxRequest)
	e.transmit(proto.Time(time.Second), tx)
	require.False(t, e.NeedsTargets(), "one waits for a slot")
	e.HandlePacket(proto.Time(time.Second), proto.Time(time.Second), &mux.Packet{Peer: rigKey(0), Data: infoReply("x")})
	e.transmit(proto.Time(time.Second), tx)
	require.True(t, e.NeedsTargets())
	e.EndFeed()
	require.False(t, e.NeedsTargets())
	require.False(t, e.Finished())
	e.Abort(proto.Time(time.Second))
	require.True(t, e.Finished())
}

// Abort settles all that is in flight, whatever it was doing, and what was answered
// until then stays.
func TestAbort(t *testing.T) {
	r := newRig(t, rigConfig(allKinds), rigTargets(10)...)
	r.reply(rigKey(1), infoReply("x"))
	r.reply(rigKey(2), challengeReply(1))
	r.reply(rigKey(3), fragments(1, 8, rulesReply("a", "b"))[0])
	r.reply(rigKey(4), challengeReply(2))
	r.reply(rigKey(4), infoReply("x"), playersReply(), rulesReply())
	r.e.Abort(r.now)
	r.e.checkInvariants(t)
	r.fill()
	require.True(t, r.e.Finished())
	require.Len(t, r.records, 10)
	require.Equal(t, output.Aborted, r.record(0).Status)
	require.Equal(t, "the scan stopped first", r.record(0).Error)
	require.Equal(t, output.Partial, r.record(1).Status)
	require.Equal(t, output.Aborted, r.record(1).Players.Status)
	require.Equal(t, output.Success, r.record(1).Info.Status)
	require.Equal(t, output.Aborted, r.record(2).Status)
	require.Equal(t, output.Aborted, r.record(3).Status)
	require.Equal(t, output.Success, r.record(4).Status)
	st := r.e.Stats()
	require.EqualValues(t, 10, st.Done+st.Aborted)
	require.EqualValues(t, 8, st.Aborted)
	r.e.Abort(r.now)
	r.finish()
	require.Len(t, r.records, 10)
}

// A packet that the system refuses to send ends its target, and is not counted as sent;
// the packets after it are sent.
func TestSendFailed(t *testing.T) {
	e, err := newEngine(rigConfig(allKinds), time.Unix(0, 0))
	require.NoError(t, err)
	e.Feed(rigTargets(3))
	e.EndFeed()
	now := proto.Time(time.Millisecond)
	tx := mux.NewBatch(64, maxRequest)
	e.Fill(now, tx)
	require.Equal(t, 3, tx.Len())
	e.Commit(now, now, tx, 1)
	e.SendFailed(now, 1, &mux.PeerError{Err: syscall.ENETUNREACH})
	e.checkInvariants(t)
	e.Fill(now, tx)
	require.Equal(t, 1, tx.Len())
	require.Equal(t, rigKey(2), tx.Packet(0).Peer)
	e.Commit(now, now, tx, 1)
	var rec output.Record
	require.NoError(t, output.Unmarshal(takeLines(e, newRecorder(e.wall)), &rec))
	require.EqualValues(t, 1, rec.Seq)
	require.Equal(t, output.SendError, rec.Status)
	require.Equal(t, "send: "+syscall.ENETUNREACH.Error(), rec.Error)
	require.Equal(t, output.SendError, rec.Info.Status)
	require.Zero(t, rec.PacketsSent)
	st := e.Stats()
	require.EqualValues(t, 2, st.Sent)
	require.EqualValues(t, 50, st.BytesSent)
	require.EqualValues(t, 1, st.SendErrors)
}

// If the socket takes a packet or two at a time and has room again at once, the records are
// the same: packets that wait cost nothing of the rate, of an address's pace or of the
// attempts.
func TestRoomChangesNoRecord(t *testing.T) {
	t.Parallel()
	seeds := uint64(6)
	if raceEnabled { // one goroutine
		seeds = 1
	}
	for name, change := range map[string]func(cfg *Config){
		"fast":         func(*Config) {},
		"slow":         func(cfg *Config) { cfg.Rate = 20 },
		"narrow":       func(cfg *Config) { cfg.Rate, cfg.Bandwidth = 0, 20_000 },
		"closed loop":  func(cfg *Config) { cfg.Rate = 0 },
		"paced":        func(cfg *Config) { cfg.PerIPRate = 2 },
		"paced, slow":  func(cfg *Config) { cfg.PerIPRate, cfg.Rate = 3, 20 },
		"raw":          func(cfg *Config) { cfg.Raw = true },
		"sequential":   func(cfg *Config) { cfg.Sequential = true },
		"one at once":  func(cfg *Config) { cfg.MaxInFlight = 1 },
		"small batch":  func(cfg *Config) { cfg.Batch = 3 },
		"INFO alone":   func(cfg *Config) { cfg.Kinds = proto.WantInfo },
		"a short time": func(cfg *Config) { cfg.TargetTimeout = 1500 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			var took [4]time.Duration
			for seed := range seeds {
				cfg := rigConfig(allKinds)
				change(&cfg)
				var all [4]*rig
				for room := range all {
					all[room] = playWithRoom(t, cfg, seed, room)
					took[room] += all[room].now.Sub(0)
				}
				for _, r := range all {
					if cfg.PerIPRate > 0 {
						requirePaces(t, r.sent, cfg.PerIPRate)
					}
					require.EqualValues(t, len(r.sent), r.e.Stats().Sent)
					if cfg.Rate < 1000 {
						continue // packets go in another order, at other times
					}
					for seq, rec := range r.records {
						first := all[0].record(seq)
						require.Equal(t, first.Status, rec.Status)
						require.Equal(t, first.PacketsSent, rec.PacketsSent)
						require.Equal(t, first.Attempts, rec.Attempts)
					}
				}
			}
			for _, d := range took {
				require.InEpsilon(t, took[0].Seconds(), d.Seconds(), 0.15)
			}
		})
	}
}

// requirePaces checks that no address was sent more than its rate and burst allow.
func requirePaces(t *testing.T, sent []sentPacket, perSecond float64) {
	at := map[uint64][]proto.Time{}
	for _, p := range sent {
		at[p.to.Lo] = append(at[p.to.Lo], p.at)
	}
	for _, list := range at {
		requireWindows(t, list, perSecond, hostBurst(perSecond))
	}
}

// playWithRoom is a scan of servers of which a third does not answer, through a socket
// that takes so many packets at once. The fate of a packet follows from its target,
// its type and how many of these went before.
func playWithRoom(t *testing.T, cfg Config, seed uint64, room int) *rig {
	list := rigTargets(30)
	for i := range list { // three addresses
		list[i].Key = rigKey(i % 3)
		list[i].Key.Port += uint16(i)
	}
	r := newRig(t, cfg, list[0])
	r.room = room
	r.e.Feed(list[1:])
	times := map[string]uint64{}
	for answered := 0; !r.e.Finished(); {
		for ; answered < len(r.sent); answered++ {
			p := r.sent[answered]
			token := p.data[len(p.data)-4:]
			what := fmt.Sprint(p.to, p.data[4])
			times[what]++
			rng := rand.New(rand.NewPCG(seed, times[what]<<32|uint64(p.to.Port)<<8|uint64(p.data[4])))
			switch draw := rng.IntN(6); {
			case draw < 2:
			case draw == 2 || p.data[4] != 'T' && string(token) == "\xff\xff\xff\xff":
				r.reply(p.to, challengeReply(proto.Challenge(rng.IntN(3))))
			case p.data[4] == 'T':
				r.reply(p.to, infoReply("x"))
			case p.data[4] == 'U':
				r.reply(p.to, playersReply("a"))
			case p.data[4] == 'V':
				r.reply(p.to, rulesReply("k", "v"))
			}
		}
		r.advance(50 * time.Millisecond)
	}
	(&sim{t: t, e: r.e}).requireEmpty()
	return r
}

// A target that nothing was sent to has no deadline, is no silent server, and its time
// begins with its first packet. It is in flight all the same, and aborted with the rest.
func TestUnsentTargets(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Raw = true
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	e.Feed(rigTargets(3))
	e.EndFeed()
	tx := mux.NewBatch(2, maxRequest)
	now := proto.Time(time.Second)
	for range 20 { // a minute each
		now = now.Add(time.Minute)
		e.HandleTimeout(now)
		e.Fill(now, tx)
		require.Equal(t, 2, tx.Len())
		require.Equal(t, rigKey(0), tx.Packet(0).Peer)
		e.Commit(now, now, tx, 0)
		e.checkInvariants(t)
		require.Equal(t, 2, e.InFlight())
		require.Zero(t, e.Stats().Sent)
		_, ok := e.Deadline(now, true)
		require.False(t, ok)
		at, ok := e.Deadline(now, false)
		require.True(t, ok && at == now)
		e.HandlePacket(now, now, &mux.Packet{Peer: rigKey(0), Data: infoReply("too early")})
		e.HandlePacket(now, now, &mux.Packet{Peer: rigKey(1), Unreachable: mux.PortUnreachable})
		e.checkInvariants(t)
	}
	e.Fill(now, tx)
	e.Commit(now, now, tx, 1)
	e.HandlePacket(now.Add(5*time.Millisecond), now.Add(5*time.Millisecond), &mux.Packet{Peer: rigKey(0), Data: infoReply("x")})
	e.Abort(now.Add(time.Second))
	var list []output.Record
	for line := range bytes.Lines(takeLines(e, newRecorder(e.wall))) {
		var r output.Record
		require.NoError(t, output.Unmarshal(line, &r))
		list = append(list, r)
	}
	require.Len(t, list, 2)
	require.Equal(t, output.Success, list[0].Status)
	require.Equal(t, 5.0, ms(list[0].RTT))
	require.Len(t, list[0].Raw, 2, "and not what came before it was asked")
	require.Equal(t, 1, list[0].PacketsSent)
	require.True(t, list[0].Time.Equal(time.Unix(0, int64(now))))
	require.Equal(t, output.Aborted, list[1].Status)
	require.Zero(t, list[1].PacketsSent)
	require.Zero(t, list[1].Attempts)
}

// With --raw a record holds every datagram both ways, in order and with its time.
func TestRaw(t *testing.T) {
	cfg := rigConfig(proto.WantInfo | proto.WantRules)
	cfg.Raw = true
	r := newRig(t, cfg, rigTargets(2)...)
	k := rigKey(0)
	type item struct {
		at   float64
		dir  string
		data []byte
	}
	var want []item
	note := func(dir string, list ...[]byte) {
		for _, b := range list {
			want = append(want, item{time.Duration(r.now-proto.Time(time.Millisecond)).Seconds() * 1000, dir, b})
		}
	}
	step := func(list ...[]byte) {
		r.now += proto.Time(7250 * time.Microsecond)
		note("rx", list...)
		r.reply(k, list...)
		for _, p := range r.take() {
			note("tx", p.data)
		}
	}
	note("tx", r.take()[0].data)
	step(challengeReply(9))
	step([]byte("noise"), []byte{})
	step(fragments(1, 10, rulesReply("name", "a value"))...)
	step(infoReply("x"))
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Len(t, rec.Raw, len(want))
	for i, w := range want {
		require.Equal(t, w.dir == "tx", rec.Raw[i].Sent, "%d", i)
		require.InDelta(t, w.at, ms(rec.Raw[i].Time), 0.004, "%d", i)
		require.Equal(t, string(w.data), string(rec.Raw[i].Data), "%d", i)
	}
	r.finish()
	require.Len(t, r.record(1).Raw, 3, "a silent one has what was sent")
}

// The times of raw datagrams do not wrap within the longest time of a target.
func TestRawTimes(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Raw, cfg.Timeout, cfg.TargetTimeout = true, 59*time.Minute, time.Hour
	r := newRig(t, cfg, rigTargets(1)...)
	r.advance(58 * time.Minute)
	r.reply(rigKey(0), infoReply("at last"))
	require.InDelta(t, 58*time.Minute, r.record(0).Raw[1].Time, 1e4)
	r.finish()
}

// When the memory for answers is used up no targets are taken in, answers that find no
// room are asked for again, and where that fails too the record says whose fault it was.
func TestAnswersWithoutMemory(t *testing.T) {
	for chunks, enough := range map[int]bool{8: false, 24: true} {
		cfg := rigConfig(allKinds)
		cfg.Timeout, cfg.Retries = 100*time.Millisecond, 5
		r := newRigOf(t, cfg, func(e *engine) { e.store = arena.New(chunks * 256) }, rigTargets(20)...)
		e := r.e
		require.Equal(t, 20, e.InFlight(), "nothing is kept yet")
		for i := range 20 {
			r.reply(rigKey(i), challengeReply(1))
			r.reply(rigKey(i), infoReply("x"))
		}
		require.False(t, e.accepts())
		for !e.Finished() {
			sent := r.take()
			slices.SortStableFunc(sent, func(a, b sentPacket) int { return int(a.data[4]) - int(b.data[4]) })
			for _, p := range sent { // all players before all rules
				switch p.data[4] {
				case proto.TypeInfoRequest:
					r.reply(p.to, infoReply("x"))
				case proto.TypePlayersRequest:
					r.reply(p.to, playersReply("p"))
				case proto.TypeRulesRequest:
					r.reply(p.to, rulesReply("a", "b"))
				}
			}
			r.advance(10 * time.Millisecond)
		}
		require.NotZero(t, e.Stats().NoMemory)
		for i := range 20 {
			rec := r.record(uint64(i))
			if enough {
				require.Equal(t, output.Success, rec.Status, "%v", rec.Error)
			} else if rec.Status != output.Success {
				require.Contains(t, []output.Status{output.Partial, output.Incomplete}, rec.Status)
				require.Contains(t, rec.Error, "no memory")
			}
		}
		r.finish()
	}
}

// An answer that does not decode is not the answer: the next try's may be.
func TestUndecodableAnswerIsAskedForAgain(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo|proto.WantPlayers), rigTargets(1)...)
	k := rigKey(0)
	r.reply(k, infoReply("x")[:7])
	require.Equal(t, "T", r.takeTypes(), "PLAYERS wait for it as before")
	r.advance(1100 * time.Millisecond)
	require.Equal(t, "T", r.takeTypes())
	r.reply(k, infoReply("good"))
	require.Equal(t, "U", r.takeTypes())
	r.reply(k, playersReply())
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, "good", rec.Info.Name)
	require.Equal(t, output.NoRTT, rec.Info.RTT)
	require.EqualValues(t, 1, r.e.Stats().Malformed)
	r.finish()
}

// One address gets no more than its rate, retries and challenges included, while
// others overtake.
func TestPerIPRate(t *testing.T) {
	cfg := rigConfig(allKinds)
	cfg.PerIPRate = 20
	cfg.Timeout = 300 * time.Millisecond
	cfg.TargetTimeout = 3 * time.Second
	list := rigTargets(40)
	for i := range 30 {
		list[i].Key = rigKey(0)
		list[i].Key.Port += uint16(i)
	}
	r := newRig(t, cfg, list...)
	require.EqualValues(t, hostBurst(20)+10, r.e.InFlight(), "the other addresses are not kept waiting")
	byAddress := map[uint64][]proto.Time{}
	token := map[mux.Key]bool{}
	for steps := 0; !r.e.Finished(); steps++ {
		require.Less(t, steps, 20_000)
		for _, p := range r.take() {
			byAddress[p.to.Lo] = append(byAddress[p.to.Lo], p.at)
			if p.to.Port%3 != 0 && p.to.Lo == rigKey(0).Lo && !token[p.to] {
				token[p.to] = true
				r.reply(p.to, challengeReply(1))
			}
		}
		at, ok := r.e.Deadline(r.now, false)
		require.True(t, ok)
		r.now = max(at, r.now+1000)
		r.turn()
	}
	for lo, at := range byAddress {
		requireWindows(t, at, 20, hostBurst(20))
		if lo == rigKey(0).Lo {
			require.Greater(t, len(at), 100)
			took := at[len(at)-1].Sub(at[0]).Seconds()
			require.Greater(t, float64(len(at)), 0.8*20*took, "the address gets its rate")
		}
	}
	r.finish()
	require.Len(t, r.records, 40)
}

// The time in which a scan has rate to spare and all its targets wait for their addresses is
// counted, so that a user can be told which limit to raise.
func TestHeldByAddress(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.PerIPRate = 5
	list := rigTargets(14)
	for i := range list {
		list[i].Key = rigKey(0)
		list[i].Key.Port += uint16(i)
	}
	r := newRig(t, cfg, list...)
	for !r.e.Finished() {
		for _, p := range r.take() {
			r.reply(p.to, infoReply("x"))
		}
		r.advance(10 * time.Millisecond)
	}
	require.InDelta(t, 2, r.e.Stats().HeldByAddress.Seconds(), 0.1, "ten of them, at five per second")

	cfg.PerIPRate = 0
	r = newRig(t, cfg, list...)
	r.finish()
	require.Zero(t, r.e.Stats().HeldByAddress)
}

// A target that waits for its address ends by its own time all the same.
func TestPerIPRateDoesNotHoldATarget(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.PerIPRate = 0.01
	cfg.TargetTimeout = 4 * time.Second
	r := newRig(t, cfg, rigTargets(1)...)
	for token := range proto.Challenge(4) {
		r.reply(rigKey(0), challengeReply(token+1))
	}
	require.Len(t, r.take(), 1)
	r.finish()
	require.InDelta(t, 4000, ms(r.record(0).Duration), 5)
	require.Empty(t, r.take(), "the retry would have come a hundred seconds later")
}

// Compressed replies are inflated a little in each turn, and those that must wait are
// not forgotten.
func TestInflationIsSpreadOverTurns(t *testing.T) {
	var pairs []string
	for i := range 1000 {
		pairs = append(pairs, fmt.Sprintf("rule%04d", i), "a value that is repeated very often, and long")
	}
	message := rulesReply(pairs...)
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 60_000, ID: 3, Packed: prototest.AppendBZip2(nil, message)}
	require.Equal(t, 1, sp.Fragments(message))
	reply := sp.AppendFragment(nil, message, 0)
	const n = 20
	r := newRig(t, rigConfig(proto.WantRules), rigTargets(n)...)
	r.e.BeginTurn()
	for i := range n {
		r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: rigKey(i), Data: reply})
	}
	r.e.checkInvariants(t)
	first := n - r.e.InFlight()
	require.Positive(t, first)
	require.Less(t, first, n, "the budget of a turn is used up")
	before := r.now
	for !r.e.Finished() {
		at, ok := r.e.Deadline(r.now, false)
		require.True(t, ok)
		require.LessOrEqual(t, at, r.now+2*tick, "the next turn is soon")
		r.now = max(at, r.now+1000)
		r.turn()
	}
	require.Less(t, r.now.Sub(before), 500*time.Millisecond)
	require.Len(t, r.records, n)
	for i := range n {
		rec := r.record(uint64(i))
		require.Equal(t, output.Success, rec.Status, "%v", rec.Error)
		require.Equal(t, 1000, rec.Rules.Count)
		require.Len(t, rec.Rules.List, 1000)
		require.Equal(t, 1, rec.PacketsSent)
	}
	r.finish()
}

// The engine is a value of its inputs and its seed.
func TestDeterminism(t *testing.T) {
	run := func(seed uint64) string {
		var all []byte
		cfg := simConfig()
		cfg.Kinds = allKinds
		cfg.MaxInFlight = 100
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Silent: 5, Split: 20, Loss: 10, DelayMin: time.Millisecond, DelayMax: 80 * time.Millisecond}, seed, 200)
		s.sink = func(b []byte) { all = append(all, b...) }
		s.run()
		return string(all)
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}

// A closed loop opens its window to servers that answer, and not to those that are silent.
func TestClosedLoopNeedsNoRate(t *testing.T) {
	cfg := simConfig()
	cfg.MaxInFlight = 20_000
	s := newSim(t, cfg, prototest.Shares{Silent: 50, DelayMin: 20 * time.Millisecond, DelayMax: 30 * time.Millisecond}, simSeed(t, 5), 10_000)
	s.e.SetReceiveBuffer(4 << 20)
	require.NotZero(t, s.e.Window())
	s.run()
	require.InDelta(t, 5_000, s.e.Stats().Statuses[output.Success], 300)
	require.InDelta(t, 5_000, s.e.Stats().Statuses[output.Timeout], 300)
	require.LessOrEqual(t, s.e.Window(), cfg.MaxInFlight)
	s.requireEmpty()
}
