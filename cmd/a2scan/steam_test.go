package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
)

const testKey = "5EC2E75EC2E75EC2E75EC2E75EC2E75E"

// runList runs the program in this process.
func runList(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// startAPI serves a simulated Web API on loopback and returns its URL.
func startAPI(t *testing.T, api http.Handler) string {
	t.Helper()
	s := httptest.NewServer(api)
	t.Cleanup(s.Close)
	return s.URL
}

// listing returns n servers of which one in ten is a fake address.
func listing(n int) []farm.Listed {
	list := make([]farm.Listed, n)
	for i := range list {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if i%10 == 9 {
			a = netip.AddrFrom4([4]byte{169, 254, byte(i >> 8), byte(i)})
		}
		list[i] = farm.Listed{Addr: netip.AddrPortFrom(a, 27015), Name: "server", AppID: 440, Map: "ctf_2fort", Players: i % 3, MaxPlayers: 24, Linux: i%2 == 0}
	}
	return list
}

func TestSteamPrintsServers(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	url := startAPI(t, &farm.API{Servers: listing(100), Key: testKey})
	status, stdout, stderr := runList(t, "steam", "--api-url", url, "appid=440")
	require.Zero(t, status, stderr)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.Len(t, lines, 90)
	require.Equal(t, "10.0.0.0:27015", lines[0])
	require.Equal(t, "a2scan: 90 servers from 100 rows in 1 call (0 duplicates, 10 fake addresses): the list is complete\n", stderr)

	status, stdout, stderr = runList(t, "steam", "--api-url", url, "--json", "--fake-ip", "keep", "-q", `\appid\440\linux\1`)
	require.Zero(t, status, stderr)
	require.Empty(t, stderr)
	require.Equal(t, 50, strings.Count(stdout, "\n"))
	for line := range strings.Lines(stdout) {
		var row struct {
			Addr string
			OS   string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Equal(t, "l", row.OS)
	}

	dir := t.TempDir()
	file, meta := filepath.Join(dir, "list.txt.gz"), filepath.Join(dir, "meta.json")
	status, stdout, stderr = runList(t, "steam", "--api-url", url, "-o", file, "-m", meta, "nor(map=ctf_2fort,linux=1)")
	require.Equal(t, 1, status, "no server is selected")
	require.Empty(t, stdout)
	require.Contains(t, stderr, "the list of servers is empty")
	require.NoFileExists(t, file)
	b, err := os.ReadFile(meta)
	require.NoError(t, err)
	require.Equal(t, `{"source":"steam","expr":"nor(map=ctf_2fort,linux=1)","rows":0,"servers":0,"fake_ip":0,"duplicates":0,"calls":1,"complete":true,"incomplete_parts":[]}`+"\n", string(b))

	status, _, stderr = runList(t, "steam", "--api-url", url, "-o", file, "-m", "-", "appid=440")
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, `"rows":100,"servers":90,"fake_ip":10,`)
	b, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, []byte{0x1F, 0x8B}, b[:2], "gzip")
	_, err = os.Stat(file)
	require.NoError(t, err)

	status, stdout, stderr = runList(t, "steam", "--games")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "rust\t252490\n")
}

// TestSteamIncomplete: a list that may lack servers is status 0, and says so.
func TestSteamIncomplete(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	url := startAPI(t, &farm.API{Servers: listing(100), Key: testKey, Cap: 40})
	meta := filepath.Join(t.TempDir(), "meta.json")
	status, stdout, stderr := runList(t, "steam", "--api-url", url, "-q", "--limit", "40", "--no-split", "-m", meta)
	require.Zero(t, status)
	require.Equal(t, 36, strings.Count(stdout, "\n"))
	require.Equal(t, "a2scan: incomplete: all servers: the API returned 40 rows and no more\n"+
		"a2scan: 36 servers from 40 rows in 1 call (0 duplicates, 4 fake addresses): the list may lack servers\n", stderr)
	var sum listSummary
	b, err := os.ReadFile(meta)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &sum))
	require.False(t, sum.Complete)
	require.Equal(t, []listPart{{Reason: "the API returned 40 rows and no more"}}, sum.Incomplete)

	status, _, _ = runList(t, "steam", "--api-url", url, "--limit", "40", "--no-split", "--require-complete")
	require.Equal(t, 1, status)
	status, stdout, _ = runList(t, "steam", "--api-url", url, "--limit", "40", "--require-complete", "--calls-per-minute", "0")
	require.Zero(t, status)
	require.Equal(t, 90, strings.Count(stdout, "\n"))
}

func TestSteamUsage(t *testing.T) {
	t.Setenv(keyVariable, "")
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	twoLines := filepath.Join(dir, "lines")
	require.NoError(t, os.WriteFile(twoLines, []byte(testKey+"\nmore\n"), 0o600))
	good := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(good, []byte(testKey+"\n"), 0o600))
	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "no key for the Steam Web API"},
		{[]string{"--key-file", empty}, "no key"},
		{[]string{"--key-file", twoLines}, "--key-file does not hold a key"},
		{[]string{"--key-file", filepath.Join(dir, "none")}, "cannot read the key"},
		{[]string{"--key-file", good, "apid=440"}, `unknown key "apid"`},
		{[]string{"--key-file", good, `map=de_*`}, "map: * means anything"},
		{[]string{"--key-file", good, "clver=1"}, "only masters for Xash3D know clver"},
		{[]string{"--key-file", good, "collapse_addr_hash=1"}, "answers nothing to collapse_addr_hash"},
		{[]string{"--key-file", good, "nor(gameaddr=192.0.2.1)"}, "ignores a nor of one gameaddr"},
		{[]string{"--key-file", good, "appid=440", "map=x"}, "one EXPR"},
		{[]string{"--key-file", good, "--api-url", "ftp://127.0.0.1"}, "--api-url is not a URL"},
		{[]string{"--key-file", good, "--api-url", "http://127.0.0.1/?key=" + testKey}, "--api-url has more than"},
		{[]string{"--key-file", good, "--api-url", "http://" + testKey + "@127.0.0.1/"}, "--api-url has more than"},
		{[]string{"--key-file", good, "--limit", "0"}, "1 or more"},
		{[]string{"--at", "home"}, "neither an address"},
		{[]string{"--games", "x"}, "takes no EXPR"},
		{[]string{"--key-file", good, "-o", dir}, "cannot write the list"},
		{[]string{"--key-file", good, "-o", good + ".x", "-m", good + ".x"}, "both name"},
	} {
		status, stdout, stderr := runList(t, append([]string{"steam"}, tt.args...)...)
		require.Equal(t, 2, status, "%s: %s", tt.args, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, tt.says)
		require.NotContains(t, stderr, testKey)
	}
}

// TestSteamAt lists the servers of addresses without a key.
func TestSteamAt(t *testing.T) {
	t.Setenv(keyVariable, "")
	api := &farm.API{Servers: listing(100)}
	url := startAPI(t, api)
	status, stdout, stderr := runList(t, "steam", "--api-url", url, "--at", "10.0.0.3,10.0.0.4", "--at", "10.0.0.5", "10.0.0.6:27015", "10.0.0.200")
	require.Zero(t, status, stderr)
	require.Equal(t, "10.0.0.3:27015\n10.0.0.4:27015\n10.0.0.5:27015\n10.0.0.6:27015\n", stdout)
	require.Equal(t, []string{"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6:27015", "10.0.0.200"}, api.Calls())
}

// TestKeyIsInNoOutput looks for the key in every byte that is written when everything
// goes wrong that can.
func TestKeyIsInNoOutput(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // of what it was sent
		fmt.Fprintf(w, `{"response":{"servers":[{"addr":"10.0.0.1:1","name":%q}]}}`, fmt.Sprint(r.Header))
	})
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/"+r.Header.Get("x-webapi-key"), http.StatusFound)
	})
	body := "<html>" + testKey + "</html>"
	for i, h := range []http.Handler{
		&farm.API{Servers: listing(30)},
		&farm.API{Servers: listing(30), Key: "another"},
		&farm.API{Servers: listing(30), Cap: 10},
		&farm.API{Faults: []farm.Fault{{Status: 403, Body: body}}, Forever: true},
		&farm.API{Faults: []farm.Fault{{Status: 429, Body: body, RetryAfter: "0"}}, Forever: true},
		&farm.API{Faults: []farm.Fault{{Status: 429, RetryAfter: testKey}}, Forever: true},
		&farm.API{Faults: []farm.Fault{{Status: 500, Body: body}}, Forever: true},
		&farm.API{Faults: []farm.Fault{{Body: body}}, Forever: true},
		&farm.API{Faults: []farm.Fault{{Body: `{"` + testKey + `":`}}, Forever: true},
		&farm.API{Servers: listing(30), Faults: []farm.Fault{{Cut: 700}}, Forever: true},
		echo, redirect, nil,
	} {
		url := "http://127.0.0.1:1" // nobody listens there
		if h != nil {
			url = startAPI(t, h)
		}
		dir := t.TempDir()
		key := filepath.Join(dir, "key")
		require.NoError(t, os.WriteFile(key, []byte(testKey), 0o600))
		t.Setenv(keyVariable, "")
		from := []string{"--key-file", key}
		if i%2 == 0 {
			t.Setenv(keyVariable, testKey)
			from = nil
		}
		var all bytes.Buffer
		for _, more := range [][]string{{}, {"--json", "--verbose"}, {"--json", "-v", "-o", filepath.Join(dir, "list"), "-m", filepath.Join(dir, "meta")}} {
			args := slices.Concat([]string{"steam", "--api-url", url, "--max-calls", "1", "--limit", "10"}, from, more)
			_, stdout, stderr := runList(t, args...)
			fmt.Fprintln(&all, stdout, stderr)
			require.NotEmpty(t, stderr)
		}
		require.NoError(t, os.Remove(key))
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		for _, name := range files {
			f, err := os.Open(name)
			require.NoError(t, err)
			_, err = io.Copy(&all, f)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		require.NotContains(t, strings.ToLower(all.String()), strings.ToLower(testKey), "case %d", i)
	}
}

// TestSteamKeepsWhatIsThere: a list that cannot be fetched leaves yesterday's file alone.
func TestSteamKeepsWhatIsThere(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	url := startAPI(t, &farm.API{Key: "another"})
	file := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(file, []byte("yesterday\n"), 0o600))
	status, _, stderr := runList(t, "steam", "--api-url", url, "-o", file)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "a2scan: the Steam Web API refused: HTTP status 403 Forbidden\na2scan: hint: check the key in --key-file or STEAM_API_KEY")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "yesterday\n", string(b))
}
