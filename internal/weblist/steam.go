package weblist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/a2scan/a2scan/proto/master"
)

// SteamURL is the address of the Steam Web API.
const SteamURL = "https://api.steampowered.com"

// A SteamConfig says which servers to ask the Steam Web API for, and how.
type SteamConfig struct {
	URL    *url.URL // of the API, without a path of its own
	Key    string   // travels as a header; not needed with At
	Filter master.Filter
	At     []string // addresses, ip or ip:port: list their servers instead

	Limit          int  // rows per call
	MaxCalls       int  // calls in all; 0: no limit
	CallsPerMinute int  // 0: no limit
	NoSplit        bool // do not fetch lists in parts that the API cut off
	DropFake       bool // drop servers behind Steam's relay

	// Server gets each server once: its address and its row, which is valid until
	// Server returns. An error of it ends the fetching.
	Server func(at netip.AddrPort, row []byte) error

	Note   func(string) // messages for the user; called from several goroutines
	Detail func(string) // what a user may want to know

	Transport http.RoundTripper // nil: that of net/http
}

// relay are the addresses behind Steam's relay, which cannot be queried by UDP.
var relay = netip.MustParsePrefix("169.254.0.0/16")

// Steam fetches a list. The Summary is valid with an error too: the error says why the
// rest of the list was not fetched. No error and no message contains the key.
func Steam(ctx context.Context, cfg SteamConfig) (Summary, error) {
	f := &steam{SteamConfig: cfg, caller: newCaller(cfg.Transport)}
	f.maxCalls, f.perMinute, f.note, f.detail = cfg.MaxCalls, cfg.CallsPerMinute, cfg.Note, cfg.Detail
	var err error
	if len(cfg.At) > 0 {
		err = f.fetchAt(ctx)
	} else {
		f.header.Set("x-webapi-key", cfg.Key)
		err = f.fetch(ctx)
	}
	f.sum.Calls = f.calls
	return f.sum, err
}

// steam is a list that is being fetched.
type steam struct {
	SteamConfig
	*caller
	sum   Summary
	seen  seen
	queue []*part // a stack
}

// A part is a part of the list that one call asks for.
type part struct {
	filter master.Filter
	parent *part
	rows   int
	open   int // parts that it was divided into and that have not ended
	sum    int // of their rows
	failed bool
}

// fetch fetches the list of a filter.
func (f *steam) fetch(ctx context.Context) error {
	f.queue = []*part{{filter: f.Filter}}
	failures := 0 // parts, one after the other
	for len(f.queue) > 0 {
		p := f.queue[len(f.queue)-1]
		f.queue = f.queue[:len(f.queue)-1]
		s := newSample()
		err := f.list(ctx, p, s)
		var temporary *errTemporary
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, errMaxCalls):
			f.stop(p, fmt.Sprintf("the limit of %d calls is reached", f.MaxCalls))
			return nil
		case errors.As(err, &temporary):
			failures++
			if failures == 2 || temporary.code == http.StatusTooManyRequests {
				f.stop(p, temporary.reason)
				return err
			}
			f.incomplete(p, temporary.reason)
			f.close(p)
			if len(f.queue) == 0 && p.parent == nil {
				return err
			}
			continue
		case ctx.Err() != nil:
			f.stop(p, "interrupted")
			return ctx.Err()
		default:
			f.stop(p, err.Error())
			return err
		}
		f.detail(fmt.Sprintf("%s: %d rows", f.name(p), p.rows))
		if !cutOff(p.rows, f.Limit) {
			f.close(p)
			continue
		}
		reason := fmt.Sprintf("the API returned %d rows and no more", p.rows)
		if f.NoSplit {
			f.incomplete(p, reason)
			f.close(p)
			continue
		}
		parts := divide(p, s)
		if len(parts) == 0 {
			f.incomplete(p, reason+", and nothing divides this part")
			f.close(p)
			continue
		}
		p.open = len(parts)
		for _, q := range slices.Backward(parts) {
			q.parent = p
			f.queue = append(f.queue, q)
		}
	}
	return nil
}

// cutOff reports whether a response of n rows lacks some: it has as many as were asked
// for, or as one of the caps that the API was seen to have.
func cutOff(n, limit int) bool {
	return n >= limit || n == 5000 || n == 10_000 || n == 20_000
}

// name is what messages call a part.
func (f *steam) name(p *part) string {
	if s := p.filter.String(); s != "" {
		return s
	}
	return "all servers"
}

// list makes the call for p.
func (f *steam) list(ctx context.Context, p *part, s *sample) error {
	u := f.URL.JoinPath("IGameServersService/GetServerList/v1/")
	u.RawQuery = url.Values{"filter": {p.filter.Wire()}, "limit": {strconv.Itoa(f.Limit)}}.Encode()
	return f.get(ctx, "the Steam Web API", u, func(body io.Reader) error {
		p.rows = 0
		s.reset()
		return readRows(body, func(r *row) error {
			p.rows++
			s.add(r)
			return f.take(r)
		})
	})
}

// take counts a row, and hands its server on.
func (f *steam) take(r *row) error {
	f.sum.Rows++
	switch {
	case !r.Addr.IsValid():
		f.sum.Unreadable++
		return nil
	case !f.seen.add(r.Addr):
		f.sum.Duplicates++
		return nil
	case relay.Contains(r.Addr.Addr()):
		f.sum.FakeIP++
		if f.DropFake {
			return nil
		}
	}
	f.sum.Servers++
	b := r.JSON
	if f.Key != "" && bytes.Contains(b, []byte(f.Key)) { // it has no business there
		b = bytes.ReplaceAll(b, []byte(f.Key), []byte("***"))
	}
	return f.Server(r.Addr, b)
}

// close ends a part, and the part that it came from if it was its last.
func (f *steam) close(p *part) {
	up := p.parent
	if up == nil {
		return
	}
	up.sum += max(p.rows, p.sum)
	up.failed = up.failed || p.failed
	if up.open--; up.open > 0 {
		return
	}
	// If the parts have fewer rows than the whole they are not its parts. A few servers
	// may just have ended.
	if !up.failed && up.sum < up.rows-up.rows/50 {
		f.incomplete(up, fmt.Sprintf("the API returned %d rows and no more, and %d for all of its parts", up.rows, up.sum))
	}
	f.close(up)
}

// incomplete names a part that may lack servers.
func (f *steam) incomplete(p *part, reason string) {
	p.failed = true
	f.sum.Incomplete = append(f.sum.Incomplete, Part{p.filter.Wire(), reason})
}

// stop ends the list: p and all that was not fetched is incomplete.
func (f *steam) stop(p *part, reason string) {
	f.incomplete(p, reason)
	for _, q := range slices.Backward(f.queue) {
		f.incomplete(q, reason)
	}
	f.queue = nil
}

// fetchAt fetches the servers at addresses, one call per address.
func (f *steam) fetchAt(ctx context.Context) error {
	var list []string
	for _, a := range f.At {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for i, a := range list {
		u := f.URL.JoinPath("ISteamApps/GetServersAtAddress/v1/")
		u.RawQuery = url.Values{"addr": {a}}.Encode()
		err := f.get(ctx, a, u, func(body io.Reader) error { return readRows(body, f.take) })
		var temporary *errTemporary
		if errors.As(err, &temporary) && temporary.code != http.StatusTooManyRequests {
			f.sum.Incomplete = append(f.sum.Incomplete, Part{a, err.Error()})
			if i+1 == len(list) && f.sum.Rows == 0 {
				return err
			}
			continue
		}
		if err != nil {
			for _, b := range list[i:] {
				f.sum.Incomplete = append(f.sum.Incomplete, Part{b, err.Error()})
			}
			if errors.Is(err, errMaxCalls) {
				err = nil
			}
			return err
		}
	}
	return nil
}
