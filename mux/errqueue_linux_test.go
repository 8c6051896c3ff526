//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestClosedPort(t *testing.T) {
	for addr, o := range map[string]Options{"127.0.0.1": local("127.0.0.1:0"), "::1": local("[::1]:0")} {
		t.Run(addr, func(t *testing.T) {
			closed := closedPort(t, addr)
			for name, o := range map[string]Options{"its family": o, "both": {}} {
				t.Run(name, func(t *testing.T) {
					p := open(t, o)
					sendAll(t, p, "x", closed)
					b := NewBatch(4, 4)
					require.NoError(t, p.Recv(b, time.Minute))
					require.Equal(t, 1, b.Len())
					require.Equal(t, Packet{Peer: closed, Unreachable: PortUnreachable}, *b.Packet(0))
					require.EqualValues(t, 1, p.Stats().ICMP)
				})
			}
		})
	}
}

func TestNoICMP(t *testing.T) {
	for _, o := range []Options{{NoICMP: true}, {Local: local("127.0.0.1:0").Local, NoICMP: true}} {
		p := open(t, o)
		sendAll(t, p, "x", closedPort(t, "127.0.0.1"))
		data, icmp := receive(t, p, 0)
		require.Empty(t, data)
		require.Empty(t, icmp)
	}
}

// The first trap: a pending error about one datagram is the result that the next recvmmsg
// returns, though a healthy one is waiting.
func TestPendingErrorBeforeRecv(t *testing.T) {
	p, healthy := open(t, Options{}), open(t, local("127.0.0.1:0"))
	closed := closedPort(t, "127.0.0.1")
	sendAll(t, p, "x", closed)
	sendAll(t, healthy, "hello", on("127.0.0.1", p))

	// That this is the trap: the bare call fails, and would again.
	_, errno := recvmmsg(p.fd, NewBatch(1, 1).toReceive(), syscall.MSG_PEEK)
	require.Equal(t, syscall.ECONNREFUSED, errno)
	sendAll(t, p, "x", closed)

	b := NewBatch(8, 16)
	require.NoError(t, p.Recv(b, 0))
	require.Equal(t, 3, b.Len())
	for i := range 2 {
		require.Equal(t, Packet{Peer: closed, Unreachable: PortUnreachable}, *b.Packet(i))
	}
	require.Equal(t, "hello", string(b.Packet(2).Data))
	require.Equal(t, on("127.0.0.1", healthy), b.Packet(2).Peer)
}

// The second: it is the result that the next sendmmsg returns, and the packet of that
// call, a healthy server's, is not sent.
func TestPendingErrorBeforeSend(t *testing.T) {
	p, healthy := open(t, Options{}), open(t, local("127.0.0.1:0"))
	closed := closedPort(t, "127.0.0.1")

	// That this is the trap:
	sendAll(t, p, "x", closed)
	b := NewBatch(1, 16)
	b.Commit(on("127.0.0.1", healthy), []byte("lost"))
	_, errno := sendmmsg(p.fd, b.toSend(false))
	require.Equal(t, syscall.ECONNREFUSED, errno)

	sendAll(t, p, "x", closed)
	sendAll(t, p, "sent", on("127.0.0.1", healthy))
	data, _ := receive(t, healthy, 1)
	require.Len(t, data, 1)
	require.Equal(t, "sent", string(data[0].Data))
	_, icmp := receive(t, p, 2)
	require.Len(t, icmp, 2)
}

// An error that the kernel reported by a short count alone is not forgotten,
// though no later call fails: under steady traffic there is no other sign of
// it.
func TestShortCountTellsOfErrors(t *testing.T) {
	p, healthy := open(t, Options{}), open(t, local("127.0.0.1:0"))
	closed := closedPort(t, "127.0.0.1")
	sendAll(t, p, "x", closed, on("127.0.0.1", healthy))
	b := NewBatch(8, 16)
	require.NoError(t, p.Recv(b, 0))
	require.Equal(t, 1, b.Len())
	require.Equal(t, Packet{Peer: closed, Unreachable: PortUnreachable}, *b.Packet(0))
}

// Each of many healthy packets arrives, once and in order, and each closed port
// is reported once, by its own name, in any mixture.
func TestHealthyAmongClosed(t *testing.T) {
	const rounds, batch = 20, 64
	healthy := open(t, Options{Local: local("127.0.0.1:0").Local, Rcvbuf: 4 << 20})
	holds(t, healthy, rounds*batch<<10)
	shut := closedPort(t, "127.0.0.1")
	for name, isClosed := range map[string]func(i int) bool{
		"alternating":    func(i int) bool { return i%2 == 0 },
		"first":          func(i int) bool { return i == 0 },
		"last":           func(i int) bool { return i == batch-1 },
		"all":            func(int) bool { return true },
		"three in four":  func(i int) bool { return i%4 != 0 },
		"the first half": func(i int) bool { return i < batch/2 },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, Options{Rcvbuf: 4 << 20})
			in := NewBatch(7, 64) // an odd size, so that verdicts must wait
			want, seen := map[Key]int{}, map[Key]int{}
			sent := uint32(0)
			collect := func(wait time.Duration) bool {
				require.NoError(t, p.Recv(in, wait))
				for i := range in.Len() {
					require.Equal(t, PortUnreachable, in.Packet(i).Unreachable)
					seen[in.Packet(i).Peer]++
				}
				return in.Len() > 0
			}
			for round := range rounds {
				out := NewBatch(batch, 16)
				for i := range batch {
					if isClosed(i) {
						k := shut // one of 127.0.0.0/18, all closed
						k.Lo = v4Mapped | 127<<24 | uint64(1+round*batch+i)
						out.Commit(k, []byte("x"))
						want[k]++
					} else {
						out.Commit(on("127.0.0.1", healthy), binary.BigEndian.AppendUint32(out.Next(), sent))
						sent++
					}
				}
				n, err := p.Send(out)
				require.NoError(t, err)
				require.Equal(t, batch, n)
				if round%3 == 0 {
					collect(0)
				}
			}
			for collect(20 * time.Millisecond) {
			}
			require.Equal(t, want, seen)
			data, _ := receive(t, healthy, int(sent))
			require.Len(t, data, int(sent))
			for i, q := range data {
				require.EqualValues(t, i, binary.BigEndian.Uint32(q.Data))
			}
		})
	}
}

// Errors that are more than can be held wait in the kernel, and nothing is
// blamed on the packet that meets them.
func TestMoreErrorsThanHeld(t *testing.T) {
	p, healthy := open(t, Options{Rcvbuf: 16 << 20}), open(t, local("127.0.0.1:0"))
	shut := closedPort(t, "127.0.0.1")
	const closed = 3 * maxHeld
	in, out := NewBatch(64, 64), NewBatch(64, 8)
	icmp := 0
	collect := func(wait time.Duration) {
		require.NoError(t, p.Recv(in, wait))
		for i := range in.Len() {
			require.Equal(t, shut, in.Packet(i).Peer)
			icmp++
		}
	}
	granted := p.Stats().RcvbufActual >= 16<<20
	turns := 0
	for left := closed; left > 0 || out.Len() > 0; turns++ {
		require.Less(t, turns, closed)
		for ; left > 0 && out.Len() < out.Cap(); left-- {
			out.Commit(shut, []byte("x"))
		}
		n, err := p.Send(out)
		require.NoError(t, err)
		if out.DropFront(n); n == 0 {
			collect(time.Second) // the only thing that makes room
		}
	}
	for healthySent := 0; healthySent < 1; {
		out.Reset()
		out.Commit(on("127.0.0.1", healthy), []byte("x"))
		n, err := p.Send(out)
		require.NoError(t, err)
		healthySent += n
		if n == 0 {
			collect(time.Second)
		}
	}
	data, _ := receive(t, healthy, 1)
	require.Len(t, data, 1)
	for had := -1; had < icmp; {
		had = icmp
		collect(20 * time.Millisecond)
	}
	if granted {
		require.Equal(t, closed, icmp)
	}
	require.EqualValues(t, icmp, p.Stats().ICMP)
}

// The kernel puts errors of its own (here: too long for any datagram) on the
// same queue. They are Send's to report, and no reason for Recv to return.
func TestOwnErrorsAreNoICMP(t *testing.T) {
	p := open(t, local("127.0.0.1:0"))
	b := NewBatch(1, MaxDatagram)
	b.Commit(on("127.0.0.1", p), make([]byte, 65508))
	_, err := p.Send(b)
	require.ErrorIs(t, err, syscall.EMSGSIZE)
	sendAll(t, p, "x", closedPort(t, "127.0.0.1"))
	_, icmp := receive(t, p, 1)
	require.Len(t, icmp, 1)
	require.EqualValues(t, 1, p.Stats().ICMP)
}

// An entry of the queue that is no ICMP error must be taken out all the same:
// ppoll would report it for ever.
func TestWaitEmptiesTheQueue(t *testing.T) {
	p := open(t, local("127.0.0.1:0"))
	b := NewBatch(1, MaxDatagram)
	b.Commit(on("127.0.0.1", p), make([]byte, 65508))
	_, errno := sendmmsg(p.fd, b.toSend(true)) // not Send, which empties it
	require.Equal(t, syscall.EMSGSIZE, errno)
	start := time.Now()
	require.NoError(t, p.Recv(b, 5*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(start), 5*time.Millisecond)
	require.Zero(t, b.Len())
	_, errno = recvmmsg(p.fd, b.toReceive(), syscall.MSG_ERRQUEUE)
	require.Equal(t, syscall.EAGAIN, errno)
}

func TestICMPAllocs(t *testing.T) {
	p, closed := open(t, Options{}), closedPort(t, "127.0.0.1")
	out, in := NewBatch(4, 8), NewBatch(16, 64)
	require.Zero(t, testing.AllocsPerRun(50, func() {
		out.Reset()
		for out.Len() < out.Cap() {
			out.Commit(closed, append(out.Next(), 'x'))
		}
		if n, err := p.Send(out); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		for got := 0; got < 4; got += in.Len() {
			if err := p.Recv(in, time.Second); err != nil || in.Len() == 0 {
				t.Fatal(err)
			}
		}
	}))
}

func TestVerdict(t *testing.T) {
	for _, row := range []struct {
		origin, typ, code uint8
		want              Unreachable
	}{
		{originICMP, 3, 0, NetUnreachable}, {originICMP, 3, 1, HostUnreachable},
		{originICMP, 3, 2, OtherICMP}, // no such protocol as UDP
		{originICMP, 3, 3, PortUnreachable},
		{originICMP, 3, 4, Reachable}, // too big
		{originICMP, 3, 5, OtherICMP}, {originICMP, 3, 6, NetUnreachable}, {originICMP, 3, 7, HostUnreachable},
		{originICMP, 3, 8, HostUnreachable}, {originICMP, 3, 9, Prohibited}, {originICMP, 3, 10, Prohibited},
		{originICMP, 3, 11, NetUnreachable}, {originICMP, 3, 12, HostUnreachable}, {originICMP, 3, 13, Prohibited},
		{originICMP, 3, 14, Prohibited}, {originICMP, 3, 15, Prohibited}, {originICMP, 3, 200, OtherICMP},
		{originICMP, 11, 0, OtherICMP}, // time exceeded
		{originICMP, 12, 0, OtherICMP}, // parameter problem
		{originICMP6, 1, 0, NetUnreachable}, {originICMP6, 1, 1, Prohibited}, {originICMP6, 1, 2, OtherICMP},
		{originICMP6, 1, 3, HostUnreachable}, {originICMP6, 1, 4, PortUnreachable},
		{originICMP6, 1, 5, Prohibited}, {originICMP6, 1, 6, Prohibited}, {originICMP6, 1, 7, OtherICMP},
		{originICMP6, 2, 0, Reachable}, // too big
		{originICMP6, 3, 0, OtherICMP}, {originICMP6, 4, 1, OtherICMP},
	} {
		e := extendedErr{row.origin, row.typ, row.code}
		require.True(t, e.fromICMP())
		require.Equal(t, row.want, e.verdict(), "%+v", e)
	}
	require.False(t, extendedErr{origin: 1}.fromICMP(), "the kernel's own")
	require.False(t, extendedErr{}.fromICMP())
}

// FuzzControl: for any bytes from the kernel, reading it stays inside, and
// finds the same as package syscall. name is the socket address next to it.
func FuzzControl(f *testing.F) {
	m := new(message)
	m.setSource(nth(1), true)
	f.Add(m.control[:], []byte{2, 0, 0x69, 0x87, 192, 0, 2, 1})
	m.setSource(nth(1), false)
	f.Add(m.control[:40], []byte{10, 0, 0x69, 0x87, 0, 0, 0, 0, 0xFE, 0x80, 15: 1, 23: 1, 24: 3})
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{})
	f.Add(append(append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 9)...), 1, 2, 3), []byte{1, 0})
	f.Add([]byte{32, 7: 0, 12: 11, 20: originICMP, 21: 3, 22: 3, 31: 0}, []byte{2})
	f.Fuzz(func(t *testing.T, control, name []byte) {
		known, err := syscall.ParseSocketControlMessage(control)
		first := func(level, typ int32) []byte {
			for _, c := range known {
				if c.Header.Level == level && c.Header.Type == typ {
					return c.Data
				}
			}
			return nil
		}
		for _, level := range []uint32{syscall.IPPROTO_IP, syscall.SOL_SOCKET, syscall.IPPROTO_IPV6} {
			for _, typ := range []uint32{syscall.IP_PKTINFO, syscall.IP_RECVERR, syscall.IPV6_RECVERR, syscall.IPV6_PKTINFO, syscall.SO_RXQ_OVFL} {
				data := findControl(control, level, typ)
				if data != nil {
					require.LessOrEqual(t, len(data)+controlHeader, len(control))
				}
				if err == nil {
					require.Equal(t, first(int32(level), int32(typ)), data)
				}
			}
		}
		local := localKey(control, 1)
		require.True(t, local == Key{} || local.Port == 1)
		e, ok := parseExtendedErr(control)
		require.True(t, ok || e == extendedErr{})
		require.LessOrEqual(t, e.verdict(), OtherICMP)

		m := new(message)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&m.name)), unsafe.Sizeof(m.name)), name)
		if k := m.key(); k != (Key{}) {
			again := new(message)
			again.setName(k, k.Is4())
			back := again.key()
			if k.Is4() {
				k.Scope = 0 // IPv4 has none
			}
			require.Equal(t, k, back)
		}
	})
}

func TestFindControl(t *testing.T) {
	// Two messages, the first padded from 17+… to a multiple of 8.
	var c [64]byte
	first := c[:]
	binary.NativeEndian.PutUint64(first[0:], controlHeader+5)
	binary.NativeEndian.PutUint32(first[8:], 1)
	binary.NativeEndian.PutUint32(first[12:], 2)
	copy(first[16:], "abcde")
	second := c[24:]
	binary.NativeEndian.PutUint64(second[0:], controlHeader+3)
	binary.NativeEndian.PutUint32(second[8:], 1)
	binary.NativeEndian.PutUint32(second[12:], 3)
	copy(second[16:], "xyz")
	control := c[:24+controlHeader+3] // the kernel does not count the last one's padding
	require.Equal(t, "abcde", string(findControl(control, 1, 2)))
	require.Equal(t, "xyz", string(findControl(control, 1, 3)))
	require.Nil(t, findControl(control, 2, 2))
	require.Nil(t, findControl(control[:20], 1, 2), "cut short")
	require.Nil(t, findControl(nil, 1, 2))
}

// inNamespace makes t's goroutine the only inhabitant of a network of its own,
// in which nothing can leave this machine, and runs the given commands and
// settings (PATH=VALUE, below /proc) there. It skips t if that is not
// allowed. Everything is torn down with the thread, when the test ends.
func inNamespace(t *testing.T, commands ...string) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skip("a network namespace takes privilege: ", err)
	}
	for _, c := range commands {
		if setting, value, ok := strings.Cut(c, "="); ok {
			if err := os.WriteFile("/proc/"+setting, []byte(value), 0); err != nil {
				t.Skip(c, ": ", err)
			}
			continue
		}
		words := strings.Fields(c)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Skip(c, ": ", err, ": ", string(out))
		}
	}
}

// A machine that has no route says so for each packet, and that is the packet's
// own fault.
func TestNoRoute(t *testing.T) {
	for name, row := range map[string]struct {
		commands []string
		want     syscall.Errno
	}{
		"interface down": {nil, syscall.ENETUNREACH},
		"unreachable":    {[]string{"ip link set lo up", "ip route add unreachable 127.0.0.9 table local"}, syscall.EHOSTUNREACH},
		"prohibited":     {[]string{"ip link set lo up", "ip route add prohibit 127.0.0.9 table local"}, syscall.EACCES},
		"blackhole":      {[]string{"ip link set lo up", "ip route add blackhole 127.0.0.9 table local"}, syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t, row.commands...)
			for _, o := range []Options{{}, {Local: local("0.0.0.0:0").Local}} {
				p := open(t, o)
				bad := Key{Lo: v4Mapped | 127<<24 | 9, Port: 9}
				b := NewBatch(3, 8)
				for range 3 {
					b.Commit(bad, []byte("x"))
				}
				for range 3 {
					n, err := p.Send(b)
					require.Zero(t, n)
					var refused *PeerError
					require.ErrorAs(t, err, &refused)
					require.ErrorIs(t, err, row.want)
					b.DropFront(1)
				}
			}
		})
	}
}

// A route error's errno may also be a pending ICMP error's: each must be distinguished
// from the other.
func TestNoRouteAmongErrors(t *testing.T) {
	inNamespace(t, "ip link set lo up", "ip route add unreachable 127.0.0.9 table local")
	p, healthy := open(t, Options{}), open(t, local("127.0.0.1:0"))
	bad := Key{Lo: v4Mapped | 127<<24 | 9, Port: 9}
	closed := closedPort(t, "127.0.0.1")
	b := NewBatch(5, 8)
	for range 20 {
		b.Reset()
		for _, k := range []Key{closed, bad, on("127.0.0.1", healthy), closed, on("127.0.0.1", healthy)} {
			b.Commit(k, []byte("x"))
		}
		n, err := p.Send(b)
		require.Equal(t, 1, n)
		require.ErrorIs(t, err, syscall.EHOSTUNREACH)
		b.DropFront(n + 1)
		n, err = p.Send(b)
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	data, _ := receive(t, healthy, 40)
	require.Len(t, data, 40)
	_, icmp := receive(t, p, 40)
	require.Len(t, icmp, 40)
	for _, q := range icmp {
		require.Equal(t, Packet{Peer: closed, Unreachable: PortUnreachable}, q)
	}
}

// A neighbour that does not answer ARP keeps packets in the socket's buffer,
// which fills; when the kernel gives up on him, there is room again, and an
// error for each packet.
func TestSendBlocked(t *testing.T) {
	inNamespace(t,
		"ip link set lo up", "ip addr del 127.0.0.1/8 dev lo", // 127/8 is not all ours any more
		"ip link add wire type veth peer name end",
		"sys/net/ipv4/conf/wire/route_localnet=1",
		"sys/net/ipv4/neigh/wire/retrans_time_ms=50",
		"sys/net/ipv4/neigh/wire/mcast_solicit=1",
		"ip addr add 127.9.0.1/24 dev wire",
		"ip link set wire up", "ip link set end up")
	o := local("0.0.0.0:0")
	o.Sndbuf = 4096
	p := open(t, o)
	neighbour := Key{Lo: v4Mapped | 127<<24 | 9<<16 | 2, Port: 9}
	b := NewBatch(64, 64)
	for b.Len() < b.Cap() {
		b.Commit(neighbour, []byte("x"))
	}
	start := time.Now()
	n, err := p.Send(b)
	require.NoError(t, err)
	require.Less(t, n, 64, "there is room for some")
	require.NotZero(t, n)
	require.EqualValues(t, 1, p.Stats().SendBlocked)
	b.DropFront(n)

	again, err := p.Send(b)
	require.NoError(t, err)
	if time.Since(start) < 50*time.Millisecond { // else he may have been given up
		require.Zero(t, again, "nothing has changed")
	}
	require.EqualValues(t, 2, p.Stats().SendBlocked)
	b.DropFront(again)
	n += again

	// Recv waits for room, and for the errors.
	in := NewBatch(64, 64)
	start = time.Now()
	icmp := 0
	for time.Since(start) < time.Minute && icmp < n {
		require.NoError(t, p.Recv(in, time.Minute))
		for i := range in.Len() {
			require.Equal(t, Packet{Peer: neighbour, Unreachable: HostUnreachable}, *in.Packet(i))
			icmp++
		}
	}
	require.Less(t, time.Since(start), 30*time.Second)
	require.Equal(t, n, icmp)
	again, err = p.Send(b)
	require.NoError(t, err)
	require.NotZero(t, again)

	// Without ICMP errors the room alone ends the wait.
	o.NoICMP = true
	q := open(t, o)
	n, err = q.Send(b)
	require.NoError(t, err)
	require.Less(t, n, b.Len())
	start = time.Now()
	require.NoError(t, q.Recv(in, time.Minute))
	require.Less(t, time.Since(start), 30*time.Second)
	require.Zero(t, in.Len())
	b.DropFront(n)
	again, err = q.Send(b)
	require.NoError(t, err)
	require.NotZero(t, again)
}

// A device whose queue is full drops the packet and says ENOBUFS (to sockets
// with IP_RECVERR); the socket's own buffer has room, so that ppoll would not
// wait.
func TestDeviceQueueFull(t *testing.T) {
	inNamespace(t,
		"ip link set lo up", "ip addr del 127.0.0.1/8 dev lo",
		"ip link add wire type veth peer name end",
		"sys/net/ipv4/conf/wire/route_localnet=1",
		"ip addr add 127.9.0.1/24 dev wire",
		"ip link set wire up", "ip link set end up",
		"ip neigh add 127.9.0.2 lladdr 02:00:00:00:00:01 dev wire",
		"tc qdisc add dev wire root tbf rate 8kbit burst 1540 limit 1540")
	p := open(t, local("0.0.0.0:0"))
	b := NewBatch(64, 1000)
	for b.Len() < b.Cap() {
		b.Commit(Key{Lo: v4Mapped | 127<<24 | 9<<16 | 2, Port: 9}, make([]byte, 1000))
	}
	n, err := p.Send(b)
	require.NoError(t, err)
	require.NotZero(t, n)
	require.Less(t, n, 64)
	require.EqualValues(t, 1, p.Stats().SendBlocked)

	in := NewBatch(1, 1)
	start := time.Now()
	require.NoError(t, p.Recv(in, time.Minute))
	require.GreaterOrEqual(t, time.Since(start), devicePause, "it must not spin")
	require.Less(t, time.Since(start), 30*time.Second, "nor wait for a signal that never comes")

	// Until the next Send has no luck either, a wait is a wait.
	start = time.Now()
	require.NoError(t, p.Recv(in, 20*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
}

// A forger sends ICMP errors about datagrams from 127.0.0.1.
type forger int

func newForger(t *testing.T) forger {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_ICMP)
	if err != nil {
		t.Skip("a raw socket takes privilege: ", err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return forger(fd)
}

// forge sends p an error about a datagram to peer.
func (f forger) forge(p Port, peer Key, typ, code byte) error {
	msg := make([]byte, 8+20+8)
	msg[0], msg[1] = typ, code
	if typ == 3 && code == 4 {
		binary.BigEndian.PutUint16(msg[6:], 1400) // the next hop's MTU
	}
	ip := msg[8:]
	ip[0], ip[8], ip[9] = 0x45, 64, syscall.IPPROTO_UDP
	binary.BigEndian.PutUint16(ip[2:], 28)
	copy(ip[12:16], []byte{127, 0, 0, 1})
	binary.BigEndian.PutUint32(ip[16:20], uint32(peer.Lo))
	udp := ip[20:]
	binary.BigEndian.PutUint16(udp[0:], p.LocalAddr().Port())
	binary.BigEndian.PutUint16(udp[2:], peer.Port)
	binary.BigEndian.PutUint16(udp[4:], 8)
	sum := uint32(0)
	for i := 0; i < len(msg); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(msg[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xFFFF + sum>>16
	}
	binary.BigEndian.PutUint16(msg[2:], ^uint16(sum))
	return syscall.Sendto(int(f), msg, 0, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// Every errno that ICMP can leave behind, before a Send and before a Recv.
func TestEveryICMPError(t *testing.T) {
	inNamespace(t, "ip link set lo up") // where "too big" cannot change the machine's own routes
	peer := Key{Lo: v4Mapped | 127<<24 | 0x010203, Port: 27015}
	forger := newForger(t)
	for _, o := range []Options{{}, {Local: local("127.0.0.1:0").Local}} {
		p, healthy := open(t, o), open(t, local("127.0.0.1:0"))
		for _, typ := range []byte{3, 11, 12} { // unreachable, time exceeded, parameter problem
			for code := range byte(16) {
				if typ != 3 && code > 0 {
					break
				}
				what := fmt.Sprintf("type %d code %d", typ, code)
				want := extendedErr{originICMP, typ, code}.verdict()

				require.NoError(t, forger.forge(p, peer, typ, code))
				sendAll(t, p, what, on("127.0.0.1", healthy))
				data, _ := receive(t, healthy, 1)
				require.Len(t, data, 1, what)
				require.Equal(t, what, string(data[0].Data))

				sendAll(t, healthy, what, on("127.0.0.1", p))
				require.NoError(t, forger.forge(p, peer, typ, code))
				wanted := 3
				if want == Reachable {
					wanted = 1
				}
				data, icmp := receive(t, p, wanted)
				require.Len(t, data, 1, what)
				require.Equal(t, what, string(data[0].Data))
				if want == Reachable {
					require.Empty(t, icmp, what)
					continue
				}
				require.Len(t, icmp, 2, what)
				for _, q := range icmp {
					require.Equal(t, Packet{Peer: peer, Unreachable: want}, q, what)
				}
			}
		}
	}
}

// A full receive buffer has no room for the queue's entry, but the errno is
// left behind all the same: then nothing tells it from a missing route but a
// second try.
func TestErrnoWithoutEntry(t *testing.T) {
	o := local("127.0.0.1:0")
	o.Rcvbuf = 4096
	p, healthy := open(t, o), open(t, local("127.0.0.1:0"))
	full := make([]Key, 100)
	for i := range full {
		full[i] = on("127.0.0.1", p)
	}
	sendAll(t, healthy, "x", full...)
	require.NotZero(t, p.Stats().Drops)
	require.NoError(t, newForger(t).forge(p, nth(1), 3, 1))
	sendAll(t, p, "sent", on("127.0.0.1", healthy))
	data, _ := receive(t, healthy, 1)
	require.Len(t, data, 1)
	_, icmp := receive(t, p, 1)
	require.Empty(t, icmp, "there was an entry, and this test shows nothing")
}

// A flood of errors, as many as the machine can make while packets are sent,
// with the errno of a missing route: no healthy packet may be blamed for them,
// and none be lost.
func TestErrorFlood(t *testing.T) {
	const sent = 5000
	p, healthy := open(t, Options{Rcvbuf: 8 << 20}), open(t, Options{Local: local("127.0.0.1:0").Local, Rcvbuf: 8 << 20})
	holds(t, healthy, sent<<10)
	forger := newForger(t)
	peer := Key{Lo: v4Mapped | 127<<24 | 0x010203, Port: 27015}
	var stop atomic.Bool
	flooded := make(chan error)
	go func() {
		var err error
		for err == nil && !stop.Load() {
			err = forger.forge(p, peer, 3, 1)
		}
		flooded <- err
	}()
	out, in := NewBatch(4, 8), NewBatch(64, 64)
	blocked, icmp := 0, uint64(0)
	for i := 0; i < sent || out.Len() > 0; {
		for ; i < sent && out.Len() < out.Cap(); i++ {
			out.Commit(on("127.0.0.1", healthy), binary.BigEndian.AppendUint32(out.Next(), uint32(i)))
		}
		n, err := p.Send(out)
		require.NoError(t, err)
		if out.DropFront(n); out.Len() > 0 { // only then, so that errors pile up
			blocked++
			require.NoError(t, p.Recv(in, -1))
			icmp += uint64(in.Len())
		}
	}
	stop.Store(true)
	require.NoError(t, <-flooded)
	data, _ := receive(t, healthy, sent)
	require.Len(t, data, sent)
	for i, q := range data {
		require.EqualValues(t, i, binary.BigEndian.Uint32(q.Data))
	}
	_, rest := receive(t, p, 0)
	require.Equal(t, p.Stats().ICMP, icmp+uint64(len(rest)))
	t.Logf("%d errors, %d times no room for more", p.Stats().ICMP, blocked)
}

// An ICMP error that comes while a batch is being read ends the call behind the
// datagrams that it has, and shows in the next: a short batch is no sign that nothing
// is left, and does not say so.
func TestShortBatchBeforeAnError(t *testing.T) {
	p := open(t, Options{Rcvbuf: 8 << 20})
	holds(t, p, 2<<20)
	from := open(t, local("127.0.0.1:0"))
	to := on("127.0.0.1", p)
	shut := NewBatch(1, 8)
	shut.Commit(closedPort(t, "127.0.0.1"), []byte("x"))

	quit, done := make(chan struct{}), make(chan struct{})
	fd := p.fd
	var unread atomic.Int64 // errors: they must not fill the buffer
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			if unread.Load() > 1000 {
				runtime.Gosched()
				continue
			}
			// It comes back at once, into the midst of a Recv.
			if n, _ := sendmmsg(fd, shut.toSend(p.inet4)); n > 0 {
				unread.Add(1)
			}
		}
	}()
	defer func() { close(quit); <-done }()

	b, out := NewBatch(64, 64), NewBatch(64, 8)
	errors := 0
	for range 200 {
		out.Reset()
		for out.Len() < out.Cap() {
			out.Commit(to, []byte("x"))
		}
		const rounds = 4
		for range rounds {
			n, err := from.Send(out)
			require.NoError(t, err)
			require.Equal(t, out.Len(), n)
		}
		for got := 0; ; {
			require.NoError(t, p.Recv(b, 0))
			for i := range b.Len() {
				if b.Packet(i).Unreachable == Reachable {
					got++
				} else {
					errors++
					unread.Add(-1)
				}
			}
			if !b.More() {
				require.Equal(t, rounds*out.Cap(), got, "the rest waits in the socket")
				break
			}
		}
	}
	require.NotZero(t, errors)
}
