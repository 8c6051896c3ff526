package muxtest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/stretchr/testify/require"
)

func at(s string) mux.Key { return mux.KeyFrom(netip.MustParseAddrPort(s)) }

var server = at("198.51.100.1:27015")

// echo sends each query back at once.
func echo(_ time.Time, from mux.Key, data []byte, reply func(mux.Key, []byte, time.Duration)) {
	reply(mux.Key{}, data, 0)
}

// batch is a Batch of one datagram for each of data, all to the same peer.
func batch(to mux.Key, data ...string) *mux.Batch {
	b := mux.NewBatch(len(data), 64)
	for _, d := range data {
		b.Commit(to, []byte(d))
	}
	return b
}

// collect returns "peer payload" for each of the packets that p receives until
// nothing comes for a second.
func collect(t *testing.T, p mux.Port) (got []string) {
	t.Helper()
	b := mux.NewBatch(4, 64)
	for {
		require.NoError(t, p.Recv(b, time.Second))
		if b.Len() == 0 {
			return got
		}
		for i := range b.Len() {
			q := b.Packet(i)
			if q.Unreachable != mux.Reachable {
				got = append(got, fmt.Sprint(q.Peer.AddrPort(), " ", q.Unreachable))
			} else {
				got = append(got, fmt.Sprint(q.Peer.AddrPort(), " ", string(q.Data)))
			}
		}
	}
}

// inBubble runs f in virtual time, over a new Net with one Port.
func inBubble(t *testing.T, o muxtest.Options, f func(t *testing.T, n *muxtest.Net, p *muxtest.Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := muxtest.New(42)
		f(t, n, n.Listen(o))
	})
}

func TestHandlerAnswers(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.Out, n.Back = muxtest.Delay(20*time.Millisecond, 20*time.Millisecond), muxtest.Delay(30*time.Millisecond, 30*time.Millisecond)
		var heard time.Time
		n.SetHost(server, muxtest.Host{Handler: func(now time.Time, from mux.Key, data []byte, reply func(mux.Key, []byte, time.Duration)) {
			heard = now
			require.Equal(t, p.Key(), from)
			reply(mux.Key{}, append(data, '!'), 5*time.Millisecond)
			reply(at("198.51.100.9:1"), []byte("forged"), 10*time.Millisecond)
		}})
		start := time.Now()
		muxtest.Send(t, p, batch(server, "hello"))
		b := mux.NewBatch(8, 64)
		require.NoError(t, p.Recv(b, time.Minute))
		require.Equal(t, 55*time.Millisecond, time.Since(start))
		require.Equal(t, 20*time.Millisecond, heard.Sub(start), "when it arrived, not when Recv looked")
		require.Equal(t, 1, b.Len())
		require.Equal(t, server, b.Packet(0).Peer)
		require.Equal(t, "hello!", string(b.Packet(0).Data))
		require.Equal(t, []string{"198.51.100.9:1 forged"}, collect(t, p))
		require.Zero(t, n.InTransit())
	})
}

func TestEverywhere(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.SetEverywhere(func(to mux.Key) muxtest.Host {
			if to.Lo&1 == 0 {
				return muxtest.Host{} // silent
			}
			return muxtest.Host{Handler: echo}
		})
		n.SetHost(at("198.51.100.2:1"), muxtest.Host{Handler: echo}) // goes before
		for i := range 5 {
			muxtest.Send(t, p, batch(at(fmt.Sprintf("198.51.100.%d:1", i)), "x"))
		}
		require.Equal(t, []string{"198.51.100.1:1 x", "198.51.100.2:1 x", "198.51.100.3:1 x"}, collect(t, p))
	})
}

func TestICMP(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.SetHost(server, muxtest.Host{Unreachable: mux.PortUnreachable})
		muxtest.Send(t, p, batch(server, "a", "b"))
		n.InjectICMP(at("203.0.113.1:5"), p.Key(), mux.Prohibited, time.Millisecond)
		n.InjectICMP(server, at("192.0.2.77:5"), mux.Prohibited, 0) // for an address without a Port
		require.Equal(t, []string{
			"198.51.100.1:27015 port unreachable", "198.51.100.1:27015 port unreachable",
			"203.0.113.1:5 administratively prohibited",
		}, collect(t, p))
		require.EqualValues(t, 3, p.Stats().ICMP)
	})
}

func TestInject(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		data := []byte("unasked")
		n.Inject(server, p.Key(), data, 10*time.Millisecond)
		copy(data, "xxxxxxx")
		require.Equal(t, 1, n.InTransit())
		require.Equal(t, []string{"198.51.100.1:27015 unasked"}, collect(t, p))
	})
}

func TestSendErr(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.SetHost(at("198.51.100.2:1"), muxtest.Host{SendErr: syscall.ENETUNREACH})
		n.SetEverywhere(func(mux.Key) muxtest.Host { return muxtest.Host{Handler: echo} })
		b := mux.NewBatch(3, 64)
		for i := range 3 {
			b.Commit(at(fmt.Sprintf("198.51.100.%d:1", i+1)), []byte("x"))
		}
		sent, err := p.Send(b)
		require.Equal(t, 1, sent)
		var refused *mux.PeerError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, syscall.ENETUNREACH)
		b.DropFront(sent + 1)
		muxtest.Send(t, p, b)
		require.Equal(t, []string{"198.51.100.1:1 x", "198.51.100.3:1 x"}, collect(t, p))
	})
}

func TestLose(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		gone := errors.New("the cable is gone")
		go func() {
			time.Sleep(time.Second)
			p.Lose(gone)
		}()
		require.ErrorIs(t, p.Recv(mux.NewBatch(1, 1), -1), gone)
		_, err := p.Send(batch(server, "x"))
		require.ErrorIs(t, err, gone)
	})
}

func TestRcvbuf(t *testing.T) {
	inBubble(t, muxtest.Options{Rcvbuf: 3}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.SetHost(server, muxtest.Host{Handler: echo})
		muxtest.Send(t, p, batch(server, "1", "2", "3", "4", "5"))
		require.Equal(t, []string{"198.51.100.1:27015 1", "198.51.100.1:27015 2", "198.51.100.1:27015 3"}, collect(t, p))
		require.EqualValues(t, 2, p.Stats().Drops)
		muxtest.Send(t, p, batch(server, "6"))
		require.Len(t, collect(t, p), 1, "there is room again")
		require.EqualValues(t, 2, p.Stats().Drops)
	})
}

func TestRoom(t *testing.T) {
	inBubble(t, muxtest.Options{Room: 2, RoomEvery: 10 * time.Millisecond}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		b, in := batch(server, "1", "2", "3", "4", "5"), mux.NewBatch(1, 1)
		start := time.Now()
		for _, want := range []int{2, 2, 1} {
			sent, err := p.Send(b)
			require.NoError(t, err)
			require.Equal(t, want, sent)
			if b.DropFront(sent); b.Len() > 0 {
				require.NoError(t, p.Recv(in, -1), "returns when there is room")
			}
		}
		require.Equal(t, 20*time.Millisecond, time.Since(start))
		require.EqualValues(t, 2, p.Stats().SendBlocked)
	})
}

func TestTap(t *testing.T) {
	inBubble(t, muxtest.Options{Local: netip.MustParseAddrPort("192.0.2.9:9")}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		var seen []string
		n.Out = muxtest.Loss(1)
		n.Tap = func(now time.Time, from, to mux.Key, data []byte) {
			require.Equal(t, time.Now(), now)
			seen = append(seen, fmt.Sprint(from.AddrPort(), ">", to.AddrPort(), " ", string(data)))
		}
		muxtest.Send(t, p, batch(server, "a", "b"))
		require.Equal(t, []string{"192.0.2.9:9>198.51.100.1:27015 a", "192.0.2.9:9>198.51.100.1:27015 b"}, seen)
		require.Zero(t, n.InTransit())
	})
}

func TestListenTwice(t *testing.T) {
	n := muxtest.New(1)
	p := n.Listen(muxtest.Options{Local: netip.MustParseAddrPort("192.0.2.9:9")})
	require.Panics(t, func() { n.Listen(muxtest.Options{Local: p.LocalAddr()}) })
	require.NoError(t, p.Close())
	require.NotPanics(t, func() { n.Listen(muxtest.Options{Local: p.LocalAddr()}) })
}

// through sends count datagrams through node and returns the fate of each.
func through(t *testing.T, seed uint64, count int, node muxtest.Node) (fate [][]muxtest.Datagram, start time.Time) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range count {
		var out []muxtest.Datagram
		node(rng, muxtest.Datagram{From: at("192.0.2.1:1"), To: server, Data: []byte{byte(i)}, At: start}, func(d muxtest.Datagram) {
			require.Equal(t, []byte{byte(i)}, d.Data)
			require.Equal(t, server, d.To)
			out = append(out, d)
		})
		fate = append(fate, out)
	}
	return fate, start
}

func TestNodes(t *testing.T) {
	const n = 10_000
	count := func(node muxtest.Node, is func(d []muxtest.Datagram, start time.Time) bool) (hits int) {
		fate, start := through(t, 1, n, node)
		for _, d := range fate {
			if is(d, start) {
				hits++
			}
		}
		return hits
	}
	copies := func(want int) func([]muxtest.Datagram, time.Time) bool {
		return func(d []muxtest.Datagram, _ time.Time) bool { return len(d) == want }
	}
	require.Equal(t, n, count(muxtest.Loss(1), copies(0)))
	require.Equal(t, n, count(muxtest.Loss(0), copies(1)))
	require.InDelta(t, n/10, count(muxtest.Loss(0.1), copies(0)), n/50)
	require.InDelta(t, n/5, count(muxtest.Duplicate(0.2), copies(2)), n/50)
	require.InDelta(t, n/5, count(muxtest.Reorder(0.2, time.Second), func(d []muxtest.Datagram, start time.Time) bool {
		return d[0].At.Sub(start) == time.Second
	}), n/50)
	require.Equal(t, n, count(muxtest.Delay(2, 4), func(d []muxtest.Datagram, start time.Time) bool {
		return d[0].At.Sub(start) >= 2 && d[0].At.Sub(start) <= 4
	}))
	require.InDelta(t, n/3, count(muxtest.Delay(2, 4), func(d []muxtest.Datagram, start time.Time) bool {
		return d[0].At.Sub(start) == 4
	}), n/30, "every delay is as likely")
	require.InDelta(t, n/5, count(muxtest.Spoof(0.2, func(*rand.Rand, muxtest.Datagram) mux.Key { return at("203.0.113.1:1") }),
		func(d []muxtest.Datagram, _ time.Time) bool {
			return len(d) == 2 && d[0].From == at("192.0.2.1:1") && d[1].From == at("203.0.113.1:1")
		}), n/50)
	require.InDelta(t, n/4, count(muxtest.Chain(muxtest.Loss(0.5), muxtest.Duplicate(0.5)), copies(2)), n/50)
}

// The same seed gives the same run, another gives another.
func TestSeed(t *testing.T) {
	run := func(seed uint64) (trace []string) {
		synctest.Test(t, func(t *testing.T) {
			n := muxtest.New(seed)
			n.Out = muxtest.Chain(muxtest.Delay(0, time.Second), muxtest.Loss(0.2))
			n.Back = muxtest.Chain(muxtest.Duplicate(0.2), muxtest.Reorder(0.2, time.Second))
			n.SetHost(server, muxtest.Host{Handler: echo})
			p := n.Listen(muxtest.Options{})
			for i := range 50 {
				muxtest.Send(t, p, batch(server, fmt.Sprint(i)))
			}
			trace = collect(t, p)
		})
		return trace
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}

// A Port that is not read for a while finds the same as a real one.
func TestStall(t *testing.T) {
	inBubble(t, muxtest.Options{Rcvbuf: 2}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		n.Back = muxtest.Delay(time.Millisecond, time.Millisecond)
		n.SetHost(server, muxtest.Host{Handler: echo})
		muxtest.Send(t, p, batch(server, "1", "2", "3"))
		time.Sleep(time.Second)
		b := mux.NewBatch(8, 64)
		require.NoError(t, p.Recv(b, 0))
		require.Equal(t, 2, b.Len())
		require.EqualValues(t, 1, p.Stats().Drops)
	})
}

func TestSourceAddress(t *testing.T) {
	inBubble(t, muxtest.Options{}, func(t *testing.T, n *muxtest.Net, p *muxtest.Port) {
		other := n.Listen(muxtest.Options{})
		b := mux.NewBatch(1, 8)
		b.CommitFrom(server, other.Key(), []byte("x"))
		muxtest.Send(t, p, b)
		require.Equal(t, server, muxtest.Receive(t, other, 1)[0].Peer)
	})
}
