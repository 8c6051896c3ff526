package master_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/master"
)

const header = "\xff\xff\xff\xff\x66\x0a"

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

// fullPage is a page of 231 entries of the network 10.n.
func fullPage(n int) []byte {
	b := []byte(header)
	for i := range 231 {
		b = append(b, 10, byte(n), 0, byte(i), 0x69, 0x87)
	}
	return b
}

// A rig is a session on a clock of its own.
type rig struct {
	t   *testing.T
	s   *master.Session
	now proto.Time
	got []string
}

func newRig(t *testing.T, cfg master.Config) *rig {
	t.Helper()
	s, err := master.NewSession(cfg)
	require.NoError(t, err)
	return &rig{t: t, s: s}
}

// asks waits for the next request, and requires that it is this one.
func (r *rig) asks(want string) {
	r.t.Helper()
	require.Equal(r.t, want, r.request())
}

// request waits for the next request; "" means that the session has ended.
func (r *rig) request() string {
	r.t.Helper()
	for range 1000 {
		b, wake := r.s.Poll(nil, r.now)
		if len(b) > 0 || r.s.Done() {
			return string(b)
		}
		require.Greater(r.t, wake, r.now)
		r.now = wake
	}
	r.t.Fatal("no request comes")
	return ""
}

func (r *rig) hears(b []byte) {
	for _, a := range r.s.HandleDatagram(nil, b, r.now) {
		r.got = append(r.got, a.String())
	}
}

// ends requires that no more requests come, and that this is what may be missing.
func (r *rig) ends(reasons ...string) {
	r.t.Helper()
	r.asks("")
	require.True(r.t, r.s.Done())
	var got []string
	for _, p := range r.s.Result().Incomplete {
		got = append(got, p.Reason)
	}
	require.Equal(r.t, reasons, got)
}

func filter(t *testing.T, text string) master.Filter {
	t.Helper()
	f, err := master.Parse(text)
	require.NoError(t, err)
	return f
}

// TestPages_6 fetches three pages. Ports are big-endian, and go above 32767.
func TestPages_6(t *testing.T) {
	r := newRig(t, master.Config{Region: master.Europe, Filter: filter(t, "appid=240")})
	r.asks("1\x030.0.0.0:0\x00\\appid\\240\x00")
	r.hears(page(header, "192.0.2.1:27015", "192.0.2.2:65535"))
	r.asks("1\x03192.0.2.2:65535\x00\\appid\\240\x00")
	r.hears(page(header, "192.0.2.2:65535", "192.0.2.1:27016"))
	r.asks("1\x03192.0.2.1:27016\x00\\appid\\240\x00")
	r.hears(page(header, "192.0.2.9:1", "0.0.0.0:0", "192.0.2.10:10"))
	r.ends()
	require.Equal(t, []string{"192.0.2.1:27015", "192.0.2.2:65535", "192.0.2.1:27016", "192.0.2.9:1"}, r.got)
	require.Equal(t, master.Result{Requests: 3, Pages: 3, Servers: 4, Duplicates: 1}, r.s.Result())
}

func TestEnds_6(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pages   [][]byte
		reasons []string
		want    []string
	}{
		{"an end mark alone", [][]byte{page(header, "0.0.0.0:0")}, nil, nil},
		{"an empty page", [][]byte{page(header)}, nil, nil},
		{"half an entry", [][]byte{append(page(header), 1, 2, 3)}, nil, nil},
		{
			"the last entry is the seed",
			[][]byte{page(header, "192.0.2.1:1", "192.0.2.2:2"), page(header, "192.0.2.3:3", "192.0.2.2:2")},
			nil,
			[]string{"192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"},
		},
		{
			"port 0 alone does not end Valve's list",
			[][]byte{page(header, "192.0.2.1:0", "0.0.0.0:5", "0.0.0.0:0")},
			nil,
			[]string{"192.0.2.1:0", "0.0.0.0:5"},
		},
		{
			"four stray bytes behind the entries",
			[][]byte{append(page(header, "192.0.2.1:1", "192.0.2.2:2"), 1, 2, 3, 4), page(header, "0.0.0.0:0")},
			nil,
			[]string{"192.0.2.1:1", "192.0.2.2:2"},
		},
		{
			"silence before the end",
			[][]byte{page(header, "192.0.2.1:1"), nil},
			[]string{"the master fell silent before the end of the list"},
			[]string{"192.0.2.1:1"},
		},
		{
			"an entry made up for clients without a version",
			[][]byte{page(header, "127.0.0.1:27010", "0.0.0.0:0")},
			[]string{"the master lists no servers for this client version (clver)"},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, master.Config{})
			for _, p := range tt.pages {
				require.NotEmpty(t, r.request())
				if p != nil {
					r.hears(p)
				}
			}
			r.ends(tt.reasons...)
			require.Equal(t, tt.want, r.got)

			before := r.s.Result()
			r.hears(page(header, "198.51.100.1:1"))
			before.Ignored++
			require.Equal(t, before, r.s.Result(), "done is done")
		})
	}
}

// TestRepeats_6: a master that does not advance, or goes in circles, is left.
func TestRepeats_6(t *testing.T) {
	r := newRig(t, master.Config{})
	for range 2 {
		r.request()
		r.hears(fullPage(1))
	}
	r.ends("the master repeats its pages")
	require.Len(t, r.got, 231)

	r = newRig(t, master.Config{})
	for _, n := range []int{1, 2, 1} {
		r.request()
		r.hears(fullPage(n))
	}
	r.ends("the master repeats its pages")
	require.Len(t, r.got, 462)
}

func TestLimit(t *testing.T) {
	r := newRig(t, master.Config{Limit: 2})
	r.request()
	r.hears(page(header, "192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3"))
	r.ends("the limit of 2 servers is reached")
	require.Equal(t, []string{"192.0.2.1:1", "192.0.2.2:2"}, r.got)
}

// TestRetries: the wait doubles up to fourfold; an answer makes it short again.
func TestRetries(t *testing.T) {
	r := newRig(t, master.Config{Timeout: time.Second, Retries: 4})
	for _, at := range []time.Duration{0, 1, 3, 7, 11} {
		r.asks("1\x000.0.0.0:0\x00\x00")
		require.Equal(t, at*time.Second, time.Duration(r.now))
	}
	r.ends("no reply")
	require.Equal(t, 15*time.Second, time.Duration(r.now))

	r = newRig(t, master.Config{Timeout: time.Second, Retries: 1})
	r.request()
	r.request()
	r.hears(page(header, "192.0.2.1:1"))
	r.request()
	began := r.now
	r.asks("1\x00192.0.2.1:1\x00\x00")
	require.Equal(t, time.Second, r.now.Sub(began))
}

// TestSecondAnswerIsNoRepeat: a request was sent twice and is answered twice. The
// second answer ends as the first one did, but the master does advance.
func TestSecondAnswerIsNoRepeat(t *testing.T) {
	r := newRig(t, master.Config{Retries: 3})
	first := page(header, "192.0.2.1:1", "192.0.2.2:2")
	r.request()
	r.request()
	r.hears(first)
	r.asks("1\x00192.0.2.2:2\x00\x00")
	r.hears(first)
	b, _ := r.s.Poll(nil, r.now)
	require.Empty(t, b, "it answers nothing, so nothing is to be sent")
	r.hears(page(header, "192.0.2.3:3"))
	for range 2 {
		r.asks("1\x00192.0.2.3:3\x00\x00")
		r.hears(first) // nothing else comes: now the master repeats itself
	}
	r.ends()
	require.Equal(t, master.Result{Requests: 5, Pages: 5, Servers: 3, Duplicates: 6}, r.s.Result())
}

// TestIgnoredDatagramsAreNoPatience: text that comes for ever does not keep a session
// from its end.
func TestIgnoredDatagramsAreNoPatience(t *testing.T) {
	r := newRig(t, master.Config{Timeout: time.Second, Retries: 1})
	r.hears(page(header, "192.0.2.1:1"))
	require.Equal(t, 1, r.s.Result().Ignored, "nothing was asked")
	for !r.s.Done() {
		r.s.Poll(nil, r.now)
		for _, b := range []string{"", "\xff\xff\xff\xff", "\xff\xff\xff\xff\x66", "\xff\xff\xff\xffI\x11", "\xfe\xff\xff\xff\x66\n\x01\x02\x03\x04\x05\x06", "\xff\xff\xff\xffprint\n"} {
			r.hears([]byte(b))
		}
		r.now = r.now.Add(100 * time.Millisecond)
		require.Less(t, time.Duration(r.now), 4*time.Second)
	}
	r.ends("no reply")
	require.Empty(t, r.got)
}

// TestSeveralDatagrams_6: each datagram has an end mark of its own. The list ends in
// silence, and is fetched again to see whether a datagram was lost.
func TestSeveralDatagrams_6(t *testing.T) {
	const key = 0xDEADBEEF
	const head = "\xff\xff\xff\xff\x66\x0a\x7f\xef\xbe\xad\xde\x00"
	want := "1\xff0.0.0.0:0\x00\\gamedir\\valve\\clver\\0.21\\key\\deadbeef\x00"
	r := newRig(t, master.Config{Region: master.Everywhere, Filter: filter(t, "gamedir=valve"), XashKey: key})
	r.asks(want)
	forged := page(head, "192.0.2.66:1")
	forged[len(head)-2] ^= 1
	r.hears(forged)
	r.hears(page(header, "192.0.2.66:1"))
	r.hears([]byte(head[:len(head)-1]))
	require.Equal(t, 3, r.s.Result().Ignored)
	r.hears(page(head, "192.0.2.1:1", "192.0.2.2:0"))
	r.hears(page(head, "192.0.2.3:3", "0.0.0.0:0"))
	r.asks(want)
	require.Equal(t, time.Second, time.Duration(r.now), "silence of one timeout")
	r.hears(page(head, "192.0.2.1:1", "0.0.0.0:0"))
	r.hears(page(head, "192.0.2.4:4", "0.0.0.0:0")) // lost the first time
	r.ends("datagrams were lost each time that the list was fetched")
	require.Equal(t, []string{"192.0.2.1:1", "192.0.2.3:3", "192.0.2.4:4"}, r.got)

	r = newRig(t, master.Config{XashKey: key, IPv6: true, Filter: filter(t, "clver=0.20")})
	r.asks("1\x000.0.0.0:0\x00\\clver\\0.20\\key\\deadbeef\x00")
	r.hears(page(head, "[2001:db8::1]:27015", "[2001:db8::2]:27016", "[::]:0"))
	r.request()
	r.ends()
	require.Equal(t, []string{"[2001:db8::1]:27015", "[2001:db8::2]:27016"}, r.got)
}

// TestSplit: a list that ends after a full page is fetched in parts.
func TestSplit(t *testing.T) {
	whole := append(fullPage(1), 0, 0, 0, 0, 0, 0)
	r := newRig(t, master.Config{Region: master.Everywhere, RequestsPerMinute: -1})
	r.asks("1\xff0.0.0.0:0\x00\x00")
	r.hears(whole)
	r.asks("1\x000.0.0.0:0\x00\x00")
	r.hears(append(append(fullPage(1)[:6+100*6], fullPage(2)[6:]...), 0, 0, 0, 0, 0, 0)) // more than fits, again
	for region := range 7 {
		r.asks("1" + string([]byte{byte(region) + 1}) + "0.0.0.0:0\x00\x00")
		r.hears(page(header, "192.0.2.1:1", "0.0.0.0:0"))
	}
	r.asks("1\x000.0.0.0:0\x00\\empty\\1\x00")
	r.hears(page(header, "10.1.0.1:27015", "0.0.0.0:0"))
	r.asks("1\x000.0.0.0:0\x00\\nor\\1\\empty\\1\x00")
	r.hears(append(append(fullPage(1)[:6+100*6], fullPage(2)[6:6+100*6]...), 0, 0, 0, 0, 0, 0))
	// Some of the first list are in no region: now all of them are divided by filters.
	r.asks("1\xff0.0.0.0:0\x00\\empty\\1\x00")
	r.hears(page(header, "0.0.0.0:0"))
	r.asks("1\xff0.0.0.0:0\x00\\nor\\1\\empty\\1\x00")
	r.hears(page(header, "192.0.2.9:9", "0.0.0.0:0"))
	r.ends("its last page is full, and its parts lack some of its servers", "its last page is full, and its parts lack some of its servers")

	r = newRig(t, master.Config{Region: master.Everywhere, NoSplit: true})
	r.request()
	r.hears(whole)
	r.ends("its last page is full")

	r = newRig(t, master.Config{Region: master.Everywhere})
	for range 5 { // whatever is asked
		r.request()
		r.hears(whole)
	}
	r.ends("its last page is full, and the master ignores what would divide it")
	require.Len(t, r.got, 231)
}

// TestSilenceAfterAFullPage_5: so does one that falls silent after a full page.
func TestSilenceAfterAFullPage_5(t *testing.T) {
	r := newRig(t, master.Config{Region: master.Europe, Retries: 0})
	r.request()
	r.hears(fullPage(1))
	r.asks("1\x0310.1.0.230:27015\x00\x00")
	r.asks("1\x030.0.0.0:0\x00\\empty\\1\x00")
	r.asks("1\x030.0.0.0:0\x00\\nor\\1\\empty\\1\x00")
	r.ends("no reply", "the master stopped answering")
}

func TestNewSessionRefuses(t *testing.T) {
	for _, cfg := range []master.Config{{Timeout: -1}, {Retries: -1}, {Limit: -1}, {IPv6: true}, {Filter: filter(t, fmt.Sprintf("map=%01300d", 1))}} {
		_, err := master.NewSession(cfg)
		require.Error(t, err)
	}
}

// FuzzMaster plays any pages at all against a session, cut out of one input, with a
// plain model beside it: every server once, and an end after a bounded time.
func FuzzMaster(f *testing.F) {
	f.Add(append(page(header, "192.0.2.1:27015", "192.0.2.2:65535"), page(header, "192.0.2.2:65535", "0.0.0.0:0")...), uint8(18), uint32(0), false)
	f.Add(page("\xff\xff\xff\xff\x66\x0a\x7f\xef\xbe\xad\xde\x00", "192.0.2.1:27015", "0.0.0.0:0"), uint8(255), uint32(0xDEADBEEF), false)
	f.Add(page("\xff\xff\xff\xff\x66\x0a\x7f\xef\xbe\xad\xde\x08", "[2001:db8::1]:27015", "[::]:0"), uint8(255), uint32(0xDEADBEEF), true)
	f.Add(page(header, "192.0.2.1:1"), uint8(12), uint32(0), false)
	f.Fuzz(func(t *testing.T, in []byte, size uint8, key uint32, ipv6 bool) {
		const limit = 64
		s, err := master.NewSession(master.Config{XashKey: key, IPv6: ipv6 && key != 0, Limit: limit, Region: master.Everywhere, Retries: 1})
		require.NoError(t, err)
		model := map[netip.AddrPort]bool{}
		n := 0
		now := proto.Time(0)
		for len(in) > 0 {
			b := in[:min(int(size)+1, len(in))]
			in = in[len(b):]
			_, wake := s.Poll(nil, now)
			if size&1 != 0 {
				now = max(now, wake)
				s.Poll(nil, now)
			}
			done := s.Done()
			got := s.HandleDatagram(nil, b, now)
			require.False(t, done && (len(got) > 0 || !s.Done()), "done is done")
			for _, a := range got {
				require.False(t, model[a], "%v came twice", a)
				require.Contains(t, string(b), string(a.Addr().AsSlice()))
				model[a] = true
				n++
			}
		}
		require.LessOrEqual(t, n, limit)
		require.Equal(t, n, s.Result().Servers)
		for range 1000 {
			b, wake := s.Poll(nil, now)
			if s.Done() {
				return
			}
			require.True(t, len(b) > 0 || wake > now, "no progress")
			now = max(now, wake)
		}
		t.Fatal("it does not end")
	})
}

// Example fetches a list from a master that is a slice of pages.
func Example() {
	pages := [][]byte{
		page(header, "192.0.2.1:27015", "192.0.2.2:27015"),
		page(header, "192.0.2.3:27015", "0.0.0.0:0"),
	}
	f, err := master.Parse("appid=240,dedicated=1")
	if err != nil {
		panic(err)
	}
	s, err := master.NewSession(master.Config{Region: master.Everywhere, Filter: f})
	if err != nil {
		panic(err)
	}
	now := proto.Time(0)
	for !s.Done() {
		request, wake := s.Poll(nil, now)
		if len(request) == 0 {
			now = wake // receive until then
			continue
		}
		fmt.Printf("%q\n", request)
		fmt.Println(s.HandleDatagram(nil, pages[0], now))
		pages = pages[1:]
	}
	fmt.Println(len(s.Result().Incomplete), "parts are incomplete")
	// Output:
	// "1\xff0.0.0.0:0\x00\\appid\\240\\dedicated\\1\x00"
	// [192.0.2.1:27015 192.0.2.2:27015]
	// "1\xff192.0.2.2:27015\x00\\appid\\240\\dedicated\\1\x00"
	// [192.0.2.3:27015]
	// 0 parts are incomplete
}
