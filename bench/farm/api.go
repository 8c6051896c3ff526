package farm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/a2scan/a2scan/proto/prototest"
)

// An API is a simulated Steam Web API. Do not change its fields once it answers.
type API struct {
	Servers []Listed
	Key     string        // that a request must have; "": any
	Cap     int           // rows per response; 0: 10,000
	Seed    uint64        // of the order of rows, which differs between requests; 0: that of Servers
	Delay   time.Duration // before each response
	Faults  []Fault       // of the first requests
	Forever bool          // the last fault is that of all further requests

	mu    sync.Mutex
	calls []string // filters and addresses
	at    []time.Time
}

// A Fault is a failure that an API shows in place of an answer. The zero value is none.
type Fault struct {
	Status     int    // of the response
	RetryAfter string // header
	Body       string // of the response
	Cut        int    // close the connection behind so many bytes
	Hang       bool   // send half of the answer, then nothing until the client leaves
}

// Calls returns the filter of each list and the address of each look-up, in order.
func (a *API) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// Busiest returns the most requests in any time of that length.
func (a *API) Busiest(d time.Duration) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	most, from := 0, 0
	for i, t := range a.at {
		for t.Sub(a.at[from]) >= d {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// ServeHTTP answers a request for a list, or for the servers at an address.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	a.mu.Lock()
	n := len(a.calls)
	a.at = append(a.at, time.Now())
	a.calls = append(a.calls, query.Get("filter")+query.Get("addr"))
	a.mu.Unlock()
	if a.Delay > 0 {
		select {
		case <-time.After(a.Delay):
		case <-r.Context().Done():
			return
		}
	}
	var f Fault
	if n < len(a.Faults) {
		f = a.Faults[n]
	} else if a.Forever {
		f = a.Faults[len(a.Faults)-1]
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Status != 0 || f.Body != "" {
		w.WriteHeader(max(f.Status, http.StatusOK))
		_, _ = io.WriteString(w, f.Body)
		return
	}
	out := &cutWriter{w: w, left: -1}
	if f.Cut > 0 {
		out.left = f.Cut
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	switch r.URL.Path {
	case "/IGameServersService/GetServerList/v1/":
		key := r.Header.Get("x-webapi-key")
		if key == "" {
			key = query.Get("key")
		}
		if a.Key != "" && key != a.Key || key == "" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<html><head><title>Forbidden</title></head><body><h1>Forbidden</h1>Access is denied. Retrying will not help. Please verify your <pre>key=</pre> parameter.</body></html>")
			return
		}
		a.list(out, query.Get("filter"), query.Get("limit"), n, f.Hang)
	case "/ISteamApps/GetServersAtAddress/v1/":
		a.listAt(out, query.Get("addr"))
	default:
		http.NotFound(w, r)
		return
	}
	if f.Hang {
		out.flush()
		<-r.Context().Done()
	}
	if out.left == 0 {
		out.flush()
		panic(http.ErrAbortHandler) // without the end of the body
	}
}

// list writes the servers of a filter.
func (a *API) list(w io.Writer, filter, limit string, call int, half bool) {
	most := 100
	if n, err := strconv.Atoi(limit); err == nil {
		most = n
	}
	rows := a.Cap
	if rows == 0 {
		rows = 10_000
	}
	most = min(most, rows)
	var list []*Listed
	if terms, ok := termsOf(filter); ok { // for a filter that cannot be read it has nothing
		for i := range a.Servers {
			if a.Servers[i].fits(terms) {
				list = append(list, &a.Servers[i])
			}
		}
	}
	if len(list) == 0 {
		_, _ = io.WriteString(w, `{"response":{}}`)
		return
	}
	if a.Seed != 0 {
		r := prototest.NewRand(a.Seed + uint64(call))
		for i := range list {
			j := i + r.Below(len(list)-i)
			list[i], list[j] = list[j], list[i]
		}
	}
	list = list[:min(most, len(list))]
	if half {
		list = list[:(len(list)+1)/2]
	}
	_, _ = io.WriteString(w, `{"response":{"servers":[`)
	for i, l := range list {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(l.row())
	}
	if !half {
		_, _ = io.WriteString(w, `]}}`)
	}
}

// row returns the API's row of a server.
func (l *Listed) row() []byte {
	system := "w"
	if l.Linux {
		system = "l"
	}
	b, err := json.Marshal(struct {
		Addr       string `json:"addr"`
		GamePort   uint16 `json:"gameport"`
		SteamID    string `json:"steamid"`
		Name       string `json:"name"`
		AppID      uint32 `json:"appid"`
		GameDir    string `json:"gamedir"`
		Version    string `json:"version"`
		Product    string `json:"product"`
		Region     int    `json:"region"`
		Players    int    `json:"players"`
		MaxPlayers int    `json:"max_players"`
		Bots       int    `json:"bots"`
		Map        string `json:"map"`
		Secure     bool   `json:"secure"`
		Dedicated  bool   `json:"dedicated"`
		OS         string `json:"os"`
		GameType   string `json:"gametype"`
	}{
		l.Addr.String(), l.Addr.Port(), strconv.FormatUint(l.SteamID, 10), l.Name, l.AppID, l.GameDir, l.Version, l.Product, -1,
		l.Players, l.MaxPlayers, l.Bots, l.Map, l.Secure, l.Dedicated, system, l.GameType,
	})
	if err != nil {
		panic(err) // it has nothing that could not be written
	}
	return b
}

// listAt writes the servers at an address.
func (a *API) listAt(w io.Writer, addr string) {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		if _, err := netip.ParseAddr(addr); err != nil {
			_, _ = io.WriteString(w, `{"response":{"success":false,"message":"Invalid address"}}`)
			return
		}
	}
	_, _ = io.WriteString(w, `{"response":{"success":true,"servers":[`)
	first := true
	for i := range a.Servers {
		l := &a.Servers[i]
		if l.Addr.Addr().String() != addr && l.Addr.String() != addr {
			continue
		}
		if !first {
			_, _ = io.WriteString(w, ",")
		}
		first = false
		fmt.Fprintf(w, `{"addr":"%s","gmsindex":-1,"steamid":"%d","appid":%d,"gamedir":%q,"region":-1,"secure":%t,"lan":false,"gameport":%d,"specport":0}`,
			l.Addr, l.SteamID, l.AppID, l.GameDir, l.Secure, l.Addr.Port())
	}
	_, _ = io.WriteString(w, `]}}`)
}

// A cutWriter drops everything behind so many bytes.
type cutWriter struct {
	w    http.ResponseWriter
	left int // -1: no limit
}

func (c *cutWriter) Write(b []byte) (int, error) {
	n := len(b)
	if c.left >= 0 {
		b = b[:min(len(b), c.left)]
		c.left -= len(b)
	}
	if _, err := c.w.Write(b); err != nil {
		return 0, err
	}
	return n, nil
}

func (c *cutWriter) flush() { _ = http.NewResponseController(c.w).Flush() }
