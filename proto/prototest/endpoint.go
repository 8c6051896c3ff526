package prototest

import (
	"encoding/binary"
	"net/netip"
)

// An Endpoint is an address and a port without a pointer, IPv4 in its mapped
// form, so that 127.0.0.1 and ::ffff:127.0.0.1 are one server.
type Endpoint struct {
	Hi, Lo uint64 // the 16 address bytes, big-endian
	Port   uint16
}

// EndpointFrom returns the Endpoint of ap. Zones are dropped.
func EndpointFrom(ap netip.AddrPort) Endpoint {
	a := ap.Addr().As16()
	return Endpoint{Hi: binary.BigEndian.Uint64(a[:8]), Lo: binary.BigEndian.Uint64(a[8:]), Port: ap.Port()}
}

// AddrPort returns e in its plain form, IPv4 unmapped.
func (e Endpoint) AddrPort() netip.AddrPort {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], e.Hi)
	binary.BigEndian.PutUint64(a[8:], e.Lo)
	return netip.AddrPortFrom(netip.AddrFrom16(a).Unmap(), e.Port)
}

// String returns e as people write it.
func (e Endpoint) String() string { return e.AddrPort().String() }

// hash returns 64 bits that depend on the seed and on all of e.
func (e Endpoint) hash(seed uint64) uint64 {
	h := mix(seed + golden)
	if e.Hi != 0 {
		h = mix(h ^ e.Hi)
	}
	h = mix(h ^ e.Lo)
	return mix(h ^ uint64(e.Port)*golden)
}

// hashAddr is hash without the port: a server identifies a client by its address.
func (e Endpoint) hashAddr(seed uint64) uint64 {
	return mix(mix(seed^golden) ^ mix(e.Hi+golden) ^ e.Lo)
}
