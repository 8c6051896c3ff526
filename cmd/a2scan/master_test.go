package main

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/proto/prototest"
)

// startMaster serves a simulated master on loopback and returns its address.
func startMaster(t *testing.T, m *farm.Master) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- farm.ServeMaster(conn, m) }()
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		require.NoError(t, <-done)
	})
	return conn.LocalAddr().String()
}

func masterListing(n int) []farm.Listed {
	w := &prototest.World{Seed: 1}
	var at []netip.AddrPort
	for i := range n {
		at = append(at, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), 27015))
	}
	return farm.ListWorld(w, at)
}

func TestMasterPrintsServers(t *testing.T) {
	list := masterListing(300)
	for _, tt := range []struct {
		name string
		m    *farm.Master
		args []string
		want int
		says string
	}{
		{"pages", &farm.Master{}, nil, 300, "the list is complete"},
		{"several datagrams", &farm.Master{Datagrams: 510}, nil, 300, "the list is complete"},
		{"several keyed datagrams", &farm.Master{Datagrams: 510, Xash: true}, []string{"--dialect", "xash"}, 300, "the list is complete"},
		{"stray bytes", &farm.Master{PageEntries: 340, Stray: 4}, nil, 300, "the list is complete"},
		{"a seed that is ignored", &farm.Master{IgnoreSeed: true}, nil, 231, "incomplete: all servers in region all: the master repeats its pages"},
		{"a cap", &farm.Master{Cap: 231}, []string{"--requests-per-minute", "0"}, 300, "the list is complete"},
		{"a cap, and no parts", &farm.Master{Cap: 231}, []string{"--no-split"}, 231, "its last page is full"},
		{"json", &farm.Master{}, []string{"--json"}, 300, "the list is complete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.m.Servers = list
			at := startMaster(t, tt.m)
			status, stdout, stderr := runList(t, append([]string{"master", "--timeout", "300ms", at}, tt.args...)...)
			require.Zero(t, status, stderr)
			require.Equal(t, tt.want, strings.Count(stdout, "\n"))
			require.Contains(t, stderr, tt.says)
			have := map[string]bool{}
			for line := range strings.Lines(stdout) {
				have[strings.TrimSuffix(line, "\n")] = true
			}
			for _, l := range list {
				if tt.name == "json" {
					require.True(t, have[`{"addr":"`+l.Addr.String()+`"}`])
				} else if tt.want == 300 {
					require.True(t, have[l.Addr.String()], l.Addr)
				}
			}
		})
	}
}

func TestMasterFails(t *testing.T) {
	quick := []string{"--timeout", "50ms", "--retries", "1"}
	for _, tt := range []struct {
		name string
		m    *farm.Master
		args []string
		says string
	}{
		{"silence", &farm.Master{Silent: true}, nil, ": no reply\n"},
		{"text for ever", &farm.Master{Noise: true}, nil, ": no reply\n"},
		{"an empty list", &farm.Master{}, nil, "the list of servers is empty"},
		{"a client without a version", &farm.Master{Xash: true}, []string{"--dialect", "valve"}, "no reply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := startMaster(t, tt.m)
			status, stdout, stderr := runList(t, append(append([]string{"master", at}, quick...), tt.args...)...)
			require.Equal(t, 1, status, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.says)
		})
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := conn.LocalAddr().String()
	require.NoError(t, conn.Close())
	status, _, stderr := runList(t, append([]string{"master", closed}, quick...)...)
	require.Equal(t, 1, status)
	require.Regexp(t, "refuses: no master listens there|no reply", stderr)
}

func TestMasterUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"127.0.0.1", "appid=1", "map=x"}, {"127.0.0.1:x"}, {"127.0.0.1:70000"}, {"127.0.0.1:0"}, {""}, {":27011"}, {"a b"}, {"127.0.0.1", "mapp=x"},
		{"127.0.0.1", "--region", "mars"}, {"127.0.0.1", "--dialect", "quake"}, {"http://127.0.0.1/list"}, {"--dialect", "xash", "ftp://127.0.0.1"},
		{"--dialect", "xash", "http://127.0.0.1/list", "map=x"}, {"--dialect", "xash", "http://127.0.0.1/list", "gamedir=../x"}, {"127.0.0.1", "--timeout", "0s"},
		{"127.0.0.1", "map=" + strings.Repeat("x", 1300)},
	} {
		status, stdout, stderr := runList(t, append([]string{"master"}, args...)...)
		require.Equal(t, 2, status, "%q: %s", args, stderr)
		require.Empty(t, stdout)
	}
}

// TestMasterStaticList reads the successor of Xash3D's masters.
func TestMasterStaticList(t *testing.T) {
	url := startAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list/v1/gamedirs":
			_, _ = io.WriteString(w, "cstrike 2 2\nvalve 1 1\n")
		case "/list/v1/servers/cstrike":
			_, _ = io.WriteString(w, "# list\nip 192.0.2.1:27015\ngs 192.0.2.2:27016\n")
		case "/list/v1/servers/valve":
			_, _ = io.WriteString(w, "ip 192.0.2.3:27015\n")
		default:
			http.NotFound(w, r)
		}
	}))
	status, stdout, stderr := runList(t, "master", "--dialect", "xash", url+"/list")
	require.Zero(t, status, stderr)
	require.Equal(t, "192.0.2.1:27015\n192.0.2.2:27016\n192.0.2.3:27015\n", stdout)
	status, stdout, stderr = runList(t, "master", "--dialect", "xash", url+"/list", "gamedir=valve")
	require.Zero(t, status, stderr)
	require.Equal(t, "192.0.2.3:27015\n", stdout)
	status, _, stderr = runList(t, "master", "--dialect", "xash", url+"/list", "gamedir=tfc")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "404 Not Found")
}
