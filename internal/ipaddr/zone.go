package ipaddr

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Scope returns the number of the interface that the zone of a names or numbers. Only
// link-local addresses have one; for others it is 0, because the system names no zone
// when they answer. A zone that is no interface is an error for these too.
func Scope(a netip.Addr) (uint32, error) {
	zone := a.Zone()
	if zone == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return 0, fmt.Errorf("zone %q: %w", zone, err)
		}
		n = uint64(i.Index)
	}
	if !a.IsLinkLocalUnicast() || a.Is4In6() {
		return 0, nil
	}
	return uint32(n), nil
}
