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
	done := r.now.Add(400 * time.Microsecond)
	r.e.Commit(r.now, done, r.tx, n)
	arrived := done.Add(20 * time.Millisecond)
	for i := range n {
		r.e.HandlePacket(arrived.Add(time.Second), arrived, &mux.Packet{Peer: rigKey(i), Data: infoReply("x")})
	}
	r.fill()
	for i := range n {
		require.Equal(t, 20*time.Millisecond+time.Duration(n-1-i)*100*time.Microsecond, r.records[uint64(i)].RTT)
	}
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
