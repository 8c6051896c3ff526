package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

func TestRunToTheEnd(t *testing.T) {
	t.Parallel()
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{Challenge: 50, Silent: 10, Split: 20, DelayMin: time.Millisecond, DelayMax: 80 * time.Millisecond})
		cfg := scanConfig()
		cfg.Kinds = allKinds
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 2500})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndComplete, result.Reason)
		s.requireWhole(result)
		require.EqualValues(s.t, 2500, result.Stats.Done)
		require.InDelta(s.t, 2250, result.Stats.Statuses[output.Success], 60)
		require.Equal(s.t, result.End.Sub(result.Start), s.elapsed())
		require.Equal(s.t, s.scanner.Stats(), result.Stats)
		// The first 1,000 silent ones take three tries; others need no longer.
		require.Less(s.t, s.elapsed(), 20*time.Second)
	})
}

func TestO3_Interrupt(t *testing.T) {
	virtual(t, func(s *scan) {
		ctx, cancel := context.WithCancel(s.t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		cfg := scanConfig()
		cfg.Rate = 1000
		result, err := s.run(ctx, cfg, &countSource{n: 1e9})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		s.requireWhole(result)
		require.InDelta(s.t, 500, result.Stats.Done, 10)
		require.Zero(s.t, result.Stats.Aborted, "those in flight were waited for")
		require.Less(s.t, s.elapsed(), 600*time.Millisecond, "and no longer than they took")
		for _, p := range s.sends {
			require.LessOrEqual(s.t, p.at.Sub(s.start), 501*time.Millisecond)
		}
	})
}

// A context that is done before the scan begins lets nothing out.
func TestO3_InterruptBeforeTheStart(t *testing.T) {
	for range 20 {
		virtual(t, interruptedBefore)
	}
}

func interruptedBefore(s *scan) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	result, err := s.run(ctx, scanConfig(), &countSource{n: 100})
	require.NoError(s.t, err)
	require.Equal(s.t, dataset.EndInterrupted, result.Reason)
	require.LessOrEqual(s.t, len(s.sends), 64, "one batch, if the context's word came a moment late")
	s.requireWhole(result)
}

// Drain bounds the wait for those in flight.
func TestO3_DrainIsBounded(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		ctx, cancel := context.WithCancel(s.t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		cfg := scanConfig()
		cfg.Rate, cfg.Drain = 1000, 2*time.Second
		result, err := s.run(ctx, cfg, &countSource{n: 1e9})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		s.requireWhole(result)
		require.InDelta(s.t, 2500*time.Millisecond, s.elapsed(), float64(10*time.Millisecond))
		require.NotZero(s.t, result.Stats.Aborted)
	})
}

func TestO3_Abort(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		cfg := scanConfig()
		cfg.Rate = 1000
		s.make(cfg, &countSource{n: 1e9})
		time.AfterFunc(500*time.Millisecond, s.scanner.Abort)
		result, err := s.scanner.Run(s.t.Context())
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		require.Equal(s.t, 500*time.Millisecond, s.elapsed(), "at once")
		s.requireWhole(result)
		require.InDelta(s.t, 500, result.Stats.Aborted, 10)
		require.Zero(s.t, result.Stats.Done)
		s.scanner.Abort()
		s.scanner.Abort()
	})
}

// The second signal, while the first one's targets are waited for.
func TestO3_SecondSignal(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		ctx, cancel := context.WithCancel(s.t.Context())
		s.make(scanConfig(), &countSource{n: 100})
		time.AfterFunc(500*time.Millisecond, cancel)
		time.AfterFunc(900*time.Millisecond, s.scanner.Abort)
		result, err := s.scanner.Run(ctx)
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		require.Equal(s.t, 900*time.Millisecond, s.elapsed())
		require.EqualValues(s.t, 100, result.Stats.Aborted)
		s.requireWhole(result)
	})
}

func TestRunMaxRuntime(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate, cfg.MaxRuntime = 1000, 300*time.Millisecond
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndMaxRuntime, result.Reason)
		require.InDelta(s.t, 300, result.Stats.Done, 10)
		require.Zero(s.t, result.Stats.Aborted)
		require.Less(s.t, s.elapsed(), 400*time.Millisecond)
		s.requireWhole(result)
	})
}

// A scan in which nothing happens ends after its runtime too.
func TestRunMaxRuntimeWhileIdle(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.MaxRuntime = time.Minute
		s.make(cfg, make(chanSource))
		time.Sleep(time.Minute) // which is not the scan's
		result, err := s.scanner.Run(s.t.Context())
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndMaxRuntime, result.Reason)
		require.Equal(s.t, 2*time.Minute, s.elapsed())
		require.Less(s.t, s.spy.recvs.Load(), int64(20))
	})
}

func TestRunMaxTargets(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1, feedBatch - 1, feedBatch, feedBatch + 1, 1000, 3000} {
		virtual(t, func(s *scan) {
			cfg := scanConfig()
			cfg.MaxTargets = n
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 2000})
			require.NoError(s.t, err)
			require.Equal(s.t, dataset.EndComplete, result.Reason)
			require.Equal(s.t, min(n, 2000), result.Stats.Done)
			s.requireWhole(result)
		})
	}
}

func TestRunMaxResults(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.MaxResults = 77
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndMaxResults, result.Reason)
		require.EqualValues(s.t, 77, result.Stats.Statuses[output.Success])
		require.Equal(s.t, result.Stats.Done, result.Stats.Statuses[output.Success])
		s.requireWhole(result)
	})
}

// The results that are wanted are those of all runs together.
func TestRunMaxResultsOfTwoRuns(t *testing.T) {
	for had, more := range map[uint64]uint64{70: 7, 77: 0, 100: 0} {
		virtual(t, func(s *scan) {
			cfg := scanConfig()
			cfg.MaxResults, cfg.HadResults = 77, had
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
			require.NoError(s.t, err)
			require.Equal(s.t, dataset.EndMaxResults, result.Reason)
			require.Equal(s.t, more, result.Stats.Statuses[output.Success])
			if more == 0 {
				require.Empty(s.t, s.sends)
			}
			s.requireWhole(result)
		})
	}
}

// While the sink is stuck no targets are taken in, but what is in flight goes on: no
// answer is lost, and none is taken for silence.
func TestO2_SlowSink(t *testing.T) {
	t.Parallel()
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Kinds = allKinds
		cfg.Rate = 20_000
		s.sink.stick(30 * time.Second)
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 3000})
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndComplete, result.Reason)
		s.requireWhole(result)
		require.Greater(s.t, s.elapsed(), 30*time.Second)
		require.EqualValues(s.t, 3000, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
		require.Zero(s.t, result.Stats.Retransmits, "the answers were read all the same")
		meanwhile := 0
		for _, p := range s.sends {
			if d := p.at.Sub(s.start); d > 5*time.Second && d < 30*time.Second {
				meanwhile++
			}
		}
		require.Zero(s.t, meanwhile, "nothing was taken in")
	})
}

// A sink that fails ends the scan at once.
func TestO2_FailingSink(t *testing.T) {
	for _, errno := range []error{syscall.EPIPE, syscall.ENOSPC} {
		virtual(t, func(s *scan) {
			cfg := scanConfig()
			cfg.Rate = 1000
			time.AfterFunc(500*time.Millisecond, func() {
				s.sink.mu.Lock()
				s.sink.fail = errno
				s.sink.mu.Unlock()
			})
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
			require.ErrorIs(s.t, err, errno)
			require.Equal(s.t, dataset.EndError, result.Reason)
			require.Less(s.t, s.elapsed(), 600*time.Millisecond)
			require.Equal(s.t, 1, s.sink.closed)
			require.LessOrEqual(s.t, result.Records, int64(len(s.sink.records())))
		})
	}
}

// While the input has nothing the loop sleeps, and what has been recorded is written soon.
func TestB3_InputSlowerThanTheScan(t *testing.T) {
	virtual(t, func(s *scan) {
		source := make(chanSource)
		go func() {
			for i := range uint64(5) {
				source <- []targets.Target{{Key: mux.KeyFrom(simAddr(i)), Seq: i}}
				time.Sleep(time.Hour)
			}
			close(source)
		}()
		var late []time.Duration
		s.sink.hold = func(lines []byte) error {
			for _, r := range parseRecords(s.t, lines) {
				done := r.Time.Add(r.Duration)
				late = append(late, time.Since(done))
			}
			return nil
		}
		result, err := s.run(s.t.Context(), scanConfig(), source)
		require.NoError(s.t, err)
		require.Equal(s.t, dataset.EndComplete, result.Reason)
		s.requireWhole(result)
		require.EqualValues(s.t, 5, result.Stats.Statuses[output.Success])
		require.Equal(s.t, 5*time.Hour, s.elapsed())
		require.Less(s.t, s.spy.recvs.Load(), int64(5*40), "%d turns for five targets in five hours", s.spy.recvs.Load())
		require.Len(s.t, late, 5)
		for _, d := range late {
			require.LessOrEqual(s.t, d, flushEvery+time.Millisecond)
		}
	})
}

// Stats tells how things stand now also when nothing moves.
func TestStatsWhileIdle(t *testing.T) {
	virtual(t, func(s *scan) {
		source := make(chanSource, 1)
		source <- []targets.Target{{Key: mux.KeyFrom(simAddr(1))}}
		s.make(scanConfig(), source)
		require.Zero(s.t, s.scanner.Stats().Done)
		var idle Stats
		time.AfterFunc(time.Second, func() {
			idle = s.scanner.Stats()
			close(source)
		})
		_, err := s.scanner.Run(s.t.Context())
		require.NoError(s.t, err)
		require.EqualValues(s.t, 1, idle.Sent)
		require.EqualValues(s.t, 1, idle.Done)
		require.Zero(s.t, idle.InFlight)
	})
}

// Targets that were read before the input failed are asked all the same.
func TestRunSourceError(t *testing.T) {
	virtual(t, func(s *scan) {
		lost := errors.New("the disk is gone")
		n := 0
		result, err := s.run(s.t.Context(), scanConfig(), sourceFunc(func(_ context.Context, dst []targets.Target) (int, error) {
			if n++; n > 3 {
				return 0, lost
			}
			dst[0] = targets.Target{Key: mux.KeyFrom(simAddr(uint64(n))), Seq: uint64(n)}
			return 1, nil
		}))
		require.ErrorIs(s.t, err, lost)
		require.ErrorContains(s.t, err, "cannot read targets")
		require.Equal(s.t, dataset.EndError, result.Reason)
		require.EqualValues(s.t, 3, result.Stats.Statuses[output.Success])
		s.requireWhole(result)
	})
}

// What comes together with the end or an error of the input counts too.
func TestRunLastTargetsWithTheEnd(t *testing.T) {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF} {
		virtual(t, func(s *scan) {
			result, err := s.run(s.t.Context(), scanConfig(), sourceFunc(func(_ context.Context, dst []targets.Target) (int, error) {
				dst[0] = targets.Target{Key: mux.KeyFrom(simAddr(1))}
				return 1, end
			}))
			require.Equal(s.t, end == io.EOF, err == nil)
			require.EqualValues(s.t, 1, result.Stats.Statuses[output.Success])
		})
	}
}

// A source that returns nothing now and then is read on.
func TestRunSourceWithEmptyReads(t *testing.T) {
	virtual(t, func(s *scan) {
		n := 0
		result, err := s.run(s.t.Context(), scanConfig(), sourceFunc(func(_ context.Context, dst []targets.Target) (int, error) {
			n++
			switch {
			case n == 100:
				dst[0] = targets.Target{Key: mux.KeyFrom(simAddr(1))}
				return 1, io.EOF
			default:
				return 0, nil
			}
		}))
		require.NoError(s.t, err)
		require.EqualValues(s.t, 1, result.Stats.Done)
	})
}

// A source may be asleep when the scan ends for another reason: its context ends too.
func TestRunEndsTheSource(t *testing.T) {
	virtual(t, func(s *scan) {
		ended := false
		time.AfterFunc(time.Second, func() { s.port.Lose(errors.New("gone")) })
		_, err := s.run(s.t.Context(), scanConfig(), sourceFunc(func(ctx context.Context, _ []targets.Target) (int, error) {
			<-ctx.Done()
			ended = true
			return 0, ctx.Err()
		}))
		require.Error(s.t, err)
		require.True(s.t, ended)
	})
}

func TestRunRefusedTargets(t *testing.T) {
	virtual(t, func(s *scan) {
		source := make(chanSource, 1)
		source <- []targets.Target{
			{Seq: 0, Key: mux.KeyFrom(simAddr(1)), Refusal: targets.Blocked, Reason: "on the blocklist"},
			{Seq: 1, Key: mux.KeyFrom(simAddr(2))},
			{Seq: 2, Refusal: targets.Resolve, Reason: "no such host", Origin: &targets.Origin{Input: "x.example"}},
			{Seq: 3, Refusal: targets.Invalid, Reason: "0.0.0.0 is nobody", Origin: &targets.Origin{Input: "zero.example"}},
		}
		close(source)
		result, err := s.run(s.t.Context(), scanConfig(), source)
		require.NoError(s.t, err)
		require.Len(s.t, s.sends, 1)
		require.Equal(s.t, map[output.Status]int{output.Blocked: 1, output.Success: 1, output.ResolveError: 1, output.InvalidInput: 1}, s.sink.statuses())
		s.requireWhole(result)
	})
}

// A socket that is lost ends the scan with an error; those in flight have a record.
func TestRunLostSocket(t *testing.T) {
	lostInSend := error(syscall.EBADF)
	for name, lose := range map[string]func(s *scan){
		"failed":         func(s *scan) { s.port.Lose(syscall.ENETDOWN) },
		"closed":         func(s *scan) { s.port.Close() },
		"failed in Send": func(s *scan) { s.spy.sendErr.Store(&lostInSend) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(s *scan) {
				time.AfterFunc(500*time.Millisecond, func() { lose(s) })
				cfg := scanConfig()
				cfg.Rate = 1000
				result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
				require.Error(s.t, err)
				require.Equal(s.t, dataset.EndError, result.Reason)
				require.Less(s.t, s.elapsed(), 600*time.Millisecond)
				switch name {
				case "closed":
					require.ErrorIs(s.t, err, net.ErrClosed)
				case "failed":
					require.ErrorIs(s.t, err, syscall.ENETDOWN)
				default:
					require.ErrorIs(s.t, err, syscall.EBADF)
				}
				require.NotZero(s.t, result.Stats.Aborted, "those in flight")
				require.Zero(s.t, result.Stats.InFlight)
				require.EqualValues(s.t, result.Stats.Done+result.Stats.Aborted, len(s.sink.records()))
			})
		})
	}
}

// A socket that takes little at a time makes a scan slow, and nothing else: packets are
// sent again, none is lost, and the loop sleeps until there is room.
func TestN1_SocketWithoutRoom(t *testing.T) {
	for _, rate := range []float64{0, 1e6, 300} {
		virtual(t, func(s *scan) {
			s.listen(muxtest.Options{Room: 3, RoomEvery: 5 * time.Millisecond}) // 600 a second
			cfg := scanConfig()
			cfg.Rate = rate
			cfg.Kinds = allKinds
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 300})
			require.NoError(s.t, err)
			s.requireWhole(result)
			require.EqualValues(s.t, 300, result.Stats.Statuses[output.Success], "%v", result.Stats.Statuses)
			require.Equal(s.t, rate != 300, result.Port.SendBlocked > 0)
			require.Equal(s.t, result.Port.SendBlocked, result.Stats.SendWaits)
			require.Zero(s.t, result.Stats.SendErrors)
			require.Zero(s.t, result.Stats.Retransmits)
			turns := s.spy.recvs.Load()
			require.Less(s.t, turns, int64(40*s.elapsed()/(5*time.Millisecond)), "%d turns in %v", turns, s.elapsed())
		})
	}
}

// A socket that has no room for longer than all tries of a target take, and for longer than
// its whole time: nothing that waits spends a try, and the times of what was sent are true.
func TestN1_NoRoomForLongerThanATarget(t *testing.T) {
	for _, rate := range []float64{0, 1e6, 20} {
		for _, retries := range []int{0, 2} {
			virtual(t, func(s *scan) {
				const n, gap = 40, 12 * time.Second
				s.listen(muxtest.Options{Room: 10, RoomEvery: gap})
				cfg := scanConfig()
				cfg.Rate, cfg.Retries, cfg.Raw = rate, retries, true
				require.Less(s.t, cfg.TargetTimeout, gap)
				result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
				require.NoError(s.t, err)
				s.requireWhole(result)
				require.EqualValues(s.t, n, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
				require.Zero(s.t, result.Stats.Retransmits)
				require.EqualValues(s.t, 25*n, result.Stats.BytesSent)
				require.Equal(s.t, result.Port.SendBlocked, result.Stats.SendWaits)
				require.Less(s.t, s.elapsed(), 3*gap+time.Second)
				require.Less(s.t, s.spy.recvs.Load(), int64(1000))
				require.Len(s.t, s.sends, n)
				for i, p := range s.sends {
					require.Equal(s.t, mux.KeyFrom(simAddr(uint64(i))), p.to, "in their order")
				}
				for _, r := range s.sink.records() {
					require.Equal(s.t, 1, r.PacketsSent)
					require.Equal(s.t, 1, r.Attempts)
					require.WithinDuration(s.t, s.sends[r.Seq].at, r.Time, time.Millisecond)
					require.InDelta(s.t, 40, ms(r.RTT), 21)
					require.InDelta(s.t, 40, ms(r.Duration), 22)
					require.Len(s.t, r.Raw, 2, "one each way")
					require.Zero(s.t, r.Raw[0].Time)
				}
			})
		}
	}
}

// A socket that never has room again (a link that hangs) ends the scan, however slow the
// rate is; one that had none for nearly as long does not.
func TestN1_NoRoomForGood(t *testing.T) {
	for _, rate := range []float64{0, 20, 0.1} {
		virtual(t, func(s *scan) {
			const sent = 4
			s.listen(muxtest.Options{Room: sent, RoomEvery: 24 * time.Hour})
			cfg := scanConfig()
			cfg.Rate = rate
			result, err := s.run(s.t.Context(), cfg, &countSource{n: 100})
			require.ErrorContains(s.t, err, "no room")
			require.Equal(s.t, dataset.EndError, result.Reason)
			s.requireWhole(result)
			require.EqualValues(s.t, sent, result.Stats.Statuses[output.Success])
			require.Positive(s.t, result.Stats.Statuses[output.Aborted], "what waited has its records")
			spent := time.Duration(0)
			if rate > 0 {
				spent = time.Duration(sent / rate * float64(time.Second))
			}
			require.InDelta(s.t, spent+noRoomTime, s.elapsed(), float64(time.Second))
		})
	}
	// Nor does one that had none at times, minutes apart, while nothing waited in between.
	virtual(t, func(s *scan) {
		s.silence()
		within := func(from, to time.Duration) bool { return s.elapsed() >= from && s.elapsed() < to }
		s.spy.Port = &fullPort{s.port, func() bool {
			return within(300*time.Millisecond, 5*time.Second) || within(5*time.Minute, 5*time.Minute+50*time.Millisecond)
		}}
		cfg := scanConfig()
		cfg.Timeout, cfg.TargetTimeout = 500*time.Millisecond, 2*time.Second
		source := make(chanSource)
		go func() {
			source <- []targets.Target{{Key: mux.KeyFrom(simAddr(0))}}
			time.Sleep(5 * time.Minute)
			source <- []targets.Target{{Key: mux.KeyFrom(simAddr(1)), Seq: 1}}
			close(source)
		}()
		result, err := s.run(s.t.Context(), cfg, source)
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 2, result.Stats.Statuses[output.Timeout])
	})
	virtual(t, func(s *scan) {
		s.listen(muxtest.Options{Room: 20, RoomEvery: noRoomTime - time.Second})
		result, err := s.run(s.t.Context(), scanConfig(), &countSource{n: 100})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 100, result.Stats.Statuses[output.Success])
	})
}

// A fullPort has no room to send at times.
type fullPort struct {
	mux.Port
	full func() bool
}

func (p *fullPort) Send(b *mux.Batch) (int, error) {
	if p.full() {
		return 0, nil
	}
	return p.Port.Send(b)
}

// Recv looks every now and then whether there is room.
func (p *fullPort) Recv(b *mux.Batch, wait time.Duration) error {
	if p.full() && wait != 0 {
		wait = 10 * time.Millisecond
	}
	return p.Port.Recv(b, wait)
}

// Answers to challenges, and retries, wait likewise: only the target's whole time, which
// began with its first request, goes on.
func TestN1_NoRoomForWhatServersWaitFor(t *testing.T) {
	virtual(t, func(s *scan) {
		s.net.SetEverywhere(func(mux.Key) muxtest.Host { return challenging() })
		s.listen(muxtest.Options{Room: 5, RoomEvery: 3 * time.Second})
		cfg := scanConfig()
		cfg.Kinds, cfg.Retries, cfg.TargetTimeout = allKinds, 0, time.Minute
		cfg.PerIPRate = 5
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 12})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 12, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
		for _, r := range s.sink.records() {
			require.Equal(s.t, 4, r.PacketsSent)
			require.Equal(s.t, 1, r.Attempts)
			require.InDelta(s.t, 10, ms(r.RTT), 1)
		}
	})
	virtual(t, func(s *scan) {
		s.silence()
		s.listen(muxtest.Options{Room: 10, RoomEvery: 6 * time.Second})
		cfg := scanConfig() // the first retry has room after 6 s, the second after 12: too late
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 10})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 10, result.Stats.Statuses[output.Timeout])
		require.Len(s.t, s.sends, 20)
		require.EqualValues(s.t, 10, result.Stats.Retransmits)
		for _, r := range s.sink.records() {
			require.Equal(s.t, 2, r.PacketsSent)
			require.Equal(s.t, 2, r.Attempts)
			require.InDelta(s.t, 10_000, ms(r.Duration), 10)
		}
	})
}

// A process that is stopped for seconds while answers wait in the socket takes
// none of them for silence.
func TestT2_Stall(t *testing.T) {
	for name, n := range map[string]uint64{"one batch": 60, "a batch to the brim": 64, "many batches": 900} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(s *scan) {
				cfg := scanConfig()
				stalls := 0
				s.spy.beforeRecv = func(_ *mux.Batch, wait time.Duration) {
					if uint64(len(s.sends)) == n && wait != 0 && stalls < 1 {
						stalls++
						time.Sleep(5 * time.Second)
					}
				}
				result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
				require.NoError(s.t, err)
				require.Equal(s.t, 1, stalls)
				s.requireWhole(result)
				require.EqualValues(s.t, n, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
				require.Zero(s.t, result.Stats.Retransmits)
				require.Less(s.t, s.elapsed(), 5500*time.Millisecond)
			})
		})
	}
}

// Where the process is slow rather than stopped, a step of each turn takes time.
func TestT2_SlowTurns(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Timeout = 100 * time.Millisecond
		cfg.Batch = 8
		turns := 0
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			if turns++; turns%10 == 0 {
				time.Sleep(150 * time.Millisecond) // longer than a timeout
			}
		}
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 1000})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 1000, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
		require.Zero(s.t, result.Stats.Retransmits, "every answer was there within 60 ms")
	})
}

// A flood that never lets the socket be empty delays deadlines by as much as the receive
// buffer may hold, no more.
func TestT2_FloodDelaysDeadlinesLittle(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		noise := infoReply("a stranger")
		from := hostKey(1, 1)
		flood := &floodPort{Port: s.port, fill: func(b *mux.Batch) {
			time.Sleep(100 * time.Microsecond) // what a batch takes to handle
			b.Reset()
			for b.Len() < b.Cap() {
				b.Commit(from, noise)
			}
		}}
		s.spy.Port = flood
		cfg := scanConfig()
		cfg.Retries = 1
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 50})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 50, result.Stats.Statuses[output.Timeout])
		// 1,024 datagrams are 16 batches, and may have to be counted twice.
		const slack = 3 * 16 * 100 * time.Microsecond
		require.Less(s.t, s.elapsed(), time.Second+2250*time.Millisecond+2*slack+20*time.Millisecond)
		require.GreaterOrEqual(s.t, s.elapsed(), 3*time.Second)
		require.NotZero(s.t, result.Stats.Unmatched)
	})
}

// The bound on what a flood may delay is no less than what may wait in the buffer: an
// answer behind a thousand datagrams that are handled slowly is read before its deadline
// counts.
func TestT2_AnswersBehindAFlood(t *testing.T) {
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{DelayMin: 5 * time.Millisecond, DelayMax: 15 * time.Millisecond})
		inner, noise := s.port, infoReply("a stranger")
		var queue []mux.Packet
		arrived := mux.NewBatch(64, 2000)
		s.spy.Port = &floodPort{Port: inner, fill: func(b *mux.Batch) {
			time.Sleep(time.Millisecond) // what a batch takes to handle
			for more := true; more; more = arrived.Len() > 0 {
				inner.Recv(arrived, 0)
				for i := range arrived.Len() {
					queue = append(queue, mux.Packet{Peer: arrived.Packet(i).Peer, Data: bytes.Clone(arrived.Packet(i).Data)})
				}
			}
			for len(queue) < 1000 {
				queue = append(queue, mux.Packet{Peer: hostKey(1, 1), Data: noise})
			}
			b.Reset()
			for b.Len() < b.Cap() {
				b.Commit(queue[0].Peer, queue[0].Data)
				queue = queue[1:]
			}
		}}
		cfg := scanConfig()
		cfg.Timeout, cfg.Retries = 18*time.Millisecond, 0
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 300})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 300, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
	})
}

type floodPort struct {
	mux.Port
	fill func(b *mux.Batch)
}

func (p *floodPort) Recv(b *mux.Batch, _ time.Duration) error { p.fill(b); return nil }

// New reports an invalid Config, and starts nothing.
func TestNewRefusesABadConfig(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Batch = 0
		_, err := New(cfg, s.spy, &countSource{}, s.sink)
		require.ErrorContains(s.t, err, "Batch")
		require.Zero(s.t, s.sink.closed)
	})
}

// A scan has three goroutines, for any number of targets in flight.
func TestRunHasFewGoroutines(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		before := runtime.NumGoroutine()
		most := 0
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) { most = max(most, runtime.NumGoroutine()-before) }
		_, err := s.run(s.t.Context(), scanConfig(), &countSource{n: 1000})
		require.NoError(s.t, err)
		require.LessOrEqual(s.t, most, 3)
	})
}

// Limits of the rate hold at the socket too, retries and challenges included.
func TestT3_RateAtTheSocket(t *testing.T) {
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{Challenge: 50, Silent: 30, DelayMin: time.Millisecond, DelayMax: 30 * time.Millisecond})
		cfg := scanConfig()
		cfg.Rate = 2000
		cfg.Timeout = 100 * time.Millisecond
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 3000})
		require.NoError(s.t, err)
		s.requireWhole(result)
		var at []proto.Time
		for _, p := range s.sends {
			at = append(at, proto.Time(p.at.Sub(s.start)))
		}
		requireWindows(s.t, at, 2000, 2000*burstTime.Seconds())
		require.InEpsilon(s.t, 2000, float64(len(at))/at[len(at)-1].Sub(0).Seconds(), 0.1)
	})
}

// A target that the system refuses to send to is its own affair.
func TestN2_RefusedByTheSystem(t *testing.T) {
	for _, errno := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EINVAL, syscall.EACCES, syscall.EPERM, syscall.EAFNOSUPPORT} {
		virtual(t, func(s *scan) {
			const n = 200
			for _, i := range []uint64{0, 7, 63, 64, 65, 120, n - 1} {
				s.net.SetHost(mux.KeyFrom(simAddr(i)), muxtest.Host{SendErr: errno})
			}
			result, err := s.run(s.t.Context(), scanConfig(), &countSource{n: n})
			require.NoError(s.t, err)
			require.Equal(s.t, dataset.EndComplete, result.Reason)
			s.requireWhole(result)
			require.Equal(s.t, map[output.Status]int{output.Success: n - 7, output.SendError: 7}, s.sink.statuses())
			require.EqualValues(s.t, 7, result.Stats.SendErrors)
			for _, r := range s.sink.records() {
				if r.Status == output.SendError {
					require.Equal(s.t, "send: "+errno.Error(), r.Error)
					require.Zero(s.t, r.PacketsSent)
				}
			}
			require.Less(s.t, s.elapsed(), 200*time.Millisecond)
		})
	}
}

// Of a target that the system refuses to send to nothing more is sent, and its record
// counts what went out, also where several of its packets are in one batch.
func TestN2_RefusedAmongItsOwnPackets(t *testing.T) {
	for _, refuse := range []int{0, 1, 2} { // of the three that answer a challenge
		virtual(t, func(s *scan) {
			const n = 20
			bad := mux.KeyFrom(simAddr(7))
			s.net.SetEverywhere(func(mux.Key) muxtest.Host { return challenging() })
			port := &refusingPort{Port: s.port, bad: bad, after: 1 + refuse}
			s.spy.Port = port
			cfg := scanConfig()
			cfg.Kinds, cfg.Raw = allKinds, true
			result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
			require.NoError(s.t, err)
			s.requireWhole(result)
			require.Equal(s.t, map[output.Status]int{output.Success: n - 1, output.SendError: 1}, s.sink.statuses())
			require.EqualValues(s.t, 1, result.Stats.SendErrors)
			require.EqualValues(s.t, 4*(n-1)+1+refuse, result.Stats.Sent)
			require.Equal(s.t, port.bytes, result.Stats.BytesSent)
			for _, r := range s.sink.records() {
				sent := 0
				for _, d := range r.Raw {
					if d.Sent {
						sent++
					}
				}
				require.Equal(s.t, r.PacketsSent, sent, "target %d", r.Seq)
				if r.Seq == 7 {
					require.Equal(s.t, 1+refuse, r.PacketsSent)
				} else {
					require.Equal(s.t, 4, r.PacketsSent)
				}
			}
		})
	}
}

// A refusingPort refuses the packet to bad that comes after so many, and no other.
type refusingPort struct {
	mux.Port
	bad   mux.Key
	after int
	bytes uint64 // sent
}

func (p *refusingPort) Send(b *mux.Batch) (int, error) {
	one := mux.NewBatch(1, maxRequest)
	for i := range b.Len() {
		q := b.Packet(i)
		if q.Peer == p.bad {
			if p.after == 0 {
				p.after--
				return i, &mux.PeerError{Err: syscall.EPERM}
			}
			p.after--
		}
		one.Reset()
		one.Commit(q.Peer, q.Data)
		if n, err := p.Port.Send(one); n == 0 || err != nil {
			return i, err
		}
		p.bytes += uint64(len(q.Data))
	}
	return b.Len(), nil
}

// When nothing at all can be sent the scan gives up after seconds, not after
// the whole list.
func TestN4_AllSendsFail(t *testing.T) {
	virtual(t, func(s *scan) {
		s.net.SetEverywhere(func(mux.Key) muxtest.Host { return muxtest.Host{SendErr: syscall.ENETUNREACH} })
		cfg := scanConfig()
		cfg.Rate = 2000
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 1e9})
		require.ErrorIs(s.t, err, syscall.ENETUNREACH)
		require.Equal(s.t, dataset.EndError, result.Reason)
		s.requireWhole(result)
		require.InDelta(s.t, sendFailTime, s.elapsed(), float64(50*time.Millisecond))
		require.InDelta(s.t, 2000*sendFailTime.Seconds(), result.Stats.Statuses[output.SendError], 50)
		require.Less(s.t, s.spy.recvs.Load(), int64(2*2000*sendFailTime.Seconds()), "no busy loop")
	})
}

// Many that can't be sent to among others that can are no reason to give up.
func TestN4_SomeSendsFail(t *testing.T) {
	virtual(t, func(s *scan) {
		s.net.SetEverywhere(func(k mux.Key) muxtest.Host {
			if k.Lo%50 != 0 {
				return muxtest.Host{SendErr: syscall.ENETUNREACH}
			}
			return whole()
		})
		cfg := scanConfig()
		cfg.Rate = 500
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 5000})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.Equal(s.t, map[output.Status]int{output.SendError: 4900, output.Success: 100}, s.sink.statuses())
	})
}

// The network that goes down in the middle of a scan, and one that comes back in time.
func TestN4_NetworkGoesDown(t *testing.T) {
	for name, back := range map[string]bool{"for good": false, "for three seconds": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(s *scan) {
				down := func() bool {
					d := s.elapsed()
					return d > time.Second && (!back || d < 4*time.Second)
				}
				refusal := error(&mux.PeerError{Err: syscall.ENETDOWN})
				s.spy.beforeSend = func() {
					s.spy.sendErr.Store(nil)
					if down() {
						s.spy.sendErr.Store(&refusal)
					}
				}
				cfg := scanConfig()
				cfg.Rate = 400
				result, err := s.run(s.t.Context(), cfg, &countSource{n: 3000})
				s.requireWhole(result)
				if back {
					require.NoError(s.t, err)
					require.InDelta(s.t, 1200, result.Stats.Statuses[output.SendError], 20)
					require.EqualValues(s.t, 3000, result.Stats.Done)
					return
				}
				require.ErrorIs(s.t, err, syscall.ENETDOWN)
				require.Equal(s.t, dataset.EndError, result.Reason)
				require.InDelta(s.t, time.Second+sendFailTime, s.elapsed(), float64(50*time.Millisecond))
			})
		})
	}
}

// A long run of IPv6 targets on a machine that has none is no sign that the network
// is gone; where nothing at all could be sent, the scan says so.
func TestN4_NoIPv6(t *testing.T) {
	t.Parallel()
	v6 := func(i uint64) mux.Key {
		return mux.KeyFrom(netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)}), 27015))
	}
	n := uint64(20_000)
	if raceEnabled {
		n = 4000
	}
	for name, v4 := range map[string]uint64{"and IPv4 behind them": 100, "and nothing else": 0} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(s *scan) {
				s.net.SetEverywhere(func(k mux.Key) muxtest.Host {
					if !k.Is4() {
						return muxtest.Host{SendErr: syscall.ENETUNREACH}
					}
					return whole()
				})
				next := uint64(0)
				source := sourceFunc(func(_ context.Context, dst []targets.Target) (int, error) {
					i := 0
					for ; i < len(dst) && next < n+v4; i++ {
						dst[i] = targets.Target{Key: v6(next), Seq: next}
						if next >= n {
							dst[i].Key = mux.KeyFrom(simAddr(next))
						}
						next++
					}
					if next == n+v4 {
						return i, io.EOF
					}
					return i, nil
				})
				cfg := scanConfig()
				cfg.Rate = 2000
				result, err := s.run(s.t.Context(), cfg, source)
				s.requireWhole(result)
				require.EqualValues(s.t, n, result.Stats.Statuses[output.SendError])
				require.EqualValues(s.t, v4, result.Stats.Statuses[output.Success])
				if v4 > 0 {
					require.NoError(s.t, err)
				} else {
					require.ErrorContains(s.t, err, fmt.Sprintf("nothing could be sent to any of %d targets", n))
					require.Equal(s.t, dataset.EndError, result.Reason)
				}
			})
		})
	}
}

// Replies as long as UDP carries them, while nobody takes the records: what waits is
// bounded, the rest stays in the socket, and is asked for again.
func TestO2_LongRepliesForAStuckWriter(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("a hundred megabytes of records are minutes under the race detector")
	}
	virtual(t, func(s *scan) {
		long := infoReply(strings.Repeat("x", 60_000))
		s.net.SetEverywhere(func(mux.Key) muxtest.Host {
			return muxtest.Host{Handler: func(_ time.Time, _ mux.Key, _ []byte, reply func(mux.Key, []byte, time.Duration)) {
				reply(mux.Key{}, long, time.Second)
			}}
		})
		s.listen(muxtest.Options{Rcvbuf: 200})
		cfg := scanConfig()
		const n = 1500
		cfg.MaxInFlight = n
		cfg.Rate = 3000
		cfg.Timeout, cfg.TargetTimeout = 2*time.Second, time.Minute
		s.sink.stick(30 * time.Second)
		most := 0
		s.make(cfg, &countSource{n: n})
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			most = max(most, s.scanner.writer.Waiting()+len(s.scanner.engine.Output()))
		}
		result, err := s.scanner.Run(s.t.Context())
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, n, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
		require.Greater(s.t, s.elapsed(), 30*time.Second)
		s.t.Logf("%d bytes waited at most, %d datagrams dropped", most, result.Stats.Drops)
		require.Less(s.t, most, maxWaiting+cfg.Batch*receiveSize)
		require.NotZero(s.t, result.Stats.Drops, "or this was not put to the test")
	})
}

// Where so much waits with the loop that the writer has nothing left to do, the loop
// hands it over.
func TestO2_LongRepliesWhenAllBuffersAreOut(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("a hundred megabytes of records are minutes under the race detector")
	}
	virtual(t, func(s *scan) {
		long := infoReply(strings.Repeat("x", 60_000))
		const few, n = 400, 1800
		answered := 0
		s.net.SetEverywhere(func(mux.Key) muxtest.Host {
			return muxtest.Host{Handler: func(_ time.Time, _ mux.Key, _ []byte, reply func(mux.Key, []byte, time.Duration)) {
				if answered++; answered <= few { // a buffer for each, as they are flushed
					reply(mux.Key{}, infoReply("short"), time.Second+time.Duration(answered)*(flushEvery+time.Millisecond))
					return
				}
				reply(mux.Key{}, long, 12*time.Second)
			}}
		})
		s.listen(muxtest.Options{Rcvbuf: 5000})
		cfg := scanConfig()
		cfg.MaxInFlight = n
		cfg.Rate = 3000
		cfg.Timeout, cfg.TargetTimeout = 20*time.Second, time.Minute
		s.sink.stick(30 * time.Second)
		result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, n, result.Stats.Done)
		require.Less(s.t, s.elapsed(), 2*time.Minute)
	})
}

// A scan that was over but for its records has not ended well if they are given up.
func TestO3_AbandonedAtTheEnd(t *testing.T) {
	virtual(t, func(s *scan) {
		released := make(chan struct{})
		s.sink.hold = func([]byte) error { <-released; return nil }
		s.make(scanConfig(), &countSource{n: 10})
		time.AfterFunc(10*time.Second, s.scanner.Abort)
		result, err := s.scanner.Run(s.t.Context())
		require.ErrorIs(s.t, err, ErrAbandoned)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		close(released)
	})
}

// Whoever interrupts twice is not kept by a reader that does not read.
func TestO3_AbortWithAStuckReader(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate = 1000
		released := make(chan struct{})
		s.sink.hold = func([]byte) error { <-released; return nil }
		s.make(cfg, &countSource{n: 1e9})
		ctx, cancel := context.WithCancel(s.t.Context())
		time.AfterFunc(time.Second, cancel)
		time.AfterFunc(2*time.Second, s.scanner.Abort)
		result, err := s.scanner.Run(ctx)
		require.ErrorIs(s.t, err, ErrAbandoned)
		require.Equal(s.t, dataset.EndInterrupted, result.Reason)
		require.Less(s.t, s.elapsed(), 2*time.Second+abandonTime+2*publishEvery)
		require.Zero(s.t, result.Records)
		close(released)
	})
}

// A machine that was suspended sends one burst when it wakes, and goes on at its rate;
// targets that were in flight are asked again, not given up.
func TestT1_Suspend(t *testing.T) {
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Rate = 1000
		cfg.TargetTimeout = time.Hour
		slept := false
		s.spy.beforeRecv = func(*mux.Batch, time.Duration) {
			if !slept && s.elapsed() > time.Second {
				slept = true
				time.Sleep(30 * time.Minute)
				s.port.Recv(mux.NewBatch(1000, 2000), 0) // nothing arrives at a machine that is off
			}
		}
		result, err := s.run(s.t.Context(), cfg, &countSource{n: 4000})
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 4000, result.Stats.Statuses[output.Success], "%v", s.sink.statuses())
		require.NotZero(s.t, result.Stats.Retransmits)
		var at []proto.Time
		for _, p := range s.sends {
			at = append(at, proto.Time(p.at.Sub(s.start)))
		}
		requireWindows(s.t, at, 1000, 1000*burstTime.Seconds())
		require.Less(s.t, s.elapsed(), 30*time.Minute+6*time.Second)
	})
}

// Nothing to do is done in no time, and counted without division by nothing.
func TestB4_NoTargets(t *testing.T) {
	for _, rate := range []float64{0, 1, 1e6} {
		virtual(t, func(s *scan) {
			cfg := scanConfig()
			cfg.Rate = rate
			result, err := s.run(s.t.Context(), cfg, &countSource{})
			require.NoError(s.t, err)
			require.Equal(s.t, dataset.EndComplete, result.Reason)
			require.Zero(s.t, s.elapsed())
			s.requireWhole(result)
			require.Empty(s.t, s.sink.records())
			require.Equal(s.t, [3]time.Duration{-1, -1, -1}, result.Stats.RTT)
			require.EqualValues(s.t, -1, result.Stats.RTTMax)
			result.Stats.RTT, result.Stats.RTTMax, result.Stats.Window = [3]time.Duration{}, 0, 0
			require.Zero(s.t, result.Stats)
		})
	}
}

// Whenever a scan is interrupted, each target that was taken in has one record, and
// no goroutine is left: the bubble would not end.
func TestG1_CancelAtAnyTime(t *testing.T) {
	times := 40
	if raceEnabled {
		times = 12
	}
	for i := range times {
		virtual(t, func(s *scan) {
			s.serve(prototest.Shares{Challenge: 50, Silent: 20, Split: 20, Loss: 10, DelayMin: time.Millisecond, DelayMax: 80 * time.Millisecond})
			cfg := scanConfig()
			cfg.Kinds = allKinds
			cfg.MaxInFlight = 50
			cfg.Timeout = 100 * time.Millisecond
			cfg.PerIPRate = float64(i % 3 * 100)
			if i%2 == 0 {
				cfg.Rate = 0
			}
			if i%5 == 0 {
				cfg.Drain = 50 * time.Millisecond
			}
			ctx, cancel := context.WithCancel(s.t.Context())
			defer cancel()
			s.make(cfg, &countSource{n: 400})
			at := time.Duration(i) * time.Second / time.Duration(times)
			time.AfterFunc(at, cancel)
			if i%4 == 0 {
				time.AfterFunc(at+time.Duration(i)*5*time.Millisecond, s.scanner.Abort)
			}
			result, err := s.scanner.Run(ctx)
			require.NoError(s.t, err)
			s.requireWhole(result)
			if result.Reason == dataset.EndComplete {
				require.Less(s.t, s.elapsed(), at+time.Millisecond)
				require.EqualValues(s.t, 400, result.Stats.Done)
			} else {
				require.Equal(s.t, dataset.EndInterrupted, result.Reason)
			}
			require.LessOrEqual(s.t, s.elapsed(), at+cfg.TargetTimeout+100*time.Millisecond)
		})
	}
}

// What the socket had no room for when the scan was aborted was not sent.
func TestO3_AbortWithAFullSocket(t *testing.T) {
	virtual(t, func(s *scan) {
		s.listen(muxtest.Options{Room: 10, RoomEvery: time.Hour})
		s.make(scanConfig(), &countSource{n: 100})
		time.AfterFunc(500*time.Millisecond, s.scanner.Abort)
		result, err := s.scanner.Run(s.t.Context())
		require.NoError(s.t, err)
		s.requireWhole(result)
		require.EqualValues(s.t, 10, result.Stats.Sent)
		sent := 0
		for _, r := range s.sink.records() {
			sent += r.PacketsSent
		}
		require.Equal(s.t, 10, sent)
	})
}
