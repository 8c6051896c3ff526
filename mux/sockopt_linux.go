//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"github.com/a2scan/a2scan/internal/ipaddr"
)

// errNoBatches means that the system does not have recvmmsg or sendmmsg: old
// subsystems for Linux, emulators, and some containers do not.
var errNoBatches = errors.New("packets cannot travel in batches here")

// Replaced by tests.
var (
	setsockopt = syscall.SetsockoptInt
	syscall6   = syscall.Syscall6
)

// listen opens a socket that moves packets in batches, or one of package net if the
// system has no such calls.
func listen(o Options) (Port, error) {
	p, err := listenBatches(o)
	if err == nil {
		return p, nil
	}
	if o.Wildcard || !errors.Is(err, errNoBatches) {
		return nil, err
	}
	n, err := listenNet(o)
	if err != nil {
		return nil, err
	}
	n.stats.Missing = append(n.stats.Missing,
		"batches of packets, ICMP errors and drop counts (no sendmmsg or recvmmsg)")
	return n, nil
}

func listenBatches(o Options) (*udpPort, error) {
	fd, inet4, err := bound(o)
	if err != nil {
		return nil, err
	}
	p := &udpPort{fd: fd, inet4: inet4, wildcard: o.Wildcard}
	a := o.Local.Addr()
	p.v4 = inet4 || !a.IsValid() || a.IsUnspecified()
	p.v6 = !inet4
	err = probeBatches(fd)
	if err == nil {
		err = p.prepare(o)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return p, nil
}

// probeBatches returns errNoBatches if a call that moves no packet fails.
func probeBatches(fd int) error {
	for _, trap := range []uintptr{syscall.SYS_RECVMMSG, sysSendmmsg} {
		_, _, errno := syscall6(trap, uintptr(fd), 0, 0, syscall.MSG_DONTWAIT, 0, 0)
		if errno == syscall.ENOSYS || errno == syscall.EPERM {
			return errNoBatches
		}
	}
	return nil
}

// bound returns a bound non-blocking socket and whether it is an AF_INET one.
// It is not one of package net's, which sets SO_BROADCAST on every UDP socket:
// without it the kernel refuses to send to a broadcast address.
func bound(o Options) (fd int, inet4 bool, err error) {
	a := o.Local.Addr()
	if a.Is4() {
		fd, err = boundTo(&syscall.SockaddrInet4{Addr: a.As4(), Port: int(o.Local.Port())}, false)
		return fd, true, err
	}
	scope, err := ipaddr.Scope(a)
	if err != nil {
		return -1, false, err
	}
	sa := &syscall.SockaddrInet6{Addr: a.As16(), Port: int(o.Local.Port()), ZoneId: scope}
	fd, err = boundTo(sa, a.IsValid() && !a.IsUnspecified())
	if err == nil || a.IsValid() {
		return fd, false, err
	}
	// A machine whose kernel has no IPv6 still has IPv4, and then its error is
	// the one that counts.
	fd, err = boundTo(&syscall.SockaddrInet4{Port: int(o.Local.Port())}, false)
	return fd, true, err
}

func boundTo(sa syscall.Sockaddr, v6only bool) (int, error) {
	family := syscall.AF_INET
	if _, ok := sa.(*syscall.SockaddrInet6); ok {
		family = syscall.AF_INET6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family == syscall.AF_INET6 {
		// The default is the administrator's (net.ipv6.bindv6only).
		if err := set(fd, "IPV6_V6ONLY", syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, boolint(v6only)); err != nil {
			syscall.Close(fd)
			return -1, err
		}
	}
	if err := syscall.Bind(fd, sa); err != nil {
		syscall.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// prepare sets the options of a bound socket and fills in Stats. A scan works
// without those options that have a text: if the system refuses one, the text is
// listed in PortStats.Missing.
func (p *udpPort) prepare(o Options) error {
	const noICMP = "ICMP errors: closed ports look silent"
	options := []struct {
		name       string
		level, opt int
		on         bool
		without    string
	}{
		{"SO_RXQ_OVFL", syscall.SOL_SOCKET, syscall.SO_RXQ_OVFL, true, "counts of dropped replies with each reply"},
		{"SO_TIMESTAMPNS", syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, true, "times of arrival: round trips include the time in the receive buffer"},
		{"IP_RECVERR", syscall.IPPROTO_IP, syscall.IP_RECVERR, !o.NoICMP, noICMP},
		{"IPV6_RECVERR", syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, !o.NoICMP && !p.inet4, noICMP},
		{"IP_PKTINFO", syscall.IPPROTO_IP, syscall.IP_PKTINFO, o.Wildcard && p.inet4, ""},
		// It reports the address of IPv4 datagrams too.
		{"IPV6_RECVPKTINFO", syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, o.Wildcard && !p.inet4, ""},
	}
	for _, s := range options {
		if !s.on {
			continue
		}
		err := set(p.fd, s.name, s.level, s.opt, 1)
		if err != nil && s.without == "" {
			return err
		}
		if err != nil {
			p.stats.Missing = append(p.stats.Missing, fmt.Sprintf("%s (%v)", s.without, err))
		}
	}

	if !o.Wildcard {
		// A short packet that may never be fragmented needs no identification, for which
		// the kernel otherwise computes a hash of the addresses: a tenth of a scan's time.
		// Without the option all works the same. Servers may send longer packets.
		// (IP_PMTUDISC_DO, which also looks at the path's MTU, costs more than it saves.)
		_ = set(p.fd, "IP_MTU_DISCOVER", syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, syscall.IP_PMTUDISC_PROBE)
	}

	p.stats.RcvbufRequested = o.Rcvbuf
	var err error
	p.stats.RcvbufActual, err = grow(p.fd, o.Rcvbuf, syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE)
	if err != nil {
		return fmt.Errorf("SO_RCVBUF: %w", err)
	}
	p.stats.SndbufActual, err = grow(p.fd, o.Sndbuf, syscall.SO_SNDBUF, syscall.SO_SNDBUFFORCE)
	if err != nil {
		return fmt.Errorf("SO_SNDBUF: %w", err)
	}

	p.local, err = sockname(p.fd)
	if err != nil {
		return err
	}
	return p.life.open(p.fd)
}

// grow asks for a buffer of n bytes (0: leaves it alone) and returns what the
// kernel granted, which counts twice what was asked for, its own overhead
// included, and silently no more than net.core.[rw]mem_max unless it is forced,
// which takes CAP_NET_ADMIN.
func grow(fd, n, opt, force int) (granted int, err error) {
	granted, err = syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, opt)
	if err != nil || n == 0 {
		return granted, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, opt, n); err != nil {
		return 0, err
	}
	granted, err = syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, opt)
	if err != nil || granted >= 2*n {
		return granted, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, force, n); err != nil {
		return granted, nil // not privileged: what is granted is granted
	}
	return syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, opt)
}

func sockname(fd int) (netip.AddrPort, error) {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *syscall.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			a = a.WithZone(zoneOf(sa.ZoneId))
		}
		return netip.AddrPortFrom(a, uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, errors.New("getsockname: unknown address family")
}

// soMeminfo is SO_MEMINFO: nine u32, of which the first says what the receive buffer
// holds and the last counts drops (linux/sock_diag.h).
const (
	soMeminfo    = 55
	meminfoUsed  = 0
	meminfoDrops = 8
	meminfoVars  = 9
)

// meminfo asks what the receive buffer holds, and for the same counter that
// SO_RXQ_OVFL attaches to datagrams, but now: those tell of the drops before they were
// queued, never of the last ones. Of what was received the kernel takes off the buffer
// in portions, up to a quarter of it (udp_rmem_release), so that used may be too much by
// that, and never is too little.
func meminfo(fd int) (used, drops uint32, ok bool) {
	var info [meminfoVars * 4]byte
	size := uint32(len(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, soMeminfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(len(info)) {
		return 0, 0, false // before Linux 4.12
	}
	return binary.NativeEndian.Uint32(info[meminfoUsed*4:]), binary.NativeEndian.Uint32(info[meminfoDrops*4:]), true
}

func set(fd int, name string, level, opt, value int) error {
	if err := setsockopt(fd, level, opt, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func boolint(b bool) int {
	if b {
		return 1
	}
	return 0
}
