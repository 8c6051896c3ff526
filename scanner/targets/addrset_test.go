package targets

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestAddrSetReadsZmapsFormat(t *testing.T) {
	var s AddrSet
	require.NoError(t, s.AddFile("blocklist.conf", strings.NewReader("\xef\xbb\xbf# From IANA IPv4 Special-Purpose Address Registry\r\n"+
		"10.0.0.0/8             # RFC1918: Private-Use\r\n"+
		"\r\n"+
		"\t192.0.2.7\n"+
		"198.51.100.10-198.51.100.20 # a range\n"+
		"2001:db8::/32\n"+
		"[2001:db9::1]\n"+
		"11.0.0.0/8")))
	for addr, want := range map[string]bool{
		"9.255.255.255": false, "10.0.0.0": true, "10.255.255.255": true, "11.0.0.1": true, "12.0.0.0": false,
		"192.0.2.6": false, "192.0.2.7": true, "192.0.2.8": false, "::ffff:192.0.2.7": true,
		"198.51.100.9": false, "198.51.100.10": true, "198.51.100.20": true, "198.51.100.21": false,
		"2001:db8::1": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false, "2001:db9::1": true,
		"fe80::1%eth0": false,
	} {
		require.Equal(t, want, s.Contains(netip.MustParseAddr(addr)), addr)
	}
	require.False(t, s.Contains(netip.Addr{}))
	require.Equal(t, 5, s.Intervals(), "10.0.0.0/8 and 11.0.0.0/8 are one stretch")
}

func TestAddrSetNamesEveryWrongLine(t *testing.T) {
	var s AddrSet
	err := s.AddFile("block.txt", strings.NewReader("10.0.0.0/8\n10.0.0.0/33\n\nexample.com\n10.0.0.9-10.0.0.1\n192.0.2.1:27015\n"))
	require.EqualError(t, err, `block.txt:2: "10.0.0.0/33" is not a prefix; write ADDRESS/BITS, with up to 32 bits for IPv4 and 128 for IPv6
block.txt:4: "example.com" is not an address, a prefix or a range
block.txt:5: "10.0.0.9-10.0.0.1" ends before it begins; write the lower address first
block.txt:6: "192.0.2.1:27015" is not an address, a prefix or a range`)
	require.True(t, s.Contains(netip.MustParseAddr("10.1.2.3")))
	require.Error(t, s.AddList("10.0.0.1, x"))

	// Of a file of something else not every line is told of.
	err = s.AddFile("novel.txt", strings.NewReader(strings.Repeat("word\n", 100)))
	require.Equal(t, maxWrongLines, strings.Count(err.Error(), "\n"))
	require.ErrorContains(t, err, "novel.txt: and 80 more")
	broken := errors.New("broken disk")
	require.ErrorIs(t, s.AddFile("block.txt", iotest.ErrReader(broken)), broken)
}

func TestIPv6PrefixesHoldNoIPv4(t *testing.T) {
	s := addrSet(t, "::/0")
	require.False(t, s.Contains(netip.MustParseAddr("192.0.2.1")))
	require.True(t, s.Contains(netip.MustParseAddr("::fffe:ffff:ffff")))
	require.True(t, s.Contains(netip.MustParseAddr("::1:0:0:0")))
	s = addrSet(t, "0.0.0.0/0")
	require.True(t, s.Contains(netip.MustParseAddr("::ffff:192.0.2.1")))
	require.False(t, s.Contains(netip.MustParseAddr("::fffe:ffff:ffff")))
	require.False(t, s.Contains(netip.MustParseAddr("::1:0:0:0")))
	require.Equal(t, 3, union(s, addrSet(t, "::/0")).Intervals(), "the families do not flow into each other")
}

// FuzzExclude makes intervals of script and compares lookups and cuts with a walk over
// them all.
func FuzzExclude(f *testing.F) {
	f.Add([]byte("\x00\x10\x05\x00\x20\x00\x01\x30\x40"), uint8(3), uint8(200))
	f.Add([]byte{0, 0, 255, 2, 0, 255, 1, 255, 255}, uint8(0), uint8(255))
	f.Fuzz(func(t *testing.T, script []byte, from, length uint8) {
		// Three neighbourhoods: both ends of the number line, and where IPv4 ends.
		bases := []address{{}, {^uint64(0), ^uint64(0) - 255}, mappedLast.minus(127)}
		var ivs []interval
		s := new(AddrSet)
		for ; len(script) >= 3; script = script[3:] {
			base := bases[int(script[0])%len(bases)]
			first := min(script[1], script[2])
			iv := interval{base.plus(uint64(first)), base.plus(uint64(max(script[1], script[2])))}
			ivs = append(ivs, iv)
			s.ivs = append(s.ivs, iv)
			if script[0]&64 != 0 {
				s.normalize() // now and then, as AddFile after AddFile does
			}
		}
		s.normalize()
		for i := 1; i < len(s.ivs); i++ {
			require.True(t, s.ivs[i-1].last.less(s.ivs[i].first), "sorted and disjoint")
		}
		linear := func(a address) bool {
			for _, iv := range ivs {
				if iv.contains(a) {
					return true
				}
			}
			return false
		}
		for _, base := range bases {
			iv := interval{base.plus(uint64(from)), base.plus(uint64(max(from, length)))}
			in, out := &AddrSet{ivs: s.within(nil, iv)}, &AddrSet{ivs: s.outside(nil, iv)}
			for n := range uint64(256) {
				a := base.plus(n)
				is, inside := linear(a), iv.contains(a)
				if s.contains(a) != is || in.contains(a) != (inside && is) || out.contains(a) != (inside && !is) {
					t.Fatalf("%v: in the set %v, %v, within %v, outside %v", a, is, s.contains(a), in.contains(a), out.contains(a))
				}
			}
		}
	})
}
