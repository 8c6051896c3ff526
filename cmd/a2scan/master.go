package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/internal/weblist"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/master"
)

func masterCommand() *command {
	return &command{
		name:     "master",
		synopsis: "HOST[:PORT] [EXPR]",
		short:    "list the servers that a master server knows",
		long: `Prints one ip:port per line, as pages arrive, each address once. EXPR selects servers, as for a2scan steam.

		Valve's own masters are gone since 2025: a2scan steam is the way to Valve's list. This command is for other
		masters that speak the protocol, and with --dialect xash for those of Xash3D FWGS: HOST may then also be the
		http URL of a static list, such as http://HOST/server-list or http://HOST/server-list/v1/servers/cstrike.

		A list that the master cut off is fetched in parts, by region and by filters; parts that may lack servers are
		named. No more than 30 requests are sent per minute, since masters stop answering those who send more.

		Exit status: 0 servers were listed, even if the list is incomplete; 1 none was, or --require-complete failed;
		2 wrong usage.`,
		examples: []string{
			"a2scan master master.example.net:27011 appid=240,dedicated=1",
			"a2scan master --dialect xash master.example.net gamedir=valve",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o, out := newMasterOptions(), &listOutput{}
			fs.group("Servers", func() { o.register(fs) })
			fs.group("Timeouts and retries", func() {
				fs.duration(&o.timeout, "timeout", "", "D", "timeout of the first attempt; doubles with each retry, up to four times as long")
				fs.count(&o.retries, "retries", "", "N", "retries after silence, per request")
			})
			out.register(fs)
			fs.group("General", func() { registerVerbosity(fs) })
			return func(a *app, args []string) error {
				a.ui.setVerbosity(fs)
				switch len(args) {
				case 0:
					return withHint(usagef("no master server"), "a2scan master HOST[:PORT] [EXPR]")
				case 1, 2:
				default:
					return withHint(usagef("master takes a HOST and one EXPR"), "put EXPR into quotation marks")
				}
				o.host = args[0]
				o.where = strings.Join(args[1:], "")
				s, err := a.masterSource(o)
				if err != nil {
					return err
				}
				return a.printList(out, s)
			}
		},
	}
}

// masterOptions are the flags about master servers.
type masterOptions struct {
	host, where string
	dialect     string
	region      master.Region
	perMinute   int
	noSplit     bool
	timeout     time.Duration
	retries     int
}

func newMasterOptions() *masterOptions {
	return &masterOptions{dialect: "valve", region: master.Everywhere, perMinute: 30, timeout: time.Second, retries: 5}
}

func (o *masterOptions) register(fs *flagSet) {
	fs.choice(&o.dialect, "dialect", "", "valve|xash", "the master's protocol", "valve", "xash")
	add(fs, &o.region, "region", "", "WORD", "us-east, us-west, south-america, europe, asia, australia, middle-east, africa or all", parseWord[master.Region], master.Region.String)
	fs.count(&o.perMinute, "requests-per-minute", "", "N", "requests in any minute; 0 = no limit")
	if fs.Lookup("no-split") == nil {
		fs.toggle(&o.noSplit, "no-split", "", "do not fetch in parts what was cut off")
	}
}

// The ports of masters whose address names none.
const (
	valveMasterPort = 27011
	xashMasterPort  = 27010
)

// masterSource returns the list that o describes. Errors are wrong usage.
func (a *app) masterSource(o *masterOptions) (*listSource, error) {
	f, err := master.Parse(o.where)
	if err != nil {
		return nil, &usageError{err}
	}
	s := &listSource{name: "master", host: o.host, expr: f.String()}
	if strings.Contains(o.host, "://") {
		return a.xashListSource(o, s, f)
	}
	host, port, err := splitMaster(o)
	if err != nil {
		return nil, err
	}
	if o.timeout <= 0 {
		return nil, usagef("--timeout %s is too short", formatDuration(o.timeout))
	}
	cfg := master.Config{
		Filter: f, Region: o.region, Timeout: o.timeout, Retries: o.retries, RequestsPerMinute: o.perMinute, NoSplit: o.noSplit,
	}
	if o.perMinute == 0 {
		cfg.RequestsPerMinute = -1
	}
	if o.dialect == "xash" {
		cfg.XashKey = randomKey()
	}
	if _, err := master.NewSession(cfg); err != nil {
		return nil, &usageError{err}
	}
	s.fetch = func(ctx context.Context, emit func(netip.AddrPort, []byte) error) (listSummary, error) {
		at, err := resolveMaster(ctx, host, port, o.dialect == "xash")
		if err != nil {
			return s.summary(&weblist.Summary{Incomplete: []weblist.Part{{Part: f.Wire(), Reason: err.Error()}}}), err
		}
		cfg.IPv6 = at.Addr().Is6()
		return a.askMaster(ctx, s, at, cfg, emit)
	}
	return s, nil
}

// splitMaster takes HOST[:PORT] apart.
func splitMaster(o *masterOptions) (host string, port uint16, err error) {
	port = valveMasterPort
	if o.dialect == "xash" {
		port = xashMasterPort
	}
	if ap, err := netip.ParseAddrPort(o.host); err == nil {
		host, port = ap.Addr().String(), ap.Port()
	} else if a, err := netip.ParseAddr(strings.Trim(o.host, "[]")); err == nil {
		host = a.String()
	} else {
		var digits string
		var found bool
		if host, digits, found = strings.Cut(o.host, ":"); found {
			n, err := parseCount[int](65535)(digits)
			if err != nil {
				return "", 0, usagef("%s is not HOST or HOST:PORT", quote(o.host))
			}
			port = uint16(n)
		}
	}
	if host == "" || port == 0 || strings.ContainsAny(host, " /\\@:[]") && !strings.Contains(host, ":") {
		return "", 0, usagef("%s is not HOST or HOST:PORT", quote(o.host))
	}
	return host, port, nil
}

// resolveMaster returns the address of a master: an IPv4 one, unless only IPv6 is there
// and the dialect has it.
func resolveMaster(ctx context.Context, host string, port uint16, ipv6 bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(host)
	if name := strings.ToLower(strings.TrimSuffix(host, ".")); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		a, err = netip.MustParseAddr("127.0.0.1"), nil // RFC 6761
	}
	if err != nil {
		list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("cannot resolve %s: %w", clean(host), err)
		}
		for _, b := range list {
			if b = b.Unmap(); !a.IsValid() && (b.Is4() || ipv6) || b.Is4() && a.Is6() {
				a = b
			}
		}
	}
	a = a.Unmap()
	if !a.IsValid() || a.Is6() && !ipv6 {
		return netip.AddrPort{}, fmt.Errorf("%s has no IPv4 address", clean(host))
	}
	return netip.AddrPortFrom(a, port), nil
}

// askMaster fetches the list of a master.
func (a *app) askMaster(ctx context.Context, src *listSource, at netip.AddrPort, cfg master.Config, emit func(netip.AddrPort, []byte) error) (listSummary, error) {
	s, err := master.NewSession(cfg)
	if err != nil {
		return listSummary{}, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return listSummary{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	began := time.Now()
	now := func() proto.Time { return proto.Time(time.Since(began)) }
	buf := make([]byte, 65536)
	var request, row []byte
	var servers []netip.AddrPort
	refused, waiting := 0, false
	for !s.Done() && err == nil {
		var wake proto.Time
		if request, wake = s.Poll(request[:0], now()); len(request) > 0 {
			if _, err = conn.Write(request); errors.Is(err, syscall.ECONNREFUSED) {
				err = nil // of an earlier request: the next read reports it too
			}
			continue
		}
		wait := wake.Sub(now())
		if wait > slowMaster && !waiting {
			waiting = true
			a.ui.notef("waiting %s: %s per minute are allowed; %s so far", wait.Round(time.Second), plural(uint64(max(cfg.RequestsPerMinute, 0)), "request", "requests"),
				plural(uint64(s.Result().Servers), "server", "servers"))
		} else if wait <= slowMaster {
			waiting = false
		}
		_ = conn.SetReadDeadline(began.Add(time.Duration(wake)))
		var n int
		n, err = conn.Read(buf)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED) && s.Result().Pages == 0:
			if refused++; refused > 1 {
				err = fmt.Errorf("%s refuses: no master listens there", at)
				continue
			}
			err = nil
			continue
		case errors.Is(err, syscall.ECONNREFUSED), isTimeout(err):
			err = nil
			continue
		case err != nil:
			continue
		}
		servers = s.HandleDatagram(servers[:0], buf[:n], now())
		for _, server := range servers {
			row = appendAddrRow(row[:0], server)
			if err = emit(server, row); err != nil {
				break
			}
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	r := s.Result()
	sum := listSummary{
		Source: src.name, Host: src.host, Expr: src.expr, Rows: r.Servers + r.Duplicates, Servers: r.Servers, Duplicates: r.Duplicates, Calls: r.Requests,
		Incomplete: []listPart{},
	}
	for _, p := range r.Incomplete {
		sum.Incomplete = append(sum.Incomplete, listPart{Part: p.Filter.Wire(), Region: p.Region.String(), Reason: p.Reason})
	}
	if !s.Done() {
		sum.Incomplete = append(sum.Incomplete, listPart{Part: cfg.Filter.Wire(), Region: cfg.Region.String(), Reason: err.Error()})
	}
	sum.Complete = len(sum.Incomplete) == 0
	if r.Ignored > 0 {
		a.ui.notef("%s from the master were not part of the list", plural(uint64(r.Ignored), "datagram", "datagrams"))
	}
	if err == nil && r.Servers == 0 && len(r.Incomplete) > 0 {
		err = fmt.Errorf("%s: %s", at, r.Incomplete[0].Reason)
		if r.Ignored > 0 && cfg.XashKey == 0 {
			err = withHint(err, "if it is a master for Xash3D, use --dialect xash")
		}
	}
	return sum, err
}

// slowMaster is the wait from which a user learns why nothing happens.
const slowMaster = 5 * time.Second

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// appendAddrRow appends the row of a server of which only the address is known.
func appendAddrRow(dst []byte, at netip.AddrPort) []byte {
	dst = append(dst, `{"addr":"`...)
	dst = at.AppendTo(dst)
	return append(dst, `"}`...)
}

// xashListSource returns a static list of Xash3D servers.
func (a *app) xashListSource(o *masterOptions, s *listSource, f master.Filter) (*listSource, error) {
	u, err := url.Parse(o.host)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, usagef("%s is not an http URL", quote(o.host))
	case o.dialect != "xash":
		return nil, withHint(usagef("only lists for Xash3D have a URL"), "use --dialect xash")
	}
	dir, _ := f.Value("gamedir")
	if only := (master.Filter{}).Is("gamedir", dir); f.Wire() != "" && f.Wire() != only.Wire() {
		return nil, usagef("a static list knows no filter but gamedir=NAME")
	}
	if strings.ContainsAny(dir, "/?#%") || strings.HasPrefix(dir, ".") {
		return nil, usagef("%s is not the folder of a game", quote(dir))
	}
	cfg := weblist.XashConfig{
		URL: u, GameDir: dir,
		Note:   func(s string) { a.ui.notef("%s", clean(s)) },
		Detail: func(s string) { a.ui.detailf("%s", clean(s)) },
	}
	s.fetch = func(ctx context.Context, emit func(netip.AddrPort, []byte) error) (listSummary, error) {
		var row []byte
		cfg.Server = func(at netip.AddrPort) error {
			row = appendAddrRow(row[:0], at)
			return emit(at, row)
		}
		sum, err := weblist.Xash(ctx, cfg)
		if sum.Unreadable > 0 {
			a.ui.sayf("%s without an address", plural(uint64(sum.Unreadable), "row was", "rows were"))
		}
		if err != nil {
			err = fmt.Errorf("the server list: %w", err)
		}
		return s.summary(&sum), err
	}
	return s, nil
}

// randomKey returns the key of one list of a Xash master.
func randomKey() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand
	return binary.LittleEndian.Uint32(b[:]) | 1
}
