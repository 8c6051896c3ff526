//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// refuseCall makes a system call fail until the test ends.
func refuseCall(t *testing.T, refused uintptr, errno syscall.Errno) {
	real := syscall6
	t.Cleanup(func() { syscall6 = real })
	syscall6 = func(trap, a1, a2, a3, a4, a5, a6 uintptr) (uintptr, uintptr, syscall.Errno) {
		if trap == refused {
			return 0, 0, errno
		}
		return real(trap, a1, a2, a3, a4, a5, a6)
	}
}

// exchange sends a datagram to p and an answer back.
func exchange(t *testing.T, p Port) {
	peer := open(t, Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
	for _, hop := range [][2]Port{{peer, p}, {p, peer}} {
		out := NewBatch(1, 4)
		out.Commit(KeyFrom(hop[1].LocalAddr()), append(out.Next(), "ping"...))
		n, err := hop[0].Send(out)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		in := NewBatch(4, 16)
		for in.Len() == 0 {
			require.NoError(t, hop[1].Recv(in, time.Minute))
		}
		require.Equal(t, "ping", string(in.Packet(0).Data))
	}
}

func TestOptionalSocketOptions(t *testing.T) {
	for name, refused := range map[string][2]int{
		"SO_RXQ_OVFL":    {syscall.SOL_SOCKET, syscall.SO_RXQ_OVFL},
		"SO_TIMESTAMPNS": {syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS},
		"IP_RECVERR":     {syscall.IPPROTO_IP, syscall.IP_RECVERR},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { setsockopt = syscall.SetsockoptInt })
			setsockopt = func(fd, level, opt, value int) error {
				if [2]int{level, opt} == refused {
					return syscall.ENOPROTOOPT
				}
				return syscall.SetsockoptInt(fd, level, opt, value)
			}
			p, err := Listen(Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
			require.NoError(t, err)
			t.Cleanup(func() { p.Close() })
			require.Len(t, p.Stats().Missing, 1)
			require.Contains(t, p.Stats().Missing[0], name)
			setsockopt = syscall.SetsockoptInt
			exchange(t, p)
		})
	}
}

// Packets carry the flag "don't fragment", so that the kernel chooses no identification.
func TestDontFragment(t *testing.T) {
	for _, local := range []string{"127.0.0.1:0", "[::]:0"} {
		for wildcard, want := range map[bool]int{false: syscall.IP_PMTUDISC_PROBE, true: syscall.IP_PMTUDISC_WANT} {
			p := open(t, Options{Local: netip.MustParseAddrPort(local), Wildcard: wildcard})
			got, err := syscall.GetsockoptInt(p.fd, syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
}

// The time that a datagram waits in the socket is known, and 0 if the option is missing.
func TestWaits(t *testing.T) {
	t.Cleanup(func() { setsockopt = syscall.SetsockoptInt })
	for _, missing := range []bool{false, true} {
		setsockopt = func(fd, level, opt, value int) error {
			if missing && opt == syscall.SO_TIMESTAMPNS {
				return syscall.ENOPROTOOPT
			}
			return syscall.SetsockoptInt(fd, level, opt, value)
		}
		for _, local := range []string{"127.0.0.1:0", "[::]:0"} {
			p := open(t, Options{Local: netip.MustParseAddrPort(local)})
			from := open(t, Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p.LocalAddr().Port())
			out, in := NewBatch(1, 4), NewBatch(4, 16)
			began := time.Now()
			for range 2 {
				out.Reset()
				out.Commit(KeyFrom(to), append(out.Next(), "ping"...))
				_, err := from.Send(out)
				require.NoError(t, err)
				time.Sleep(30 * time.Millisecond)
			}
			for in.Len() < 2 { // they are there already
				require.NoError(t, p.Recv(in, 0))
			}
			most := time.Since(began)
			waits := in.waits
			if missing {
				require.Equal(t, []time.Duration{0, 0}, waits[:2])
				continue
			}
			require.GreaterOrEqual(t, waits[1], 29*time.Millisecond)
			require.GreaterOrEqual(t, waits[0]-waits[1], 29*time.Millisecond)
			require.LessOrEqual(t, waits[0], most)
		}
	}
}

func TestNoBatchCalls(t *testing.T) {
	for name, trap := range map[string]uintptr{"recvmmsg": syscall.SYS_RECVMMSG, "sendmmsg": sysSendmmsg} {
		t.Run(name, func(t *testing.T) {
			refuseCall(t, trap, syscall.ENOSYS)
			p, err := Listen(Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
			require.NoError(t, err)
			t.Cleanup(func() { p.Close() })
			require.IsType(t, (*netPort)(nil), p)
			require.Contains(t, p.Stats().Missing[0], name)
			_, err = Listen(Options{Wildcard: true})
			require.ErrorIs(t, err, errNoBatches)
			syscall6 = syscall.Syscall6
			exchange(t, p)
		})
	}
}
