package farm

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/master"
	"github.com/a2scan/a2scan/proto/prototest"
)

// listOf returns n servers with random habits.
func listOf(n int) []Listed {
	r := prototest.NewRand(uint64(n))
	list := make([]Listed, n)
	for i := range list {
		list[i] = Listed{
			Addr:      netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(27000+r.Below(100))),
			Region:    byte(r.Below(8)),
			Name:      fmt.Sprintf("%c server %d", 'a'+r.Below(26), i),
			Map:       fmt.Sprintf("map_%d", r.Below(30)),
			Players:   r.Below(3),
			Linux:     r.Below(2) == 0,
			Secure:    r.Below(4) != 0,
			Dedicated: r.Below(5) != 0,
			Password:  r.Below(5) == 0,
		}
		list[i].MaxPlayers = 2 + r.Below(2)
	}
	return list
}

// fetch plays a session against a master in virtual time, with a delay of 40 ms each way.
func fetch(t *testing.T, m *Master, cfg master.Config) (servers map[netip.AddrPort]bool, r master.Result, took time.Duration) {
	t.Helper()
	cfg.Timeout, cfg.Retries = time.Second, 5
	s, err := master.NewSession(cfg)
	require.NoError(t, err)
	const delay = 40 * time.Millisecond
	type flight struct {
		at proto.Time
		b  []byte
	}
	var flights []flight
	servers = map[netip.AddrPort]bool{}
	now := proto.Time(0)
	for !s.Done() {
		request, wake := s.Poll(nil, now)
		if len(request) > 0 {
			for _, b := range m.Answer(now.Add(delay), request) {
				flights = append(flights, flight{now.Add(2 * delay), b})
			}
			continue
		}
		if len(flights) == 0 || flights[0].at > wake {
			require.GreaterOrEqual(t, wake, now)
			now = wake
			continue
		}
		now = max(now, flights[0].at)
		for _, a := range s.HandleDatagram(nil, flights[0].b, now) {
			require.False(t, servers[a], "%s came twice", a)
			servers[a] = true
		}
		flights = flights[1:]
	}
	return servers, s.Result(), time.Duration(now)
}

// requireAll: servers are those of list and no others.
func requireAll(t *testing.T, list []Listed, servers map[netip.AddrPort]bool) {
	t.Helper()
	require.Len(t, servers, len(list))
	for _, l := range list {
		require.True(t, servers[l.Addr], "%s is missing", l.Addr)
	}
}

// TestMasterWithACap: 50,000 servers, of which 6,930 come per filter, with 10 % loss and
// duplicates; and never more than 30 requests in any minute.
func TestMasterWithACap(t *testing.T) {
	for _, silent := range []bool{false, true} {
		list := listOf(50_000)
		for i := range list {
			if silent && i%100 == 0 {
				list[i].Region = 255 // they are in no region's list
			}
		}
		m := &Master{Servers: list, Loss: 10, Double: 5, Cap: 6930, CapSilent: silent, PerMinute: 30}
		servers, r, took := fetch(t, m, master.Config{Region: master.Everywhere})
		require.Empty(t, r.Incomplete)
		requireAll(t, list, servers)
		total, busiest := m.Requests()
		require.LessOrEqual(t, busiest, 30)
		require.Equal(t, total, r.Requests)
		t.Logf("%d requests, %s", total, took)
	}
}

// TestMasterThatCannotBeDivided: the parts that may be missing are named.
func TestMasterThatCannotBeDivided(t *testing.T) {
	list := listOf(3000)
	for i := range list {
		list[i].Name, list[i].Region, list[i].Players, list[i].Linux = "copy", 3, 1, true
		list[i].Secure, list[i].Password, list[i].Dedicated, list[i].MaxPlayers = true, false, true, 32
	}
	m := &Master{Servers: list, Cap: 1386}
	servers, r, _ := fetch(t, m, master.Config{Region: master.Everywhere})
	require.Less(t, len(servers), 3000)
	require.GreaterOrEqual(t, len(servers), 1386)
	require.Len(t, r.Incomplete, 1)
	require.Equal(t, master.Europe, r.Incomplete[0].Region)
	require.Contains(t, r.Incomplete[0].Filter.String(), "empty=1,linux=1,secure=1")
	require.Contains(t, r.Incomplete[0].Filter.String(), "name_match=c*")
}

// TestMasterShapes: the shapes that real masters were seen to have.
func TestMasterShapes(t *testing.T) {
	list := listOf(300)
	for _, tt := range []struct {
		name    string
		m       *Master
		xash    uint32
		all     bool
		reasons []string
	}{
		{"pages and an end mark", &Master{}, 0, true, nil},
		{"several datagrams, each with an end mark", &Master{Datagrams: 510}, 0, true, nil},
		{"several keyed datagrams", &Master{Datagrams: 510, Xash: true}, 0xC0FFEE, true, nil},
		{"several keyed datagrams, of which some are lost", &Master{Datagrams: 510, Xash: true, Loss: 10, Seed: 1}, 0xC0FFEE, true, nil},
		{"one datagram of 1,608 bytes and more", &Master{PageEntries: 400, IgnoreFilter: true}, 0, true, []string{"its last page is full, and the master ignores what would divide it"}},
		{"pages of 2,050 bytes with 4 stray bytes", &Master{PageEntries: 340, Stray: 4}, 0, true, nil},
		{"the seed is ignored", &Master{IgnoreSeed: true}, 0, false, []string{"the master repeats its pages"}},
		{"it begins again", &Master{Loop: true, PageEntries: 100}, 0, true, nil},
		{"it begins again, with full pages", &Master{Loop: true, PageEntries: 231}, 0, true, nil},
		{"every datagram comes twice", &Master{Double: 100, PageEntries: 50}, 0, true, nil},
		{"it stops answering", &Master{PageEntries: 50, SilentAfter: 2}, 0, false, []string{"the master fell silent before the end of the list"}},
		{"silence", &Master{Silent: true}, 0, false, []string{"no reply"}},
		{"text", &Master{Noise: true}, 0, false, []string{"no reply"}},
		{"an unkeyed master", &Master{}, 0xC0FFEE, false, []string{"no reply"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.Servers = list
			servers, r, _ := fetch(t, tt.m, master.Config{Region: master.Everywhere, XashKey: tt.xash})
			var reasons []string
			for _, p := range r.Incomplete {
				reasons = append(reasons, p.Reason)
			}
			require.Equal(t, tt.reasons, reasons)
			if tt.all {
				requireAll(t, list, servers)
			}
			require.LessOrEqual(t, r.Requests, 30)
		})
	}
}

func TestMasterFilters(t *testing.T) {
	list := listOf(2000)
	for _, text := range []string{
		"", "linux=1,empty=1", "nor(linux=1)", "map=map_3", "or(map=map_3,map=map_4)", "nor(map=map_3,secure=1)",
		"nand(linux=1,secure=1)", "name_match=b*,password=0", "noplayers=1,full=1", "nor(password=0)",
	} {
		f, err := master.Parse(text)
		require.NoError(t, err)
		servers, r, _ := fetch(t, &Master{Servers: list}, master.Config{Region: master.Everywhere, Filter: f})
		require.Empty(t, r.Incomplete)
		n := 0
		for i := range list {
			selects, ok := list[i].Selects(f.Wire())
			require.True(t, ok)
			if selects {
				require.True(t, servers[list[i].Addr])
				n++
			}
		}
		require.Len(t, servers, n)
	}
	for _, bad := range []string{"x", `\a`, `\nor\2\map\a`, `\or\x\map\a`} {
		_, ok := list[0].Selects(bad)
		require.False(t, ok, bad)
	}
}

func TestMatchStars(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"abc", "abc", true}, {"abc", "abcd", false}, {"ab*", "abcd", true}, {"*cd", "abcd", true}, {"a*d", "abcd", true},
		{"*b*", "abcd", true}, {"a*c", "abcd", false}, {"*", "", true}, {"a*a", "a", false}, {"*x*", "abcd", false},
	} {
		require.Equal(t, tt.want, matchStars(tt.pattern, tt.s), "%q %q", tt.pattern, tt.s)
	}
}
