package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/a2scan/a2scan/internal/weblist"
	"github.com/a2scan/a2scan/proto/master"
)

// keyVariable is the environment variable of the key of the Steam Web API.
const keyVariable = "STEAM_API_KEY"

func steamCommand() *command {
	return &command{
		name:     "steam",
		synopsis: "[EXPR]",
		short:    "list the servers that the Steam Web API knows",
		long: `Prints one ip:port per line, as rows arrive, each address once. The port is the one to query.

		EXPR selects servers: appid=440,dedicated=1,map=ctf_2fort or game=rust, with nor(…), nand(…) and or(…) around
		some of the conditions, or the same in Valve's form: \appid\440\dedicated\1. Keys: appid, napp, dedicated,
		secure, linux, proxy, white, gamedir, map, password=0, empty=1 (not empty), full=1 (not full), noplayers,
		gametype, gamedata, gamedataor, name_match, version_match (both with * for anything), gameaddr.

		The API returns at most 10,000 rows per call. A list that is longer is fetched in parts, until each part is
		whole; parts that cannot be divided are named. The key comes from --key-file or STEAM_API_KEY, travels as a
		header, and is never printed.

		Exit status: 0 servers were listed, even if the list is incomplete; 1 none was, or --require-complete failed;
		2 wrong usage.`,
		examples: []string{
			"a2scan steam game=rust,empty=1 > rust.txt",
			"a2scan steam --json 'appid=730,nor(map=de_dust2,white=1)' | jq -ac '[.addr,.players]'",
			"a2scan steam --at 192.0.2.7",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o, out := newSteamOptions(), &listOutput{}
			games := false
			fs.group("Servers", func() {
				o.register(fs)
				fs.toggle(&games, "games", "", "print the names that game=NAME takes, with their app ids, and exit")
			})
			out.register(fs)
			fs.group("General", func() { registerVerbosity(fs) })
			return func(a *app, args []string) error {
				a.ui.setVerbosity(fs)
				if games {
					return a.printGames(args)
				}
				if len(o.at) > 0 {
					o.at = append(o.at, args...)
				} else if len(args) > 1 {
					return withHint(usagef("steam takes one EXPR"), "put it into quotation marks")
				} else if len(args) == 1 {
					o.expr = args[0]
				}
				s, err := a.steamSource(o)
				if err != nil {
					return err
				}
				return a.printList(out, s)
			}
		},
	}
}

// steamOptions are the flags about the Steam Web API.
type steamOptions struct {
	expr      string
	limit     int
	maxCalls  int
	perMinute int
	noSplit   bool
	at        []string
	fakeIP    string
	apiURL    string
	keyFile   string
	key       string // instead of that file's or the environment's
}

func newSteamOptions() *steamOptions {
	return &steamOptions{limit: 10_000, maxCalls: 500, perMinute: 40, fakeIP: "drop", apiURL: weblist.SteamURL}
}

func (o *steamOptions) register(fs *flagSet) {
	fs.count(&o.limit, "limit", "", "N", "rows per call")
	fs.count(&o.maxCalls, "max-calls", "", "N", "calls in all")
	fs.count(&o.perMinute, "calls-per-minute", "", "N", "calls in any minute; 0 = no limit")
	if fs.Lookup("no-split") == nil {
		fs.toggle(&o.noSplit, "no-split", "", "do not fetch in parts what was cut off")
	}
	fs.list(&o.at, "at", "", "IP", "list the servers at this address, or address and port; needs no key")
	fs.choice(&o.fakeIP, "fake-ip", "", "keep|drop", "servers behind Steam's relay (169.254.0.0/16), which cannot be queried", "keep", "drop")
	fs.text(&o.apiURL, "api-url", "", "URL", "the Steam Web API")
	fs.text(&o.keyFile, "key-file", "", "FILE", "read the key from this file (default: the variable "+keyVariable+")")
}

// printGames prints the names of games.
func (a *app) printGames(args []string) error {
	if len(args) > 0 {
		return usagef("--games takes no EXPR")
	}
	var b bytes.Buffer
	for name, id := range master.Games {
		fmt.Fprintf(&b, "%s\t%d\n", name, id)
	}
	_, err := a.stdout.Write(b.Bytes())
	return err
}

// steamSource returns the list that o describes. Errors are wrong usage.
func (a *app) steamSource(o *steamOptions) (*listSource, error) {
	cfg := weblist.SteamConfig{
		Limit: o.limit, MaxCalls: o.maxCalls, CallsPerMinute: o.perMinute, NoSplit: o.noSplit, DropFake: o.fakeIP == "drop",
		Note:   func(s string) { a.ui.notef("%s", clean(s)) },
		Detail: func(s string) { a.ui.detailf("%s", clean(s)) },
	}
	var err error
	if cfg.URL, err = parseAPIURL(o.apiURL); err != nil {
		return nil, &usageError{err}
	}
	if o.limit == 0 || o.maxCalls == 0 {
		return nil, usagef("--limit and --max-calls are 1 or more")
	}
	s := &listSource{name: "steam"}
	if len(o.at) > 0 {
		if o.expr != "" {
			return nil, usagef("--at lists all servers of an address; leave EXPR out")
		}
		if cfg.At, err = parseAt(o.at); err != nil {
			return nil, &usageError{err}
		}
		s.expr = "at=" + strings.Join(cfg.At, ",")
	} else {
		if cfg.Filter, err = parseSteamFilter(o.expr); err != nil {
			return nil, &usageError{err}
		}
		s.expr = cfg.Filter.String()
		if cfg.Key = o.key; cfg.Key == "" {
			if cfg.Key, err = readKey(o.keyFile); err != nil {
				return nil, err
			}
		}
	}
	s.fetch = func(ctx context.Context, emit func(netip.AddrPort, []byte) error) (listSummary, error) {
		cfg.Server = emit
		sum, err := weblist.Steam(ctx, cfg)
		if sum.Unreadable > 0 {
			a.ui.sayf("%s without an address", plural(uint64(sum.Unreadable), "row was", "rows were"))
		}
		return s.summary(&sum), explainSteam(err)
	}
	return s, nil
}

// summary returns the JSON object of a list.
func (s *listSource) summary(w *weblist.Summary) listSummary {
	sum := listSummary{
		Source: s.name, Host: s.host, Expr: s.expr, Rows: w.Rows, Servers: w.Servers, FakeIP: w.FakeIP, Duplicates: w.Duplicates, Calls: w.Calls,
		Complete: len(w.Incomplete) == 0, Incomplete: []listPart{},
	}
	for _, p := range w.Incomplete {
		sum.Incomplete = append(sum.Incomplete, listPart{Part: p.Part, Reason: p.Reason})
	}
	return sum
}

// explainSteam adds the next step to an error of the Steam Web API.
func explainSteam(err error) error {
	if err == nil {
		return nil
	}
	var status *weblist.StatusError
	if !errors.As(err, &status) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		err = fmt.Errorf("the Steam Web API: %w", err)
		if strings.Contains(err.Error(), "429") {
			return withHint(err, "wait some minutes, and lower --calls-per-minute")
		}
		return err
	}
	err = fmt.Errorf("the Steam Web API refused: %w", err)
	switch {
	case status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized:
		return withHint(err, "check the key in --key-file or %s; a key that made too many calls is blocked for up to two days", keyVariable)
	case status.RetryAfter > 0:
		return withHint(err, "try again then, with a lower --calls-per-minute")
	case status.Code == http.StatusNotFound:
		return withHint(err, "check --api-url")
	}
	return err
}

// parseAPIURL reads --api-url. Its errors do not repeat the value, which may hold a key.
func parseAPIURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("--api-url is not a URL such as " + weblist.SteamURL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, withHint(errors.New("--api-url has more than a scheme, a host and a path"), "the key comes from --key-file or "+keyVariable)
	}
	return u, nil
}

// parseAt reads the addresses of --at; each may be several with commas between them.
func parseAt(list []string) ([]string, error) {
	var at []string
	for _, words := range list {
		for word := range strings.SplitSeq(words, ",") {
			word = strings.TrimSpace(word)
			if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
				at = append(at, a.Unmap().String())
			} else if ap, err := netip.ParseAddrPort(word); err == nil && ap.Addr().Zone() == "" {
				at = append(at, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String())
			} else {
				return nil, fmt.Errorf("--at: %s is neither an address nor address:port", quote(word))
			}
		}
	}
	return at, nil
}

// parseSteamFilter reads a filter for the Web API, which misreads some that masters
// understand.
func parseSteamFilter(expr string) (master.Filter, error) {
	f, err := master.Parse(expr)
	if err != nil {
		return f, err
	}
	for _, key := range []string{"clver", "nat", "protocol", "commit", "branch", "os", "arch", "buildnum"} {
		if f.Has(key) {
			return f, fmt.Errorf("filter: only masters for Xash3D know %s", key)
		}
	}
	if f.Has("collapse_addr_hash") {
		return f, errors.New("filter: the Web API answers nothing to collapse_addr_hash")
	}
	if strings.Contains(f.Wire(), `\nor\1\gameaddr\`) {
		return f, errors.New("filter: the Web API ignores a nor of one gameaddr; name two or more")
	}
	return f, nil
}

// readKey returns the key of the Web API. Its errors are wrong usage and do not repeat it.
func readKey(file string) (string, error) {
	key, from := os.Getenv(keyVariable), keyVariable
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", &usageError{fmt.Errorf("cannot read the key: %w", err)}
		}
		key, from = string(b), "--key-file"
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return "", withHint(usagef("no key for the Steam Web API"), "write it into a file for --key-file, or set %s; --at needs none", keyVariable)
	}
	if len(key) > 256 || strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
		return "", usagef("%s does not hold a key: one line of letters and digits", from)
	}
	return key, nil
}
