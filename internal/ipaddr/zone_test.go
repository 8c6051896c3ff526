package ipaddr

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScope(t *testing.T) {
	local := netip.MustParseAddr("fe80::1")
	for zone, want := range map[string]uint32{"": 0, "12": 12, "0": 0} {
		id, err := Scope(local.WithZone(zone))
		require.NoError(t, err)
		require.Equal(t, want, id)
	}
	for _, a := range []string{"::1%12", "2001:db8::1%12", "192.0.2.1"} {
		id, err := Scope(netip.MustParseAddr(a))
		require.NoError(t, err)
		require.Zero(t, id, a)
	}
	for _, a := range []netip.Addr{local, netip.IPv6Loopback()} {
		_, err := Scope(a.WithZone("no such interface"))
		require.ErrorContains(t, err, `zone "no such interface"`)
	}
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range interfaces {
		id, err := Scope(local.WithZone(i.Name))
		require.NoError(t, err)
		require.EqualValues(t, i.Index, id)
	}
}
