package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Errors of a Client, wrapped in a *QueryError.
var (
	ErrTimeout     = errors.New("no answer")              // silence
	ErrRefused     = errors.New("port unreachable")       // ICMP: nobody listens there
	ErrUnreachable = errors.New("host unreachable")       // another ICMP error
	ErrIncomplete  = errors.New("no complete answer")     // a challenge only, or fragments missing
	ErrProtocol    = errors.New("not a valid answer")     // bytes that do not parse, a challenge loop
	ErrSend        = errors.New("the system cannot send") // no route, a firewall of this machine
	ErrNoSection   = errors.New("the server answered, but not this query")
)

// A QueryError says which query of which server failed, and why.
type QueryError struct {
	Addr   netip.AddrPort
	Kind   proto.Kind
	Result proto.Result
	Err    error // one of the errors above
}

// Error returns, for example, "info of 127.0.0.1:27015: no answer after 3 tries".
func (e *QueryError) Error() string {
	words := describe(e.Result)
	if e.Result.Reason == proto.ReasonSend || e.Result.Reason == proto.ReasonAborted {
		words = e.Err.Error()
	}
	return fmt.Sprintf("%s of %s: %s", e.Kind, e.Addr, words)
}

// Unwrap returns the error of the list above.
func (e *QueryError) Unwrap() error { return e.Err }

// Timeout reports whether the server was silent; it makes a QueryError what package
// net calls a timeout.
func (e *QueryError) Timeout() bool { return e.Err == ErrTimeout }

// A ClientConfig says how a Client asks. The zero value is usable: every field
// has the default that is named beside it.
type ClientConfig struct {
	Timeout    time.Duration  // of the first try: 1 s; further ones wait longer
	Retries    int            // further tries on silence: 2; negative: none
	MaxElapsed time.Duration  // a server's whole time from the first request on, where the context gives no less: 10 s; stops of the process don't count
	Sequential bool           // one query of a server at a time
	PreferIPv6 bool           // of a name with both kinds of address take the IPv6 one
	Local      netip.AddrPort // to send from: any
	Port       mux.Port       // to use instead of a socket of its own; Close closes it
	Resolver   Resolver       // of names: net.DefaultResolver
}

// A Resolver finds the addresses of names. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// defaultPort is the query port of a server that says nothing else.
const defaultPort = 27015

// A Client asks one server at a time for programs that want an answer rather
// than a dataset. All its queries share one socket, and any number of goroutines
// may call it at once. Two calls for the same server take turns.
//
// Close it when done: it has a socket and a goroutine.
type Client struct {
	cfg  ClientConfig
	port mux.Port
	done chan struct{}

	closing sync.Once // of port

	mu      sync.Mutex
	closed  bool
	err     error   // of calls once closed
	calls   []*call // new ones, for the loop
	cancels []*call
}

// A call is one conversation that a goroutine waits for.
type call struct {
	key    mux.Key
	kinds  proto.Kinds
	q      proto.Query
	bodies [proto.NumKinds][]byte
	err    error // the client is lost
	sendTo error // what the system said instead of sending
	id     uint32
	queued bool // in sending
	waits  bool // in deferred
	done   chan struct{}

	unseen proto.Kinds // the process was stopped while these were waited for: no RTT
}

// A Reply is what a server said. What it points to belongs to the caller.
type Reply struct {
	Addr    netip.AddrPort
	Info    *proto.Info       // nil where not asked for or not answered
	Players *proto.PlayerList // likewise
	Rules   *proto.RuleList   // likewise; without the rules that carried A3SB
	A3SB    *a3sb.Block       // Arma 3 and DayZ: what the rules carried
	RTT     time.Duration     // of the first section that has one; negative where none has
	Results [proto.NumKinds]proto.Result
}

// NewClient returns a Client and opens its socket.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Retries == 0 {
		cfg.Retries = 2
	}
	pc, err := proto.NewClient(proto.Config{
		Timeout:         cfg.Timeout,
		Retries:         max(cfg.Retries, 0),
		MaxElapsed:      cfg.MaxElapsed,
		Sequential:      cfg.Sequential,
		ReassemblyBytes: 8 << 20,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	port := cfg.Port
	if port == nil {
		port, err = mux.Listen(mux.Options{Local: cfg.Local, Rcvbuf: 1 << 20})
		if err != nil {
			return nil, err
		}
	}
	c := &Client{cfg: cfg, port: port, done: make(chan struct{}), err: net.ErrClosed}
	go c.loop(pc)
	return c, nil
}

// Close ends the Client: calls that wait return net.ErrClosed. Further calls of
// Close do nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.port.Wake()
	<-c.done
	var err error
	c.closing.Do(func() { err = c.port.Close() })
	return err
}

// Info asks the server at addr ("host:port", "host", "1.2.3.4:27015",
// "[::1]:27015") for its INFO. It returns a *QueryError where the server does not
// give one, ctx's error where ctx ended first, and the resolver's for names.
func (c *Client) Info(ctx context.Context, addr string) (*proto.Info, error) {
	r, err := c.Query(ctx, addr, proto.WantInfo)
	if err != nil {
		return nil, err
	}
	return r.Info, nil
}

// Players asks for the list of players. See Info for addr and the errors.
func (c *Client) Players(ctx context.Context, addr string) (*proto.PlayerList, error) {
	r, err := c.Query(ctx, addr, proto.WantPlayers)
	if err != nil {
		return nil, err
	}
	return r.Players, nil
}

// Rules asks for the rules, as sent: Arma 3's and DayZ's binary ones are left
// in the list. See Info for addr and the errors.
func (c *Client) Rules(ctx context.Context, addr string) (*proto.RuleList, error) {
	r, err := c.Query(ctx, addr, proto.WantRules)
	if err != nil {
		return nil, err
	}
	return r.Rules, nil
}

// Query asks for several things at once, which costs fewer round trips than one
// after the other. It returns a Reply where any was answered, and with it the
// error of the first that was not. A query that ctx ended is an ErrNoSection and
// ctx's error at once. An addr that is, or whose name stands for, an address that nobody
// may ask (multicast, broadcast and the like) is a *[targets.AddressError], and nothing is sent.
func (c *Client) Query(ctx context.Context, addr string, kinds proto.Kinds) (*Reply, error) {
	if kinds == 0 || kinds>>proto.NumKinds != 0 {
		return nil, fmt.Errorf("%#x is no set of queries", uint8(kinds))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ap, err := c.resolve(ctx, addr)
	if err != nil {
		return nil, err
	}
	l := &call{key: mux.KeyFrom(ap), kinds: kinds, done: make(chan struct{})}
	if err := c.begin(l); err != nil {
		return nil, err
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		c.mu.Lock()
		c.cancels = append(c.cancels, l)
		c.mu.Unlock()
		c.port.Wake()
		<-l.done // soon: the loop settles it, or had done so
		if l.err == nil && !anyBody(l) {
			return nil, ctx.Err()
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.reply(ap, ctx.Err())
}

func anyBody(l *call) bool {
	for _, b := range l.bodies {
		if b != nil {
			return true
		}
	}
	return false
}

func (c *Client) begin(l *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.err
	}
	c.calls = append(c.calls, l)
	c.port.Wake()
	return nil
}

// reply decodes what came. The bodies were found to decode when they came. cut is the
// error of the context, if that ended the call.
func (l *call) reply(ap netip.AddrPort, cut error) (*Reply, error) {
	r := &Reply{Addr: ap, RTT: output.NoRTT}
	var firstErr error
	answered := false
	for k := range proto.Kind(proto.NumKinds) {
		if !l.kinds.Has(k) {
			continue
		}
		res := l.q.Result(k)
		if l.unseen.Has(k) {
			res.RTT = output.NoRTT
		}
		r.Results[k] = res
		if !res.Answered {
			if firstErr == nil {
				e := &QueryError{Addr: ap, Kind: k, Result: res, Err: sentinel(res)}
				switch {
				case res.Reason == proto.ReasonSend && l.sendTo != nil:
					e.Err = fmt.Errorf("%w: %w", ErrSend, l.sendTo)
				case res.Reason == proto.ReasonAborted && cut != nil:
					e.Err = fmt.Errorf("%w: %w", ErrNoSection, cut)
				}
				firstErr = e
			}
			continue
		}
		answered = true
		if r.RTT < 0 {
			r.RTT = res.RTT
		}
		switch k {
		case proto.KindInfo:
			r.Info = new(proto.Info)
			_ = r.Info.Decode(l.bodies[k])
		case proto.KindPlayers:
			r.Players = new(proto.PlayerList)
			_ = r.Players.DecodeAfter(l.bodies[k], r.Info)
		case proto.KindRules:
			r.Rules = new(proto.RuleList)
			_ = r.Rules.Decode(l.bodies[k])
		}
	}
	if !answered {
		return nil, firstErr
	}
	if r.Rules != nil && r.Info != nil {
		block, rest, err := a3sb.Decode(r.Rules.List, a3sb.GameOf(r.Info))
		r.A3SB, r.Rules.List = block, rest
		r.Rules.Truncated = r.Rules.Truncated || err != nil
	}
	return r, firstErr
}

func sentinel(r proto.Result) error {
	switch statusOf(r) {
	case output.Refused:
		return ErrRefused
	case output.Unreachable:
		return ErrUnreachable
	case output.Incomplete:
		return ErrIncomplete
	case output.ProtocolError:
		return ErrProtocol
	case output.SendError:
		return ErrSend
	case output.Aborted:
		return ErrNoSection
	}
	return ErrTimeout
}

// resolve turns addr into an address, asking the resolver for names.
func (c *Client) resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port := addr, uint64(defaultPort)
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
	list, err := c.cfg.Resolver.LookupNetIP(ctx, "ip", host)
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

// place returns a and port with a's zone as the number that a mux.Key wants, or
// without one where that is 0. It refuses an address that nobody may ask.
func (c *Client) place(a netip.Addr, port uint64) (netip.AddrPort, error) {
	a = a.Unmap()
	if err := targets.Unicast(a); err != nil {
		return netip.AddrPort{}, err
	}
	if a.Zone() != "" {
		scope, err := mux.ScopeID(a)
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

// clientLoop is what the loop of a Client owns.
type clientLoop struct {
	c        *Client
	pc       *proto.Client
	clock    clock
	open     map[mux.Key][]*call // the first is in flight, the others wait for it
	flights  []*call             // those in flight by id, nil where the id is free
	free     []uint32            // ids
	wheel    *wheel              // by id
	sending  []*call             // want to send
	deferred []*call             // compressed replies of theirs wait for inflation budget
	due      []uint32
	tokens   map[mux.Key]proto.Challenge
	tx       *mux.Batch
}

// maxTokens bounds the challenges that are remembered for later calls. A stale
// one costs a round trip, a good one saves one.
const maxTokens = 4096

func (c *Client) loop(pc *proto.Client) {
	defer close(c.done)
	l := &clientLoop{
		c: c, pc: pc,
		clock:  clock{start: time.Now()},
		open:   map[mux.Key][]*call{},
		tokens: map[mux.Key]proto.Challenge{},
		wheel:  newWheel(0, 0),
		due:    make([]uint32, 0, expireStep),
		tx:     mux.NewBatch(16, maxRequest),
	}
	rx := mux.NewBatch(16, receiveSize)
	err := l.run(rx)
	c.mu.Lock()
	c.closed, c.err = true, err
	for _, w := range c.calls {
		l.open[w.key] = append(l.open[w.key], w)
	}
	c.calls = nil
	c.mu.Unlock()
	for _, list := range l.open {
		for _, w := range list {
			w.err = err
			close(w.done)
		}
	}
}

// run returns when the Client is closed or its socket is lost.
func (l *clientLoop) run(rx *mux.Batch) error {
	wait := time.Duration(0)
	drained := drainedOf(l.c.port.Stats().RcvbufActual)
	now, _ := l.clock.turn(-1)
	for {
		before := now
		if err := l.c.port.Recv(rx, wait); err != nil {
			return err
		}
		var lost time.Duration
		if now, lost = l.clock.turn(wait); lost > 0 {
			l.stalled()
		}
		l.pc.BeginTurn()
		for i := range rx.Len() {
			l.handle(now, rx.Packet(i))
		}
		before = drained.upTo(before, now, rx, func() int { return l.c.port.Stats().RcvbufUsed })
		if l.commands() {
			return net.ErrClosed
		}
		l.expire(before, now)
		l.inflate(now)
		if err := l.transmit(now); err != nil {
			return err
		}
		wait = -1
		if at, ok := l.wheel.next(); ok {
			wait = min(max(at.Sub(now), 0), longestSleep) // a stop beyond that is seen to be one
		}
		if rx.Len() == rx.Cap() || len(l.deferred) > 0 {
			wait = 0
		}
	}
}

// stalled notes for which sections nobody saw when their answers came.
func (l *clientLoop) stalled() {
	for _, w := range l.flights {
		if w == nil {
			continue
		}
		for k := range proto.Kind(proto.NumKinds) {
			if r := w.q.Result(k); r.Attempts > 0 && !r.Answered {
				w.unseen |= k.Bit()
			}
		}
	}
}

// commands takes new calls and cancellations; it reports whether to end.
func (l *clientLoop) commands() bool {
	c := l.c
	c.mu.Lock()
	calls, cancels, closed := c.calls, c.cancels, c.closed
	c.calls, c.cancels = nil, nil
	c.mu.Unlock()
	for _, w := range calls {
		l.open[w.key] = append(l.open[w.key], w)
		if len(l.open[w.key]) == 1 {
			l.start(w)
		}
	}
	for _, w := range cancels {
		l.cancel(w)
	}
	return closed
}

func (l *clientLoop) start(w *call) {
	if n := len(l.free); n > 0 {
		w.id = l.free[n-1]
		l.free = l.free[:n-1]
		l.flights[w.id] = w
	} else {
		w.id = uint32(len(l.flights))
		l.flights = append(l.flights, w)
		l.wheel.grow(len(l.flights))
	}
	l.enqueue(w)
	l.pc.Begin(&w.q, w.kinds)
	if token, ok := l.tokens[w.key]; ok {
		l.pc.SetChallenge(&w.q, token)
	}
}

// enqueue lets w be sent with the next transmit.
func (l *clientLoop) enqueue(w *call) {
	if !w.queued {
		w.queued = true
		l.sending = append(l.sending, w)
	}
}

func (l *clientLoop) cancel(w *call) {
	list := l.open[w.key]
	for i, other := range list {
		if other != w {
			continue
		}
		if i == 0 {
			l.pc.Abort(&w.q, proto.ReasonAborted)
			l.settle(w)
			return
		}
		l.open[w.key] = append(list[:i:i], list[i+1:]...)
		close(w.done)
		return
	}
}

func (l *clientLoop) handle(now proto.Time, p *mux.Packet) {
	list := l.open[p.Peer]
	if len(list) == 0 {
		return
	}
	w := list[0]
	var out proto.Output
	if p.Unreachable != mux.Reachable {
		out = l.pc.HandleUnreachable(&w.q, p.Unreachable == mux.PortUnreachable, true)
	} else {
		out = l.pc.HandleDatagram(&w.q, now, p.Data)
	}
	l.step(now, w, &out)
}

func (l *clientLoop) step(now proto.Time, w *call, out *proto.Output) {
	if out.Verdict == proto.Answer || out.Verdict == proto.Upgrade {
		w.bodies[out.Kind] = bytes.Clone(out.Body)
	}
	if out.Done {
		l.settle(w)
		return
	}
	if w.q.Deferred() && !w.waits {
		w.waits = true
		l.deferred = append(l.deferred, w)
	}
	if out.Send {
		l.enqueue(w)
	}
	if at, ok := l.pc.Deadline(&w.q); ok {
		l.wheel.arm(w.id, at)
	}
}

// settle ends the call in flight and begins the next of its server.
func (l *clientLoop) settle(w *call) {
	if token, ok := w.q.Challenge(); ok {
		if len(l.tokens) >= maxTokens {
			clear(l.tokens)
		}
		l.tokens[w.key] = token
	}
	l.wheel.disarm(w.id)
	l.flights[w.id] = nil
	l.free = append(l.free, w.id)
	list := l.open[w.key][1:]
	close(w.done)
	if len(list) == 0 {
		delete(l.open, w.key)
		return
	}
	l.open[w.key] = list
	l.start(list[0])
}

// expire deals with deadlines up to before, when the socket was last read empty.
func (l *clientLoop) expire(before, now proto.Time) {
	l.due = l.wheel.expire(before, l.due[:0])
	for _, id := range l.due {
		w := l.flights[id]
		out := l.pc.HandleTimeout(&w.q, before)
		l.step(now, w, &out)
	}
}

// inflate goes on with compressed replies that waited for this turn's budget.
func (l *clientLoop) inflate(now proto.Time) {
	for len(l.deferred) > 0 && l.pc.CanInflate() {
		w := l.deferred[0]
		l.deferred = l.deferred[1:]
		w.waits = false
		if l.flights[w.id] == w {
			out := l.pc.Inflate(&w.q, now)
			l.step(now, w, &out)
		}
	}
}

// transmit sends what wants to be sent, as far as the socket has room.
func (l *clientLoop) transmit(now proto.Time) error {
	for len(l.sending) > 0 {
		w := l.sending[0]
		if l.flights[w.id] == w && w.q.WantsSend() {
			l.tx.Reset()
			l.tx.Commit(w.key, l.pc.AppendTransmit(l.tx.Next(), &w.q))
			n, err := l.c.port.Send(l.tx)
			var refused *mux.PeerError
			switch {
			case errors.As(err, &refused):
				w.sendTo = refused.Err
				l.pc.Abort(&w.q, proto.ReasonSend)
				l.settle(w)
			case err != nil:
				return err
			case n == 0:
				return nil // Recv returns when there is room
			default:
				l.pc.Sent(&w.q, now)
				if at, ok := l.pc.Deadline(&w.q); ok {
					l.wheel.arm(w.id, at)
				}
				if w.q.WantsSend() {
					continue
				}
			}
		}
		w.queued = false
		l.sending[0] = nil
		l.sending = l.sending[1:]
	}
	return nil
}
