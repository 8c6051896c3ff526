package mux

import (
	"net/netip"
	"strconv"
)

// A Key is a peer's address and port: a netip.AddrPort without the pointer,
// 24 bytes, comparable. IPv4 addresses are held in their v4-mapped form, so
// that 1.2.3.4 and ::ffff:1.2.3.4 are one peer.
type Key struct {
	Hi, Lo uint64 // the 16 address bytes, big-endian
	Scope  uint32 // interface index of a link-local IPv6 address, else 0
	Port   uint16
}

// KeyFrom returns the Key of ap. Zones that are not a number are not resolved
// here and yield Scope 0.
func KeyFrom(ap netip.AddrPort) Key {
	a := ap.Addr().As16()
	return Key{Hi: be64(a[:8]), Lo: be64(a[8:]), Port: ap.Port(), Scope: scopeOf(ap.Addr().Zone())}
}

// AddrPort returns the address in its plain form: IPv4 unmapped, a scope as a
// numeric zone.
func (k Key) AddrPort() netip.AddrPort { return netip.AddrPortFrom(k.Addr(), k.Port) }

// Addr returns the address without the port, IPv4 unmapped.
func (k Key) Addr() netip.Addr {
	var a [16]byte
	putBE64(a[:8], k.Hi)
	putBE64(a[8:], k.Lo)
	ip := netip.AddrFrom16(a).Unmap()
	if k.Scope != 0 {
		ip = ip.WithZone(zoneOf(k.Scope))
	}
	return ip
}

// Is4 reports whether the address is IPv4.
func (k Key) Is4() bool { return k.Hi == 0 && k.Lo>>32 == 0xFFFF }

func be64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
}

func putBE64(b []byte, v uint64) {
	_ = b[7]
	for i := range 8 {
		b[i] = byte(v >> (56 - 8*i))
	}
}

func scopeOf(zone string) uint32 {
	var n uint32
	for _, c := range []byte(zone) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

func zoneOf(scope uint32) string { return strconv.FormatUint(uint64(scope), 10) }
