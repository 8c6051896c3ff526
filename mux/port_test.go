package mux_test

import (
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
)

// What is in this file holds for the sockets of every system: run it with and
// without the tag portable.

var (
	loopback  = netip.MustParseAddrPort("127.0.0.1:0")
	loopback6 = netip.MustParseAddrPort("[::1]:0")
)

func listen(t testing.TB, o mux.Options) mux.Port {
	t.Helper()
	p, err := mux.Listen(o)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// listen6 is listen on ::1, and skips t where the machine has no IPv6.
func listen6(t testing.TB) mux.Port {
	t.Helper()
	p, err := mux.Listen(mux.Options{Local: loopback6})
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func keyOf(p mux.Port) mux.Key { return mux.KeyFrom(p.LocalAddr()) }

// onPort returns addr with p's port.
func onPort(addr string, p mux.Port) mux.Key {
	return mux.KeyFrom(netip.AddrPortFrom(netip.MustParseAddr(addr), p.LocalAddr().Port()))
}

// datagrams is a Batch of one datagram to each of peers.
func datagrams(data string, peers ...mux.Key) *mux.Batch {
	b := mux.NewBatch(len(peers), max(1, len(data)))
	for _, k := range peers {
		b.Commit(k, []byte(data))
	}
	return b
}

func TestContract(t *testing.T) {
	for _, c := range muxtest.Contract {
		t.Run(c.Name, func(t *testing.T) {
			o := mux.Options{Local: loopback, Rcvbuf: 1 << 20}
			c.Check(t, listen(t, o), listen(t, o))
		})
	}
	for _, c := range muxtest.Contract {
		t.Run("IPv6/"+c.Name, func(t *testing.T) { c.Check(t, listen6(t), listen6(t)) })
	}
}

func TestLargestDatagrams(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), mux.MaxDatagram/16+1)
	for name, row := range map[string]struct {
		a, b mux.Port
		size int
	}{
		"IPv4": {listen(t, mux.Options{Local: loopback, Sndbuf: 1 << 20}), listen(t, mux.Options{Local: loopback, Rcvbuf: 1 << 20}), 65507},
		"IPv6": {listen6(t), listen6(t), 65527},
	} {
		t.Run(name, func(t *testing.T) {
			out := mux.NewBatch(2, mux.MaxDatagram)
			out.Commit(keyOf(row.b), big[:row.size])
			out.Commit(keyOf(row.b), big[:row.size-1])
			if runtime.GOOS == "darwin" || runtime.GOOS == "freebsd" {
				if _, err := row.a.Send(out); errors.Is(err, syscall.EMSGSIZE) {
					t.Skip("net.inet.udp.maxdgram is smaller")
				}
			}
			muxtest.Send(t, row.a, out)
			for i, q := range muxtest.Receive(t, row.b, 2) {
				require.True(t, bytes.Equal(big[:row.size-i], q.Data), "%d bytes", len(q.Data))
				require.False(t, q.Truncated)
			}
		})
	}
}

func TestDualStack(t *testing.T) {
	p6 := listen6(t)
	p4 := listen(t, mux.Options{Local: loopback})
	for name, o := range map[string]mux.Options{
		"no address": {},
		"::":         {Local: netip.MustParseAddrPort("[::]:0")},
	} {
		t.Run(name, func(t *testing.T) {
			p := listen(t, o)
			muxtest.Send(t, p, datagrams("x", keyOf(p4), keyOf(p6), keyOf(p4)))
			require.Equal(t, onPort("::1", p), muxtest.Receive(t, p6, 1)[0].Peer)
			for _, q := range muxtest.Receive(t, p4, 2) {
				require.Equal(t, onPort("127.0.0.1", p), q.Peer)
			}
			muxtest.Send(t, p4, datagrams("y", onPort("127.0.0.1", p)))
			muxtest.Send(t, p6, datagrams("y", onPort("::1", p)))
			var from []mux.Key
			for _, q := range muxtest.Receive(t, p, 2) {
				from = append(from, q.Peer)
			}
			require.ElementsMatch(t, []mux.Key{keyOf(p4), keyOf(p6)}, from)
			require.True(t, slices.ContainsFunc(from, mux.Key.Is4), "IPv4 peers are IPv4")
		})
	}
}

func TestOneFamily(t *testing.T) {
	p4, p6 := listen(t, mux.Options{Local: loopback}), listen6(t)
	for name, row := range map[string]struct{ p, peer, alien mux.Port }{
		"IPv4": {p4, listen(t, mux.Options{Local: loopback}), p6},
		"IPv6": {p6, listen6(t), p4},
	} {
		t.Run(name, func(t *testing.T) {
			b := datagrams("x", keyOf(row.peer), keyOf(row.alien), keyOf(row.peer))
			n, err := row.p.Send(b)
			require.Equal(t, 1, n)
			require.ErrorIs(t, err, syscall.EAFNOSUPPORT)
			var refused *mux.PeerError
			require.ErrorAs(t, err, &refused)
			b.DropFront(n + 1)
			muxtest.Send(t, row.p, b)
			require.Len(t, muxtest.Receive(t, row.peer, 2), 2)
		})
	}
}

// Only the packet that the system refuses is refused, and those before and
// behind it arrive.
func TestPeerError(t *testing.T) {
	for _, row := range []struct {
		name string
		bad  mux.Key
		size int
		want error // on Linux
	}{
		{"port 0", mux.KeyFrom(netip.MustParseAddrPort("127.0.0.1:0")), 1, syscall.EINVAL},
		{"too long", mux.KeyFrom(netip.MustParseAddrPort("127.0.0.1:9")), 65508, syscall.EMSGSIZE},
		// Package net alone would send this one.
		{"broadcast", mux.KeyFrom(netip.MustParseAddrPort("127.255.255.255:9")), 1, syscall.EACCES},
	} {
		t.Run(row.name, func(t *testing.T) {
			if runtime.GOOS != "linux" {
				t.Skip("what systems refuse differs")
			}
			for _, o := range []mux.Options{{Local: loopback}, {}} {
				p, peer := listen(t, o), listen(t, mux.Options{Local: loopback})
				for place := range 4 {
					b := mux.NewBatch(4, mux.MaxDatagram)
					for i := range 4 {
						if i == place {
							b.Commit(row.bad, make([]byte, row.size))
						} else {
							b.Commit(keyOf(peer), []byte{byte(i)})
						}
					}
					n, err := p.Send(b)
					require.Equal(t, place, n)
					var refused *mux.PeerError
					require.ErrorAs(t, err, &refused)
					require.ErrorIs(t, err, row.want)
					require.ErrorContains(t, err, "send: ")
					b.DropFront(n + 1)
					n, err = p.Send(b)
					require.NoError(t, err)
					require.Equal(t, 3-place, n)
					require.Len(t, muxtest.Receive(t, peer, 3), 3)

					// Nothing of it is left for Recv to stumble over.
					in := mux.NewBatch(4, 4)
					start := time.Now()
					require.NoError(t, p.Recv(in, 5*time.Millisecond))
					require.Zero(t, in.Len())
					require.GreaterOrEqual(t, time.Since(start), 5*time.Millisecond)
				}
			}
		})
	}
}

func TestBuffers(t *testing.T) {
	p := listen(t, mux.Options{Local: loopback})
	s := p.Stats()
	require.Zero(t, s.RcvbufRequested)
	require.NotZero(t, s.RcvbufActual)
	require.NotZero(t, s.SndbufActual)

	p = listen(t, mux.Options{Local: loopback, Rcvbuf: 64 << 10, Sndbuf: 64 << 10})
	s = p.Stats()
	require.Equal(t, 64<<10, s.RcvbufRequested)
	require.GreaterOrEqual(t, s.RcvbufActual, 64<<10)
	require.GreaterOrEqual(t, s.SndbufActual, 64<<10)

	// More than any system grants is no error; the actual size is reported.
	p = listen(t, mux.Options{Local: loopback, Rcvbuf: 1 << 30, Sndbuf: 1 << 30})
	s = p.Stats()
	require.Equal(t, 1<<30, s.RcvbufRequested)
	require.NotZero(t, s.RcvbufActual)
}

func TestListenErrors(t *testing.T) {
	p := listen(t, mux.Options{Local: loopback})
	_, err := mux.Listen(mux.Options{Local: p.LocalAddr()})
	require.ErrorContains(t, err, "listen udp "+p.LocalAddr().String()+": ")
	if runtime.GOOS != "windows" {
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.ErrorContains(t, err, "choose another, or 0 for any")
	}

	_, err = mux.Listen(mux.Options{Local: netip.MustParseAddrPort("192.0.2.1:0")})
	require.ErrorContains(t, err, "listen udp 192.0.2.1:0: ")
	if runtime.GOOS != "windows" {
		require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		require.ErrorContains(t, err, "no interface of this machine has this address")
	}

	_, err = mux.Listen(mux.Options{Local: netip.MustParseAddrPort("[fe80::1%no-such-interface]:0")})
	require.Error(t, err)

	// Without an address the port alone is named.
	other := listen(t, mux.Options{})
	_, err = mux.Listen(mux.Options{Local: netip.AddrPortFrom(netip.Addr{}, other.LocalAddr().Port())})
	require.ErrorContains(t, err, "listen udp :")
}

func TestListenMapped(t *testing.T) {
	p := listen(t, mux.Options{Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")})
	require.Equal(t, "127.0.0.1", p.LocalAddr().Addr().String())
}

func TestPortAllocs(t *testing.T) {
	for name, local := range map[string]netip.AddrPort{"IPv4": loopback, "both": {}} {
		t.Run(name, func(t *testing.T) {
			from, to := listen(t, mux.Options{Local: local}), listen(t, mux.Options{Local: loopback})
			out, in := mux.NewBatch(16, 64), mux.NewBatch(64, 2048)
			peer := keyOf(to)
			require.Zero(t, testing.AllocsPerRun(100, func() {
				out.Reset()
				for out.Len() < out.Cap() {
					out.Commit(peer, append(out.Next(), "A2S"...))
				}
				if n, err := from.Send(out); n != 16 || err != nil {
					t.Error(n, err)
				}
				for got := 0; got < 16; got += in.Len() {
					if err := to.Recv(in, time.Second); err != nil || in.Len() == 0 {
						t.Fatal(err)
					}
				}
				if err := to.Recv(in, time.Microsecond); err != nil {
					t.Error(err)
				}
				to.Wake()
				if err := to.Recv(in, -1); err != nil {
					t.Error(err)
				}
				to.Stats()
			}))
		})
	}
}
