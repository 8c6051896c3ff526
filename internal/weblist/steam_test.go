package weblist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/proto/master"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A direct transport hands requests to a handler, without a network, so that tests of
// what takes minutes run in virtual time.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	rw := &directWriter{w: w, header: http.Header{}, begun: make(chan int, 1)}
	go func() {
		err := io.EOF
		defer func() {
			if recover() != nil {
				err = io.ErrUnexpectedEOF
			}
			rw.WriteHeader(http.StatusOK)
			w.CloseWithError(err)
		}()
		d.handler.ServeHTTP(rw, r)
	}()
	stop := context.AfterFunc(r.Context(), func() { body.CloseWithError(r.Context().Err()) })
	select {
	case status := <-rw.begun:
		return &http.Response{StatusCode: status, Header: rw.header, Body: directBody{body, stop}, Request: r}, nil
	case <-r.Context().Done():
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: r.Context().Err()}
	}
}

type directBody struct {
	*io.PipeReader
	stop func() bool
}

func (b directBody) Close() error { b.stop(); return b.PipeReader.Close() }

type directWriter struct {
	w      *io.PipeWriter
	header http.Header
	begun  chan int
	wrote  bool
}

func (w *directWriter) Header() http.Header { return w.header }
func (w *directWriter) Flush()              {}
func (w *directWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.begun <- status
	}
}
func (w *directWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.w.Write(b)
}

const key = "0123456789ABCDEF0123456789ABCDEF"

// A fetched list: what came of it, and all that was said.
type fetched struct {
	Summary
	err     error
	servers map[netip.AddrPort]string
	said    []string
	took    time.Duration
}

// fetch fetches a list in virtual time.
func fetch(t *testing.T, h http.Handler, change func(*SteamConfig)) (f fetched) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u, err := url.Parse("http://api.invalid")
		require.NoError(t, err)
		f.servers = map[netip.AddrPort]string{}
		var mu sync.Mutex // notes about slow answers come from a timer
		say := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			f.said = append(f.said, s)
		}
		cfg := SteamConfig{
			URL: u, Key: key, Limit: 10_000, MaxCalls: 500, CallsPerMinute: 40, DropFake: true,
			Server: func(at netip.AddrPort, row []byte) error {
				if _, ok := f.servers[at]; ok {
					t.Errorf("%s came twice", at)
				}
				f.servers[at] = string(row)
				return nil
			},
			Note: say, Detail: say, Transport: direct{h},
		}
		if change != nil {
			change(&cfg)
		}
		began := time.Now()
		f.Summary, f.err = Steam(t.Context(), cfg)
		f.took = time.Since(began)
	})
	// The key is nowhere.
	require.NotContains(t, fmt.Sprint(f), key)
	if f.err != nil {
		require.NotContains(t, fmt.Sprintf("%+v %v", f.err, f.err), key)
	}
	return f
}

// servers returns n servers of one game. share percent of them are copies with one name
// and map, on that many addresses.
func servers(n, share, hosts int) []farm.Listed {
	r := prototest.NewRand(uint64(n + share))
	list := make([]farm.Listed, n)
	for i := range list {
		l := farm.Listed{
			Addr:       netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(27015+r.Below(20))),
			Name:       fmt.Sprintf("%c%c server #%d", 'A'+r.Below(26), 'a'+r.Below(26), i),
			Map:        fmt.Sprintf("de_%d", min(r.Below(60), r.Below(60))),
			AppID:      730,
			Version:    "1.40." + string(rune('0'+r.Below(4))),
			Players:    max(r.Below(20)-8, 0),
			MaxPlayers: 12,
			Linux:      r.Below(3) != 0,
			Secure:     r.Below(10) != 0,
			Dedicated:  true,
		}
		if i*100 < n*share {
			host := i % hosts
			l.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(host >> 8), byte(host)}), uint16(20_000+i/hosts))
			l.Name, l.Map, l.Version, l.Players, l.Linux, l.Secure = "BEST SERVERS *** discord", "de_dust2", "1.40.0", 10, true, true
		}
		list[i] = l
	}
	return list
}

func app(t *testing.T, text string) func(*SteamConfig) {
	t.Helper()
	f, err := master.Parse(text)
	require.NoError(t, err)
	return func(c *SteamConfig) { c.Filter = f }
}

// TestBeyondTheCap: 30,000 servers of one game where a response has 10,000 at most, and
// 40 % are copies with one name and map.
func TestBeyondTheCap(t *testing.T) {
	for _, tt := range []struct{ n, share, hosts, most, seeds int }{
		{30_000, 40, 40, 10_000, 2},
		// A tenth of that, with as many shapes as there is time for.
		{3000, 40, 40, 1000, 3}, {3000, 40, 600, 1000, 3}, {3000, 40, 3, 1000, 3}, {3000, 0, 1, 1000, 3}, {6000, 20, 100, 1000, 3},
		{999, 50, 10, 1000, 1}, {1000, 50, 10, 1000, 1},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			if testing.Short() && (tt.n > 3000 || tt.share == 0) {
				t.Skip("NOT RUN: it takes seconds")
			}
			list := servers(tt.n, tt.share, tt.hosts)
			for seed := range tt.seeds {
				api := &farm.API{Servers: list, Key: key, Cap: tt.most, Seed: uint64(seed)}
				f := fetch(t, api, func(c *SteamConfig) { app(t, "appid=730")(c); c.Limit = tt.most })
				require.NoError(t, f.err)
				require.Empty(t, f.Incomplete)
				require.Len(t, f.servers, tt.n, "in any order of rows")
				require.Equal(t, tt.n, f.Servers)
				require.Equal(t, f.Rows, f.Servers+f.Duplicates)
				require.Len(t, api.Calls(), f.Calls)
				require.LessOrEqual(t, f.Calls, 120)
				t.Logf("%d calls, %s", f.Calls, f.took)
			}
		})
	}
}

// TestIndivisiblePart: 3,600 servers that nothing tells apart but their addresses.
func TestIndivisiblePart(t *testing.T) {
	list := servers(6000, 60, 3600)
	limit := func(c *SteamConfig) { c.Limit = 3000 }
	f := fetch(t, &farm.API{Servers: list, Key: key, Cap: 3000}, func(c *SteamConfig) { app(t, "appid=730")(c); limit(c) })
	require.NoError(t, f.err)
	require.Len(t, f.Incomplete, 1)
	require.Contains(t, f.Incomplete[0].Part, `\map\de_dust2`)
	require.Contains(t, f.Incomplete[0].Reason, "nothing divides this part")
	require.Contains(t, f.Incomplete[0].Part, `\name_match\BEST SERVERS *`)
	require.Equal(t, len(f.servers), 5400, "the 2,400 others, and the 3,000 that came")
	require.Less(t, f.Calls, 120)

	f = fetch(t, &farm.API{Servers: list, Key: key, Cap: 3000}, func(c *SteamConfig) { limit(c); c.NoSplit = true })
	require.NoError(t, f.err)
	require.Equal(t, []Part{{"", "the API returned 3000 rows and no more"}}, f.Incomplete)
	require.Len(t, f.servers, 3000)

	f = fetch(t, &farm.API{Servers: list, Key: key, Cap: 3000}, func(c *SteamConfig) { limit(c); c.MaxCalls = 3 })
	require.NoError(t, f.err)
	require.Greater(t, len(f.Incomplete), 3)
	require.Equal(t, "the limit of 3 calls is reached", f.Incomplete[0].Reason)
	require.Equal(t, 3, f.Calls)
}

// TestFilterThatIsNotHeeded: parts that have fewer rows than their whole are none.
func TestFilterThatIsNotHeeded(t *testing.T) {
	api := &farm.API{Servers: servers(15_000, 0, 1), Key: key}
	f := fetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("filter"), "empty") {
			_, _ = io.WriteString(w, "{}")
			return
		}
		api.ServeHTTP(w, r)
	}), nil)
	require.NoError(t, f.err)
	require.Equal(t, []Part{{"", "the API returned 10000 rows and no more, and 0 for all of its parts"}}, f.Incomplete)
	require.Len(t, f.servers, 10_000)
}

// TestPace: never more than 40 calls in any minute.
func TestPace(t *testing.T) {
	list := servers(300, 0, 1)
	synctest.Test(t, func(t *testing.T) {
		u, _ := url.Parse("http://api.invalid")
		api := &farm.API{Servers: list}
		var at []string
		for i := range 100 {
			at = append(at, fmt.Sprintf("10.0.0.%d", i))
		}
		sum, err := Steam(t.Context(), SteamConfig{
			URL: u, At: at, CallsPerMinute: 40, Transport: direct{api}, Note: func(string) {}, Detail: func(string) {},
			Server: func(netip.AddrPort, []byte) error { return nil },
		})
		require.NoError(t, err)
		require.Equal(t, 100, sum.Calls)
		require.Equal(t, 100, sum.Servers)
		require.Equal(t, 40, api.Busiest(time.Minute))
	})
}

// TestFaults: each fault is reported plainly, and nothing that came is lost.
func TestFaults(t *testing.T) {
	list := servers(40, 0, 1)
	status := func(code int) farm.Fault { return farm.Fault{Status: code, Body: "<html>busy " + key + "</html>"} }
	for _, tt := range []struct {
		name    string
		api     *farm.API
		servers int
		calls   int
		reason  string // why the list is incomplete; "": it is not
		ends    bool   // with an error
		least   time.Duration
		said    string
	}{
		{name: "nothing wrong", servers: 40, calls: 1},
		{name: "500 twice", api: &farm.API{Faults: []farm.Fault{status(500), status(500)}}, servers: 40, calls: 3, least: 3 * time.Second, said: "HTTP status 500 Internal Server Error; the next attempt is in 2s"},
		{name: "503 for ever", api: &farm.API{Faults: []farm.Fault{status(503)}, Forever: true}, calls: 6, reason: "HTTP status 503 Service Unavailable", ends: true},
		{name: "429 with Retry-After", api: &farm.API{Faults: []farm.Fault{{Status: 429, RetryAfter: "77"}}}, servers: 40, calls: 2, least: 77 * time.Second, said: "HTTP status 429 Too Many Requests; the next attempt is in 1m17s"},
		{name: "429 without", api: &farm.API{Faults: []farm.Fault{status(429), status(429)}}, servers: 40, calls: 3, least: 6 * time.Second},
		{name: "429 for ever", api: &farm.API{Faults: []farm.Fault{status(429)}, Forever: true}, calls: 6, reason: "HTTP status 429 Too Many Requests", ends: true, least: time.Minute},
		{name: "429 for a day", api: &farm.API{Faults: []farm.Fault{{Status: 429, RetryAfter: "86400"}}}, calls: 1, reason: "HTTP status 429 Too Many Requests: wait 24h0m0s", ends: true},
		{name: "403", api: &farm.API{Faults: []farm.Fault{status(403)}}, calls: 1, reason: "HTTP status 403 Forbidden", ends: true},
		{name: "a wrong key", api: &farm.API{Key: "another"}, calls: 1, reason: "HTTP status 403 Forbidden", ends: true},
		{name: "404", api: &farm.API{Faults: []farm.Fault{status(404)}}, calls: 1, reason: "HTTP status 404 Not Found", ends: true},
		{name: "a redirect", api: &farm.API{Faults: []farm.Fault{status(302)}}, calls: 1, reason: "HTTP status 302 Found", ends: true},
		{name: "a body that is cut", api: &farm.API{Faults: []farm.Fault{{Cut: 5000}}}, servers: 40, calls: 2, said: "the answer was cut off"},
		{name: "cut for ever", api: &farm.API{Faults: []farm.Fault{{Cut: 5000}}, Forever: true}, servers: -1, calls: 6, reason: "the answer was cut off: unexpected EOF", ends: true},
		{name: "a body that ends early", api: &farm.API{Faults: []farm.Fault{{Body: `{"response":{"servers":[{"addr":"10.0.0.0:1"},`}}}, servers: 41, calls: 2, said: "the answer was cut off"},
		{name: "HTML", api: &farm.API{Faults: []farm.Fault{status(200)}}, servers: 40, calls: 2, said: "the answer is not a list of servers (JSON)"},
		{name: "HTML for ever", api: &farm.API{Faults: []farm.Fault{status(200)}, Forever: true}, calls: 6, reason: "the answer is not a list of servers (JSON)", ends: true},
		{name: "another JSON", api: &farm.API{Faults: []farm.Fault{{Body: `{"response":["x"]}`}, {Body: `[]`}, {Body: `{"response":{"servers":{}}}`}}}, servers: 40, calls: 4},
		{name: "an empty body", api: &farm.API{Faults: []farm.Fault{{Status: 200}}}, servers: 40, calls: 2, said: "the answer is empty"},
		{name: "no servers", api: &farm.API{Faults: []farm.Fault{{Body: `{"response":{}}`}}}, calls: 1},
		{name: "no response", api: &farm.API{Faults: []farm.Fault{{Body: `{}`}}}, calls: 1},
		{name: "null", api: &farm.API{Faults: []farm.Fault{{Body: `{"response":{"servers":null}}`}}}, calls: 1},
		{name: "other members", api: &farm.API{Faults: []farm.Fault{{Body: ` {"x":[{"servers":[1]}],"response":{"y":{"z":[]},"servers":[{"addr":"10.0.0.0:1"}],"w":1}} `}}}, servers: 1, calls: 1},
		{name: "a slow answer", api: &farm.API{Delay: 15 * time.Second}, servers: 40, calls: 1, least: 15 * time.Second, said: "no answer for 10s; still waiting"},
		{name: "no answer", api: &farm.API{Delay: time.Hour}, calls: 6, reason: "nothing came for 30s", ends: true},
		{name: "an answer that stops", api: &farm.API{Faults: []farm.Fault{{Hang: true}}}, servers: 40, calls: 2, said: "nothing came for 30s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api == nil {
				tt.api = &farm.API{}
			}
			tt.api.Servers = list
			f := fetch(t, tt.api, nil)
			if tt.servers >= 0 {
				require.Len(t, f.servers, tt.servers)
			} else {
				require.NotEmpty(t, f.servers)
			}
			require.Equal(t, tt.calls, f.Calls)
			if tt.reason == "" {
				require.Empty(t, f.Incomplete)
			} else {
				require.Equal(t, []Part{{"", tt.reason}}, f.Incomplete)
			}
			require.Equal(t, tt.ends, f.err != nil, "%v", f.err)
			require.GreaterOrEqual(t, f.took, tt.least)
			require.Contains(t, strings.Join(f.said, "\n"), tt.said)
		})
	}
}

// TestFaultInAPart: one part that fails for ever does not end the others.
func TestFaultInAPart(t *testing.T) {
	list := servers(20_000, 0, 1)
	api := &farm.API{Servers: list, Key: key}
	f := fetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("filter"), `\nor\1\empty\1\linux\1`) {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		api.ServeHTTP(w, r)
	}), nil)
	require.NoError(t, f.err)
	require.Equal(t, []Part{{`\nor\1\empty\1\linux\1`, "HTTP status 502 Bad Gateway"}}, f.Incomplete)
	for _, l := range list {
		if _, ok := f.servers[l.Addr]; !ok && (l.Players > 0 || !l.Linux) {
			t.Fatalf("%s is missing", l.Addr)
		}
	}

	calls := 0
	f = fetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		api.ServeHTTP(w, r)
	}), nil)
	var status *StatusError
	require.ErrorAs(t, f.err, &status)
	require.Equal(t, 403, status.Code)
	require.Len(t, f.servers, 10_000)
	require.Len(t, f.Incomplete, 4)
	require.Equal(t, 2, calls, "a 403 ends it at once")
}

func TestRows(t *testing.T) {
	body := `{"response":{"servers":[
		{"addr":"10.0.0.1:27015","name":"a
	b"},` // a newline inside of a string is no JSON
	f := fetch(t, &farm.API{Faults: []farm.Fault{{Body: body}}}, nil)
	require.Contains(t, strings.Join(f.said, "\n"), "not a list")

	body = `{"response":{"servers":[
		{ "addr" : "10.0.0.1:27015", "name" : "x\u001b[31m ` + "\xff" + ` ` + key + `" },
		{"addr":"169.254.3.4:27015"},{"addr":"10.0.0.1:27015"},{"addr":"[2001:db8::1]:27015"},{"addr":"[2001:db8::1]:27015"},
		{"addr":"10.0.0.1"},{"addr":"10.0.0.1:0"},{"addr":5},{},null,7,{"addr":"10.0.0.2:1","map":5,"players":"x"}]}}`
	f = fetch(t, &farm.API{Faults: []farm.Fault{{Body: body}}}, nil)
	require.NoError(t, f.err)
	require.Equal(t, Summary{Rows: 12, Servers: 3, FakeIP: 1, Duplicates: 2, Unreadable: 6, Calls: 1}, f.Summary)
	require.Equal(t, map[netip.AddrPort]string{
		netip.MustParseAddrPort("10.0.0.1:27015"):      `{"addr":"10.0.0.1:27015","name":"x\u001b[31m ` + "\uFFFD" + ` ***"}`,
		netip.MustParseAddrPort("[2001:db8::1]:27015"): `{"addr":"[2001:db8::1]:27015"}`,
		netip.MustParseAddrPort("10.0.0.2:1"):          `{"addr":"10.0.0.2:1","map":5,"players":"x"}`,
	}, f.servers)

	f = fetch(t, &farm.API{Faults: []farm.Fault{{Body: body}}}, func(c *SteamConfig) { c.DropFake = false })
	require.Equal(t, 1, f.FakeIP)
	require.Contains(t, f.servers, netip.MustParseAddrPort("169.254.3.4:27015"))

	long := `{"response":{"servers":[{"addr":"10.0.0.1:1"},{"addr":"` + strings.Repeat("x", 3<<20) + `"}]}}`
	f = fetch(t, &farm.API{Faults: []farm.Fault{{Body: long}}, Forever: true}, nil)
	require.Equal(t, "the answer has a row of more than 1048576 bytes", f.Incomplete[0].Reason)
	require.Len(t, f.servers, 1)

	gone := errors.New("the reader has gone")
	f = fetch(t, &farm.API{Servers: servers(10, 0, 1)}, func(c *SteamConfig) {
		c.Server = func(netip.AddrPort, []byte) error { return gone }
	})
	require.ErrorIs(t, f.err, gone)
	require.Equal(t, 1, f.Calls)
}

func TestAt(t *testing.T) {
	list := servers(100, 50, 5)
	api := &farm.API{Servers: list, Key: key}
	f := fetch(t, api, func(c *SteamConfig) { c.At, c.Key = []string{"172.16.0.1", "10.9.9.9", "172.16.0.1"}, "" })
	require.NoError(t, f.err)
	require.Equal(t, 2, f.Calls)
	require.Len(t, f.servers, 10)
	for a, row := range f.servers {
		require.Contains(t, row, a.String())
	}

	f = fetch(t, &farm.API{Servers: list, Faults: []farm.Fault{{}, {Status: 403}}}, func(c *SteamConfig) { c.At = []string{"172.16.0.1", "172.16.0.2", "172.16.0.3"} })
	require.ErrorContains(t, f.err, "403")
	require.Len(t, f.servers, 10)
	require.Equal(t, []Part{{"172.16.0.2", "HTTP status 403 Forbidden"}, {"172.16.0.3", "HTTP status 403 Forbidden"}}, f.Incomplete)

	f = fetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("x-webapi-key"), "it needs no key, so it gets none")
		require.NotContains(t, r.URL.String(), key)
		_, _ = io.WriteString(w, `{"response":{"success":true,"servers":[]}}`)
	}), func(c *SteamConfig) { c.At = []string{"10.0.0.1"} })
	require.NoError(t, f.err)
	require.Zero(t, f.Servers)
}

// TestKeyIsAHeader: and in no URL, since proxies log these.
func TestKeyIsAHeader(t *testing.T) {
	fetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, key, r.Header.Get("x-webapi-key"))
		require.NotContains(t, r.URL.String(), key)
		_, _ = io.WriteString(w, `{}`)
	}), nil)
}

// TestMillionRows: a response of a million rows takes constant memory, and its rows are
// handed on as they come.
func TestMillionRows(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	example := servers(1, 0, 1)[0]
	body, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(w, `{"response":{"servers":[`)
		var block strings.Builder
		for i := range n {
			if i > 0 {
				block.WriteByte(',')
			}
			fmt.Fprintf(&block, `{"addr":"10.%d.%d.%d:27015","gameport":27015,"steamid":"90071992547409920","name":"server %d","appid":730,"gamedir":"csgo","version":"1.40","region":-1,"players":3,"max_players":12,"bots":0,"map":%q,"secure":true,"dedicated":true,"os":"l"}`,
				byte(i>>16), byte(i>>8), byte(i), i, example.Map)
			if block.Len() > 1<<16 {
				_, _ = io.WriteString(w, block.String())
				block.Reset()
			}
		}
		_, _ = io.WriteString(w, block.String()+`]}}`)
		w.Close()
	}()
	var most, base uint64
	measure := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	base = measure()
	f := &steam{SteamConfig: SteamConfig{Limit: 2 * n}, caller: newCaller(nil)}
	s := newSample()
	early := false
	f.Server = func(netip.AddrPort, []byte) error {
		if f.sum.Servers == 1 {
			select {
			case <-written:
			default:
				early = true
			}
		}
		if f.sum.Servers%(n/4) == 0 {
			most = max(most, measure())
		}
		return nil
	}
	require.NoError(t, readRows(body, func(r *row) error { s.add(r); return f.take(r) }))
	require.True(t, early)
	require.Equal(t, n, f.sum.Servers)
	t.Logf("%d MiB", (most-base)>>20)
	require.Less(t, most-base, uint64(24<<20), "live memory; with garbage it is below 40 MB")
}

// FuzzReadRows: whatever a server answers, reading ends, and rows are JSON on one line.
func FuzzReadRows(f *testing.F) {
	for _, s := range []string{
		`{"response":{"servers":[{"addr":"10.0.0.1:1","name":"x"},{"addr":""}]}}`, `{}`, `{"response":{}}`, `[`, `{"response":{"servers":[1,null,"x"]},"y":[[]]}`, "<html>", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := readRows(strings.NewReader(string(body)), func(r *row) error {
			require.NotContains(t, string(r.JSON), "\n")
			require.True(t, json.Valid(r.JSON) && utf8.Valid(r.JSON))
			var v struct{ Name, Map string } // encoding/json is the oracle
			if r.JSON[0] == '{' && json.Unmarshal(r.JSON, &v) == nil && !strings.Contains(strings.ToLower(string(body)), "\\u") && strings.Count(strings.ToLower(string(body)), `"name"`) < 2 && strings.Contains(string(body), `"name"`) {
				require.Equal(t, v.Name, string(r.name))
			}
			require.False(t, r.Addr.IsValid() && r.Addr.Port() == 0)
			return nil
		})
		var temporary *errTemporary
		require.True(t, err == nil || errors.As(err, &temporary))
	})
}

func TestDivisionsArePartitions(t *testing.T) {
	list := servers(600, 40, 20)
	for range 2 {
		s := newSample()
		for i := range list[:200] {
			s.add(&row{
				Addr: list[i*3].Addr, name: []byte(list[i*3].Name), gameMap: []byte(list[i*3].Map), version: []byte(list[i*3].Version),
				players: list[i*3].Players, maxPlayers: list[i*3].MaxPlayers, secure: list[i*3].Secure, dedicated: list[i*3].Dedicated,
			})
		}
		for i, by := range []func(*part, *sample) []*part{byEmptyAndLinux, byMap, byName, byPrefix, byFlags, byVersion, byAddress} {
			parts := by(&part{}, s)
			require.Greater(t, len(parts), 1, i)
			for j := range list {
				n := 0
				for _, p := range parts {
					if selects, ok := list[j].Selects(p.filter.Wire()); selects && ok {
						n++
					}
				}
				require.Equal(t, 1, n, "division %d: %+v", i, list[j])
			}
		}
		slices.Reverse(list)
	}
}
