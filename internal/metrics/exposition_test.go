package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func example(text string) ([]byte, int) {
	t := &Totals{Rounds: 7, PacketsSent: 100, PacketsReceived: 90, Drops: 1, Targets: 3, Answered: 2, Interval: time.Minute, Start: time.Unix(1_700_000_000, 0),
		LastStart: time.Unix(1_800_000_000, 0), LastEnd: time.Unix(1_800_000_055, 5e8)}
	servers := []Server{
		{Target: "192.0.2.7:27015", Up: true, Name: text, Map: "de_dust2", Game: text, Version: "1.0", Players: 12, MaxPlayers: 32, Bots: 2, RTT: 41207 * time.Microsecond},
		{Target: "192.0.2.8:27015"},
		{Target: "[2001:db8::1]:27015", Up: true, Name: "b", RTT: -1},
	}
	return Append(nil, t, map[string]Game{text: {1, 12}, "other game": {1, 0}}, servers), len(servers)
}

// A sample is a line that is no comment.
var sampleLine = regexp.MustCompile(`^([a-z0-9_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)$`)

// requireFormat checks the rules of the text format.
func requireFormat(t testing.TB, text []byte) map[string]float64 {
	t.Helper()
	require.True(t, utf8.Valid(text))
	values := map[string]float64{}
	described := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, _, _ = strings.Cut(name, " ")
			require.False(t, described[name], "%s is described twice", name)
			described[name] = true
			continue
		}
		if strings.HasPrefix(line, "# TYPE ") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		require.NotNil(t, m, "%q", line)
		require.True(t, described[m[1]], "%s has no HELP", m[1])
		v, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		series := m[1] + "{" + m[2] + "}"
		require.NotContains(t, values, series, "a series twice")
		values[series] = v
	}
	return values
}

func TestAppend(t *testing.T) {
	text, _ := example("Counter-Strike")
	v := requireFormat(t, text)
	require.Equal(t, 1.0, v[`a2scan_server_up{target="192.0.2.7:27015"}`])
	require.Equal(t, 0.0, v[`a2scan_server_up{target="192.0.2.8:27015"}`])
	require.Contains(t, v, `a2scan_server_up{target="192.0.2.8:27015"}`)
	require.NotContains(t, v, `a2scan_server_players{target="192.0.2.8:27015"}`, "it did not answer")
	require.Equal(t, 12.0, v[`a2scan_server_players{target="192.0.2.7:27015"}`])
	require.Equal(t, 0.041207, v[`a2scan_server_rtt_seconds{target="192.0.2.7:27015"}`])
	require.NotContains(t, v, `a2scan_server_rtt_seconds{target="[2001:db8::1]:27015"}`, "it was not measured")
	require.Equal(t, 1.0, v[`a2scan_server_info{target="192.0.2.7:27015",name="Counter-Strike",map="de_dust2",game="Counter-Strike",version="1.0"}`])
	require.Equal(t, 12.0, v[`a2scan_game_players{game="Counter-Strike"}`])
	require.Equal(t, 55.5, v["a2scan_round_duration_seconds{}"])
	require.Equal(t, 7.0, v["a2scan_rounds_total{}"])
	requireFormat(t, Append(nil, &Totals{}, nil, nil))
}

// promtool agrees that the metrics are as Prometheus wants them.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("there is no promtool")
	}
	for _, name := range []string{"Counter-Strike", "a\"b\\c\nd\x1b[31m\xff\u202e"} {
		text, _ := example(name)
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(string(text))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out))
	}
}

// However many names of games there are, the series stay bounded and their sum is whole.
func TestGamesAreBounded(t *testing.T) {
	games := map[string]Game{}
	for i := range 5000 {
		games[fmt.Sprintf("game %d", i)] = Game{uint64(1 + i%7), 2}
	}
	v := requireFormat(t, Append(nil, &Totals{}, games, nil))
	n, players := 0, 0.0
	for series, value := range v {
		if strings.HasPrefix(series, "a2scan_game_players{") {
			n++
			players += value
		}
	}
	require.Equal(t, mostGames+1, n)
	require.Equal(t, 10_000.0, players)
}

func TestHandler(t *testing.T) {
	now := time.Unix(1000, 0)
	h := &Handler{Now: func() time.Time { return now }}
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	h.Publish(nil, time.Time{})
	now = now.Add(time.Hour) // a long list
	status, body := get("GET", "/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "reading the targets\n", body)
	h.Publish([]byte("x 1\n"), now.Add(time.Minute))
	status, body = get("GET", "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "x 1\n", body)
	status, _ = get("GET", "/healthz")
	require.Equal(t, http.StatusOK, status)
	now = now.Add(90 * time.Second)
	status, body = get("GET", "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "the round that runs should have ended 30s ago\n", body)
	status, _ = get("GET", "/other")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = get("POST", "/metrics")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	status, body = get("GET", "/")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "/healthz")
}

// FuzzAppend: no text of a server breaks the format.
func FuzzAppend(f *testing.F) {
	f.Add("Counter-Strike")
	f.Add("a\"b\\c\nd\x1b[31m\xff\u202e\u0085")
	f.Add(strings.Repeat("é", 200))
	f.Fuzz(func(t *testing.T, text string) {
		if clean(text) == "other game" {
			return // of the example: the sums of the two are added
		}
		out, servers := example(text)
		v := requireFormat(t, out)
		up := 0
		for series := range v {
			if strings.HasPrefix(series, "a2scan_server_up{") {
				up++
			}
		}
		require.Equal(t, servers, up)
	})
}
