package scanner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// Turns that take as long as they may take nothing off, those that take longer do.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock{start: time.Now()}
		now := time.Duration(0)
		for _, step := range []struct{ wait, took, lost time.Duration }{
			{0, 0, 0},
			{0, stallTime, 0},
			{0, stallTime + 1, stallTime}, // it is later than in the turn before
			{time.Minute, time.Minute, 0},
			{time.Minute, time.Second, 0},
			{time.Minute, time.Hour, 59 * time.Minute},
			{-1, 10 * time.Hour, 0},
		} {
			time.Sleep(step.took)
			at, lost := c.turn(step.wait)
			require.Equal(t, step.lost, lost)
			now += step.took - step.lost
			require.Equal(t, proto.Time(now), at)
			require.Equal(t, proto.Time(now), c.now())
		}
	})
}

// Wherever in a turn the process was stopped, the scan's time and what turn says was
// taken off add up to the time on the wall, and no turn is before the one before it.
func TestClockAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall := time.Now()
		e, err := newEngine(rigConfig(proto.WantInfo), wall)
		require.NoError(t, err)
		c := clock{start: wall}
		before, _ := c.turn(-1)
		for i := range 200 {
			wait := time.Duration(i%3) * 10 * time.Millisecond
			time.Sleep(wait)
			if i%7 == 0 {
				time.Sleep(5 * time.Second) // while it waited
			}
			now, lost := c.turn(wait)
			if lost > 0 {
				e.Stalled(now, lost)
			}
			require.Equal(t, time.Since(wall), now.Sub(0)+e.lostBefore(now), "turn %d", i)
			require.True(t, now > before || lost == 0, "turn %d", i)
			before = now
			switch i % 5 {
			case 1:
				time.Sleep(5 * time.Second) // as soon as it had looked at the clock
			case 2:
				time.Sleep(time.Millisecond)
			}
		}
		require.NotEmpty(t, e.stalls)
	})
}

// However often a process was stopped, what is remembered of it is bounded, and right
// for the targets that can still be in flight.
func TestStallsAreBounded(t *testing.T) {
	e, err := newEngine(rigConfig(proto.WantInfo), time.Unix(0, 0))
	require.NoError(t, err)
	require.Zero(t, e.lostBefore(0))
	const n = 3*maxStalls + 7
	for i := range n {
		e.Stalled(proto.Time(i)*proto.Time(time.Second), time.Second)
		require.LessOrEqual(t, len(e.stalls), maxStalls)
	}
	for i := n - maxStalls/2; i < n; i++ {
		at := proto.Time(i) * proto.Time(time.Second)
		require.Equal(t, time.Duration(i+1)*time.Second, e.lostBefore(at))
		require.Equal(t, time.Duration(i)*time.Second, e.lostBefore(at-1))
	}
}

// T1, T2: a process that was stopped for longer than a target's whole time goes on
// where it was: a challenge that waits in the socket is answered, and what was lost is
// asked again. The records' times are those of the wall.
func TestT2_StoppedForLongerThanATarget(t *testing.T) {
	const stop = 12 * time.Second
	for name, dead := range map[string]bool{"what came waits": false, "what came is lost": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(s *scan) {
				s.serve(prototest.Shares{Challenge: 100, DelayMin: 100 * time.Millisecond, DelayMax: 300 * time.Millisecond})
				cfg := scanConfig()
				cfg.Rate = 2000
				require.Less(s.t, cfg.TargetTimeout, stop)
				stopped := false
				s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
					if !stopped && s.elapsed() > 300*time.Millisecond {
						stopped = true
						time.Sleep(stop)
						if dead {
							s.port.Recv(mux.NewBatch(1000, 2000), 0)
						}
					}
				}
				const n = 2000
				result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
				require.NoError(s.t, err)
				s.requireWhole(result)
				require.EqualValues(s.t, n, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
				require.Less(s.t, s.elapsed(), stop+5*time.Second)
				sent := map[mux.Key]time.Time{} // first
				for _, p := range s.sends {
					if _, ok := sent[p.to]; !ok {
						sent[p.to] = p.at
					}
				}
				for _, r := range s.sink.records() {
					at := sent[mux.KeyFrom(simAddr(r.Seq))]
					require.WithinDuration(s.t, at, r.Time, time.Millisecond, "target %d", r.Seq)
					require.Less(s.t, ms(r.Duration), 10_000.0+stop.Seconds()*1000)
					if early := at.Sub(s.start) < 300*time.Millisecond && ms(r.Duration) > 5000; early {
						require.Equal(s.t, output.NoRTT, r.RTT, "when its answer came nobody saw")
					} else if r.RTT >= 0 {
						require.GreaterOrEqual(s.t, ms(r.RTT), 99.9, "no answer comes sooner than the server's delay")
					}
				}
			})
		})
	}
}

// So does one that was stopped while it slept, and would have slept for long.
func TestT2_StoppedWhileItSlept(t *testing.T) {
	for _, stop := range []time.Duration{2 * time.Second, 5200 * time.Millisecond, 7 * time.Second} {
		virtual(t, func(s *scan) {
			s.serve(prototest.Shares{Challenge: 100, DelayMin: 1200 * time.Millisecond, DelayMax: 1200 * time.Millisecond})
			cfg := scanConfig()
			cfg.Timeout, cfg.TargetTimeout, cfg.Retries = 4500*time.Millisecond, 5*time.Second, 0
			stopped := false
			s.spy.beforeRecv = func(_ *mux.Batch, wait time.Duration) {
				if !stopped && wait > 0 && s.elapsed() > 100*time.Millisecond {
					stopped = true
					time.Sleep(stop)
				}
			}
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 40})
			require.NoError(s.t, err)
			s.requireWhole(result)
			require.EqualValues(s.t, 40, result.Stats.Statuses[output.Success], "%v: %v", stop, s.sink.statuses())
		})
	}
}

// What was sent in the turn before a stall keeps its time.
func TestTimesAroundAStall(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate = 0
		turns := 0
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			if turns++; turns == 2 {
				time.Sleep(12 * time.Second)
			}
		}
		_, err := s.run(s.t.Context(), cfg, &countSource{n: 2000})
		require.NoError(s.t, err)
		sent := map[mux.Key]time.Time{}
		for _, p := range s.sends {
			if _, ok := sent[p.to]; !ok {
				sent[p.to] = p.at
			}
		}
		for _, r := range s.sink.records() {
			require.WithinDuration(s.t, sent[mux.KeyFrom(simAddr(r.Seq))], r.Time, time.Millisecond, "target %d", r.Seq)
		}
	})
}

// --max-runtime is time on the wall.
func TestMaxRuntimeOverAStall(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate = 100
		cfg.MaxRuntime = 10 * time.Second
		stopped := false
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			if !stopped && s.elapsed() > time.Second {
				stopped = true
				time.Sleep(time.Minute)
			}
		}
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndMaxRuntime, result.Reason)
		require.Less(s.t, s.elapsed(), 62*time.Second)
		s.requireWhole(result)
	})
}
