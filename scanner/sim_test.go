package scanner

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A sim is an Engine and a World of servers in one goroutine of virtual time.
type sim struct {
	t       testing.TB
	e       *Engine
	world   *prototest.World
	replies *prototest.Replies
	events  events
	now     proto.Time
	rx, tx  *mux.Batch

	next, total uint64 // targets fed and in all
	target      func(i uint64) targets.Target
	batch       []targets.Target

	sentAt []proto.Time // of every packet, if collect is set
	sink   func(lines []byte)
	client prototest.Endpoint
	turn   proto.Time // a turn of the loop lasts this long
}

// An event is a datagram on its way.
type event struct {
	at   proto.Time
	peer mux.Key
	data []byte
}

type events []event

func (h events) Len() int           { return len(h) }
func (h events) Less(i, j int) bool { return h[i].at < h[j].at }
func (h events) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)        { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return x
}

// simSeed is the seed of a simulation: replay one with A2SCAN_SIM_SEED.
func simSeed(t testing.TB, fallback uint64) uint64 {
	seed := fallback
	if s := os.Getenv("A2SCAN_SIM_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with A2SCAN_SIM_SEED=%d", seed)
		}
	})
	return seed
}

// simAddr spreads targets over 127.0.0.0/8.
func simAddr(i uint64) netip.AddrPort {
	n := uint32(i%0xFFFFFE + 1)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)}), 27015+uint16(i/0xFFFFFE))
}

func newSim(t testing.TB, cfg Config, shares prototest.Shares, seed, total uint64) *sim {
	cfg.Seed = seed
	e, err := NewEngine(cfg, time.Unix(1_800_000_000, 0))
	require.NoError(t, err)
	return &sim{
		t:       t,
		e:       e,
		world:   &prototest.World{Seed: seed, Shares: shares},
		replies: prototest.NewReplies(seed),
		tx:      mux.NewBatch(cfg.Batch, maxRequest),
		rx:      mux.NewBatch(1, receiveSize),
		total:   total,
		target: func(i uint64) targets.Target {
			return targets.Target{Key: mux.KeyFrom(simAddr(i)), Seq: i}
		},
		batch:  make([]targets.Target, feedBatch),
		sink:   func([]byte) {},
		client: prototest.EndpointFrom(netip.MustParseAddrPort("127.0.0.1:40000")),
		turn:   20 * proto.Time(time.Microsecond),
	}
}

// run runs the scan to its end.
func (s *sim) run() {
	for {
		s.e.BeginTurn()
		for n := 0; len(s.events) > 0 && s.events[0].at <= s.now && n < 64; n++ {
			ev := heap.Pop(&s.events).(event)
			s.e.HandlePacket(s.now, &mux.Packet{Peer: ev.peer, Data: ev.data})
		}
		s.e.HandleTimeout(s.now)
		s.e.Judge(s.now, func() uint64 { return 0 })
		s.feed()
		s.e.Fill(s.now, s.tx)
		s.transmit()
		if out := s.e.Output(); len(out) > 1<<20 {
			s.sink(out)
			s.e.TakeOutput(out[:0])
		}
		if s.e.Finished() {
			s.sink(s.e.TakeOutput(nil))
			return
		}
		at, ok := s.e.Deadline(s.now)
		if len(s.events) > 0 && (!ok || s.events[0].at < at) {
			at, ok = s.events[0].at, true
		}
		require.True(s.t, ok, "the engine is not finished, and waits for nothing")
		if at > s.now+s.turn {
			s.e.Slept()
		}
		s.now = max(at, s.now+s.turn)
	}
}

func (s *sim) feed() {
	for s.e.NeedsTargets() {
		n := 0
		for ; n < len(s.batch) && s.next < s.total; n++ {
			s.batch[n] = s.target(s.next)
			s.next++
		}
		if n == 0 {
			s.e.EndFeed()
			return
		}
		s.e.Feed(s.batch[:n])
	}
}

func (s *sim) transmit() {
	for i := range s.tx.Len() {
		p := s.tx.Packet(i)
		if s.sentAt != nil {
			s.sentAt = append(s.sentAt, s.now)
		}
		server := prototest.Endpoint{Hi: p.Peer.Hi, Lo: p.Peer.Lo, Port: p.Peer.Port}
		s.world.Answer(s.replies, s.now, s.client, server, p.Data)
		for j := range s.replies.Len() {
			b, delay := s.replies.Datagram(j)
			heap.Push(&s.events, event{s.now.Add(max(delay, 50*time.Microsecond)), p.Peer, bytes.Clone(b)})
		}
	}
	s.tx.Reset()
}

// requireEmpty checks that nothing of a finished scan is left in the engine.
func (s *sim) requireEmpty() {
	e := s.e
	require.Zero(s.t, e.slab.live)
	require.Zero(s.t, e.table.Len())
	require.Zero(s.t, e.wheel.armed)
	require.Zero(s.t, e.store.Used())
	require.Zero(s.t, e.client.ReassemblyUsed())
	require.Zero(s.t, e.answers.head)
	require.Zero(s.t, e.retries.head)
	require.Zero(s.t, e.hosts.parked)
}

// seqs collects the seq of each record and counts them.
type seqs struct {
	t     testing.TB
	seen  []uint8
	lines int
}

func (q *seqs) add(lines []byte) {
	for len(lines) > 0 {
		line, rest, ok := bytes.Cut(lines, []byte{'\n'})
		require.True(q.t, ok, "a record without its end")
		lines = rest
		q.lines++
		_, after, ok := bytes.Cut(line, []byte(`"seq":`))
		require.True(q.t, ok)
		n := 0
		for _, c := range after {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int(c-'0')
		}
		q.seen[n]++
		if q.seen[n] > 1 {
			q.t.Fatalf("target %d has two records", n)
		}
	}
}

func simConfig() Config {
	cfg := DefaultConfig()
	cfg.Rate, cfg.PerIPRate = 0, 0
	return cfg
}

// TestMillionTargets settles a million targets, each exactly once, with loss,
// silence and challenges.
func TestMillionTargets(t *testing.T) {
	total := uint64(1_000_000)
	if testing.Short() || raceEnabled {
		total = 100_000
	}
	cfg := simConfig()
	cfg.MaxInFlight = int(total)
	s := newSim(t, cfg, prototest.Shares{
		Challenge: 50, Silent: 5, Loss: 3, DelayMin: time.Millisecond, DelayMax: 200 * time.Millisecond,
	}, simSeed(t, 1), total)
	q := &seqs{t: t, seen: make([]uint8, total)}
	s.sink = q.add
	start := time.Now()
	s.run()
	require.EqualValues(t, total, q.lines)
	s.requireEmpty()
	st := s.e.Stats()
	require.Equal(t, total, st.Done)
	packets := st.Sent + st.Received
	t.Logf("%d targets, %d packets, %v virtual, %v real (%v a packet, servers and JSON included), %v success",
		total, packets, time.Duration(s.now), time.Since(start), time.Since(start)/time.Duration(packets), st.Statuses[output.Success])
	// 5 % are silent; of the rest each exchange is lost with 1-.97² = 5.9 %, three
	// tries in a row with 0.02 %; half need two exchanges.
	require.InDelta(t, 0.95, float64(st.Statuses[output.Success])/float64(total), 0.003)
}

// TestSimulatedMixture runs many seeds of hostile mixtures.
func TestSimulatedMixture(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() || raceEnabled {
		seeds = 5
	}
	base := simSeed(t, 100)
	for i := range seeds {
		seed := base + i
		cfg := simConfig()
		cfg.Kinds = proto.WantInfo | proto.WantPlayers | proto.WantRules
		cfg.MaxInFlight = 50 + int(seed%400)
		cfg.Sequential = seed%3 == 0
		cfg.Raw = seed%5 == 0
		shares := prototest.Shares{
			Challenge: 50, Silent: 5, GoldSource: 10, Split: 20, BZip2: 5, Ship: 5, Duplicate: 5, Reorder: 5,
			Garbage: 5, ChallengeLoop: 3, Endless: 2, WrongType: 5, Truncate: 5,
			DelayMin: time.Millisecond, DelayMax: 80 * time.Millisecond,
		}
		if seed%2 == 0 {
			shares.Loss = float64(seed % 20)
		}
		const total = 1000
		s := newSim(t, cfg, shares, seed, total)
		q := &seqs{t: t, seen: make([]uint8, total)}
		s.sink = func(lines []byte) {
			q.add(lines)
			for line := range bytes.Lines(lines) {
				s.check(line, shares.Loss > 0)
			}
		}
		s.run()
		require.Equal(t, total, q.lines, "seed %d", seed)
		s.requireEmpty()
	}
}

// check holds a record's statuses against the truth about its server.
func (s *sim) check(line []byte, loss bool) {
	var r struct {
		Seq     uint64
		Status  string
		Error   *string
		Info    struct{ Status, Name string }
		Players struct{ Status string }
		Rules   struct{ Status string }
	}
	require.NoError(s.t, json.Unmarshal(line, &r), "%s", line)
	require.Equal(s.t, r.Status == "success", r.Error == nil, "%s", line)
	truth, ok := s.world.Truth(prototest.EndpointFrom(simAddr(r.Seq)), proto.WantInfo|proto.WantPlayers|proto.WantRules)
	require.True(s.t, ok)
	for k, status := range []string{r.Info.Status, r.Players.Status, r.Rules.Status} {
		want := truth.Sections[k]
		if loss {
			continue
		}
		require.True(s.t, want.Has(prototest.ParseOutcome(status)), "%s of %s: %s, want %s\n%s",
			proto.Kind(k), simAddr(r.Seq), status, want, line)
	}
}

// TestRateInEveryWindow counts the packets of every 10 ms: never more than the
// rate and one burst, and over all the rate itself.
func TestRateInEveryWindow(t *testing.T) {
	for _, rate := range []float64{1, 100, 2000, 50_000, 200_000} {
		cfg := simConfig()
		cfg.Rate = rate
		cfg.MaxInFlight = 100_000
		total := uint64(max(rate*2, 5))
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Silent: 20, DelayMin: time.Millisecond, DelayMax: 40 * time.Millisecond}, 3, total)
		s.sentAt = []proto.Time{}
		s.run()
		burst := max(2, rate*burstTime.Seconds())
		const window = 10 * proto.Time(time.Millisecond)
		first := 0
		for i, at := range s.sentAt {
			for at-s.sentAt[first] > window {
				first++
			}
			require.LessOrEqual(t, float64(i-first+1), burst+rate*0.01+1, "rate %v at %v", rate, time.Duration(at))
		}
		// The first 2 s of the scan have more to send than the rate allows.
		until := proto.Time(min(2, float64(total)/rate) * 1e9)
		n := 0
		for _, at := range s.sentAt {
			if at <= until {
				n++
			}
		}
		require.InEpsilon(t, rate*time.Duration(until).Seconds(), float64(n)+0.5, 0.01+1/(rate*time.Duration(until).Seconds()), "rate %v", rate)
	}
}
