package scanner

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/scanner/targets"
)

func TestResolvePlaces(t *testing.T) {
	for _, row := range []struct{ name, addr, want string }{
		{"a zone that is a number", "[fe80::1%07]:2", "[fe80::1%7]:2"},
		{"fuzz 2026-11-26: zone 0 is no zone", "fe80::1%0", "[fe80::1]:27015"},
		{"a zone that means nothing", "[::1%7]:2", "[::1]:2"},
		{"IPv4 in disguise has none", "::ffff:192.0.2.1%3", "192.0.2.1:27015"},
	} {
		got, err := new(Client).resolve(t.Context(), row.addr)
		require.NoError(t, err, row.name)
		require.Equal(t, row.want, got.String(), row.name)
	}
}

// FuzzResolve names a server in any way. An address needs no resolver and comes out
// as netip reads it.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"192.0.2.1:27015", "192.0.2.1", "[2001:db8::1]:1", "2001:db8::1", "[::ffff:1.2.3.4]", "[fe80::1%7]:2", "example.com:0", "example.com", "[", ":1", "a:b:c", "1.2.3.4:65536", "[::1]x"} {
		f.Add(s)
	}
	answer := netip.MustParseAddr("192.0.2.77")
	f.Fuzz(func(t *testing.T, addr string) {
		asked := ""
		c := &Client{cfg: ClientConfig{Lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
			asked = host
			return []netip.Addr{answer}, nil
		}}}
		got, err := c.resolve(t.Context(), addr)
		if err != nil {
			return
		}
		require.True(t, got.IsValid())
		require.NotZero(t, got.Port())
		want, err := netip.ParseAddrPort(addr)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(addr)
			want = netip.AddrPortFrom(a, targets.DefaultPort)
		}
		if err == nil && want.Addr().Zone() == "" {
			require.Empty(t, asked)
			require.Equal(t, netip.AddrPortFrom(want.Addr().Unmap(), want.Port()), got)
		}
		if asked != "" {
			require.Equal(t, answer, got.Addr())
		}
		require.Equal(t, got, mux.KeyFrom(got).AddrPort(), "it can be a key")
	})
}

// A resolverFunc answers names.
