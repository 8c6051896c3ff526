package scanner

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A sim is an engine and a World of servers in one goroutine of virtual time.
type sim struct {
	t       testing.TB
	e       *engine
	world   *prototest.World
	replies *prototest.Replies
	events  events
	now     proto.Time
	rx, tx  *mux.Batch

	next, total uint64 // targets fed and in all
	target      func(i uint64) targets.Target
	batch       []targets.Target

	sentAt []proto.Time // of every packet, if it is not nil
	onWire struct{ sent, bytesSent, received, bytesReceived uint64 }
	sink   func(lines []byte) // which are valid during the call
	rec    *recorder
	text   []byte
	client prototest.Endpoint
	turn   proto.Time // a turn of the loop lasts this long
	step   func()     // after everything that is done to the engine

	// path says what else may happen to a packet on its way: the system's refusal to
	// send it, or an ICMP error instead of an answer. It may be nil.
	path func(p *mux.Packet) (mux.Unreachable, error)
	// silent reports whether a packet reaches nothing. It may be nil.
	silent func(p *mux.Packet) bool
}

// An event is a datagram on its way.
type event struct {
	at   proto.Time
	peer mux.Key
	data []byte
	icmp mux.Unreachable
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

// write gives the records of the targets that were settled to the sink.
func (s *sim) write() {
	if s.rec == nil {
		s.rec = newRecorder(s.e.wall)
	}
	s.text, _ = s.rec.lines(s.text[:0], s.e.Output(), math.MaxInt)
	s.e.TakeOutput(s.e.Output()[:0])
	s.sink(s.text)
}

func newSim(t testing.TB, cfg Config, shares prototest.Shares, seed, total uint64) *sim {
	cfg.Seed = seed
	e, err := newEngine(cfg, time.Unix(1_800_000_000, 0))
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
		step:   func() {},
	}
}

// run runs the scan to its end.
func (s *sim) run() {
	for {
		s.e.BeginTurn()
		for n := 0; len(s.events) > 0 && s.events[0].at <= s.now && n < 64; n++ {
			ev := heap.Pop(&s.events).(event)
			if ev.icmp == mux.Reachable {
				s.onWire.received++
				s.onWire.bytesReceived += uint64(len(ev.data))
			}
			s.e.HandlePacket(s.now, s.now, &mux.Packet{Peer: ev.peer, Data: ev.data, Unreachable: ev.icmp})
			s.step()
		}
		s.e.HandleTimeout(s.now)
		s.step()
		s.e.Inflate(s.now)
		s.step()
		s.e.Judge(s.now, func() uint64 { return 0 })
		s.feed()
		s.transmit()
		if len(s.e.Output()) > 1<<18 {
			s.write()
		}
		if s.e.Finished() {
			s.write()
			return
		}
		at, ok := s.e.Deadline(s.now, false)
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

// transmit sends a batch, as the loop does.
func (s *sim) transmit() {
	for left := s.tx.Cap(); left > 0; {
		s.e.Fill(s.now, s.tx)
		s.step()
		n, err := s.put()
		more := s.e.Commit(s.now, s.now, s.tx, n)
		s.step()
		left -= n
		switch {
		case err != nil:
			left--
			s.e.SendFailed(s.now, n, err)
			s.step()
		case n == 0 || !more:
			return
		}
	}
}

// put puts the packets on the wire, up to the first that the system refuses.
func (s *sim) put() (n int, err error) {
	for i := range s.tx.Len() {
		p := s.tx.Packet(i)
		what := mux.Reachable
		if s.path != nil {
			if what, err = s.path(p); err != nil {
				return i, err
			}
		}
		if s.sentAt != nil {
			s.sentAt = append(s.sentAt, s.now)
		}
		s.onWire.sent++
		s.onWire.bytesSent += uint64(len(p.Data))
		if what != mux.Reachable {
			heap.Push(&s.events, event{at: s.now.Add(5 * time.Millisecond), peer: p.Peer, icmp: what})
			continue
		}
		if s.silent != nil && s.silent(p) {
			continue
		}
		server := prototest.Endpoint{Hi: p.Peer.Hi, Lo: p.Peer.Lo, Port: p.Peer.Port}
		s.world.Answer(s.replies, s.now, s.client, server, p.Data)
		for j := range s.replies.Len() {
			b, delay := s.replies.Datagram(j)
			heap.Push(&s.events, event{at: s.now.Add(max(delay, 50*time.Microsecond)), peer: p.Peer, data: bytes.Clone(b)})
		}
	}
	return s.tx.Len(), nil
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
	require.True(s.t, e.twins.none())
	require.Empty(s.t, e.twins.behind)
	require.Len(s.t, e.origins.free, max(len(e.origins.list)-1, 0))
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
	t.Parallel()
	total := uint64(1_000_000)
	if testing.Short() || raceEnabled {
		total = 30_000
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
	t.Parallel()
	seeds := uint64(24)
	if testing.Short() || raceEnabled {
		seeds = 3
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
			Garbage: 5, ChallengeLoop: 3, Endless: 2, WrongType: 5, Truncate: 5, AskTwice: 5, StrictLength: 20,
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

// TestInvariantsAtEveryStep looks into the engine after all that is done to it.
func TestInvariantsAtEveryStep(t *testing.T) {
	t.Parallel()
	seeds := uint64(8)
	if testing.Short() || raceEnabled {
		seeds = 3
	}
	base := simSeed(t, 1000)
	for i := range seeds {
		seed := base + i
		cfg := simConfig()
		cfg.Kinds = proto.WantInfo | proto.WantPlayers | proto.WantRules
		cfg.MaxInFlight = 5 + int(seed%40)
		cfg.Timeout = 100 * time.Millisecond
		cfg.TargetTimeout = time.Second
		cfg.Sequential = seed%3 == 0
		cfg.Raw = seed%4 == 1
		cfg.ICMP = ICMPMode(seed % 3)
		if seed%2 == 0 {
			cfg.Rate = 300 // so that what continues has to wait too
		}
		if seed%3 != 1 {
			cfg.PerIPRate = 50
		}
		if seed%2 == 1 {
			cfg.PortOffsets = []int{1, -2, 9}
		}
		const total = 150
		rng := rand.New(rand.NewPCG(seed, 1))
		s := newSim(t, cfg, prototest.Shares{
			Challenge: 50, Silent: 10, GoldSource: 10, Split: 30, BZip2: 10, Ship: 5, Duplicate: 10, Reorder: 10,
			Garbage: 5, ChallengeLoop: 5, Endless: 3, WrongType: 5, Truncate: 5, AskTwice: 5, Loss: float64(seed % 4 * 5),
			DelayMin: time.Millisecond, DelayMax: 120 * time.Millisecond,
		}, seed, total)
		s.target = func(i uint64) targets.Target { // six ports to an address, and some of them twice
			if i%5 == 4 {
				i -= rng.Uint64N(4)
			}
			ap := netip.AddrPortFrom(simAddr(i/6).Addr(), 27015+uint16(i%6))
			return targets.Target{Key: mux.KeyFrom(ap), Seq: s.next}
		}
		q := &seqs{t: t, seen: make([]uint8, total)}
		s.sink = q.add
		s.step = func() { s.e.checkInvariants(t) }
		s.path = func(*mux.Packet) (mux.Unreachable, error) {
			switch rng.IntN(40) {
			case 0:
				return mux.PortUnreachable, nil
			case 1:
				return mux.HostUnreachable, nil
			case 2:
				return mux.Reachable, syscall.ENETUNREACH
			}
			return mux.Reachable, nil
		}
		s.run()
		require.Equal(t, total, q.lines, "seed %d", seed)
		s.requireEmpty()
		require.LessOrEqual(t, s.e.stats.PeakInFlight, cfg.MaxInFlight)
	}
}

// foundShare returns the chance that a server answers within that many attempts if it takes
// steps exchanges, each of which is lost with the chance lost. A retry asks for a new
// token, and one attempt more is granted after the first that lost a token. A token
// that comes once more is kept.
func foundShare(steps, attempts int, lost float64) float64 {
	return exchange{steps: steps, lost: lost}.share(map[moment]float64{}, attempts, 0)
}

// A moment is what the chance of an answer follows from.
type moment struct {
	x                 exchange
	attempts, carries int
}

// An exchange is the state of a conversation between two packets.
type exchange struct {
	steps     int
	lost      float64
	token     int  // which of the server's tokens is known, 0: none
	confirmed bool // it came again after silence
	granted   bool
}

// share returns the chance of an answer with that many attempts, this one included, whose
// next request carries that token.
func (x exchange) share(known map[moment]float64, attempts, carries int) (share float64) {
	if attempts == 0 {
		return 0
	}
	m := moment{x, attempts, carries}
	if share, ok := known[m]; ok {
		return share
	}
	defer func() { known[m] = share }()
	after := x
	left, next := attempts-1, 0
	switch {
	case x.confirmed:
		next = x.token
	case carries > 0 && !x.granted:
		after.granted = true
		left++
	}
	share = x.lost * after.share(known, left, next)
	if carries == x.steps-1 {
		return share + 1 - x.lost
	}
	x.confirmed = carries+1 == x.token
	x.token = carries + 1
	return share + (1-x.lost)*x.share(known, attempts, x.token)
}

// TestFoundShare holds the share of servers that are found against what the loss of
// datagrams explains.
func TestFoundShare(t *testing.T) {
	t.Parallel()
	base := simSeed(t, 3000)
	for i, loss := range []float64{0, 1, 5, 10, 25} {
		const total = 6000
		cfg := simConfig()
		cfg.Retries = 1 + i%3
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Loss: loss, DelayMin: time.Millisecond, DelayMax: 200 * time.Millisecond}, base+uint64(i), total)
		s.run()
		lost := 1 - (1-loss/100)*(1-loss/100)
		// Half of the servers ask for a challenge, one in 16 of those for a second.
		want := foundShare(1, cfg.Retries+1, lost)/2 + foundShare(2, cfg.Retries+1, lost)*15/32 + foundShare(3, cfg.Retries+1, lost)/32
		got := float64(s.e.Stats().Statuses[output.Success]) / total
		t.Logf("%v %% loss, %d retries: %.4f found, %.4f explained", loss, cfg.Retries, got, want)
		require.InDelta(t, want, got, 4*math.Sqrt(want*(1-want)/total)+0.002)
		if loss == 0 {
			require.EqualValues(t, 1, got)
		}
	}
}

// TestCountsAddUp compares what the engine counts with what was on the wire and
// with the sums over all records.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	base := simSeed(t, 2000)
	for i := range uint64(8) {
		seed := base + i
		cfg := simConfig()
		cfg.Kinds = proto.WantInfo | proto.WantPlayers | proto.WantRules
		cfg.Sequential = seed%2 == 0
		cfg.MaxInFlight = 50
		if seed%4 > 1 {
			cfg.Rate, cfg.PerIPRate = 2000, 100
		}
		const total = 400
		s := newSim(t, cfg, prototest.Shares{
			Challenge: 50, Silent: 10, Split: 20, Duplicate: 10, ChallengeLoop: 5, WrongType: 5, Loss: 10,
			DelayMin: time.Millisecond, DelayMax: 80 * time.Millisecond,
		}, seed, total)
		rng := rand.New(rand.NewPCG(seed, 1))
		s.path = func(p *mux.Packet) (mux.Unreachable, error) {
			if rng.IntN(20) == 0 {
				return mux.Reachable, syscall.EPERM
			}
			return mux.Reachable, nil
		}
		var lines []byte
		s.sink = func(b []byte) { lines = append(lines, b...) }
		s.run()

		var sent, received, bytesReceived, repeats uint64
		var statuses output.StatusCounts
		n := 0
		for line := range bytes.Lines(lines) {
			var r output.Record
			require.NoError(t, output.Unmarshal(line, &r))
			n++
			statuses[r.Status]++
			sent += uint64(r.PacketsSent)
			received += uint64(r.PacketsReceived)
			bytesReceived += uint64(r.BytesReceived)
			most := 0
			for _, sec := range []output.Section{r.Info.Section, r.Players.Section, r.Rules.Section} {
				repeats += uint64(max(sec.Attempts-1, 0))
				most = max(most, sec.Attempts)
			}
			require.Equal(t, most, r.Attempts)
		}
		st := s.e.Stats()
		require.EqualValues(t, total, n)
		require.EqualValues(t, total, st.Records)
		require.EqualValues(t, total, st.Done+st.Aborted)
		require.Equal(t, statuses, st.Statuses)
		require.Equal(t, s.onWire.sent, st.Sent, "sent is what left, not what was refused")
		require.Equal(t, s.onWire.bytesSent, st.BytesSent)
		require.Equal(t, s.onWire.sent, sent)
		require.Equal(t, s.onWire.received, st.Received)
		require.Equal(t, s.onWire.bytesReceived, st.BytesReceived)
		require.Equal(t, st.Received-st.Late-st.Unmatched, received, "what is not of a target in flight is in no record")
		require.Equal(t, st.BytesReceived > bytesReceived, st.Late > 0)
		require.NotZero(t, st.SendErrors)
		require.Equal(t, repeats, st.Retransmits)
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

// TestRateInEveryWindow holds what is sent, retries and challenges included, below
// the rate and one burst in every window, of 10 ms or any other length, and over
// all at the rate itself.
func TestRateInEveryWindow(t *testing.T) {
	t.Parallel()
	for rate, span := range map[float64]time.Duration{
		1: 8 * time.Second, 100: 2 * time.Second, 2000: 2 * time.Second, 50_000: time.Second, 200_000: 300 * time.Millisecond,
	} {
		if raceEnabled && rate > 2000 {
			continue // many, and nothing is concurrent
		}
		cfg := simConfig()
		cfg.Rate = rate
		cfg.MaxInFlight = 100_000
		cfg.Timeout = 50 * time.Millisecond
		total := uint64(rate * span.Seconds())
		s := newSim(t, cfg, prototest.Shares{Challenge: 50, Silent: 20, Loss: 10, DelayMin: time.Millisecond, DelayMax: 40 * time.Millisecond}, 3, total)
		s.sentAt = []proto.Time{}
		s.run()
		require.NotZero(t, s.e.Stats().Retransmits)
		require.NotZero(t, s.e.Stats().Challenges)
		requireWindows(t, s.sentAt, rate, max(2, rate*burstTime.Seconds()))
		// There is more to send than the rate allows as long as targets are left.
		n := 0
		for _, at := range s.sentAt {
			if at <= proto.Time(span) {
				n++
			}
		}
		want := rate * span.Seconds()
		require.InDelta(t, want, n, 0.01*want+1.5, "rate %v", rate)
	}
}
