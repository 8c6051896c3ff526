package scanner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A round trip ends when the answer arrives in the socket, however late the loop reads it.
func TestRoundTripOfASlowLoop(t *testing.T) {
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{Challenge: 50, DelayMin: 20 * time.Millisecond, DelayMax: 20 * time.Millisecond})
		turns := 0
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			turns++
			time.Sleep(time.Duration(turns%5) * 9 * time.Millisecond)
		}
		cfg := scanConfig()
		cfg.Kinds = allKinds
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 300})
		require.NoError(s.t, err)
		s.requireWhole(result)
		for _, r := range s.sink.records() {
			require.Equal(s.t, output.Success, r.Status)
			for _, rtt := range []time.Duration{r.Info.RTT, r.Players.RTT, r.Rules.RTT} {
				// Both ends are rounded to microseconds.
				require.InDelta(s.t, 20*time.Millisecond, rtt, float64(time.Microsecond))
			}
			require.GreaterOrEqual(s.t, r.Duration, r.RTT)
		}
		require.InDelta(s.t, 20*time.Millisecond, result.Stats.RTT[2], float64(200*time.Microsecond))
	})
}

// The packets of a batch leave one after the other while Send runs.
func TestCommitSpreadsTheBatch(t *testing.T) {
	const n = 4
	r := newRig(t, rigConfig(proto.WantInfo))
	r.e.ended = false
	r.e.Feed(rigTargets(n))
	r.e.Fill(r.now, r.tx)
	require.Equal(t, n, r.tx.Len())
	done := r.now.Add(40 * time.Microsecond)
	r.e.sendTime = sendTime(10 * time.Microsecond)
	r.e.Commit(r.now, done, r.tx, n)
	arrived := done.Add(20 * time.Millisecond)
	for i := range n {
		r.e.HandlePacket(arrived.Add(time.Second), arrived, &mux.Packet{Peer: rigKey(i), Data: infoReply("x")})
	}
	r.fill()
	for i := range n {
		require.Equal(t, 20*time.Millisecond+time.Duration(n-i)*10*time.Microsecond, r.records[uint64(i)].RTT)
	}
}

// A call that was interrupted does not make its packets late.
func TestSendTime(t *testing.T) {
	var s sendTime
	require.Zero(t, s.each(time.Second, 0))
	for range 500 {
		require.LessOrEqual(t, s.each(64*5*time.Microsecond, 64), 5*time.Microsecond)
	}
	require.InDelta(t, 5*time.Microsecond, s.each(64*5*time.Microsecond, 64), 50)
	require.Less(t, s.each(5*time.Millisecond, 64), 10*time.Microsecond)
	for range 500 { // a busy machine: short calls that take long, then a long one that is interrupted
		s.each(60*time.Microsecond, 1)
		s.each(5*time.Millisecond, 64)
	}
	require.LessOrEqual(t, s.each(5*time.Millisecond, 64), mostSendTime)
	require.Equal(t, 4*time.Microsecond, s.each(64*4*time.Microsecond, 64))
}

// No time of a turn is before an earlier one, even if the process was stopped in the turn.
func TestClockMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock{start: time.Now()}
		last, _ := c.turn(-1)
		sleeps := []time.Duration{0, time.Millisecond, stallTime / 2, stallTime, 3 * stallTime, time.Hour}
		for i := range 500 {
			if i%4 == 0 {
				now, lost := c.turn(0)
				require.GreaterOrEqual(t, now, last)
				if lost == 0 {
					require.Equal(t, c.now(), now)
				}
				last = now
			}
			time.Sleep(sleeps[i*i%7%len(sleeps)])
			now := c.moment()
			require.GreaterOrEqual(t, now, last)
			require.LessOrEqual(t, now, c.now())
			last = now
		}
	})
}

// Packets gather only while they are frequent, and never as many as a small buffer holds.
func TestMayGather(t *testing.T) {
	ms := func(n int) proto.Time { return proto.Time(n) * proto.Time(time.Millisecond) }
	some, none := mux.NewBatch(2, 8), mux.NewBatch(2, 8)
	some.Commit(rigKey(1), nil)
	s := &Scanner{gather: gatherTime, rx: some}
	require.Zero(t, s.mayGather(ms(100), -1), "the first packet")
	require.Zero(t, s.mayGather(ms(120), -1), "another one later")
	require.Equal(t, gatherTime, s.mayGather(ms(121), -1), "and one soon after")
	require.Equal(t, time.Millisecond, s.mayGather(ms(122), time.Millisecond))
	require.Zero(t, s.mayGather(ms(123), 0))
	s.full = true
	require.Zero(t, s.mayGather(ms(124), -1), "the socket has room soon")
	s.full, s.rx = false, none
	require.Equal(t, gatherTime, s.mayGather(ms(125), -1))
	require.Zero(t, s.mayGather(ms(129), -1), "they have stopped")

	require.Zero(t, gatherFor(0, 1<<20))
	require.Equal(t, gatherTime, gatherFor(2000, 0))
	require.Equal(t, gatherTime, gatherFor(50_000, 16<<20))
	require.InDelta(t, 462*time.Microsecond, gatherFor(100_000, 425_984), 1000)
}

// At the default rate the loop is woken less than once per server, as packets gather.
func TestWakeUpsPerServer(t *testing.T) {
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{Challenge: 100, DelayMin: 20 * time.Millisecond, DelayMax: 60 * time.Millisecond})
		wakeUps := 0
		s.spy.beforeRecv = func(b *mux.Batch, wait time.Duration) {
			if wait == 0 {
				return
			}
			wakeUps++
			if nap := b.Gather(); nap > 0 {
				time.Sleep(nap)
			}
		}
		cfg := scanConfig()
		cfg.Rate = DefaultConfig().Rate
		const servers = 5000
		result, err := s.run(s.t.Context(), cfg, &countSource{n: servers})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, servers, result.Stats.Statuses[output.Success])
		require.InDelta(s.t, 2*servers/cfg.Rate, s.elapsed().Seconds(), 0.1, "the rate is used")
		require.Less(s.t, float64(wakeUps), 0.75*servers)
	})
}
