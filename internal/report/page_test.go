package report

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/recordtest"
	"github.com/a2scan/a2scan/output"
)

// pageOf returns the page of records.
func pageOf(t *testing.T, next func() *output.Record, n int) []byte {
	t.Helper()
	b := NewBuilder(Options{Top: 20, Page: true})
	defer b.Close()
	for range n {
		var row Row
		require.NoError(t, Parse(output.AppendJSON(nil, next()), &row))
		require.NoError(t, b.Add(&row))
	}
	start := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	end := start.Add(time.Hour)
	_, page, err := b.Result([]File{
		{Name: "scan.ndjson.zst", Meta: &Metadata{Version: "v1", CommandLine: "a2scan scan </script>", Start: &start, End: &end, EndReason: "complete", Shards: 2}},
		{Name: "<b>other</b>", Cut: true},
	})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, page.Write(&out, end, "a2scan test"))
	return out.Bytes()
}

// TestPageMarkup: text of servers is in the data block only, and cannot end it.
func TestPageMarkup(t *testing.T) {
	m := recordtest.New(2)
	m.Hostile = 0.5
	page := string(pageOf(t, m.Next, 3000))
	require.Equal(t, 2, strings.Count(page, "</script>"))
	require.Equal(t, 1, strings.Count(page, "</style>"))
	require.NotContains(t, page, "<img")
	require.NotContains(t, page, "http://a\"")
	for _, mark := range []string{"{{script-hash}}", "{{style-hash}}", "{{style}}"} {
		require.NotContains(t, page, mark)
	}
	_, data, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	require.True(t, json.Valid([]byte(data)))
	require.NotRegexp(t, "[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]", data)
	for _, network := range []string{`src="`, `url(`, "@import", "fetch(", "XMLHttpRequest", "innerHTML", "document.write", "eval("} {
		require.NotContains(t, page[:strings.Index(page, data)]+page[strings.Index(page, data)+len(data):], network)
	}
}

// selfTest is the result of the page's own test.
type selfTest struct {
	ReadyMS  float64            `json:"ready_ms"`
	Failures []string           `json:"failures"`
	MS       map[string]float64 `json:"ms"`
}

// runPage opens the page in Chromium and returns the result of its own test.
func runPage(t *testing.T, page []byte, window string) selfTest {
	t.Helper()
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("Chromium is not installed: the page is not tested in a browser")
	}
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, page, 0o600))
	// Not t.TempDir: processes of Chromium may still write there after it ended.
	profile, err := os.MkdirTemp("", "a2scan-page-*")
	require.NoError(t, err)
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr",
		"--user-data-dir="+profile, "--window-size="+window, "--dump-dom", "file://"+file+"#selftest")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	dom, err := cmd.Output()
	if err != nil && len(dom) == 0 {
		t.Skipf("Chromium does not run here: %v: %.300s", err, stderr.String())
	}
	require.NotContains(t, stderr.String(), "CONSOLE", "a message on the console")
	found := regexp.MustCompile(`<pre id="selftest"[^>]*>selftest (\{.*\})</pre>`).FindSubmatch(dom)
	require.NotNil(t, found, "no result of the page's own test")
	var result selfTest
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &result))
	return result
}

// TestPageInBrowser: the page of hostile servers renders, sorts, searches and filters,
// and nothing of a server runs.
func TestPageInBrowser(t *testing.T) {
	m := recordtest.New(3)
	m.Hostile = 0.3
	page := pageOf(t, m.Next, 4000)
	for _, window := range []string{"1280,2000", "500,900"} { // Chromium's windows are at least 500 wide
		require.Empty(t, runPage(t, page, window).Failures, window)
	}
}

func TestPageOfNothing(t *testing.T) {
	require.Empty(t, runPage(t, pageOf(t, nil, 0), "1280,2000").Failures)
	silent := func() *output.Record {
		return &output.Record{Status: output.Timeout, Error: "no reply", RTT: output.NoRTT}
	}
	require.Empty(t, runPage(t, pageOf(t, silent, 1), "1280,2000").Failures)
}

// TestPageOf50000 holds the page to its size. Times are logged: a busy machine must
// not fail a test.
func TestPageOf50000(t *testing.T) {
	if testing.Short() {
		t.Skip("70,000 records")
	}
	m := recordtest.New(4)
	m.Hostile = 0.01
	servers := 0
	page := pageOf(t, func() *output.Record {
		for {
			r := m.Next()
			if r.Info != nil && r.Info.Status == output.Success {
				servers++
				return r
			}
		}
	}, 51_000)
	require.Less(t, len(page), 15<<20)
	require.Greater(t, servers, 50_000)
	result := runPage(t, page, "1280,2000")
	require.Empty(t, result.Failures)
	t.Logf("%d bytes, ready after %.0f ms, %v", len(page), result.ReadyMS, result.MS)
}

// TestTableKeepsTheFullest: a page of more servers than it can hold lists those with
// the most players.
func TestTableKeepsTheFullest(t *testing.T) {
	tab := newTable()
	for i := range 3 * maxTable {
		tab.add(&row{info: true, players: i, name: strings.Repeat("<", 150)})
	}
	c := tab.columns()
	require.Equal(t, uint64(3*maxTable), c.Total)
	require.Less(t, len(c.Name), maxTable) // names of escapes
	least := c.Players[0]
	for _, n := range c.Players {
		least = min(least, n)
	}
	require.Equal(t, 3*maxTable-len(c.Players), least)
	data, err := json.Marshal(c)
	require.NoError(t, err)
	require.Less(t, len(data), 15<<20)
}
