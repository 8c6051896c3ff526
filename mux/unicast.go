package mux

import "net/netip"

// An AddressError says why nothing may be sent to an address.
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

// reserved are the IPv4 prefixes that are not, or not only, one host's address
// (RFC 6890), with a reason for each.
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
}

// Unicast returns nil where a can be the address of one host that a scan may
// ask, and an *AddressError where it cannot. It does not rely on the system to
// refuse: Linux takes 0.0.0.0 for this machine and sends to multicast groups,
// and package net permits broadcasts on every socket.
func Unicast(a netip.Addr) error {
	a = a.Unmap()
	if a.Is4() {
		for _, r := range reserved {
			if r.prefix.Contains(a) {
				return &AddressError{a, r.reason}
			}
		}
		return nil
	}
	switch {
	case !a.IsValid():
		return &AddressError{a, ""}
	case a.WithZone("") == netip.IPv6Unspecified():
		return &AddressError{a, "the unspecified address"}
	case a.IsMulticast():
		return &AddressError{a, "a multicast address"}
	case a.IsLinkLocalUnicast() && a.Zone() == "":
		return &AddressError{a, "a link-local address without a zone, which every interface has its own of"}
	}
	return nil
}
