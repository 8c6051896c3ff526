// Package ipaddr has rules about IP addresses: which ones can be one host's, and which
// interface a zone means.
package ipaddr

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
)

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
	{linkLocal, "a link-local address without a zone, and every interface has such addresses"},
}

// linkLocal addresses may be asked if a zone names their interface.
var linkLocal = netip.MustParsePrefix("fe80::/10")

// Reserved returns the prefixes whose addresses [CheckUnicast] refuses.
func Reserved() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, r := range reserved {
			if !yield(r.prefix) {
				return
			}
		}
	}
}

// CheckUnicast returns nil if a can be the address of one host that a scan may ask, and
// otherwise an error that says why not. It does not rely on the system to refuse: Linux
// takes 0.0.0.0 for this machine and sends to multicast groups, and package net permits
// broadcasts on every socket.
func CheckUnicast(a netip.Addr) error {
	a = a.Unmap()
	if !a.IsValid() {
		return errors.New("no address")
	}
	plain := a.WithZone("")
	for _, r := range reserved {
		if r.prefix.Contains(plain) && (r.prefix != linkLocal || a.Zone() == "") {
			return fmt.Errorf("%s is %s", a, r.reason)
		}
	}
	return nil
}
