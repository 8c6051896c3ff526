package scanner

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/a2scan/a2scan/internal/ipaddr"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A QueryError reports that a server did not answer all that it was asked.
type QueryError struct {
	Addr   netip.AddrPort
	Status output.Status // of the record, or of the section that was asked for
	Reason string        // such as "no answer after 3 attempts"
}

// Error returns, for example, "127.0.0.1:27015: no answer after 3 attempts".
func (e *QueryError) Error() string { return e.Addr.String() + ": " + e.Reason }

// Timeout reports whether the server was silent, as os.IsTimeout does for a QueryError.
func (e *QueryError) Timeout() bool { return e.Status == output.Timeout }

// A ClientConfig holds the settings of a Client. The zero value of a field means the
// default given in its comment.
type ClientConfig struct {
	Timeout       time.Duration  // of the first attempt; doubles with each retry: 1 s
	Retries       int            // further attempts on silence: 2; negative: none
	TargetTimeout time.Duration  // a server's whole time from the first request on, if the context gives no less: 10 s
	Sequential    bool           // one query of a server at a time
	Rate          float64        // packets per second in all: 2,000; negative: no limit
	PerIPRate     float64        // packets per second to one IP address: 20; negative: no limit
	PreferIPv6    bool           // of a name with both kinds of address take the IPv6 one
	Local         netip.AddrPort // to send from: any
	Port          mux.Port       // to use instead of a socket of its own; Close closes it

	// Lookup returns the addresses of a name; network is "ip". The default is that of
	// net.DefaultResolver.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// config returns the Config of the scan that a Client is.
func (c *ClientConfig) config() Config {
	cfg := DefaultConfig()
	cfg.Sequential, cfg.Batch, cfg.MaxInFlight = c.Sequential, 16, 4096
	if c.Timeout != 0 {
		cfg.Timeout = c.Timeout
	}
	if c.TargetTimeout != 0 {
		cfg.TargetTimeout = c.TargetTimeout
	}
	switch {
	case c.Retries < 0:
		cfg.Retries = 0
	case c.Retries > 0:
		cfg.Retries = c.Retries
	}
	limit := func(dst *float64, v float64) {
		switch {
		case v < 0:
			*dst = 0
		case v > 0:
			*dst = v
		}
	}
	limit(&cfg.Rate, c.Rate)
	limit(&cfg.PerIPRate, c.PerIPRate)
	return cfg
}

// A Client queries servers one by one, for programs that want the answer of a server
// when they ask for it. It is a scan whose targets are its calls: all share one socket
// and the limits of the ClientConfig. Any number of goroutines may use it at once. Two
// calls for the same server take turns.
//
// Close it when done: it has a socket and goroutines.
type Client struct {
	cfg     ClientConfig
	port    mux.Port
	scanner *Scanner
	done    chan struct{}
	closing sync.Once     // of port
	wake    chan struct{} // calls were added, or the Client was closed

	mu     sync.Mutex
	closed bool
	err    error            // of calls once closed
	calls  map[uint64]*call // that wait, by seq
	queue  []targets.Target // not yet taken by the scan
	next   uint64           // seq
}

// A call is a query that a goroutine waits for.
type call struct {
	kinds     proto.Kinds
	cancelled bool
	record    *output.Record // nil: cancelled before it began
	err       error          // the Client is closed or lost
	done      chan struct{}
}

// NewClient returns a Client and opens its socket.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Lookup == nil {
		cfg.Lookup = net.DefaultResolver.LookupNetIP
	}
	c := &Client{
		cfg: cfg, port: cfg.Port, err: net.ErrClosed,
		done: make(chan struct{}), wake: make(chan struct{}, 1), calls: map[uint64]*call{},
	}
	scan := cfg.config()
	if err := scan.Validate(); err != nil {
		return nil, err
	}
	if c.port == nil {
		port, err := mux.Listen(mux.Options{Local: cfg.Local, Rcvbuf: 1 << 20})
		if err != nil {
			return nil, err
		}
		c.port = port
	}
	s, err := newScanner(scan, c.port, callSource{c}, discard{}, writing{encode: deliverer(c.deliver)})
	if err != nil {
		return nil, err
	}
	c.scanner = s
	s.flushEvery, s.endless = 0, true
	s.engine.SetKinds(c.kinds)
	s.cancelled = func(seq uint64) { c.end(seq, nil) }
	go c.run()
	return c, nil
}

// run is the scan of a Client.
func (c *Client) run() {
	defer close(c.done)
	_, err := c.scanner.Run(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && err != nil {
		c.err = err
	}
	c.closed = true
	for seq, l := range c.calls {
		l.err = c.err
		close(l.done)
		delete(c.calls, seq)
	}
}

// Close ends the Client: calls that wait return net.ErrClosed. Further calls of
// Close do nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wakeUp()
	c.scanner.Abort()
	<-c.done
	var err error
	c.closing.Do(func() { err = c.port.Close() })
	return err
}

// Info asks the server at addr ("host:port", "host", "1.2.3.4:27015", "[::1]:27015")
// for its INFO. If the server does not answer it returns a *QueryError, if ctx ends
// first ctx's error, and for names also the resolver's.
func (c *Client) Info(ctx context.Context, addr string) (*output.Info, error) {
	r, err := c.Query(ctx, addr, proto.WantInfo)
	if r == nil || r.Status != output.Success {
		return nil, err
	}
	return r.Info, nil
}

// Players asks for the list of players. See Info for addr and the errors.
func (c *Client) Players(ctx context.Context, addr string) (*output.Players, error) {
	r, err := c.Query(ctx, addr, proto.WantPlayers)
	if r == nil || r.Status != output.Success {
		return nil, err
	}
	return r.Players, nil
}

// Rules asks for the rules. See Info for addr and the errors.
func (c *Client) Rules(ctx context.Context, addr string) (*output.Rules, error) {
	r, err := c.Query(ctx, addr, proto.WantRules)
	if r == nil || r.Status != output.Success {
		return nil, err
	}
	return r.Rules, nil
}

// Query asks for several things at once, which takes fewer round trips than one after
// the other, and returns the server's record, which belongs to the caller. If the record's
// Status is not Success there is also an error: a *QueryError, or ctx's if that ended
// first; then the record has the sections that were answered until then, and is nil if
// there are none. If addr is, or resolves to, an address that may not be asked (multicast,
// broadcast and the like), nothing is sent; the Status of the *QueryError is Blocked.
func (c *Client) Query(ctx context.Context, addr string, kinds proto.Kinds) (*output.Record, error) {
	if kinds == 0 || kinds&^askable != 0 {
		return nil, fmt.Errorf("%#x is not a set of queries", uint8(kinds))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ap, err := c.resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	l := &call{kinds: kinds, done: make(chan struct{})}
	key := mux.KeyFrom(ap)
	seq, err := c.begin(l, targets.Target{Key: key, Origin: originOf(addr, ap)})
	if err != nil {
		return nil, err
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		c.mu.Lock()
		l.cancelled = true
		c.mu.Unlock()
		c.scanner.cancel(key, seq)
		<-l.done // soon: the loop ends it, or has done so
		if l.err == nil && (l.record == nil || !l.record.Answered()) {
			return nil, ctx.Err()
		}
	}
	switch {
	case l.err != nil:
		return nil, l.err
	case l.record.Status == output.Success:
		return l.record, nil
	case ctx.Err() != nil:
		return l.record, ctx.Err()
	}
	return l.record, &QueryError{Addr: ap, Status: l.record.Status, Reason: l.record.Error}
}

// originOf returns the Origin of an addr that is not ap itself.
func originOf(addr string, ap netip.AddrPort) *targets.Origin {
	if addr == ap.String() {
		return nil
	}
	return &targets.Origin{Input: addr}
}

// begin queues a call.
func (c *Client) begin(l *call, t targets.Target) (seq uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, c.err
	}
	t.Seq = c.next
	c.next++
	c.calls[t.Seq] = l
	c.queue = append(c.queue, t)
	c.wakeUp()
	return t.Seq, nil
}

func (c *Client) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// A callSource makes targets of the calls of a Client.
type callSource struct{ c *Client }

func (s callSource) Next(ctx context.Context, dst []targets.Target) (int, error) {
	for c := s.c; ; {
		c.mu.Lock()
		n := copy(dst, c.queue)
		if c.queue = c.queue[n:]; len(c.queue) == 0 {
			c.queue = nil
		}
		closed := c.closed
		c.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if closed {
			return 0, io.EOF
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// kinds returns the queries of a target's call.
func (c *Client) kinds(seq uint64) proto.Kinds {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.calls[seq]; l != nil {
		return l.kinds
	}
	return proto.WantInfo // it has ended
}

// deliver ends a call with its record.
func (c *Client) deliver(r *output.Record) { c.end(r.Seq, r) }

// end ends a call, unless the end of the scan aborted it: then run does.
func (c *Client) end(seq uint64, r *output.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.calls[seq]; l != nil && !c.closed && (l.cancelled || !aborted(r)) {
		l.record = r
		close(l.done)
		delete(c.calls, seq)
	}
}

// aborted reports whether a section of r was aborted.
func aborted(r *output.Record) bool {
	return r.Info != nil && r.Info.Status == output.Aborted || r.Players != nil && r.Players.Status == output.Aborted ||
		r.Rules != nil && r.Rules.Status == output.Aborted
}

// resolve turns addr into an address, asking the resolver for names.
func (c *Client) resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port := addr, uint64(targets.DefaultPort)
	if h, p, err := net.SplitHostPort(addr); err == nil {
		host = h
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return netip.AddrPort{}, fmt.Errorf("%q has no valid port: use 1 to 65535", addr)
		}
	} else if n := len(addr); n > 2 && addr[0] == '[' && addr[n-1] == ']' {
		host = addr[1 : n-1]
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return c.place(a, port)
	}
	list, err := c.cfg.Lookup(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(list) == 0 {
		return netip.AddrPort{}, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	best := list[0]
	for _, a := range list {
		if a.Unmap().Is4() != c.cfg.PreferIPv6 {
			best = a
			break
		}
	}
	return c.place(best, port)
}

// place returns a and port, with a's zone as the number that a mux.Key has, or without one
// if that is 0. It refuses addresses that may not be asked.
func (c *Client) place(a netip.Addr, port uint64) (netip.AddrPort, error) {
	a = a.Unmap()
	if err := ipaddr.CheckUnicast(a); err != nil {
		return netip.AddrPort{}, &QueryError{Addr: netip.AddrPortFrom(a, uint16(port)), Status: output.Blocked, Reason: err.Error()}
	}
	if a.Zone() != "" {
		scope, err := ipaddr.Scope(a)
		if err != nil {
			return netip.AddrPort{}, err
		}
		a = a.WithZone("")
		if scope != 0 {
			a = a.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}
