package targets

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAddrSet reads any block list and compares what is in it with a plain
// reading by netip, address by address around the ends of each entry.
func FuzzAddrSet(f *testing.F) {
	f.Add("\xef\xbb\xbf# zmap\n10.0.0.0/8 # private\r\n\n192.0.2.7-192.0.2.20\n[2001:db8::1]\n2001:db8::/32")
	f.Add("0.0.0.0/0\n::/0\n255.255.255.255\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n::\n::ffff:1.2.3.4/127")
	f.Add("10.0.0.0/33\nx\n10.0.0.9-10.0.0.1\nfe80::1%eth0\n1.2.3.4-::1\n::ffff:1.2.3.4-1.2.3.9\n[::1\n/\n-\n")
	f.Add("::fffe:ffff:ffff-::1:0:0:0\n::ffff:0:0/95\n::ffff:0:0/97\n1.2.3.4,5.6.7.8")
	f.Add(strings.Repeat("x\n", maxWrongLines+1) + strings.Repeat("y\n1.2.3.4\n", maxWrongLines))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		if r, err := openText(strings.NewReader(text)); err != nil || strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
			return // FuzzText reads what is no plain text
		} else if r.Close() != nil {
			t.Fatal("Close")
		}
		var s AddrSet
		err := s.AddFile("f", strings.NewReader(text))
		var bad []string
		var all []netipRange
		for i, line := range strings.Split(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\n") {
			line, _, _ = strings.Cut(line, "#")
			line, _, _ = strings.Cut(line, ";")
			line = strings.TrimSpace(line)
			if line == "" {
				continue
			}
			r, ok := readRange(line)
			if !ok {
				bad = append(bad, fmt.Sprintf("f:%d: ", i+1))
				continue
			}
			all = append(all, r)
		}
		if len(bad) > 0 {
			require.Error(t, err, text)
			if n := len(bad) - maxWrongLines; n > 0 {
				bad = append(bad[:maxWrongLines], fmt.Sprintf("f: and %d more", n))
			}
			require.Equal(t, len(bad), strings.Count(err.Error(), "\n")+1, text)
			for i, message := range strings.Split(err.Error(), "\n") {
				require.True(t, strings.HasPrefix(message, bad[i]), "%q, want line %q", message, bad[i])
			}
		} else {
			require.NoError(t, err)
		}
		require.LessOrEqual(t, s.Intervals(), 2*len(all))

		// The same as a list.
		var l AddrSet
		if len(bad) == 0 && !strings.ContainsAny(text, ",#;\uFEFF") {
			require.NoError(t, l.AddList(strings.ReplaceAll(text, "\n", ",")))
			require.Equal(t, s.ivs, l.ivs)
		}
		for _, r := range all[:min(len(all), 20)] {
			for _, a := range []netip.Addr{r.first, r.last, r.first.Prev(), r.last.Next()} {
				if !a.IsValid() {
					continue
				}
				want := false
				for _, r := range all {
					want = want || r.has(a)
				}
				require.Equal(t, want, s.Contains(a), "%v in %q", a, text)
			}
		}
	})
}

// A netipRange is both ends of an entry, of one family.
type netipRange struct{ first, last netip.Addr }

// has reports whether a is in r. An IPv6 range that holds others than v4-mapped
// addresses holds none of those.
func (r netipRange) has(a netip.Addr) bool {
	mapped := a.Is4() || a.Is4In6()
	if mapped && !(r.first.Is4In6() && r.last.Is4In6()) && !r.first.Is4() {
		first, last := netip.MustParseAddr("::ffff:0.0.0.0"), netip.MustParseAddr("::ffff:255.255.255.255")
		if r.first.Compare(first) <= 0 && last.Compare(r.last) <= 0 {
			return false
		}
	}
	wide := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
	return wide(r.first).Compare(wide(a)) <= 0 && wide(a).Compare(wide(r.last)) <= 0
}

// readRange reads one entry.
func readRange(s string) (r netipRange, ok bool) {
	if len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	if i := strings.IndexAny(s, "/-"); i >= 0 && s[i] == '-' {
		var err1, err2 error
		r.first, err1 = netip.ParseAddr(s[:i])
		r.last, err2 = netip.ParseAddr(s[i+1:])
		if err1 != nil || err2 != nil || r.first.Zone() != "" || r.last.Zone() != "" {
			return r, false
		}
		r.first, r.last = r.first.Unmap(), r.last.Unmap()
		return r, r.first.Is4() == r.last.Is4() && r.first.Compare(r.last) <= 0
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return r, false
		}
		p = p.Masked()
		last := p.Addr().AsSlice()
		for i := p.Bits(); i < len(last)*8; i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		r.first = p.Addr()
		r.last, _ = netip.AddrFromSlice(last)
		return r, true
	}
	a, err := netip.ParseAddr(s)
	return netipRange{a, a}, err == nil && a.Zone() == ""
}

// FuzzPorts reads any list of ports and compares it with a plain walk over the items.
func FuzzPorts(f *testing.F) {
	for _, s := range []string{"27015", "27015,27020-27030", "3,1,2,1-3", "65535,65534-65535", "0", "1-", "63-65,64-129", "1,,2", "+1", "00080"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Count(s, ",") > 50 {
			return
		}
		p, err := parsePorts(s)
		if err != nil {
			require.Zero(t, p.Len())
			return
		}
		var want []uint16
		seen := map[uint16]bool{}
		for item := range strings.SplitSeq(s, ",") {
			from, to, is := strings.Cut(item, "-")
			first, err := parsePort(from)
			require.NoError(t, err)
			last := first
			if is {
				last, err = parsePort(to)
				require.NoError(t, err)
			}
			for n := int(first); n <= int(last); n++ {
				if !seen[uint16(n)] {
					seen[uint16(n)] = true
					want = append(want, uint16(n))
				}
			}
		}
		require.Equal(t, want, p.list(), "%q", s)
		again, err := parsePorts(p.String())
		require.NoError(t, err)
		require.True(t, p.same(again), "%q", s)
		for _, port := range []uint16{0, 1, want[0] - 1, want[0], want[len(want)-1] + 1, 65535} {
			require.Equal(t, seen[port], p.Has(port), "%d in %q", port, s)
		}
	})
}
