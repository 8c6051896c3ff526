package mux

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKey(t *testing.T) {
	for _, row := range []struct {
		in, out string // out if it is another
		key     Key
		is4     bool
	}{
		{in: "1.2.3.4:27015", key: Key{Lo: 0xFFFF_0102_0304, Port: 27015}, is4: true},
		{in: "[::ffff:1.2.3.4]:27015", out: "1.2.3.4:27015", key: Key{Lo: 0xFFFF_0102_0304, Port: 27015}, is4: true},
		{in: "255.255.255.255:65535", key: Key{Lo: 0xFFFF_FFFF_FFFF, Port: 65535}, is4: true},
		{in: "0.0.0.0:0", key: Key{Lo: 0xFFFF_0000_0000}, is4: true},
		{in: "[::1]:80", key: Key{Lo: 1, Port: 80}},
		{in: "[::1.2.3.4]:80", out: "[::102:304]:80", key: Key{Lo: 0x0102_0304, Port: 80}}, // v4-compatible, another thing
		{in: "[2001:db8:1:2:3:4:5:6]:1", key: Key{Hi: 0x2001_0DB8_0001_0002, Lo: 0x0003_0004_0005_0006, Port: 1}},
		{in: "[fe80::1%7]:1", key: Key{Hi: 0xFE80 << 48, Lo: 1, Scope: 7, Port: 1}},
		{in: "[fe80::1%4294967295]:1", key: Key{Hi: 0xFE80 << 48, Lo: 1, Scope: 1<<32 - 1, Port: 1}},
		{in: "[fe80::1%eth0]:1", out: "[fe80::1]:1", key: Key{Hi: 0xFE80 << 48, Lo: 1, Port: 1}},
		{in: "[febf::1%7]:1", key: Key{Hi: 0xFEBF << 48, Lo: 1, Scope: 7, Port: 1}},
		{in: "[::1%7]:1", out: "[::1]:1", key: Key{Lo: 1, Port: 1}}, // the system tells no scope of what answers
		{in: "[2001:db8::1%7]:1", out: "[2001:db8::1]:1", key: Key{Hi: 0x2001_0DB8 << 32, Lo: 1, Port: 1}},
		{in: "[fec0::1%7]:1", out: "[fec0::1]:1", key: Key{Hi: 0xFEC0 << 48, Lo: 1, Port: 1}},
		{in: "[fe80::1%4294967296]:1", out: "[fe80::1]:1", key: Key{Hi: 0xFE80 << 48, Lo: 1, Port: 1}},
	} {
		t.Run(row.in, func(t *testing.T) {
			k := KeyFrom(netip.MustParseAddrPort(row.in))
			require.Equal(t, row.key, k)
			require.Equal(t, row.is4, k.Is4())
			if row.out == "" {
				row.out = row.in
			}
			require.Equal(t, row.out, k.AddrPort().String())
			require.Equal(t, k.AddrPort().Addr(), k.Addr())
			require.Equal(t, k, KeyFrom(k.AddrPort()))
		})
	}
	require.Zero(t, KeyFrom(netip.AddrPort{}))
	require.Equal(t, netip.IPv6Unspecified(), Key{}.Addr())
}

func TestKeyAllocs(t *testing.T) {
	ap := netip.MustParseAddrPort("[2001:db8::1]:27015")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if KeyFrom(ap).AddrPort() != ap {
			t.Error("not the same")
		}
	}))
}

func FuzzKey(f *testing.F) {
	f.Add(uint64(0), uint64(0xFFFF_0102_0304), uint32(0), uint16(27015))
	f.Add(uint64(0xFE80<<48), uint64(1), uint32(3), uint16(1))
	f.Fuzz(func(t *testing.T, hi, lo uint64, scope uint32, port uint16) {
		k := Key{Hi: hi, Lo: lo, Port: port}
		if hi>>54 == 0xFE80>>6 {
			k.Scope = scope // no other address has one
		}
		require.Equal(t, k, KeyFrom(k.AddrPort()))
		require.Equal(t, k.Is4(), k.Addr().Is4())
	})
}
