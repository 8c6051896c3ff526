package weblist

import (
	"encoding/binary"
	"net/netip"
)

// A Summary describes a list that was fetched.
type Summary struct {
	Rows       int    // of all responses
	Servers    int    // handed on
	FakeIP     int    // servers behind Steam's relay
	Duplicates int    // rows whose address had come before
	Unreadable int    // rows without an address
	Calls      int    // requests, repeated ones included
	Incomplete []Part // what the list may lack; empty: it is complete
}

// A Part is a part of a list that may lack servers.
type Part struct {
	Part   string // its filter or its address
	Reason string
}

// seen is a set of addresses, 7 to 14 bytes each.
type seen struct {
	v4 map[[6]byte]struct{}
	v6 map[[18]byte]struct{}
}

// add reports whether a is new.
func (s *seen) add(a netip.AddrPort) bool {
	if a.Addr().Is4() {
		var k [6]byte
		v4 := a.Addr().As4()
		copy(k[:], v4[:])
		binary.BigEndian.PutUint16(k[4:], a.Port())
		return add(&s.v4, k)
	}
	var k [18]byte
	v6 := a.Addr().As16()
	copy(k[:], v6[:])
	binary.BigEndian.PutUint16(k[16:], a.Port())
	return add(&s.v6, k)
}

func add[K comparable](m *map[K]struct{}, k K) bool {
	if _, ok := (*m)[k]; ok {
		return false
	}
	if *m == nil {
		*m = map[K]struct{}{}
	}
	(*m)[k] = struct{}{}
	return true
}
