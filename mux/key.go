package mux

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// A Key is a peer's address and port: a netip.AddrPort without the pointer, 24
// bytes, comparable. IPv4 addresses are held in their v4-mapped form, so that
// 1.2.3.4 and ::ffff:1.2.3.4 are one peer.
type Key struct {
	Hi, Lo uint64 // the 16 address bytes, big-endian
	Scope  uint32 // interface index of a link-local IPv6 address, else 0
	Port   uint16
}

// KeyFrom returns the Key of ap. A zone is the number of an interface; the Scope of other
// zones, and of addresses that are not link-local, is 0. The zero AddrPort yields the zero
// Key.
func KeyFrom(ap netip.AddrPort) Key {
	a := ap.Addr().As16()
	return Key{
		Hi:    binary.BigEndian.Uint64(a[:8]),
		Lo:    binary.BigEndian.Uint64(a[8:]),
		Port:  ap.Port(),
		Scope: scopeOf(ap.Addr()),
	}
}

// AddrPort returns the address in its plain form: IPv4 unmapped, a scope as a
// numeric zone.
func (k Key) AddrPort() netip.AddrPort { return netip.AddrPortFrom(k.Addr(), k.Port) }

// Addr returns the address without the port, IPv4 unmapped. That of the zero
// Key is ::.
func (k Key) Addr() netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], k.Hi)
	binary.BigEndian.PutUint64(a[8:], k.Lo)
	ip := netip.AddrFrom16(a).Unmap()
	if k.Scope != 0 {
		ip = ip.WithZone(zoneOf(k.Scope))
	}
	return ip
}

// Is4 reports whether the address is IPv4.
func (k Key) Is4() bool { return k.Hi == 0 && k.Lo>>32 == v4Mapped>>32 }

// v4Mapped is ::ffff:0:0/96's share of Key.Lo.
const v4Mapped = 0xFFFF << 32

// scoped reports whether the zone of a means anything. Of other addresses the
// system tells none when they answer, so that a Key with one would never be found.
func scoped(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && a.IsLinkLocalUnicast() && a.Zone() != ""
}

// scopeOf returns the number that the zone of a is, or 0 where it is none.
func scopeOf(a netip.Addr) uint32 {
	if !scoped(a) {
		return 0
	}
	n, err := strconv.ParseUint(a.Zone(), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func zoneOf(scope uint32) string { return strconv.FormatUint(uint64(scope), 10) }
