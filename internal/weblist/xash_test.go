package weblist

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestXash reads the lists as FWGS publishes them.
func TestXash(t *testing.T) {
	files := map[string]string{
		"/list/v1/gamedirs":        "# gamedir list\n# Format: <gamedir> <total_server_count> <live_server_count>\n\ncstrike 2 1\nvalve 3 3\n",
		"/list/v1/servers/cstrike": "# cstrike server list\n\nip 192.0.2.1:27015\ngs 192.0.2.2:27016 # a comment\n",
		"/list/v1/servers/valve":   "ip 192.0.2.1:27015\nip [2001:db8::1]:27015\r\nip example:1\n",
		"/list/v1/servers/html":    "<html>no such list</html>",
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	})
	for _, tt := range []struct {
		url, dir string
		servers  []string
		sum      Summary
		err      string
	}{
		{"http://h.invalid/list", "", []string{"192.0.2.1:27015", "192.0.2.2:27016", "[2001:db8::1]:27015"}, Summary{Rows: 5, Servers: 3, Duplicates: 1, Unreadable: 1, Calls: 3}, ""},
		{"http://h.invalid/list/", "cstrike", []string{"192.0.2.1:27015", "192.0.2.2:27016"}, Summary{Rows: 2, Servers: 2, Calls: 1}, ""},
		{"http://h.invalid/list/v1/servers/cstrike", "", []string{"192.0.2.1:27015", "192.0.2.2:27016"}, Summary{Rows: 2, Servers: 2, Calls: 1}, ""},
		{"http://h.invalid/list", "tfc", nil, Summary{Calls: 1, Incomplete: []Part{{"/list/v1/servers/tfc", "HTTP status 404 Not Found"}}}, "404"},
		{"http://h.invalid/list", "html", nil, Summary{Calls: 6, Incomplete: []Part{{"/list/v1/servers/html", "the answer is not a list of servers"}}}, "not a list"},
		{"http://h.invalid/other", "", nil, Summary{Calls: 1, Incomplete: []Part{{"gamedirs", "HTTP status 404 Not Found"}}}, "404"},
	} {
		synctest.Test(t, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			var servers []string
			sum, err := Xash(t.Context(), XashConfig{
				URL: u, GameDir: tt.dir, Note: func(string) {}, Detail: func(string) {}, Transport: direct{handler},
				Server: func(a netip.AddrPort) error { servers = append(servers, a.String()); return nil },
			})
			if tt.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.err)
			}
			require.Equal(t, tt.servers, servers)
			require.Equal(t, tt.sum, sum)
		})
	}
}

// FuzzReadWords: any text at all is read to its end.
func FuzzReadWords(f *testing.F) {
	f.Add("ip 192.0.2.1:1\n# x\n\ngs [::1]:2 # y")
	f.Fuzz(func(t *testing.T, text string) {
		err := readWords(strings.NewReader(text), func(words []string) error {
			require.NotEmpty(t, words)
			require.NotContains(t, strings.Join(words, ""), "\n")
			return nil
		})
		var temporary *errTemporary
		require.True(t, err == nil || errors.As(err, &temporary))
	})
}
