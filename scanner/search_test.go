package scanner

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// searchConfig tries one and fifteen ports further.
func searchConfig(kinds proto.Kinds) Config {
	cfg := rigConfig(kinds)
	cfg.PortOffsets = []int{1, 15}
	return cfg
}

// onPort returns k with its port moved.
func onPort(k mux.Key, by int) mux.Key {
	k.Port = uint16(int(k.Port) + by)
	return k
}

// A host that is silent on its port is asked on the next, and has one record: about the port
// that answered, with the counts and the time of both.
func TestSearchFindsTheNextPort(t *testing.T) {
	cfg := searchConfig(allKinds)
	cfg.Raw = true
	list := rigTargets(1)
	list[0].Seq, list[0].Origin = 7, &targets.Origin{Tag: "eu"}
	r := newRig(t, cfg, list...)
	given, next := rigKey(0), onPort(rigKey(0), 1)
	r.advance(4990 * time.Millisecond)
	sent := r.take()
	require.Len(t, sent, 3, "three attempts")
	for _, p := range sent {
		require.Equal(t, given, p.to)
	}
	r.advance(20 * time.Millisecond)
	sent = r.take()
	require.Len(t, sent, 1, "half of the time is over")
	require.Equal(t, next, sent[0].to)
	require.Equal(t, byte('T'), sent[0].data[4])
	require.Len(t, sent[0].data, 25, "without a token")
	r.reply(given, infoReply("too late"))
	require.Empty(t, r.records)
	r.reply(next, challengeReply(3))
	r.now += proto.Time(30 * time.Millisecond)
	require.Equal(t, "TUV", r.takeTypes())
	r.reply(next, infoReply("found"))
	r.reply(next, playersReply("p"))
	r.reply(next, rulesReply("a", "b"))
	rec := r.record(7)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, next.AddrPort(), rec.Addr)
	require.Equal(t, given.Port, rec.PortGiven)
	require.Equal(t, "eu", rec.Tag)
	require.Equal(t, "192.0.2.0:27015", rec.Input, "the target, not the port that answered")
	require.Equal(t, "found", rec.Info.Name)
	require.Equal(t, 4, rec.Attempts, "three and one")
	require.Equal(t, 4, rec.Info.Attempts)
	require.Equal(t, 1, rec.Players.Attempts, "the silent port was not asked for them")
	require.Equal(t, 7, rec.PacketsSent)
	require.Equal(t, 4, rec.PacketsReceived)
	require.Len(t, rec.Raw, 11)
	require.Zero(t, rec.Raw[0].Time)
	require.InDelta(t, 5000, ms(rec.Raw[3].Time), 10)
	require.InDelta(t, 5030, ms(rec.Duration), 15)
	require.InDelta(t, 30, ms(rec.Info.RTT), 0.01)
	require.Equal(t, "2027-01-15T08:00:00.001Z", rec.Time.Format(time.RFC3339Nano), "the first packet of all")
	r.finish()
	st := r.e.Stats()
	require.EqualValues(t, 1, st.Done)
	require.EqualValues(t, 2, st.Retransmits)
	require.EqualValues(t, 1, st.Late)
	require.EqualValues(t, 1, st.Sections[proto.KindInfo][output.Success])
}

// A closed port is left at once.
func TestSearchLeavesAClosedPort(t *testing.T) {
	r := newRig(t, searchConfig(proto.WantInfo), rigTargets(1)...)
	r.icmp(rigKey(0), mux.PortUnreachable)
	r.icmp(onPort(rigKey(0), 1), mux.PortUnreachable)
	sent := r.take()
	require.Len(t, sent, 3)
	require.Equal(t, onPort(rigKey(0), 15), sent[2].to)
	r.reply(sent[2].to, infoReply("x"))
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.EqualValues(t, 27030, rec.Addr.Port())
	require.EqualValues(t, 27015, rec.PortGiven)
	require.Equal(t, 3, rec.Attempts)
	r.finish()
}

// If no port answers the record is about the given one, within the target's time.
func TestSearchOfSilentHost(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Config)
		refused []int // offsets that are closed
		status  output.Status
		words   string
		lasts   float64
	}{
		{"silent", func(*Config) {}, nil, output.Timeout, "no answer after 7 attempts on 3 ports", 10_000},
		{"impatient", func(c *Config) { c.Retries = 0 }, nil, output.Timeout, "no answer after 3 attempts on 3 ports", 3000},
		{"slow", func(c *Config) { c.Timeout = time.Minute }, nil, output.Timeout, "no answer after 3 attempts on 3 ports", 10_000},
		{"closed", func(*Config) {}, []int{0, 1, 15}, output.Refused, "port unreachable, and no answer on 2 other ports", 0},
		{"closed, then silent", func(*Config) {}, []int{0}, output.Refused, "port unreachable, and no answer on 2 other ports", 10_000},
		{"silent, then closed", func(*Config) {}, []int{1, 15}, output.Timeout, "no answer after 5 attempts on 3 ports", 5000},
		{"the last has the rest", func(*Config) {}, []int{0, 1}, output.Refused, "port unreachable, and no answer on 2 other ports", 7000},
		{"retry", func(c *Config) { c.ICMP = ICMPRetry }, []int{0, 1, 15}, output.Refused, "port unreachable, and no answer on 2 other ports", 10_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := searchConfig(allKinds)
			c.change(&cfg)
			r := newRig(t, cfg, rigTargets(1)...)
			asked := map[uint16]int{}
			for !r.e.Finished() {
				for _, p := range r.take() {
					asked[p.to.Port]++
					for _, n := range c.refused {
						if p.to == onPort(rigKey(0), n) {
							r.icmp(p.to, mux.PortUnreachable)
						}
					}
				}
				r.advance(10 * time.Millisecond)
			}
			require.Len(t, asked, 3, "all ports have their part of the time")
			rec := r.record(0)
			require.Equal(t, c.status, rec.Status)
			require.Equal(t, c.words, rec.Error)
			require.Equal(t, rigKey(0).AddrPort(), rec.Addr)
			require.Zero(t, rec.PortGiven)
			require.Equal(t, asked[27015]+asked[27016]+asked[27030], rec.PacketsSent)
			require.InDelta(t, c.lasts, ms(rec.Duration), 900, "jitter included")
			require.LessOrEqual(t, ms(rec.Duration), 10_010.0)
			r.finish()
			require.EqualValues(t, 1, r.e.Stats().Done)
		})
	}
}

// A port that says something ends the search, and the record is about it.
func TestSearchEndsAtAPortThatSpeaks(t *testing.T) {
	r := newRig(t, searchConfig(proto.WantInfo), rigTargets(4)...)
	r.take()
	r.reply(rigKey(0), challengeReply(1)) // the given port speaks, and has all the time
	for i := 1; i < 4; i++ {
		r.icmp(rigKey(i), mux.PortUnreachable)
	}
	r.reply(onPort(rigKey(1), 1), challengeReply(1))
	r.reply(onPort(rigKey(2), 1), []byte("\xff\xff\xff\xfflBanned by server\n\x00"))
	r.icmp(onPort(rigKey(3), 1), mux.HostUnreachable)
	r.finish()
	for seq, want := range []struct {
		status      output.Status
		port, given uint16
	}{
		{output.Incomplete, 27015, 0},
		{output.Incomplete, 27016, 27015},
		{output.ProtocolError, 27016, 27015},
		{output.Unreachable, 27015, 0},
	} {
		rec := r.record(uint64(seq))
		require.Equal(t, want.status, rec.Status)
		require.Equal(t, want.port, rec.Addr.Port())
		require.Equal(t, want.given, rec.PortGiven)
	}
	require.InDelta(t, 9000, ms(r.record(0).Duration), 1100)
	for _, p := range r.take() {
		require.NotEqual(t, uint16(27030), p.to.Port)
	}
}

// Ports that do not exist, and those that the list names, are left out; and if no other is
// left the given one has its usual time.
func TestSearchLeavesOutPorts(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.PortOffsets = []int{1, -1, 2, 40_000}
	list := rigTargets(1)
	list[0].Key.Port = 65535
	own := onPort(list[0].Key, -1)
	r := newRigOf(t, cfg, func(e *engine) { e.isTarget = func(k mux.Key) bool { return k == own } }, list...)
	r.finish()
	sent := r.take()
	require.Len(t, sent, 3)
	for _, p := range sent {
		require.Equal(t, list[0].Key, p.to)
	}
	rec := r.record(0)
	require.Equal(t, "no answer after 3 attempts", rec.Error)
	require.InDelta(t, 7000, ms(rec.Duration), 800)
}

// A port that another target is asking is tried once that one has ended.
func TestSearchWaitsForABusyPort(t *testing.T) {
	list := rigTargets(2)
	list[1].Key = onPort(list[0].Key, 1)
	r := newRig(t, searchConfig(proto.WantInfo), list...)
	r.take()
	r.icmp(list[0].Key, mux.PortUnreachable)
	r.advance(200 * time.Millisecond)
	require.Empty(t, r.take(), "there is one conversation with a port")
	r.reply(list[0].Key, infoReply("too late"))
	r.icmp(list[0].Key, mux.PortUnreachable)
	r.reply(list[1].Key, infoReply("x"))
	require.EqualValues(t, 27016, r.record(1).Addr.Port())
	r.advance(30 * time.Millisecond)
	sent := r.take()
	require.Len(t, sent, 1)
	require.Equal(t, list[1].Key, sent[0].to)
	r.reply(sent[0].to, infoReply("x"))
	require.EqualValues(t, 27015, r.record(0).PortGiven)
	require.Equal(t, 2, r.record(0).Attempts)
	r.finish()

	// One that stays busy for the target's whole time was not tried.
	cfg := searchConfig(proto.WantInfo)
	cfg.PortOffsets = cfg.PortOffsets[:1]
	cfg.TargetTimeout = time.Second
	r = newRig(t, cfg, list...)
	r.icmp(list[0].Key, mux.PortUnreachable)
	for range 30 {
		r.advance(40 * time.Millisecond)
		r.reply(list[1].Key, challengeReply(1))
	}
	r.finish()
	require.Equal(t, "port unreachable", r.record(0).Error)
	require.InDelta(t, 1000, ms(r.record(0).Duration), 10)
}

// An address's rate holds over all its ports, and the scan's too.
func TestSearchKeepsRates(t *testing.T) {
	cfg := searchConfig(proto.WantInfo)
	cfg.PerIPRate, cfg.Rate, cfg.Retries = 2, 50, 0
	cfg.PortOffsets = []int{1, 2, 3, 4, 5, 6}
	cfg.TargetTimeout = time.Minute
	list := rigTargets(30)
	for i := range 3 {
		list[i].Key = onPort(rigKey(0), 100*i)
	}
	r := newRig(t, cfg, list...)
	r.finish()
	perAddress := map[uint64][]proto.Time{}
	var all []proto.Time
	for _, p := range r.take() {
		perAddress[p.to.Lo] = append(perAddress[p.to.Lo], p.at)
		all = append(all, p.at)
	}
	require.Len(t, all, 30*7)
	for _, at := range perAddress {
		requireWindows(t, at, 2, hostBurst(2))
	}
	for i := range all[:len(all)-60] {
		require.GreaterOrEqual(t, all[i+60].Sub(all[i]), time.Second-10*time.Millisecond)
	}
	for seq := range uint64(30) {
		require.Equal(t, "no answer after 7 attempts on 7 ports", r.record(seq).Error)
	}
}

// An interrupted scan ends the searches that it has begun; an aborted one has a record about
// the given port.
func TestSearchWhenTheScanStops(t *testing.T) {
	for _, abort := range []bool{false, true} {
		r := newRig(t, searchConfig(proto.WantInfo), rigTargets(2)...)
		r.e.Stop()
		r.icmp(rigKey(0), mux.PortUnreachable)
		if abort {
			r.e.Abort(r.now)
			r.turn()
			require.Equal(t, output.Aborted, r.record(0).Status)
			require.Equal(t, rigKey(0).AddrPort(), r.record(0).Addr)
			require.Zero(t, r.record(0).PortGiven)
			require.Equal(t, 2, r.record(0).Attempts)
		} else {
			r.reply(onPort(rigKey(0), 1), infoReply("x"))
			require.Equal(t, output.Success, r.record(0).Status)
		}
		r.finish()
		require.Len(t, r.records, 2)
	}
}

// Many targets whose servers are on other ports, with loss: each has one record, all are
// found that loss lets be found, and no port is asked twice at once.
func TestSimulatedSearch(t *testing.T) {
	t.Parallel()
	seed := simSeed(t, 40)
	const total = 3000
	for _, rate := range []float64{0, 4000} {
		cfg := simConfig()
		cfg.PortOffsets = []int{1, 15, -3}
		cfg.Rate = rate
		cfg.MaxInFlight = 700
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Loss: 2, DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond}, seed, total)
		where := []int{0, 1, 15, -3, 7} // the last is found by none
		s.target = func(i uint64) targets.Target {
			return targets.Target{Key: mux.KeyFrom(netip.AddrPortFrom(simAddr(i/2).Addr(), uint16(27015+i%2*100))), Seq: i}
		}
		reaches := func(p *mux.Packet) (ok, icmp bool) {
			i, port := int(p.Peer.Lo&0xFFFFFF)*2, int(p.Peer.Port)-27015
			if port > 50 {
				i, port = i+1, port-100
			}
			return port == where[i%len(where)], i%3 == 0
		}
		s.path = func(p *mux.Packet) (mux.Unreachable, error) {
			if ok, icmp := reaches(p); !ok && icmp {
				return mux.PortUnreachable, nil
			}
			return mux.Reachable, nil
		}
		s.silent = func(p *mux.Packet) bool {
			ok, icmp := reaches(p)
			return !ok && !icmp
		}
		var found [5]int
		q := &seqs{t: t, seen: make([]uint8, total)}
		s.sink = func(lines []byte) {
			q.add(lines)
			for line := range bytes.Lines(lines) {
				var rec output.Record
				require.NoError(t, output.Unmarshal(line, &rec))
				given := uint16(27015 + rec.Seq%2*100)
				i := (int(rec.Seq)/2+1)*2 + int(rec.Seq%2)
				want := where[i%len(where)]
				require.LessOrEqual(t, ms(rec.Duration), 10_010.0)
				if rec.Status == output.Success {
					found[i%len(where)]++
					require.Equal(t, int(given)+want, int(rec.Addr.Port()))
					require.Equal(t, want != 0, rec.PortGiven != 0)
				} else if rec.Status == output.Timeout || rec.Status == output.Refused {
					require.Equal(t, given, rec.Addr.Port(), "%v", rec.Error)
				}
				if want != 0 && rec.Status == output.Success {
					require.Equal(t, given, rec.PortGiven)
				}
			}
		}
		s.run()
		require.Equal(t, total, q.lines)
		s.requireEmpty()
		st := s.e.Stats()
		require.EqualValues(t, total, st.Done)
		require.Equal(t, s.onWire.sent, st.Sent)
		for i, n := range found {
			if where[i] == 7 {
				require.Zero(t, n)
			} else {
				require.Greater(t, n, total/5*97/100, "offset %d", where[i])
			}
		}
	}
}

// Servers that are found on another port have their events under the port in the list,
// whether they answer or not.
func TestWatchSearchesPorts(t *testing.T) {
	t.Parallel()
	virtual(t, func(s *scan) {
		const n, rounds = 300, 12
		sink := new(eventLog)
		sc := newScript(n, rounds, 60*time.Second, 9)
		sc.port = 15
		sc.serve(s.net)
		cfg := watchConfig(sc.interval, rounds)
		cfg.PortOffsets = []int{1, 15}
		w, err := NewWatcher(cfg, s.spy, sink)
		require.NoError(s.t, err)
		require.NoError(s.t, w.Run(s.t.Context(), listSource(n)))
		sc.requireScript(s.t, sink.lines, rounds)
		servers := 0
		for line := range bytes.Lines(sink.lines) {
			if !bytes.Contains(line, []byte(`"event":"round"`)) {
				require.Contains(s.t, string(line), `,"port":27015,"tag":`)
				servers++
			}
			if bytes.Contains(line, []byte(`"record":{`)) {
				require.Contains(s.t, string(line), `"port":27030,"port_given":27015,`)
			}
		}
		require.GreaterOrEqual(s.t, servers, n)
	})
}
