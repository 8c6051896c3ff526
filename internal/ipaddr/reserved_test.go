package ipaddr

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckUnicast(t *testing.T) {
	for _, row := range []struct{ addr, want string }{
		{"0.0.0.0", "0.0.0.0 is the unspecified address"},
		{"0.0.0.1", `0.0.0.1 is an address of "this network" (RFC 791)`},
		{"0.255.255.255", `0.255.255.255 is an address of "this network" (RFC 791)`},
		{"1.0.0.0", ""},
		{"10.0.0.1", ""},
		{"127.0.0.1", ""},
		{"169.253.255.255", ""},
		{"169.254.0.0", "169.254.0.0 is a link-local address (RFC 3927; Steam's relays show such)"},
		{"169.254.255.255", "169.254.255.255 is a link-local address (RFC 3927; Steam's relays show such)"},
		{"169.255.0.0", ""},
		{"192.168.1.255", ""}, // a broadcast address to its own network alone: the kernel refuses it
		{"223.255.255.255", ""},
		{"224.0.0.0", "224.0.0.0 is a multicast address"},
		{"239.255.255.255", "239.255.255.255 is a multicast address"},
		{"240.0.0.0", "240.0.0.0 is reserved (RFC 1112)"},
		{"255.255.255.254", "255.255.255.254 is reserved (RFC 1112)"},
		{"255.255.255.255", "255.255.255.255 is the broadcast address"},
		{"::ffff:224.0.0.1", "224.0.0.1 is a multicast address"},
		{"::ffff:1.2.3.4", ""},
		{"::", ":: is the unspecified address"},
		{"::%eth0", "::%eth0 is the unspecified address"},
		{"::1", ""},
		{"2001:db8::1", ""},
		{"fe80::1", "fe80::1 is a link-local address without a zone, and every interface has such addresses"},
		{"fe80::1%eth0", ""},
		{"ff02::1", "ff02::1 is a multicast address"},
		{"ff02::1%eth0", "ff02::1%eth0 is a multicast address"},
	} {
		err := CheckUnicast(netip.MustParseAddr(row.addr))
		if row.want == "" {
			require.NoError(t, err, row.addr)
			continue
		}
		require.EqualError(t, err, row.want)
	}
	require.EqualError(t, CheckUnicast(netip.Addr{}), "no address")
	require.Zero(t, testing.AllocsPerRun(100, func() { CheckUnicast(netip.AddrFrom4([4]byte{10, 0, 0, 1})) }))
}
