package master_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/master"
)

const header = "\xff\xff\xff\xfff\n"

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func page(header string, servers ...string) []byte {
	b := []byte(header)
	for _, s := range servers {
		a := addr(s)
		b = append(b, a.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, a.Port())
	}
	return b
}

func session(t *testing.T, cfg master.Config) *master.Session {
	t.Helper()
	s, err := master.NewSession(cfg)
	require.NoError(t, err)
	return s
}

func list(servers []netip.AddrPort) []string {
	l := []string{}
	for _, a := range servers {
		l = append(l, a.String())
	}
	return l
}

func TestRequest_6(t *testing.T) {
	s := session(t, master.Config{Region: master.Europe, Filter: `\appid\240`})
	require.Equal(t, "1\x030.0.0.0:0\x00\\appid\\240\x00", string(s.AppendRequest(nil)))
	require.Equal(t, "kept1\x030.0.0.0:0\x00\\appid\\240\x00", string(s.AppendRequest([]byte("kept"))), "again the same")

	s = session(t, master.Config{Region: master.Everywhere})
	require.Equal(t, "1\xff0.0.0.0:0\x00\x00", string(s.AppendRequest(nil)), "an empty filter is a NUL")

	s = session(t, master.Config{Region: master.Asia, Seed: addr("192.0.2.1:27015")})
	require.Equal(t, "1\x04192.0.2.1:27015\x00\x00", string(s.AppendRequest(nil)))
}

// TestPages_6 fetches three pages. Ports are big-endian, and go above 32767.
func TestPages_6(t *testing.T) {
	s := session(t, master.Config{Region: master.Everywhere})
	require.False(t, s.Done())

	s.AppendRequest(nil)
	got, next := s.HandleDatagram(nil, page(header, "192.0.2.1:27015", "192.0.2.2:65535"))
	require.True(t, next)
	require.Equal(t, []string{"192.0.2.1:27015", "192.0.2.2:65535"}, list(got))

	require.Equal(t, "1\xff192.0.2.2:65535\x00\x00", string(s.AppendRequest(nil)), "the last entry is the seed")
	got, next = s.HandleDatagram(got, page(header, "192.0.2.2:65535", "192.0.2.1:27016"))
	require.True(t, next)
	require.Equal(t, []string{"192.0.2.1:27015", "192.0.2.2:65535", "192.0.2.1:27016"}, list(got), "appended; one came twice")

	s.AppendRequest(nil)
	got, next = s.HandleDatagram(got[:0], page(header, "192.0.2.9:1", "0.0.0.0:0"))
	require.False(t, next)
	require.Equal(t, []string{"192.0.2.9:1"}, list(got))
	require.True(t, s.Done())
	require.Equal(t, master.EndOfList, s.End())
	require.Equal(t, master.Stats{Requests: 3, Pages: 3, Servers: 4, Duplicates: 1}, s.Stats())
}

func TestEnds_6(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   master.Config
		pages [][]byte
		end   master.End
		want  []string
	}{
		{"an end and nothing else", master.Config{}, [][]byte{page(header, "0.0.0.0:0")}, master.EndOfList, []string{}},
		{"an empty page", master.Config{}, [][]byte{page(header)}, master.EndEmpty, []string{}},
		{"half an entry", master.Config{}, [][]byte{append(page(header), 1, 2, 3)}, master.EndEmpty, []string{}},
		{
			"the last entry is the seed",
			master.Config{},
			[][]byte{page(header, "192.0.2.1:1", "192.0.2.2:2"), page(header, "192.0.2.3:3", "192.0.2.2:2")},
			master.EndRepeat,
			[]string{"192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"},
		},
		{
			"the last entry is the seed that it began with",
			master.Config{Seed: addr("192.0.2.2:2")},
			[][]byte{page(header, "192.0.2.2:2")},
			master.EndRepeat,
			[]string{},
		},
		{
			"a round of two pages",
			master.Config{},
			[][]byte{page(header, "192.0.2.1:1"), page(header, "192.0.2.2:2"), page(header, "192.0.2.1:1")},
			master.EndRepeat,
			[]string{"192.0.2.1:1", "192.0.2.2:2"},
		},
		{
			"nothing is read past the end",
			master.Config{},
			[][]byte{page(header, "192.0.2.1:1", "0.0.0.0:0", "192.0.2.2:2")},
			master.EndOfList,
			[]string{"192.0.2.1:1"},
		},
		{
			"port 0 alone does not end Valve's list",
			master.Config{},
			[][]byte{page(header, "192.0.2.1:0", "0.0.0.0:5", "0.0.0.0:0")},
			master.EndOfList,
			[]string{"192.0.2.1:0", "0.0.0.0:5"},
		},
		{
			"the limit",
			master.Config{Limit: 2},
			[][]byte{page(header, "192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3")},
			master.EndLimit,
			[]string{"192.0.2.1:1", "192.0.2.2:2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := session(t, tt.cfg)
			var got []netip.AddrPort
			for i, p := range tt.pages {
				require.False(t, s.Done())
				s.AppendRequest(nil)
				var next bool
				got, next = s.HandleDatagram(got, p)
				require.Equal(t, i < len(tt.pages)-1, next)
			}
			require.True(t, s.Done())
			require.Equal(t, tt.end, s.End())
			require.Equal(t, tt.want, list(got))

			before := s.Stats()
			got, next := s.HandleDatagram(nil, page(header, "198.51.100.1:1"))
			require.Empty(t, got, "done is done")
			require.False(t, next)
			before.Ignored++
			require.Equal(t, before, s.Stats())
		})
	}
}

// TestSecondAnswerIsNoRepeat: the request for page 1 was sent again and is
// answered twice. The second answer ends in the seed of page 2, but the master
// does advance.
func TestSecondAnswerIsNoRepeat(t *testing.T) {
	s := session(t, master.Config{})
	first := page(header, "192.0.2.1:1", "192.0.2.2:2")
	s.AppendRequest(nil)
	s.AppendRequest(nil) // nothing came for a while
	got, next := s.HandleDatagram(nil, first)
	require.True(t, next)
	require.Len(t, got, 2)
	s.AppendRequest(nil)
	got, next = s.HandleDatagram(nil, first)
	require.False(t, next, "it brings nothing, so nothing is to be sent")
	require.Empty(t, got)
	require.False(t, s.Done())
	got, next = s.HandleDatagram(nil, page(header, "192.0.2.3:3"))
	require.True(t, next)
	require.Len(t, got, 1)

	// Each request is answered at most once: now it is a master that repeats itself.
	s.AppendRequest(nil)
	s.HandleDatagram(nil, first)
	require.Equal(t, master.EndRepeat, s.End())
	require.Equal(t, master.Stats{Requests: 4, Pages: 3, Servers: 3, Duplicates: 2, Ignored: 1}, s.Stats())
}

func TestForeignDatagramsAreIgnored(t *testing.T) {
	s := session(t, master.Config{})
	_, next := s.HandleDatagram(nil, page(header, "192.0.2.1:1"))
	require.False(t, next, "nobody has asked")
	s.AppendRequest(nil)
	for _, b := range []string{"", "\xff\xff\xff\xff", "\xff\xff\xff\xfff", "\xff\xff\xff\xffI\x11", "\xfe\xff\xff\xfff\n\x01\x02\x03\x04\x05\x06", "\xff\xff\xff\xfff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"} {
		got, next := s.HandleDatagram(nil, []byte(b))
		require.Empty(t, got)
		require.False(t, next)
	}
	require.False(t, s.Done())
	require.Equal(t, 7, s.Stats().Ignored)
}

func TestPageCutInsideAnEntry(t *testing.T) {
	s := session(t, master.Config{})
	s.AppendRequest(nil)
	got, next := s.HandleDatagram(nil, append(page(header, "192.0.2.1:1"), 1, 2, 3))
	require.True(t, next)
	require.Equal(t, []string{"192.0.2.1:1"}, list(got))
	require.Equal(t, 1, s.Stats().Malformed)
	require.Equal(t, "1\x00192.0.2.1:1\x00\x00", string(s.AppendRequest(nil)))
}

// TestXash_6: both spellings of the header; the key must be ours; IPv6 entries
// have 18 bytes; port 0 ends the list, whatever the address.
func TestXash_6(t *testing.T) {
	const key = 0xDEADBEEF
	for _, head := range []string{
		"\xff\xff\xff\xfff\xff\xef\xbe\xad\xde\x00",
		"\xff\xff\xff\xfff\n\x7f\xef\xbe\xad\xde\x08",
	} {
		s := session(t, master.Config{Region: master.Everywhere, Filter: `\gamedir\valve`, XashKey: key})
		require.Equal(t, "1\xff0.0.0.0:0\x00\\gamedir\\valve\\key\\deadbeef\x00", string(s.AppendRequest(nil)))
		forged := page(head, "192.0.2.66:1")
		forged[len(head)-2] ^= 1
		for _, b := range [][]byte{forged, page(header, "192.0.2.66:1"), []byte(head[:len(head)-1])} {
			got, next := s.HandleDatagram(nil, b)
			require.Empty(t, got)
			require.False(t, next)
		}
		got, next := s.HandleDatagram(nil, page(head, "192.0.2.1:27015", "192.0.2.2:0"))
		require.False(t, next)
		require.Equal(t, []string{"192.0.2.1:27015"}, list(got))
		require.Equal(t, master.EndOfList, s.End())

		s = session(t, master.Config{XashKey: key, IPv6: true})
		require.Equal(t, "1\x000.0.0.0:0\x00\\key\\deadbeef\x00", string(s.AppendRequest(nil)))
		got, next = s.HandleDatagram(nil, page(head, "[2001:db8::1]:27015", "[2001:db8::2]:27016"))
		require.True(t, next)
		require.Equal(t, []string{"[2001:db8::1]:27015", "[2001:db8::2]:27016"}, list(got))
		require.Equal(t, "1\x00[2001:db8::2]:27016\x00\\key\\deadbeef\x00", string(s.AppendRequest(nil)))
		_, next = s.HandleDatagram(nil, page(head, "[::]:0"))
		require.False(t, next)
		require.Equal(t, master.EndOfList, s.End())
	}
}

func TestEndString(t *testing.T) {
	for e, want := range map[master.End]string{
		master.NotEnded: "not ended", master.EndOfList: "end of list", master.EndEmpty: "empty page",
		master.EndRepeat: "repeated page", master.EndLimit: "limit reached", 99: "unknown",
	} {
		require.Equal(t, want, e.String())
	}
}

// FuzzMaster plays any pages at all against a session, cut out of one input,
// with a plain model beside it: every server once, in the order in which it came, and
// an end after a bounded number of requests.
func FuzzMaster(f *testing.F) {
	f.Add(append(page(header, "192.0.2.1:27015", "192.0.2.2:65535"), page(header, "192.0.2.2:65535", "0.0.0.0:0")...), uint8(18), uint32(0), false)
	f.Add(page("\xff\xff\xff\xfff\xff\xef\xbe\xad\xde\x00", "192.0.2.1:27015", "0.0.0.0:0"), uint8(255), uint32(0xDEADBEEF), false)
	f.Add(page("\xff\xff\xff\xfff\n\x7f\xef\xbe\xad\xde\x08", "[2001:db8::1]:27015", "[::]:0"), uint8(255), uint32(0xDEADBEEF), true)
	f.Add(page(header, "192.0.2.1:1"), uint8(12), uint32(0), false)
	f.Fuzz(func(t *testing.T, in []byte, size uint8, key uint32, ipv6 bool) {
		const limit = 64
		s, err := master.NewSession(master.Config{XashKey: key, IPv6: ipv6, Limit: limit})
		require.NoError(t, err)
		model := map[netip.AddrPort]bool{}
		var got []netip.AddrPort
		for len(in) > 0 {
			b := in[:min(int(size)+1, len(in))]
			in = in[len(b):]
			s.AppendRequest(nil)
			if size&1 != 0 {
				s.AppendRequest(nil)
			}
			done := s.Done()
			n := len(got)
			var next bool
			got, next = s.HandleDatagram(got, b)
			require.False(t, next && s.Done())
			require.False(t, done && (len(got) > n || !s.Done()), "done is done")
			for _, a := range got[n:] {
				require.False(t, model[a], "%v came twice", a)
				require.Contains(t, string(b), string(a.Addr().AsSlice()))
				model[a] = true
			}
		}
		require.LessOrEqual(t, len(got), limit)
		require.Equal(t, len(got), s.Stats().Servers)
	})
}

// Example fetches a list from a master that is a slice of pages.
func Example() {
	pages := [][]byte{
		page(header, "192.0.2.1:27015", "192.0.2.2:27015"),
		page(header, "192.0.2.3:27015", "0.0.0.0:0"),
	}
	s, err := master.NewSession(master.Config{Region: master.Everywhere, Filter: `\appid\240`})
	if err != nil {
		panic(err)
	}
	var servers []netip.AddrPort
	for !s.Done() {
		fmt.Printf("%q\n", s.AppendRequest(nil))
		servers, _ = s.HandleDatagram(servers[:0], pages[0])
		pages = pages[1:]
		fmt.Println(servers)
	}
	// Output:
	// "1\xff0.0.0.0:0\x00\\appid\\240\x00"
	// [192.0.2.1:27015 192.0.2.2:27015]
	// "1\xff192.0.2.2:27015\x00\\appid\\240\x00"
	// [192.0.2.3:27015]
}
