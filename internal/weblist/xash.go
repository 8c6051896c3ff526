package weblist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// An XashConfig says which static lists of Xash3D servers to fetch.
type XashConfig struct {
	// URL is that of one list (…/v1/servers/cstrike), or of the tree that has v1 in it.
	URL *url.URL
	// GameDir is the list of the tree to fetch; "" fetches all that v1/gamedirs names.
	GameDir string

	Server func(at netip.AddrPort) error // gets each server once; its error ends the fetching
	Note   func(string)                  // messages for the user; called from several goroutines
	Detail func(string)                  // what a user may want to know

	Transport http.RoundTripper // nil: that of net/http
}

// Xash fetches static lists. The Summary is valid with an error too.
func Xash(ctx context.Context, cfg XashConfig) (Summary, error) {
	f := &xash{XashConfig: cfg, caller: newCaller(cfg.Transport)}
	f.note, f.detail = cfg.Note, cfg.Detail
	err := f.fetch(ctx)
	f.sum.Calls = f.calls
	return f.sum, err
}

type xash struct {
	XashConfig
	*caller
	sum  Summary
	seen seen
}

func (f *xash) fetch(ctx context.Context) error {
	if strings.Contains(f.URL.Path, "/servers/") {
		return f.list(ctx, f.URL)
	}
	dirs := []string{f.GameDir}
	if f.GameDir == "" {
		dirs = nil
		err := f.lines(ctx, f.URL.JoinPath("v1/gamedirs"), func(words []string) error {
			if len(words) == 3 && !strings.ContainsAny(words[0], "/?#%.") {
				dirs = append(dirs, words[0])
				return nil
			}
			return &errTemporary{reason: "the answer is not a list of game folders"}
		})
		if err != nil {
			f.sum.Incomplete = append(f.sum.Incomplete, Part{"gamedirs", err.Error()})
			return err
		}
	}
	for i, dir := range dirs {
		err := f.list(ctx, f.URL.JoinPath("v1/servers", dir))
		var temporary *errTemporary
		if err != nil && (!errors.As(err, &temporary) || i+1 == len(dirs) && f.sum.Rows == 0) {
			return err
		}
	}
	return nil
}

// list fetches the servers of one list: a line for each, "ip" or "gs" (an engine) and an
// address.
func (f *xash) list(ctx context.Context, u *url.URL) error {
	err := f.lines(ctx, u, func(words []string) error {
		if len(words) != 2 || words[0] != "ip" && words[0] != "gs" {
			return &errTemporary{reason: "the answer is not a list of servers"}
		}
		f.sum.Rows++
		a := parseAddr([]byte(words[1]))
		if !a.IsValid() {
			f.sum.Unreadable++
			return nil
		}
		if !f.seen.add(a) {
			f.sum.Duplicates++
			return nil
		}
		f.sum.Servers++
		return f.Server(a)
	})
	if err != nil {
		f.sum.Incomplete = append(f.sum.Incomplete, Part{u.Path, err.Error()})
	}
	return err
}

// lines fetches u and calls each for the words of every line that is no comment.
func (f *xash) lines(ctx context.Context, u *url.URL, each func(words []string) error) error {
	return f.get(ctx, "the server list", u, func(body io.Reader) error { return readWords(body, each) })
}

func readWords(r io.Reader, each func(words []string) error) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			if err := each(words); err != nil {
				return err
			}
		}
	}
	if s.Err() != nil {
		return &errTemporary{reason: fmt.Sprintf("the answer cannot be read: %v", s.Err())}
	}
	return nil
}
