package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// writeRecords writes n records to a zstd file and returns them.
func writeRecords(t *testing.T, file string, seed uint64, n int, start time.Time, hostile float64) {
	t.Helper()
	m := recordtest.New(seed)
	m.Start, m.Hostile, m.Hosts = start, hostile, 500
	var lines []byte
	for range n {
		lines = output.AppendJSON(lines, m.Next())
	}
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, enc.EncodeAll(lines, nil), 0o600))
}

// hasTool reports whether a recipe's tool can be run.
func hasTool(name string) bool {
	if name == "pandas" {
		return exec.Command("/usr/bin/python3", "-c", "import pandas").Run() == nil
	}
	_, err := exec.LookPath(name)
	return err == nil
}

// TestRecipesOfTools runs each command of docs/recipes.md in a block of shell whose tools
// are installed, on hostile records. A comment before a block names its tools.
func TestRecipesOfTools(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the recipes are for a Unix shell")
	}
	page, err := os.ReadFile("../../docs/recipes.md")
	require.NoError(t, err)
	dir := t.TempDir()
	start := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	writeRecords(t, filepath.Join(dir, "yesterday.ndjson.zst"), 1, 500, start, 0.1)
	writeRecords(t, filepath.Join(dir, "today.ndjson.zst"), 2, 500, start.Add(24*time.Hour), 0.1)
	blocks := regexp.MustCompile("(?s)<!-- (.*?) -->|```shell\n(.*?)\n```|\n#").FindAllStringSubmatch(string(page), -1)
	ran := 0
	var comment string
	for _, m := range blocks {
		if m[2] == "" {
			comment = m[1] // a heading ends it
			continue
		}
		ran++
		name, _, _ := strings.Cut(comment, "\n")
		t.Run(fmt.Sprintf("%d %s", ran, name), func(t *testing.T) {
			if comment == "untested" {
				t.Skip("the page says that the recipe is untested")
			}
			needs, _ := strings.CutPrefix(comment, "needs: ")
			for _, tool := range strings.Fields(needs) {
				if !hasTool(tool) {
					t.Skipf("%s is not installed: the recipe is not run", tool)
				}
			}
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", m[2])
			cmd.Dir = dir
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Run(), stderr.String())
			if !strings.Contains(m[2], " -o ") {
				require.NotEmpty(t, stdout.String())
			}
			require.NotContains(t, stdout.String()+stderr.String(), "\x1b")
		})
	}
	require.Greater(t, ran, 8)
}

// TestReportByOthers: jq and DuckDB count the same as a2scan report, key by key.
func TestReportByOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("jq reads 20,000 records")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "scan.ndjson.zst")
	writeRecords(t, file, 3, 20_000, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), 0.002)
	out, err := exec.Command("a2scan", "report", "--json", "--top", "1000000", file).Output()
	require.NoError(t, err)
	var report map[string]any
	require.NoError(t, json.Unmarshal(out, &report))

	t.Run("jq", func(t *testing.T) {
		for _, tool := range []string{"jq", "zstd", "bash"} {
			if !hasTool(tool) {
				t.Skipf("%s is not installed", tool)
			}
		}
		const program = `
			def servers: map(select(.info.status == "success"));
			def players: .info.players_actual // .info.players;
			def max: .info.max_players_actual // .info.max_players;
			def counts(f): group_by(f) | map({key: (.[0] | f | tostring), value: length}) | from_entries;
			def top(key; more): group_by(key) | map((.[0] | key) + ([.[] | more] | {servers: length, players: (map(.[0]) | add)} + (if (.[0] | length) > 1 then {max_players: (map(.[1]) | add)} else {} end)));
			length as $all
			| group_by(.ip, .port, (if .ip then "" else .input end)) | map(max_by(.timestamp))
			| servers as $s | [.[] | .rtt_ms | values] as $unsorted | ($unsorted | sort) as $rtt
			| def at(p): $rtt[((p * ($rtt | length)) | ceil) - 1];
			{records: length, duplicates: ($all - length), statuses: counts(.status),
			 sections: {info: (map(select(.info)) | counts(.info.status)), players: (map(select(.players)) | counts(.players.status)), rules: (map(select(.rules)) | counts(.rules.status))},
			 servers: ($s | length),
			 players: {reported: ($s | map(players) | add), listed: (map(.players.list // [] | length) | add), bots: ($s | map(.info.bots) | add), max: ($s | map(max) | add)},
			 rtt_ms: {p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1)},
			 games: ($s | top({app_id: .info.app_id, game: .info.game}; [players, max])),
			 maps: ($s | top({game: .info.game, map: .info.map}; [players])),
			 versions: ($s | top({game: .info.game, version: .info.version}; [players])),
			 hosts: ($s | top({ip: .ip}; [players])),
			 environments: ($s | counts(.info.environment)), server_types: ($s | counts(.info.server_type)),
			 vac: ($s | counts(.info.vac)), passwords: ($s | counts(.info.visibility)),
			 errors: (map(select(.error)) | group_by(.error) | map({error: .[0].error, count: length})),
			 over: ($s | map(select(players > max)) | length)}`
		cmd := exec.Command("bash", "-c", `zstd -dcq "$0" | jq -cs "$1"`, file, program)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		var jq map[string]any
		require.NoError(t, json.Unmarshal(out, &jq))
		over := jq["over"]
		delete(jq, "over")
		require.Equal(t, over, report["suspect"].(map[string]any)["reasons"].(map[string]any)["players_over_max"])
		for key, want := range jq {
			got := report[key]
			switch got := got.(type) {
			case []any:
				require.ElementsMatch(t, want, got, key)
			default:
				require.Equal(t, want, withoutZeros(got), key)
			}
		}
	})

	t.Run("DuckDB", func(t *testing.T) {
		if !hasTool("duckdb") {
			t.Skip("duckdb is not installed")
		}
		out, err := exec.Command("duckdb", "-c", `
			WITH r AS (SELECT * FROM read_json('`+file+`', format='newline_delimited', maximum_object_size=100000000)
				QUALIFY row_number() OVER (PARTITION BY coalesce(ip || ' ' || port, input) ORDER BY timestamp DESC) = 1),
			s AS (SELECT info.*, coalesce(info.players_actual, info.players) AS p, coalesce(info.max_players_actual, info.max_players) AS m FROM r WHERE info.status = 'success')
			SELECT (SELECT count(*) FROM r) AS records, (SELECT count(*) FROM s) AS servers, (SELECT sum(p) FROM s) AS players, (SELECT sum(m) FROM s) AS max,
				(SELECT sum(len(players.list)) FROM r) AS listed,
				(SELECT quantile_disc(rtt_ms, 0.5) FROM r) AS p50, (SELECT quantile_disc(rtt_ms, 0.99) FROM r) AS p99`).Output()
		require.NoError(t, err)
		var row map[string]any
		require.NoError(t, json.Unmarshal(out, &row))
		players := report["players"].(map[string]any)
		rtt := report["rtt_ms"].(map[string]any)
		for key, want := range map[string]any{"records": report["records"], "servers": report["servers"], "players": players["reported"],
			"max": players["max"], "listed": players["listed"], "p50": rtt["p50"], "p99": rtt["p99"]} {
			require.Equal(t, fmt.Sprint(want), strings.TrimSuffix(fmt.Sprint(number(row[key])), ".0"), key)
		}
	})
}

// number returns a number that DuckDB wrote as a text.
func number(v any) any {
	if s, ok := v.(string); ok {
		var f float64
		if json.Unmarshal([]byte(s), &f) == nil {
			return f
		}
	}
	return v
}

// withoutZeros removes the members that are zero, of objects within objects too.
func withoutZeros(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, v := range m {
		if v = withoutZeros(v); v != 0.0 {
			out[k] = v
		}
	}
	return out
}
