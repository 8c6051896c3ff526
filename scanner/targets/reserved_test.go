package targets

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is cut out of prefixes is what Unicast refuses.
func TestUnaskedIsWhatUnicastRefuses(t *testing.T) {
	check := func(a address) {
		err := Unicast(a.key(0).Addr())
		require.Equal(t, err != nil, unasked.contains(a), "%v", a)
		if err != nil {
			require.Equal(t, err.Error(), unaskedReason(a, 0))
		} else {
			require.Empty(t, unaskedReason(a, 0))
		}
	}
	for _, iv := range unasked.ivs {
		for n := range uint64(3) {
			check(iv.first.plus(n))
			check(iv.first.minus(n))
			check(iv.last.plus(n))
			check(iv.last.minus(n))
		}
	}
	for n := range uint32(1 << 16) {
		check(address4(n << 16))
		check(address4(n<<16 | 0xffff))
		check(address{uint64(n) << 48, 1})
	}
	require.Empty(t, unaskedReason(address{0xfe80 << 48, 1}, 2), "a link-local address with its interface is one host's")
}

func TestUnicast(t *testing.T) {
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
		{"fe80::1", "fe80::1 is a link-local address without a zone, which every interface has its own of"},
		{"fe80::1%eth0", ""},
		{"ff02::1", "ff02::1 is a multicast address"},
		{"ff02::1%eth0", "ff02::1%eth0 is a multicast address"},
	} {
		err := Unicast(netip.MustParseAddr(row.addr))
		if row.want == "" {
			require.NoError(t, err, row.addr)
			continue
		}
		require.EqualError(t, err, row.want)
		var e *AddressError
		require.ErrorAs(t, err, &e)
	}
	require.EqualError(t, Unicast(netip.Addr{}), "no address")
	require.Zero(t, testing.AllocsPerRun(100, func() { Unicast(netip.AddrFrom4([4]byte{10, 0, 0, 1})) }))
}
