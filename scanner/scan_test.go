package scanner

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A scan is a whole Scanner over an in-memory network in virtual time.
type scan struct {
	t       *testing.T
	net     *muxtest.Net
	port    *muxtest.Port
	spy     *spyPort
	sink    *recordLog
	scanner *Scanner
	start   time.Time
	sends   []send // what the port took
}

type send struct {
	at time.Time
	to mux.Key
}

// virtual runs f in the virtual time of a synctest bubble, with a network of servers
// that all answer at once with shares of nothing special.
func virtual(t *testing.T, f func(s *scan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scan{t: t, net: muxtest.New(1), sink: newRecordLog(t), start: time.Now()}
		s.net.Tap = func(now time.Time, _, to mux.Key, _ []byte) { s.sends = append(s.sends, send{now, to}) }
		s.serve(prototest.Shares{DelayMin: 20 * time.Millisecond, DelayMax: 60 * time.Millisecond})
		s.listen(muxtest.Options{})
		f(s)
	})
}

// scanConfig is small, so that a test makes a scan in a millisecond.
func scanConfig() Config {
	cfg := DefaultConfig()
	cfg.Rate, cfg.PerIPRate = 1e6, 0
	cfg.MaxInFlight = 1000
	return cfg
}

func (s *scan) listen(o muxtest.Options) {
	if s.port != nil {
		s.port.Close()
	}
	s.port = s.net.Listen(o)
	s.spy = &spyPort{Port: s.port}
}

// serve puts the servers of a world everywhere.
func (s *scan) serve(shares prototest.Shares) {
	w := &prototest.World{Seed: 1, Shares: shares}
	replies := prototest.NewReplies(1)
	start := time.Now()
	s.net.SetEverywhere(func(to mux.Key) muxtest.Host {
		return muxtest.Host{Handler: func(now time.Time, from mux.Key, data []byte, reply func(mux.Key, []byte, time.Duration)) {
			w.Answer(replies, proto.Time(now.Sub(start)), endpoint(from), endpoint(to), data)
			for i := range replies.Len() {
				b, after := replies.Datagram(i)
				reply(mux.Key{}, b, after)
			}
		}}
	})
}

func endpoint(k mux.Key) prototest.Endpoint {
	return prototest.Endpoint{Hi: k.Hi, Lo: k.Lo, Port: k.Port}
}

// silence puts nothing everywhere.
func (s *scan) silence() { s.net.SetEverywhere(func(mux.Key) muxtest.Host { return muxtest.Host{} }) }

// make makes the Scanner.
func (s *scan) make(cfg Config, source Source) {
	s.t.Helper()
	sc, err := New(cfg, s.spy, source, s.sink)
	require.NoError(s.t, err)
	s.scanner = sc
}

// run makes a Scanner of cfg and runs it.
func (s *scan) run(ctx context.Context, cfg Config, source Source) (Result, error) {
	s.t.Helper()
	s.make(cfg, source)
	return s.scanner.Run(ctx)
}

func (s *scan) elapsed() time.Duration { return time.Since(s.start) }

// requireWhole checks what holds however a scan ended: every target that was taken
// in has one record, and the counts say so.
func (s *scan) requireWhole(r Result) {
	s.t.Helper()
	st := r.Stats
	n := uint64(0)
	for status, count := range s.sink.statuses() {
		require.EqualValues(s.t, st.Statuses[status], count, "%v", status)
		n += uint64(count)
	}
	require.Equal(s.t, n, st.Done+st.Aborted)
	require.EqualValues(s.t, n, r.Records)
	require.Equal(s.t, n, st.Records)
	require.Zero(s.t, st.InFlight)
	require.Equal(s.t, 1, s.sink.closed, "the sink is closed once")
	require.EqualValues(s.t, len(s.sends), st.Sent)
	require.False(s.t, r.End.Before(r.Start))
}

// A spyPort stands between a Scanner and its Port.
type spyPort struct {
	mux.Port
	recvs atomic.Int64
	at    time.Time
	spins int

	beforeRecv func(b *mux.Batch, wait time.Duration) // may sleep
	beforeSend func()
	sendErr    atomic.Pointer[error] // what Send returns instead of sending
}

// Recv counts, and stops a loop that turns without time passing.
func (p *spyPort) Recv(b *mux.Batch, wait time.Duration) error {
	p.recvs.Add(1)
	if now := time.Now(); now.Equal(p.at) {
		if p.spins++; p.spins > 100_000 {
			panic(fmt.Sprintf("the loop spins: Recv(%v)", wait))
		}
	} else {
		p.at, p.spins = now, 0
	}
	if p.beforeRecv != nil {
		p.beforeRecv(b, wait)
	}
	return p.Port.Recv(b, wait)
}

func (p *spyPort) Send(b *mux.Batch) (int, error) {
	if p.beforeSend != nil {
		p.beforeSend()
	}
	if err := p.sendErr.Load(); err != nil && b.Len() > 0 {
		return 0, *err
	}
	return p.Port.Send(b)
}

// A chanSource yields what is sent to it, and ends when it is closed.
type chanSource chan []targets.Target

func (c chanSource) Next(ctx context.Context, dst []targets.Target) (int, error) {
	select {
	case list, ok := <-c:
		if !ok {
			return 0, io.EOF
		}
		return copy(dst, list), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// A sourceFunc is a Source.
type sourceFunc func(ctx context.Context, dst []targets.Target) (int, error)

func (f sourceFunc) Next(ctx context.Context, dst []targets.Target) (int, error) { return f(ctx, dst) }
