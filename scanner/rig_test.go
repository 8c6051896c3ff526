package scanner

import (
	"bytes"
	"math"
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

// A rig is an engine in virtual time whose servers are played by the test. All
// invariants are checked after all that is done to it.
type rig struct {
	t       testing.TB
	e       *engine
	now     proto.Time
	tx      *mux.Batch
	sent    []sentPacket // that take has not returned
	room    int          // of the socket, for packets at once; 0: for all
	refuse  error        // of the system to send the last of the packets that it would take next
	records map[uint64]output.Record
	order   []uint64
	rec     *recorder // one for all, as in a scan
}

type sentPacket struct {
	at   proto.Time
	to   mux.Key
	data []byte
}

// newRig returns a rig that is fed with list, and has sent what it may at once.
func newRig(t testing.TB, cfg Config, list ...targets.Target) *rig {
	return newRigOf(t, cfg, func(*engine) {}, list...)
}

// newRigOf is newRig with an engine that change has changed before anything happens.
func newRigOf(t testing.TB, cfg Config, change func(*engine), list ...targets.Target) *rig {
	e, err := newEngine(cfg, time.Unix(1_800_000_000, 0))
	require.NoError(t, err)
	change(e)
	r := &rig{
		t: t, e: e,
		tx: mux.NewBatch(cfg.Batch, maxRequest), records: map[uint64]output.Record{},
		rec: newRecorder(e.wall),
	}
	if cfg.Rate >= 1e6 {
		r.now = proto.Time(time.Millisecond) // tokens for a thousand
	}
	e.Feed(list)
	e.EndFeed()
	r.fill()
	return r
}

// rigConfig has few slots, so that looking through all of them is cheap, and no limits.
func rigConfig(kinds proto.Kinds) Config {
	cfg := DefaultConfig()
	cfg.Kinds = kinds
	cfg.Rate, cfg.PerIPRate = 1e6, 0
	cfg.MaxInFlight = 64
	return cfg
}

const allKinds = proto.WantInfo | proto.WantPlayers | proto.WantRules

// rigKey is the i-th of the addresses that the tests ask.
func rigKey(i int) mux.Key {
	return mux.KeyFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 27015))
}

// rigTargets are the first n of them.
func rigTargets(n int) []targets.Target {
	list := make([]targets.Target, n)
	for i := range list {
		list[i] = targets.Target{Key: rigKey(i), Seq: uint64(i)}
	}
	return list
}

// turn is one turn of the loop in which packets come.
func (r *rig) turn(packets ...mux.Packet) {
	r.t.Helper()
	r.e.BeginTurn()
	for i := range packets {
		r.e.HandlePacket(r.now, r.now, &packets[i])
		r.e.checkInvariants(r.t)
	}
	r.e.HandleTimeout(r.now)
	r.e.checkInvariants(r.t)
	r.e.Inflate(r.now)
	r.e.checkInvariants(r.t)
	r.e.Judge(r.now, noDrops)
	r.fill()
}

func (r *rig) fill() {
	r.t.Helper()
	for left := []sentPacket{}; ; {
		r.e.Fill(r.now, r.tx)
		r.e.checkInvariants(r.t)
		var filled []sentPacket
		for i := range r.tx.Len() {
			p := r.tx.Packet(i)
			filled = append(filled, sentPacket{r.now, p.Peer, bytes.Clone(p.Data)})
		}
		for _, p := range left {
			require.Contains(r.t, filled, p, "what was not sent is sent next")
		}
		if len(filled) == 0 {
			break
		}
		n := len(filled)
		if r.room > 0 {
			n = min(n, r.room)
		}
		if r.refuse != nil {
			n--
		}
		r.sent = append(r.sent, filled[:n]...)
		r.e.Commit(r.now, r.now, r.tx, n)
		r.e.checkInvariants(r.t)
		left = filled[n:]
		if r.refuse != nil {
			r.e.SendFailed(r.now, n, r.refuse)
			r.e.checkInvariants(r.t)
			r.refuse, left = nil, nil
		}
	}
	for line := range bytes.Lines(takeLines(r.e, r.rec)) {
		var rec output.Record
		require.NoError(r.t, output.Unmarshal(line, &rec), "%s", line)
		require.NotContains(r.t, r.records, rec.Seq, "a second record")
		requireCoherent(r.t, &rec)
		r.records[rec.Seq] = rec
		r.order = append(r.order, rec.Seq)
	}
}

// takeLines returns the records of the targets that e has settled since it was last called.
func takeLines(e *engine, rec *recorder) []byte {
	lines, _ := rec.lines(nil, e.TakeOutput(nil), math.MaxInt)
	return lines
}

// take returns what was sent since it was last called.
func (r *rig) take() []sentPacket {
	sent := r.sent
	r.sent = nil
	return sent
}

// takeTypes returns the type bytes of what was sent since take was last called.
func (r *rig) takeTypes() string {
	var types []byte
	for _, p := range r.take() {
		types = append(types, p.data[4])
	}
	return string(types)
}

// reply lets datagrams of one server arrive now, in one batch.
func (r *rig) reply(from mux.Key, datagrams ...[]byte) {
	r.t.Helper()
	packets := make([]mux.Packet, len(datagrams))
	for i, b := range datagrams {
		packets[i] = mux.Packet{Peer: from, Data: b}
	}
	r.turn(packets...)
}

func (r *rig) icmp(about mux.Key, what mux.Unreachable) {
	r.t.Helper()
	r.turn(mux.Packet{Peer: about, Unreachable: what})
}

// advance lets d pass, doing what is due on the way at its time.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for spins := 0; r.now < end; {
		at, ok := r.e.Deadline(r.now, false)
		switch {
		case !ok || at > end:
			r.now = end
		case at > r.now:
			r.now, spins = at, 0
		default:
			r.now = r.now.Add(time.Microsecond)
			spins++
			require.Less(r.t, spins, 1000, "the loop would spin")
		}
		r.turn()
	}
}

// finish lets time pass until the scan is over and nothing is left in the engine.
func (r *rig) finish() {
	r.t.Helper()
	for spins := 0; !r.e.Finished(); {
		at, ok := r.e.Deadline(r.now, false)
		require.True(r.t, ok, "not finished, and waits for nothing")
		if at > r.now {
			r.now, spins = at, 0
		} else {
			r.now = r.now.Add(time.Microsecond)
			spins++
			require.Less(r.t, spins, 1000, "the loop would spin")
		}
		r.turn()
	}
	(&sim{t: r.t, e: r.e}).requireEmpty()
}

// record returns the record of that target, which must be there.
func (r *rig) record(seq uint64) output.Record {
	r.t.Helper()
	require.Contains(r.t, r.records, seq)
	return r.records[seq]
}

// ms returns d in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// requireCoherent checks what holds for every record that was read from a line.
func requireCoherent(t testing.TB, r *output.Record) {
	t.Helper()
	require.Equal(t, r.Status == output.Success, r.Error == "", "error is null exactly on success")
	sections := []*output.Section{}
	if r.Info != nil {
		sections = append(sections, &r.Info.Section)
		require.Equal(t, r.Info.Status == output.Success, r.Info.Has(output.InfoName))
	}
	if r.Players != nil {
		sections = append(sections, &r.Players.Section)
		require.Equal(t, r.Players.Status == output.Success, r.Players.List != nil)
	}
	if r.Rules != nil {
		sections = append(sections, &r.Rules.Section)
		require.Equal(t, r.Rules.Status == output.Success, r.Rules.List != nil)
	}
	successes := 0
	for _, s := range sections {
		require.Equal(t, s.Status == output.Success, s.Error == "", "error is null exactly on success")
		require.NotEqual(t, output.Partial, s.Status)
		require.LessOrEqual(t, s.Attempts, r.Attempts)
		if s.Status != output.Success {
			require.Equal(t, output.NoRTT, s.RTT, "there is no round trip without an answer")
		} else {
			successes++
		}
	}
	switch {
	case successes == len(sections):
		require.Equal(t, output.Success, r.Status)
	case successes > 0:
		require.Equal(t, output.Partial, r.Status)
	default:
		require.NotContains(t, []output.Status{output.Success, output.Partial}, r.Status)
	}
	require.GreaterOrEqual(t, r.Duration, time.Duration(0))
	require.LessOrEqual(t, r.RTT, r.Duration+1500*time.Nanosecond, "rounded up to a microsecond")
}

// Replies of a server that is nothing special.

func infoReply(name string) []byte {
	return prototest.AppendInfo(nil, &proto.Info{
		Protocol: 17, Name: []byte(name), Map: []byte("de_dust2"), Folder: []byte("cstrike"), Game: []byte("Counter-Strike"),
		AppID16: 240, Players: 12, MaxPlayers: 32, ServerType: 'd', OS: 'l', VAC: 1, VACKnown: true, Version: []byte("1.0"),
		HasEDF: true, EDF: 0x80, GamePort: 27015,
	})
}

func goldSourceReply(name string) []byte {
	return prototest.AppendInfo(nil, &proto.Info{
		Format: proto.FormatGoldSource, Address: []byte("192.0.2.1:27015"), Name: []byte(name), Map: []byte("crossfire"),
		Folder: []byte("valve"), Game: []byte("Half-Life"), Players: 1, MaxPlayers: 16, Protocol: 47, ServerType: 'd', OS: 'l',
		VACKnown: true, BotsKnown: true,
	})
}

func playersReply(names ...string) []byte {
	p := proto.PlayerList{Count: uint8(len(names))}
	for _, n := range names {
		p.List = append(p.List, proto.Player{Name: []byte(n), Score: 7, Duration: 60})
	}
	return prototest.AppendPlayers(nil, &p)
}

func rulesReply(pairs ...string) []byte {
	l := proto.RuleList{Count: uint16(len(pairs) / 2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		l.List = append(l.List, proto.Rule{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return prototest.AppendRules(nil, &l)
}

func challengeReply(token proto.Challenge) []byte { return prototest.AppendChallenge(nil, token) }

// fragments cuts message into datagrams of that size.
func fragments(id uint32, size int, message []byte) [][]byte {
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: size, ID: id}
	var list [][]byte
	for i := range sp.Fragments(message) {
		list = append(list, sp.AppendFragment(nil, message, i))
	}
	return list
}
