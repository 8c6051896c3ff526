//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func open(t testing.TB, o Options) *udpPort {
	t.Helper()
	p, err := Listen(o)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p.(*udpPort)
}

// holds skips t if less than n bytes of receive buffer, as the kernel accounts them, were
// granted to p: beyond net.core.rmem_max that takes privilege.
func holds(t testing.TB, p *udpPort, n int) {
	t.Helper()
	if got := p.Stats().RcvbufActual; got < n {
		t.Skipf("a receive buffer of %d bytes was granted, and %d are needed", got, n)
	}
}

func local(s string) Options { return Options{Local: netip.MustParseAddrPort(s)} }

// on returns addr with p's port.
func on(addr string, p Port) Key {
	return KeyFrom(netip.AddrPortFrom(netip.MustParseAddr(addr), p.LocalAddr().Port()))
}

// closedPort returns an address of 127.0.0.1 or ::1 where nobody listens, nor
// anybody else will while t runs: a socket that is connected elsewhere has the
// port and hears no one.
func closedPort(t testing.TB, addr string) Key {
	t.Helper()
	var sa, elsewhere syscall.Sockaddr
	if a := netip.MustParseAddr(addr); a.Is4() {
		sa, elsewhere = &syscall.SockaddrInet4{Addr: a.As4()}, &syscall.SockaddrInet4{Addr: a.As4(), Port: 9}
	} else {
		sa, elsewhere = &syscall.SockaddrInet6{Addr: a.As16()}, &syscall.SockaddrInet6{Addr: a.As16(), Port: 9}
	}
	fd, err := boundTo(sa, false)
	if err != nil {
		t.Skip("no ", addr, " here: ", err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.Connect(fd, elsewhere))
	ap, err := sockname(fd)
	require.NoError(t, err)
	return KeyFrom(ap)
}

// sendAll sends data from p to each of peers, and fails t if Send does not
// take all at once.
func sendAll(t testing.TB, p Port, data string, peers ...Key) {
	t.Helper()
	b := NewBatch(len(peers), max(1, len(data)))
	for _, k := range peers {
		b.Commit(k, []byte(data))
	}
	n, err := p.Send(b)
	require.NoError(t, err)
	require.Equal(t, len(peers), n)
}

// receive returns the next n packets of p and any others that come within a moment:
// datagrams and verdicts, which tests then count.
func receive(t testing.TB, p Port, n int) (data, icmp []Packet) {
	t.Helper()
	b := NewBatch(64, 2048)
	for {
		wait := 30 * time.Second
		if len(data)+len(icmp) >= n {
			wait = 2 * time.Millisecond
		}
		require.NoError(t, p.Recv(b, wait))
		if b.Len() == 0 {
			return data, icmp
		}
		for i := range b.Len() {
			q := *b.Packet(i)
			if q.Unreachable != Reachable {
				require.Nil(t, q.Data)
				icmp = append(icmp, q)
			} else {
				q.Data = append([]byte{}, q.Data...)
				data = append(data, q)
			}
		}
	}
}

func TestWildcard(t *testing.T) {
	for name, row := range map[string]struct {
		listen string
		asked  []string
	}{
		"0.0.0.0":         {"0.0.0.0:0", []string{"127.0.0.1", "127.1.2.3", "127.255.0.9"}},
		"both families":   {"[::]:0", []string{"127.0.0.1", "127.1.2.3", "::1"}},
		"one of them":     {"127.0.0.5:0", []string{"127.0.0.5"}},
		"one of them, v6": {"[::1]:0", []string{"::1"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := local(row.listen)
			o.Wildcard = true
			server := open(t, o)
			client := open(t, Options{})
			if !client.v6 {
				t.Skip("no IPv6 here")
			}
			var asked []Key
			for _, a := range row.asked {
				asked = append(asked, on(a, server))
			}
			sendAll(t, client, "who are you", asked...)

			// The server only sends back each packet unchanged.
			b := NewBatch(8, 64)
			var got []Key
			for len(got) < len(asked) {
				require.NoError(t, server.Recv(b, time.Second))
				for i := range b.Len() {
					got = append(got, b.Packet(i).Local)
				}
				n, err := server.Send(b)
				require.NoError(t, err)
				require.Equal(t, b.Len(), n)
			}
			require.Equal(t, asked, got)

			answers, _ := receive(t, client, len(asked))
			got = nil
			for _, q := range answers {
				got = append(got, q.Peer)
				require.Zero(t, q.Local)
			}
			require.Equal(t, asked, got, "answers come from the address that was asked")
		})
	}
}

func TestWildcardAllocs(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		o := local(listen)
		o.Wildcard = true
		server, client := open(t, o), open(t, local("127.0.0.1:0"))
		in, out := NewBatch(8, 64), NewBatch(1, 64)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			out.Reset()
			out.Commit(on127(server, 77), append(out.Next(), "A2S"...))
			client.Send(out)
			if err := server.Recv(in, time.Second); err != nil || in.Len() != 1 {
				t.Fatal(err, in.Len())
			}
			if n, err := server.Send(in); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if err := client.Recv(in, time.Second); err != nil || in.Packet(0).Peer != on127(server, 77) {
				t.Fatal(err, in.Len())
			}
		}))
	}
}

// on127 is 127.0.x.y with p's port.
func on127(p Port, n uint16) Key {
	return Key{Lo: v4Mapped | 127<<24 | uint64(n), Port: p.LocalAddr().Port()}
}

// A source address that is not this machine's is that packet's fault alone.
func TestForeignSource(t *testing.T) {
	p, peer := open(t, local("127.0.0.1:0")), open(t, local("127.0.0.1:0"))
	b := NewBatch(2, 8)
	b.CommitFrom(KeyFrom(netip.MustParseAddrPort("192.0.2.1:0")), on("127.0.0.1", peer), []byte("x"))
	b.Commit(on("127.0.0.1", peer), []byte("y"))
	n, err := p.Send(b)
	require.Zero(t, n)
	var refused *PeerError
	require.ErrorAs(t, err, &refused)
	b.DropFront(1)
	n, err = p.Send(b)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestDrops(t *testing.T) {
	o := local("127.0.0.1:0")
	o.Rcvbuf = 4096
	p, from := open(t, o), open(t, local("127.0.0.1:0"))
	const sent = 200
	peers := make([]Key, sent)
	for i := range peers {
		peers[i] = on("127.0.0.1", p)
	}
	sendAll(t, from, "0123456789", peers...)

	// The counter of SO_MEMINFO knows at once.
	drops := p.Stats().Drops
	require.NotZero(t, drops)
	got, _ := receive(t, p, int(sent-drops))
	require.EqualValues(t, sent, uint64(len(got))+drops)
	require.Equal(t, drops, p.Stats().Drops, "none is counted twice")

	// Without it, the next datagram tells.
	p.stats.Drops, p.lastDrops = 0, 0
	sendAll(t, from, "x", peers[0])
	got, _ = receive(t, p, 1)
	require.Len(t, got, 1)
	require.Equal(t, drops, p.stats.Drops)
}

// What waits is told in bytes of the buffer: package scanner takes a datagram to have
// 512 of them at least beside its own, and what is told never to be too little.
func TestRcvbufUsed(t *testing.T) {
	p, from := open(t, local("127.0.0.1:0")), open(t, local("127.0.0.1:0"))
	require.Zero(t, p.Stats().RcvbufUsed)
	to := on("127.0.0.1", p)
	peers := []Key{to, to, to}
	for _, payload := range []string{"", "0123456789", strings.Repeat("x", 1400), strings.Repeat("x", 30_000)} {
		sendAll(t, from, payload, peers...)
		require.GreaterOrEqual(t, p.Stats().RcvbufUsed, 3*(512+len(payload)))
		got, _ := receive(t, p, 3)
		require.Len(t, got, 3)
		sendAll(t, from, payload, peers[:2]...)
		require.GreaterOrEqual(t, p.Stats().RcvbufUsed, 2*(512+len(payload)))
		got, _ = receive(t, p, 2)
		require.Len(t, got, 2)
	}
}

func TestCountDrops(t *testing.T) {
	p := &udpPort{}
	for _, row := range []struct {
		total uint32
		want  uint64
	}{
		{5, 5}, {5, 5},
		{3, 5}, // a datagram that was queued earlier
		{7, 7},
		{1<<31 - 1, 1<<31 - 1}, {1<<32 - 2, 1<<32 - 2},
		{1, 1<<32 + 1}, // it wraps
		{1<<32 - 1, 1<<32 + 1},
		{9, 1<<32 + 9},
	} {
		p.countDrops(row.total)
		require.Equal(t, row.want, p.stats.Drops)
	}
}

// Anything between SetsockoptInt and privilege may refuse to force a buffer;
// the test requires only that the granted size is read back.
func TestGrow(t *testing.T) {
	p := open(t, local("127.0.0.1:0"))
	before, err := syscall.GetsockoptInt(p.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	require.NoError(t, err)
	granted, err := grow(p.fd, 0, syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE)
	require.NoError(t, err)
	require.Equal(t, before, granted, "0 leaves it alone")

	granted, err = grow(p.fd, 10_000, syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE)
	require.NoError(t, err)
	require.Equal(t, 20_000, granted)

	// An unprivileged process, played by a force that no option is.
	granted, err = grow(p.fd, 1<<29, syscall.SO_RCVBUF, -1)
	require.NoError(t, err)
	limit, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	require.NoError(t, err)
	most, err := strconv.Atoi(string(limit[:len(limit)-1]))
	require.NoError(t, err)
	require.Equal(t, 2*most, granted)
}

func TestNoBroadcast(t *testing.T) {
	for _, o := range []Options{{}, local("127.0.0.1:0")} {
		on, err := syscall.GetsockoptInt(open(t, o).fd, syscall.SOL_SOCKET, syscall.SO_BROADCAST)
		require.NoError(t, err)
		require.Zero(t, on)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(all)
}

func TestCloseFreesOnce(t *testing.T) {
	before := descriptors(t)
	old, err := Listen(local("127.0.0.1:0"))
	require.NoError(t, err)
	require.Equal(t, before+2, descriptors(t))
	require.NoError(t, old.Close())
	require.Equal(t, before, descriptors(t))

	// The next Port has the same numbers. The old one must keep its hands off.
	p, q := open(t, local("127.0.0.1:0")), open(t, local("127.0.0.1:0"))
	require.Equal(t, old.(*udpPort).fd, p.fd)
	require.NoError(t, old.Close())
	old.Wake()
	old.Stats()
	sendAll(t, q, "x", on("127.0.0.1", p))
	got, _ := receive(t, p, 1)
	require.Len(t, got, 1)

	// And if Listen fails, nothing stays open.
	before = descriptors(t)
	_, err = Listen(Options{Local: p.LocalAddr()})
	require.Error(t, err)
	_, err = Listen(Options{Local: p.LocalAddr(), Wildcard: true})
	require.Error(t, err)
	require.Equal(t, before, descriptors(t))
}

// Signals, of which the runtime sends itself many, do not shorten the wait.
func TestSignalsDuringWait(t *testing.T) {
	p := open(t, local("127.0.0.1:0"))
	var stop atomic.Bool
	begun, done := make(chan struct{}, 1), make(chan int)
	go func() {
		sent := 0
		for ; !stop.Load(); time.Sleep(200 * time.Microsecond) {
			threads, _ := os.ReadDir("/proc/self/task")
			for _, th := range threads {
				tid, _ := strconv.Atoi(th.Name())
				// SIGURG is the runtime's own preemption signal, and harmless.
				syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG))
				sent++
			}
			select {
			case begun <- struct{}{}:
			default:
			}
		}
		done <- sent
	}()
	<-begun
	b := NewBatch(1, 1)
	start := time.Now()
	require.NoError(t, p.Recv(b, 40*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
	stop.Store(true)
	require.NotZero(t, <-done)
}

// A batch may be received into, sent, and filled by hand, in any order.
func TestBatchReuse(t *testing.T) {
	a, b := open(t, local("127.0.0.1:0")), open(t, Options{})
	batch := NewBatch(4, 64)
	for round := range 5 {
		batch.Reset()
		for range 1 + round%4 {
			batch.Commit(on("127.0.0.1", b), append(batch.Next(), "ping"...))
		}
		n, err := a.Send(batch)
		require.NoError(t, err)
		require.Equal(t, 1+round%4, n)
		require.NoError(t, b.Recv(batch, time.Second))
		require.Equal(t, 1+round%4, batch.Len())
		for i := range batch.Len() {
			q := batch.Packet(i)
			require.Equal(t, "ping", string(q.Data))
			q.Data = []byte("from elsewhere, and cut where the slot ends, which is after byte 64, here")
		}
		_, err = b.Send(batch)
		require.NoError(t, err)
		require.NoError(t, a.Recv(batch, time.Second))
		require.Equal(t, 1+round%4, batch.Len())
		require.Equal(t, "from elsewhere, and cut where the slot ends, which is after byte", string(batch.Packet(0).Data))
		require.Equal(t, on("127.0.0.1", b), batch.Packet(0).Peer)
	}
}

// More than maxRaw messages take the other system call.
func TestLargestBatch(t *testing.T) {
	o := local("127.0.0.1:0")
	o.Rcvbuf = 4 << 20
	from, to := open(t, local("127.0.0.1:0")), open(t, o)
	holds(t, to, MaxBatch<<10)
	peers := make([]Key, MaxBatch)
	for i := range peers {
		peers[i] = on("127.0.0.1", to)
	}
	sendAll(t, from, "x", peers...)
	b := NewBatch(MaxBatch, 16)
	require.NoError(t, to.Recv(b, time.Second))
	require.Equal(t, MaxBatch, b.Len())
}

// While packets may gather in the socket, Recv looks at it once, and Wake ends the wait.
func TestRecvGathers(t *testing.T) {
	p := open(t, Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
	peer := open(t, Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
	in := NewBatch(8, 16)
	send := func() {
		out := NewBatch(1, 4)
		out.Commit(KeyFrom(p.LocalAddr()), append(out.Next(), "ping"...))
		_, _ = peer.Send(out)
	}
	recv := func(gather, wait time.Duration) time.Duration {
		in.SetGather(gather)
		began := time.Now()
		require.NoError(t, p.Recv(in, wait))
		return time.Since(began)
	}
	const long = 500 * time.Millisecond

	time.AfterFunc(long/10, send)
	time.AfterFunc(long/5, send)
	require.GreaterOrEqual(t, recv(long, time.Minute), long)
	require.Equal(t, 2, in.Len())

	require.Less(t, recv(long, 0), long, "it does not wait")
	require.Less(t, recv(time.Minute, 10*time.Millisecond), long, "it waits no longer than it may")
	require.Zero(t, in.Len())

	time.AfterFunc(2*long, send)
	require.GreaterOrEqual(t, recv(long, time.Minute), 2*long, "nothing gathered")
	require.Equal(t, 1, in.Len())

	p.Wake()
	require.Less(t, recv(time.Minute, -1), long)
	time.AfterFunc(long/10, p.Wake)
	require.Less(t, recv(time.Minute, -1), long)
}
