package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A listedFarm is a farm on one port, and what a Web API says of its servers.
type listedFarm struct {
	*farm.Farm
	world *prototest.World
	list  []farm.Listed
}

func startListedFarm(t *testing.T, n int) *listedFarm {
	t.Helper()
	w := &prototest.World{Seed: 7}
	f, err := farm.Start(t.Context(), farm.Config{Service: w, Ports: []uint16{0}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	var at []netip.AddrPort
	for i := range n {
		a := netip.AddrFrom4([4]byte{127, 2, byte(i >> 8), byte(i)})
		if !f.Listen().Contains(a) {
			t.Skip("a farm behind many addresses needs Linux")
		}
		at = append(at, netip.AddrPortFrom(a, f.Ports()[0]))
	}
	return &listedFarm{f, w, farm.ListWorld(w, at)}
}

// recordsOf returns the records of a file by their addresses.
func recordsOf(t *testing.T, file string) map[netip.AddrPort]output.Record {
	t.Helper()
	records := map[netip.AddrPort]output.Record{}
	for line, err := range dataset.Lines(file) {
		require.NoError(t, err)
		var rec output.Record
		require.NoError(t, output.Unmarshal(line, &rec))
		require.NotContains(t, records, rec.Addr)
		records[rec.Addr] = rec
	}
	return records
}

func readSource(t *testing.T, file string) (sum listSummary) {
	t.Helper()
	m, err := dataset.ReadMetadata(file + ".meta.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(m.Source, &sum))
	return sum
}

// TestScanBeginsWhileTheListComes: the API sends the second half of its rows only when
// servers of the first half have been queried.
func TestScanBeginsWhileTheListComes(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	f := startListedFarm(t, 200)
	url := startAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"response":{"servers":[`)
		for i, l := range f.list {
			if i == len(f.list)/2 {
				_ = http.NewResponseController(w).Flush()
				for f.Counters().Requests == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `{"addr":%q,"players":%d}`, l.Addr, l.Players)
		}
		_, _ = io.WriteString(w, `]}}`)
	}))
	file := filepath.Join(t.TempDir(), "out.ndjson")
	status, _, stderr := runList(t, "scan", "--steam", "appid=440", "--api-url", url, "-o", file, "-r", "0", "--query", "info,players", "--keep-source")
	require.Zero(t, status, stderr)
	records := recordsOf(t, file)
	require.Len(t, records, len(f.list))
	different := 0
	for _, l := range f.list {
		r := records[l.Addr]
		require.Equal(t, output.Success, r.Status)
		truth, _ := f.world.Truth(prototest.EndpointFrom(l.Addr), 7)
		require.Equal(t, string(truth.Info[0].Map), r.Info.Map)
		// Three figures next to each other: the API's, INFO's, and the length of the list.
		var row struct {
			Addr    string
			Players int
		}
		require.NoError(t, json.Unmarshal(r.Source, &row), "%s", r.Source)
		require.Equal(t, l.Addr.String(), row.Addr)
		require.Equal(t, l.Players, row.Players)
		if row.Players != int(r.Info.Players) {
			different++
		}
		require.NotNil(t, r.Players)
	}
	require.Positive(t, different)
	require.Equal(t, listSummary{Source: "steam", Expr: "appid=440", Rows: 200, Servers: 200, Calls: 1, Complete: true, Incomplete: []listPart{}}, readSource(t, file))
	b, err := os.ReadFile(file + ".meta.json")
	require.NoError(t, err)
	require.NotContains(t, string(b)+stderr, testKey)
}

// TestScanOfAListThatFails: what came is scanned, and the metadata says that it is not all.
func TestScanOfAListThatFails(t *testing.T) {
	t.Setenv(keyVariable, testKey)
	f := startListedFarm(t, 100)
	file := filepath.Join(t.TempDir(), "out.ndjson")
	url := startAPI(t, &farm.API{Servers: f.list, Faults: []farm.Fault{{Cut: 8000}}, Forever: true})
	args := []string{"scan", "--steam", `\napp\1`, "--api-url", url, "-o", file, "-r", "0", "--max-calls", "1"}
	status, _, stderr := runList(t, args...)
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, "the list may lack servers")
	sum := readSource(t, file)
	require.False(t, sum.Complete)
	require.Positive(t, sum.Servers)
	require.Less(t, sum.Servers, 100)
	require.Contains(t, sum.Incomplete[0].Reason, "the answer was cut off")
	require.Len(t, recordsOf(t, file), sum.Servers)

	// Resumed, the list is fetched again, and servers without a record are queried.
	url = startAPI(t, &farm.API{Servers: f.list})
	status, _, stderr = runList(t, "scan", "--steam", `\napp\1`, "--api-url", url, "-o", file, "-r", "0", "--resume", "--require-complete")
	require.Zero(t, status, stderr)
	require.Len(t, recordsOf(t, file), 100)
	require.True(t, readSource(t, file).Complete)

	url = startAPI(t, &farm.API{Servers: f.list, Cap: 40})
	status, _, stderr = runList(t, "scan", "--steam", `\napp\1`, "--api-url", url, "-o", file+"2", "-r", "0", "--limit", "40", "--no-split", "--require-complete")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "--require-complete")
	require.Len(t, recordsOf(t, file+"2"), 40)

	// Without any servers, the records that are there stay.
	url = startAPI(t, &farm.API{Key: "another"})
	status, _, stderr = runList(t, "scan", "--steam", `\napp\1`, "--api-url", url, "-o", file)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "403 Forbidden")
	require.Len(t, recordsOf(t, file), 100)
}

// TestScanOfAMaster: the targets of a scan come from a master server.
func TestScanOfAMaster(t *testing.T) {
	f := startListedFarm(t, 300)
	at := startMaster(t, &farm.Master{Servers: f.list, Datagrams: 510})
	file := filepath.Join(t.TempDir(), "out.ndjson")
	status, _, stderr := runList(t, "scan", "--master", at, "--where", "nor(linux=1,map=x)", "-o", file, "-r", "0")
	require.Zero(t, status, stderr)
	n := 0
	records := recordsOf(t, file)
	for _, l := range f.list {
		if !l.Linux {
			require.Contains(t, records, l.Addr)
			n++
		}
	}
	require.Len(t, records, n)
	sum := readSource(t, file)
	require.Equal(t, n, sum.Servers)
	require.True(t, sum.Complete)

	status, stdout, stderr := runList(t, "scan", "-d", "--master", at, "-n", "5")
	require.Zero(t, status, stderr)
	require.Equal(t, 5, strings.Count(stdout, "\n"))
}

func TestScanSourceUsage(t *testing.T) {
	t.Setenv(keyVariable, "")
	for _, args := range [][]string{
		{"--steam", "appid=1"}, {"--steam", ""}, {"--master", ""}, {"--steam", "appid=1", "--master", "127.0.0.1"}, {"--where", "map=x", "127.0.0.1"},
		{"--master", "127.0.0.1", "--where", "mapp=x"}, {"--steam", "apid=1"}, {"--at", "x"},
	} {
		status, _, stderr := runList(t, append([]string{"scan"}, args...)...)
		require.Equal(t, 2, status, "%q: %s", args, stderr)
	}
}
