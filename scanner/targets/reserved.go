package targets

import (
	"net/netip"
	"strings"
)

// An AddressError reports an address to which nothing may be sent.
type AddressError struct {
	Addr   netip.Addr
	Reason string // such as "a multicast address"
}

func (e *AddressError) Error() string {
	if !e.Addr.IsValid() {
		return "no address"
	}
	return e.Addr.String() + " is " + e.Reason
}

// reserved are the prefixes whose addresses are not, or not only, one host's
// (RFC 6890), with a reason for each. The first match counts.
var reserved = []struct {
	prefix netip.Prefix
	reason string
}{
	{netip.MustParsePrefix("0.0.0.0/32"), "the unspecified address"},
	{netip.MustParsePrefix("0.0.0.0/8"), `an address of "this network" (RFC 791)`},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address (RFC 3927; Steam's relays show such)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("::/128"), "the unspecified address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
	{linkLocal, "a link-local address without a zone, which every interface has its own of"},
}

// linkLocal addresses may be asked if a zone names their interface.
var linkLocal = netip.MustParsePrefix("fe80::/10")

// Unicast returns nil if a can be the address of one host that a scan may ask, and
// an *AddressError otherwise. It does not rely on the system to refuse: Linux takes
// 0.0.0.0 for this machine and sends to multicast groups, and package net permits
// broadcasts on every socket.
func Unicast(a netip.Addr) error {
	a = a.Unmap()
	if !a.IsValid() {
		return &AddressError{a, ""}
	}
	plain := a.WithZone("")
	for _, r := range reserved {
		if r.prefix.Contains(plain) && (r.prefix != linkLocal || a.Zone() == "") {
			return &AddressError{a, r.reason}
		}
	}
	return nil
}

// unasked holds the reserved prefixes as intervals: prefixes and ranges are cut by
// them before they are expanded.
var unasked = func() *AddrSet {
	var list []string
	for _, r := range reserved {
		list = append(list, r.prefix.String())
	}
	s := new(AddrSet)
	if err := s.AddList(strings.Join(list, ",")); err != nil {
		panic(err)
	}
	return s
}()

// unaskedReason returns why a may not be asked, or "" if it may.
func unaskedReason(a address, scope uint32) string {
	if !unasked.contains(a) {
		return ""
	}
	k := a.key(0)
	k.Scope = scope
	if err := Unicast(k.Addr()); err != nil {
		return err.Error()
	}
	return ""
}
