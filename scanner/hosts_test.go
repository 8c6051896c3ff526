package scanner

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// hostKey is a port of the i-th address of TEST-NET-2 (RFC 5737).
func hostKey(i int, port uint16) mux.Key {
	return mux.KeyFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), port))
}

// apart returns a hosts with a seed that gives the first n addresses a cell each.
func apart(t testing.TB, perSecond float64, n int) *hosts {
	for seed := uint64(1); seed < 1000; seed++ {
		h := newHosts(perSecond, 1<<12, seed)
		cells := map[uint32]bool{}
		for i := range n {
			cells[h.cell(hostKey(i, 1))] = true
		}
		if len(cells) == n {
			return h
		}
	}
	require.Fail(t, "no seed keeps them apart")
	return nil
}

func parkable(i int, seq uint64) targets.Target {
	return targets.Target{Key: hostKey(i, uint16(27015+seq%1000)), Seq: seq}
}

func TestHostsWithoutLimit(t *testing.T) {
	h := newHosts(0, 100, 1)
	for i := range 1000 {
		require.True(t, h.take(0, hostKey(i%3, 1)))
		require.Equal(t, proto.Time(5), h.reserve(5, hostKey(i%3, 1)))
	}
	require.False(t, h.waits(hostKey(0, 1)))
	_, ok := h.next()
	require.False(t, ok)
	_, ok = h.unpark(1 << 40)
	require.False(t, ok)
	_, ok = h.drain()
	require.False(t, ok)
}

// TestHostsNeverAboveRate takes and reserves at random and counts what each
// address gets in every window that begins with a packet.
func TestHostsNeverAboveRate(t *testing.T) {
	for _, perSecond := range []float64{0.5, 1, 3, 20, 1000, 5000} {
		h := apart(t, perSecond, 8)
		burst := hostBurst(perSecond)
		rng := rand.New(rand.NewPCG(uint64(perSecond), 1))
		sent := make([][]proto.Time, 8)
		var now proto.Time
		for range 20_000 {
			now += proto.Time(rng.Float64() * 1e9 / perSecond / 16)
			i := rng.IntN(8)
			if rng.IntN(3) == 0 {
				at := h.reserve(now, hostKey(i, 1))
				require.GreaterOrEqual(t, at, now)
				sent[i] = append(sent[i], at)
			} else if h.take(now, hostKey(i, uint16(rng.IntN(5)))) {
				sent[i] = append(sent[i], now)
			}
		}
		for _, list := range sent {
			require.NotEmpty(t, list)
			for j := 1; j < len(list); j++ {
				require.GreaterOrEqual(t, list[j], list[j-1], "packets of an address keep their order")
			}
			requireWindows(t, list, perSecond, burst)
		}
	}
}

// An address that is always asked for more gets its rate, no less.
func TestHostsGiveTheWholeRate(t *testing.T) {
	const perSecond = 20
	h := newHosts(perSecond, 100, 1)
	n := 0
	for now := proto.Time(0); now < proto.Time(10*time.Second); now += proto.Time(time.Millisecond) {
		if h.take(now, hostKey(1, 1)) {
			n++
		}
	}
	require.InDelta(t, 10*perSecond+hostBurst(perSecond), n, 1)
}

// Continuing targets reserve beyond the limit of fresh ones, which wait until
// those have had their turn.
func TestHostsContinuingBeforeFresh(t *testing.T) {
	h := newHosts(10, 100, 1)
	k := hostKey(1, 1)
	for range int(hostBurst(10)) {
		require.True(t, h.take(0, k))
	}
	require.False(t, h.take(0, k))
	const interval = proto.Time(100 * time.Millisecond)
	for i := range proto.Time(20) {
		require.Equal(t, (i+1)*interval, h.reserve(0, k), "one interval behind the one before")
	}
	require.True(t, h.park(0, parkable(1, 1)))
	at, ok := h.next()
	require.True(t, ok)
	require.Equal(t, 21*interval, at)
	_, ok = h.unpark(21*interval - 1)
	require.False(t, ok)
	got, ok := h.unpark(21 * interval)
	require.True(t, ok)
	require.EqualValues(t, 1, got.Seq)
	_, ok = h.next()
	require.False(t, ok)
}

// A reservation that was made while a target was parked moves its turn back.
func TestHostsParkedWaitsForReservationsMadeLater(t *testing.T) {
	h := newHosts(10, 100, 1)
	k := hostKey(1, 1)
	for h.take(0, k) {
	}
	require.True(t, h.park(0, parkable(1, 1)))
	at, _ := h.next()
	require.Equal(t, at, h.reserve(0, k), "the continuing target takes the turn")
	_, ok := h.unpark(at)
	require.False(t, ok)
	later, ok := h.next()
	require.True(t, ok)
	require.Equal(t, at+proto.Time(100*time.Millisecond), later)
	_, ok = h.unpark(later)
	require.True(t, ok)
}

func TestHostsParkedInOrder(t *testing.T) {
	h := apart(t, 10, 4)
	for seq := range uint64(400) {
		require.True(t, h.park(0, parkable(int(seq%4), seq)))
	}
	require.Equal(t, 400, h.parked)
	last := [4]uint64{}
	var now proto.Time
	for range 400 {
		got, ok := h.unpark(now)
		for !ok {
			at, waits := h.next()
			require.True(t, waits)
			require.Greater(t, at, now)
			now = at
			got, ok = h.unpark(now)
		}
		i := got.Seq % 4
		require.GreaterOrEqual(t, got.Seq, last[i])
		last[i] = got.Seq
	}
	require.Zero(t, h.parked)
	require.Empty(t, h.chains)
	require.Empty(t, h.due)
	// 100 of each address at 10 a second, four of them at once.
	require.InDelta(t, 9.6, time.Duration(now).Seconds(), 0.01)
}

func TestHostsParkedAreBounded(t *testing.T) {
	h := newHosts(1, 100, 1)
	for seq := range uint64(maxParked) {
		require.True(t, h.park(0, parkable(int(seq%200), seq)))
	}
	require.False(t, h.park(0, parkable(1, maxParked)))
	require.Equal(t, maxParked, h.parked)
	_, ok := h.unpark(0)
	require.True(t, ok)
	require.True(t, h.park(0, parkable(1, maxParked)), "there is room again")
}

// An input whose next target finds no room among the parked ones waits for one of
// them, without spinning and without losing any.
func TestInputWaitsForRoomAmongTheParked(t *testing.T) {
	const n = maxParked + 3000
	cfg := rigConfig(proto.WantInfo)
	cfg.PerIPRate = 5000
	cfg.MaxInFlight = 2000
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	list := make([]targets.Target, n)
	for i := range list {
		list[i] = targets.Target{Key: rigKey(1), Seq: uint64(i)}
		list[i].Key.Port = uint16(i)
		list[i].Key.Scope = uint32(i >> 16)
	}
	e.Feed(list)
	e.EndFeed()
	tx := mux.NewBatch(1024, maxRequest)
	now := proto.Time(time.Second)
	info := infoReply("x")
	next := uint64(0)
	for turns := 0; !e.Finished(); turns++ {
		require.Less(t, turns, 5*n)
		e.transmit(now, tx)
		for i := range tx.Len() {
			k := tx.Packet(i).Peer
			require.Equal(t, list[next].Key, k, "first come, first served")
			next++
			e.HandlePacket(now, now, &mux.Packet{Peer: k, Data: info})
		}
		if turns == 1 {
			require.Equal(t, maxParked, e.hosts.parked)
			require.Less(t, e.feedAt, n)
		}
		e.TakeOutput(e.Output()[:0])
		if at, ok := e.Deadline(now, false); ok && tx.Len() == 0 {
			require.Greater(t, at, now, "the loop would spin")
			now = at
		}
		tx.Reset()
	}
	require.EqualValues(t, n, e.Stats().Statuses[output.Success])
}

func TestHostsDrain(t *testing.T) {
	h := newHosts(1, 100, 1)
	want := map[uint64]bool{}
	for seq := range uint64(1000) {
		require.True(t, h.park(0, parkable(int(seq%7), seq)))
		want[seq] = true
	}
	for {
		got, ok := h.drain()
		if !ok {
			break
		}
		require.True(t, want[got.Seq])
		delete(want, got.Seq)
	}
	require.Empty(t, want)
	require.Zero(t, h.parked)
	require.Empty(t, h.chains)
	_, ok := h.next()
	require.False(t, ok)
}

// The rates at the edges of what Validate accepts make no interval that wraps.
func TestHostsExtremeRates(t *testing.T) {
	for _, perSecond := range []float64{minPacketsPerSec, 1e-3, maxPacketsPerSec} {
		h := newHosts(perSecond, 1, 1)
		k := hostKey(1, 1)
		require.Positive(t, h.interval, "rate %v", perSecond)
		n := 0
		for n < 1000 && h.take(0, k) {
			n++
		}
		require.EqualValues(t, min(hostBurst(perSecond), 1000), n, "rate %v", perSecond)
		if perSecond < 1 {
			require.False(t, h.take(proto.Time(time.Minute), k))
			require.Greater(t, h.reserve(proto.Time(time.Minute), k), proto.Time(time.Minute))
		}
	}
}

// However many targets are in flight there are two cells for each, within bounds.
func TestHostsCells(t *testing.T) {
	for _, n := range []int{1, 2048, 2049, 1 << 20, 1 << 24} {
		h := newHosts(1, n, 1)
		require.GreaterOrEqual(t, len(h.cells), min(2*n, 1<<22))
		require.LessOrEqual(t, len(h.cells), 1<<22)
		h.cell(hostKey(255, 65535))
	}
	h := newHosts(1, 1<<12, 7)
	used := map[uint32]bool{}
	for i := range 8192 {
		k := mux.KeyFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1))
		c := h.cell(k)
		require.Less(t, int(c), len(h.cells))
		used[c] = true
		k.Port = 2
		require.Equal(t, c, h.cell(k), "all ports of an address share a cell")
	}
	// As many cells as addresses: 1-1/e of them are hit.
	require.InDelta(t, 0.632, float64(len(used))/8192, 0.02)
}

// A hostModel knows of each address when its packets go. It holds by brute force
// that k packets take (k-burst) intervals at least.
type hostModel struct {
	interval time.Duration
	burst    int
	sent     map[int][]proto.Time
	waiting  map[int][]uint64
}

// earliest returns when a packet to i may go, at now or later.
func (m *hostModel) earliest(now proto.Time, i int) proto.Time {
	list := m.sent[i]
	for j, at := range list {
		k := len(list) - j + 1 // packets from that one to the new one
		now = max(now, at.Add(time.Duration(k-m.burst)*m.interval))
	}
	return now
}

// FuzzHosts plays take, reserve, park and unpark on a model without cells.
func FuzzHosts(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 4, 30, 3, 0})
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 4, 9, 1, 1, 3, 0, 4, 200, 3, 0, 3, 0})
	f.Add([]byte{2, 0, 2, 1, 2, 2, 2, 0, 2, 1, 2, 2, 3, 0, 3, 0, 3, 0, 5, 0, 3, 0})
	h0 := apart(f, 10, 4)
	f.Fuzz(func(t *testing.T, ops []byte) {
		h := *h0
		h.cells = make([]proto.Time, len(h0.cells))
		h.chains = map[uint32]*chain{}
		m := hostModel{interval: h.interval, burst: int(hostBurst(10)), sent: map[int][]proto.Time{}, waiting: map[int][]uint64{}}
		var now proto.Time
		var seq uint64
		for len(ops) >= 2 && seq < 200 {
			op, i, arg := ops[0]%6, int(ops[1]%4), ops[1]
			ops = ops[2:]
			seq++
			may := m.earliest(now, i)
			switch op {
			case 0:
				ok := h.take(now, hostKey(i, uint16(seq)))
				require.Equal(t, may == now, ok)
				if ok {
					m.sent[i] = append(m.sent[i], now)
				}
			case 1:
				require.Equal(t, may, h.reserve(now, hostKey(i, uint16(seq))))
				m.sent[i] = append(m.sent[i], may)
			case 2:
				require.True(t, h.park(now, parkable(i, seq)))
				m.waiting[i] = append(m.waiting[i], seq)
			case 3:
				got, ok := h.unpark(now)
				if !ok {
					for i, list := range m.waiting {
						require.True(t, len(list) == 0 || m.earliest(now, i) > now, "address %d may go", i)
					}
					break
				}
				from := int(got.Key.Lo & 0xFF)
				require.Equal(t, m.waiting[from][0], got.Seq, "first come, first served")
				m.waiting[from] = m.waiting[from][1:]
				require.Equal(t, now, m.earliest(now, from))
				m.sent[from] = append(m.sent[from], now)
			case 4:
				now = now.Add(time.Duration(arg) * m.interval / 16)
			case 5:
				if got, ok := h.drain(); ok {
					// drain gives up all; a target that has begun continues.
					for ok {
						from := int(got.Key.Lo & 0xFF)
						require.Equal(t, m.waiting[from][0], got.Seq)
						m.waiting[from] = m.waiting[from][1:]
						got, ok = h.drain()
					}
				}
			}
			parked := 0
			var soonest proto.Time = -1
			for i, list := range m.waiting {
				parked += len(list)
				require.Equal(t, len(list) > 0, h.waits(hostKey(i, 9)))
				if at := m.earliest(now, i); len(list) > 0 && (soonest < 0 || at < soonest) {
					soonest = at
				}
			}
			require.Equal(t, parked, h.parked)
			at, ok := h.next()
			require.Equal(t, parked > 0, ok)
			if ok {
				require.LessOrEqual(t, at, soonest, "no target waits longer than it must")
			}
		}
	})
}
