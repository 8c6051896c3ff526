package scanner

import (
	"context"
	"io"
	"math"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// An allocRig asks one target after the other, and allocates nothing itself.
type allocRig struct {
	e    *engine
	rec  *recorder
	text []byte
	now  proto.Time
	tx   *mux.Batch
	list []targets.Target
	p    mux.Packet
	seq  uint64
}

func newAllocRig(t testing.TB, cfg Config) *allocRig {
	cfg.MaxInFlight = 100
	e, err := newEngine(cfg, time.Unix(1_800_000_000, 0))
	require.NoError(t, err)
	e.TakeOutput(make([]byte, 0, 1<<20))
	return &allocRig{e: e, rec: newRecorder(e.wall), text: make([]byte, 0, 1<<20), now: proto.Time(time.Second), tx: mux.NewBatch(64, maxRequest), list: make([]targets.Target, 1)}
}

// begin admits a target and sends its first request.
func (r *allocRig) begin() {
	r.seq++
	r.list[0] = targets.Target{Key: rigKey(int(r.seq % 250)), Seq: r.seq}
	r.e.BeginTurn()
	r.e.Judge(r.now, noDrops)
	r.e.Feed(r.list)
	r.fill()
}

func noDrops() uint64 { return 0 }

func (r *allocRig) fill() {
	r.e.Fill(r.now, r.tx)
	for r.e.Commit(r.now, r.now, r.tx, r.tx.Len()) {
		r.e.Fill(r.now, r.tx)
	}
}

func (r *allocRig) receive(b []byte) {
	r.now += 100_000
	r.p = mux.Packet{Peer: r.list[0].Key, Data: b}
	r.e.HandlePacket(r.now, r.now, &r.p)
	r.fill()
}

// TestNoAllocations: once all is warm, nothing on the way of a datagram allocates,
// in or out, its record included.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	challenge, info := challengeReply(9), infoReply("a name")
	players, rules := playersReply("a", "b", "c"), rulesReply("sv_gravity", "800", "mp_timelimit", "30")
	gold := goldSourceReply("old")
	parts := fragments(7, 20, rules)
	stranger := mux.Packet{Peer: rigKey(255), Data: info}
	origin := &targets.Origin{Input: "gs1.example.net", Tag: "eu"}
	limited := func(cfg Config) Config { cfg.Rate, cfg.Bandwidth, cfg.PerIPRate = 1e6, 1e9, 1e6; return cfg }
	raw := func(cfg Config) Config { cfg.Raw = true; return cfg }
	free := func(cfg Config) Config { cfg.Rate = 0; return cfg }
	refused := error(&mux.PeerError{Err: syscall.EPERM}) // its words are made anew, in one allocation

	for name, c := range map[string]struct {
		cfg     Config
		target  func(r *allocRig)
		records int
		allowed float64
	}{
		"plain":       {rigConfig(proto.WantInfo), func(r *allocRig) { r.begin(); r.receive(info) }, 1, 0},
		"closed loop": {free(rigConfig(proto.WantInfo)), func(r *allocRig) { r.begin(); r.receive(info) }, 1, 0},
		"all limits":  {limited(rigConfig(proto.WantInfo)), func(r *allocRig) { r.begin(); r.receive(info) }, 1, 0},
		"challenge":   {rigConfig(proto.WantInfo), func(r *allocRig) { r.begin(); r.receive(challenge); r.receive(info) }, 1, 0},
		"three kinds": {rigConfig(allKinds), func(r *allocRig) {
			r.begin()
			r.receive(challenge)
			r.receive(players)
			r.receive(info)
			r.receive(rules)
		}, 1, 0},
		"split": {rigConfig(proto.WantRules), func(r *allocRig) {
			r.begin()
			for _, b := range parts {
				r.receive(b)
			}
		}, 1, 0},
		"GoldSource, and the better INFO": {rigConfig(proto.WantInfo), func(r *allocRig) { r.begin(); r.receive(gold); r.receive(info) }, 1, 0},
		"noise and duplicates": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.begin()
			r.receive(nil)
			r.receive(rules)
			r.receive(challenge)
			r.receive(challenge)
			r.receive(info)
			r.receive(info)
		}, 1, 0},
		"raw": {raw(rigConfig(allKinds)), func(r *allocRig) {
			r.begin()
			r.receive(challenge)
			r.receive(info)
			r.receive(players)
			r.receive(rules)
		}, 1, 0},
		"timeout": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.begin()
			for r.e.InFlight() > 0 {
				r.now, _ = r.e.Deadline(r.now, false)
				r.e.HandleTimeout(r.now)
				r.fill()
			}
		}, 1, 0},
		"partial": {rigConfig(allKinds), func(r *allocRig) {
			r.begin()
			r.receive(info)
			for r.e.InFlight() > 0 {
				r.now, _ = r.e.Deadline(r.now, false)
				r.e.HandleTimeout(r.now)
				r.fill()
			}
		}, 1, 0},
		"ICMP": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.begin()
			r.p = mux.Packet{Peer: r.list[0].Key, Unreachable: mux.PortUnreachable}
			r.e.HandlePacket(r.now, r.now, &r.p)
		}, 1, 0},
		"not sent": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.seq++
			r.list[0] = targets.Target{Key: rigKey(int(r.seq % 250)), Seq: r.seq}
			r.e.Feed(r.list)
			r.e.Fill(r.now, r.tx)
			r.e.SendFailed(r.now, 0, refused)
		}, 1, 1},
		"stranger": {rigConfig(proto.WantInfo), func(r *allocRig) { r.e.HandlePacket(r.now, r.now, &stranger) }, 0, 0},
		"blocked": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.seq++
			r.list[0] = targets.Target{Key: rigKey(1), Seq: r.seq, Refusal: targets.Blocked, Reason: "by a list"}
			r.e.Feed(r.list)
			r.fill()
		}, 1, 0},
		"named": {rigConfig(proto.WantInfo), func(r *allocRig) {
			r.seq++
			r.list[0] = targets.Target{Key: rigKey(1), Seq: r.seq, Origin: origin}
			r.e.Feed(r.list)
			r.fill()
			r.receive(info)
		}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newAllocRig(t, c.cfg)
			n := testing.AllocsPerRun(500, func() {
				c.target(r)
				r.text, _ = r.rec.lines(r.text[:0], r.e.Output(), math.MaxInt)
				r.e.TakeOutput(r.e.Output()[:0])
				r.now += proto.Time(time.Millisecond)
			})
			require.LessOrEqual(t, n, c.allowed)
			require.Zero(t, r.e.InFlight(), "each of them has ended")
			require.EqualValues(t, 501*c.records, r.e.Stats().Records)
		})
	}
}

// An echoPort answers each request at once, with no network between.
type echoPort struct {
	mux.Port // what is not used
	answer   []byte
	waiting  []mux.Key
	taken    int
}

func (p *echoPort) Recv(b *mux.Batch, wait time.Duration) error {
	b.Reset()
	for p.taken < len(p.waiting) && b.Len() < b.Cap() {
		b.Commit(p.waiting[p.taken], p.answer)
		p.taken++
	}
	if p.taken == len(p.waiting) {
		p.waiting, p.taken = p.waiting[:0], 0
	}
	if b.Len() == 0 && wait != 0 {
		runtime.Gosched() // the feeder and the writer are at work
	}
	return nil
}

func (p *echoPort) Send(b *mux.Batch) (int, error) {
	for i := range b.Len() {
		p.waiting = append(p.waiting, b.Packet(i).Peer)
	}
	return b.Len(), nil
}

func (p *echoPort) Wake()                {}
func (p *echoPort) Stats() mux.PortStats { return mux.PortStats{} }

// A countSource yields n targets.
type countSource struct{ next, n uint64 }

func (s *countSource) Next(_ context.Context, dst []targets.Target) (int, error) {
	i := 0
	for ; i < len(dst) && s.next < s.n; i++ {
		dst[i] = targets.Target{Key: mux.KeyFrom(simAddr(s.next)), Seq: s.next}
		s.next++
	}
	if s.next == s.n {
		return i, io.EOF
	}
	return i, nil
}

// A nullSink takes everything.
type nullSink struct{ bytes int }

func (s *nullSink) WriteLines(p []byte) error { s.bytes += len(p); return nil }
func (s *nullSink) Sync() (int64, error)      { return int64(s.bytes), nil }
func (s *nullSink) Close() error              { return nil }

// TestLoopAllocatesNextToNothing runs a whole scan, goroutines and all.
func TestLoopAllocatesNextToNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const n = 50_000
	cfg := DefaultConfig()
	cfg.Rate, cfg.PerIPRate = 0, 0
	s, err := New(cfg, &echoPort{answer: infoReply("x")}, &countSource{n: n}, &nullSink{})
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	result, err := s.Run(t.Context())
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Equal(t, dataset.EndComplete, result.Reason)
	require.EqualValues(t, n, result.Stats.Statuses[output.Success])
	require.EqualValues(t, n, result.Records)
	perTarget := float64(after.Mallocs-before.Mallocs) / n
	t.Logf("%.4f allocations and %v a target", perTarget, took/n)
	require.Less(t, perTarget, 0.1)
}
