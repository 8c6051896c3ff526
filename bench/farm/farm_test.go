package farm

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

func startFarm(t testing.TB, c Config) *Farm {
	if len(c.Ports) == 0 {
		c.Ports = []uint16{0}
	}
	f, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// A plainClient is a connected socket of package net: it takes nothing that does
// not come from the very address and port that it asks.
type plainClient struct {
	t    *testing.T
	conn *net.UDPConn
	buf  [65536]byte
}

func dial(t *testing.T, to netip.AddrPort) *plainClient {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &plainClient{t: t, conn: conn}
}

// ask sends a request and returns the next datagram.
func (c *plainClient) ask(request []byte) []byte {
	c.t.Helper()
	_, err := c.conn.Write(request)
	require.NoError(c.t, err)
	return c.next()
}

func (c *plainClient) next() []byte {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := c.conn.Read(c.buf[:])
	require.NoError(c.t, err)
	return c.buf[:n]
}

func addrs(n int) (list []netip.Addr) {
	for i := range n {
		a := netip.AddrFrom4([4]byte{127, byte(i * 7), byte(255 - i), byte(1 + i)})
		if !wildcards() {
			a = netip.MustParseAddr("127.0.0.1")
		}
		list = append(list, a)
	}
	return list
}

func TestFarmIsTheWorld(t *testing.T) {
	w := &prototest.World{Seed: 3}
	f := startFarm(t, Config{Service: w, Ports: []uint16{0, 0}})
	for _, port := range f.Ports() {
		for _, a := range addrs(20) {
			at := netip.AddrPortFrom(a, port)
			c := dial(t, at)
			var info proto.Info
			require.NoError(t, info.Decode(c.ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))[4:]))
			truth, _ := w.Truth(prototest.EndpointFrom(at), proto.WantInfo)
			require.Equal(t, string(truth.Info[0].Name), string(info.Name))

			b := c.ask(proto.KindPlayers.AppendRequest(nil, proto.NoChallenge))
			for b[4] == proto.TypeChallenge {
				b = c.ask(proto.KindPlayers.AppendRequest(nil, proto.Challenge(binary.LittleEndian.Uint32(b[5:]))))
			}
			require.Equal(t, proto.TypePlayers, b[4])
		}
	}
	// A turn is counted when its replies have left.
	require.Eventually(t, func() bool { return f.Counters().Requests >= 2*20*3 }, 5*time.Second, time.Millisecond)
	counters := f.Counters()
	require.GreaterOrEqual(t, counters.Replies, counters.Requests, "some send a challenge twice")
	require.Zero(t, counters.Foreign+counters.Dropped+counters.SocketDrops)
	var requests, replies uint32
	for _, s := range counters.Seconds {
		requests, replies = requests+s.Requests, replies+s.Replies
		require.LessOrEqual(t, s.Busiest, s.Requests)
	}
	require.Equal(t, counters.Requests, uint64(requests))
	require.Equal(t, counters.Replies, uint64(replies))
	require.Contains(t, f.Summary(), "requests a second")
}

func TestFarmDelaysReplies(t *testing.T) {
	w := &prototest.World{Seed: 4, Shares: prototest.Shares{DelayMin: 20 * time.Millisecond, DelayMax: 40 * time.Millisecond}}
	f := startFarm(t, Config{Service: w})
	for _, a := range addrs(5) {
		at := netip.AddrPortFrom(a, f.Ports()[0])
		c := dial(t, at)
		start := time.Now()
		c.ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
		require.GreaterOrEqual(t, time.Since(start), w.Server(at).Delay)
	}
}

func TestFarmStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, err := Start(ctx, Config{Ports: []uint16{0}})
	require.NoError(t, err)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), f.Ports()[0])
	c := dial(t, at)
	c.ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
	cancel()
	require.NoError(t, f.Wait())
	require.NoError(t, f.Close(), "once more does nothing")
	if runtime.GOOS == "linux" {
		_, err = c.conn.Write([]byte("anybody there?"))
		require.NoError(t, err)
		require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, err = c.conn.Read(c.buf[:])
		require.True(t, errors.Is(err, syscall.ECONNREFUSED), "a closed farm refuses: %v", err)
	}
}

func TestFarmServesOnlyItsPrefix(t *testing.T) {
	if !wildcards() {
		t.Skip("one address is all there is here")
	}
	f := startFarm(t, Config{Listen: netip.MustParsePrefix("127.5.0.0/16")})
	in := dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.5.9.9"), f.Ports()[0]))
	in.ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
	out := dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.6.0.1"), f.Ports()[0]))
	_, err := out.conn.Write(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.Counters().Foreign == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, uint64(1), f.Counters().Replies, "nothing for those outside")
}

func TestFarmOfOneAddress(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "::1"} {
		listen, err := ParseListen(a)
		require.NoError(t, err)
		f, err := Start(t.Context(), Config{Listen: listen, Ports: []uint16{0}})
		if err != nil && a == "::1" {
			continue // a machine without IPv6
		}
		require.NoError(t, err)
		at := netip.AddrPortFrom(listen.Addr(), f.Ports()[0])
		var info proto.Info
		require.NoError(t, info.Decode(dial(t, at).ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))[4:]))
		truth, _ := (&prototest.World{}).Truth(prototest.EndpointFrom(at), proto.WantInfo)
		require.Equal(t, string(truth.Info[0].Name), string(info.Name))
		require.NoError(t, f.Close())
	}
}

func TestParseListen(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.0/8": "127.0.0.0/8", "127.3.4.5/16": "127.3.0.0/16", "127.0.0.1": "127.0.0.1/32", "::1": "::1/128",
		"::ffff:127.0.0.1": "127.0.0.1/32", "::ffff:127.0.0.1/104": "127.0.0.0/8",
	} {
		got, err := ParseListen(in)
		require.NoError(t, err)
		require.Equal(t, want, got.String())
	}
	for _, in := range []string{"", "localhost", "0.0.0.0", "0.0.0.0/0", "127.0.0.0/7", "10.0.0.1", "::/0", "::", "fe80::1"} {
		_, err := ParseListen(in)
		require.Error(t, err, in)
	}
	_, err := Start(t.Context(), Config{Listen: netip.MustParsePrefix("10.0.0.0/8")})
	require.ErrorContains(t, err, "not loopback")
}

// A farm listens on loopback only, for any configuration.
func FuzzParseListen(f *testing.F) {
	for _, s := range []string{"127.0.0.0/8", "127.0.0.1", "::1", "::ffff:127.0.0.1/104", "0.0.0.0/0", "::1/127", "127.1/8", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseListen(s)
		if err != nil {
			return
		}
		require.True(t, p.Addr().IsLoopback() && p == p.Masked(), "%s", p)
		if p.Addr().Is6() {
			require.True(t, p.IsSingleIP())
		} else {
			require.True(t, netip.MustParsePrefix("127.0.0.0/8").Overlaps(p) && p.Bits() >= 8)
		}
		again, err := ParseListen(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func TestFarmPortInUse(t *testing.T) {
	f := startFarm(t, Config{})
	_, err := Start(t.Context(), Config{Ports: []uint16{0, f.Ports()[0]}})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestReplayFarm(t *testing.T) {
	if !wildcards() {
		t.Skip("the folders need an address each")
	}
	f, replay, err := StartReplay(t.Context(), Config{Ports: []uint16{0}}, captures(t))
	require.NoError(t, err)
	defer f.Close()
	for _, folder := range replay.Folders() {
		if !folder.Kinds.Has(proto.KindInfo) {
			continue
		}
		truth, _ := replay.Truth(folder.At, proto.WantInfo)
		c := dial(t, folder.At.AddrPort())
		var info proto.Info
		b := c.ask(proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
		if len(truth.Info) == 2 && b[4] != proto.TypeInfo {
			b = c.next()
		}
		require.NoError(t, info.Decode(b[4:]))
		require.Equal(t, string(truth.Info[0].Name), string(info.Name), folder.Name)
	}
}

// captures returns the folder of real replies, or skips.
func captures(t *testing.T) string {
	dir := os.Getenv("A2SCAN_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "captures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("NO CAPTURES: %v; set A2SCAN_CAPTURES", err)
	}
	return dir
}

func TestCounters(t *testing.T) {
	var y tally
	at := func(ms int, requests uint32) {
		y.add(proto.Time(ms)*proto.Time(time.Millisecond), &turn{requests: requests, replies: 1})
	}
	at(1005, 3)
	at(1009, 4)
	at(1010, 5)
	at(1999, 2)
	at(3000, 1)
	c := y.counters()
	require.Equal(t, []Second{{}, {14, 4, 7}, {}, {1, 1, 1}}, c.Seconds)
	second, ten := c.Busiest()
	require.Equal(t, uint32(14), second)
	require.Equal(t, uint32(7), ten)
	require.InDelta(t, 5, c.Rate(), 1e-9, "15 requests in the seconds 1 to 3")
	require.Zero(t, (&Counters{}).Rate())
}
