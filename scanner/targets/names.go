package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/a2scan/a2scan/mux"
)

const (
	// defaultLookups is how many names are looked up at once.
	defaultLookups = 32
	// defaultLookupTimeout is for one lookup, its retries included.
	defaultLookupTimeout = 5 * time.Second

	// maxWaiting bounds the targets that wait for their name: at 32 lookups of
	// 20 ms at once, this is 5 seconds of them. Then the reading of input waits.
	maxWaiting = 8192
	// maxAnswers bounds the names whose answer is remembered.
	maxAnswers = 4096
)

// names resolves host names while targets are read. Only the lookups themselves run in
// goroutines of their own.
type names struct {
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	timeout time.Duration
	prefer6 bool
	none    bool                          // nothing is looked up
	refuse  func(address) (reason string) // for an address that a list blocks

	ctx    context.Context
	cancel context.CancelFunc

	answers map[string]answer
	order   []string // names in answers, in a ring, the oldest at next
	next    int

	asking  map[string][]waiter // names that are being looked up, or are to be
	queue   []string            // those that are to be
	free    int                 // lookups that may be started
	waiting int                 // targets in asking
	results chan result         // room for every lookup that runs, so that none has to wait
}

// A waiter is a target whose name is being looked up.
type waiter struct {
	seq    uint64
	port   uint16
	origin *Origin
}

type result struct {
	name  string
	addrs []netip.Addr
	err   error
}

// An answer is what became of a name.
type answer struct {
	addr    address
	scope   uint32
	refusal Refusal
	reason  string
}

func newNames(cfg *Config, refuse func(address) string) *names {
	n := &names{lookup: cfg.Lookup, timeout: cfg.LookupTimeout, prefer6: cfg.PreferIPv6, none: cfg.NoLookups, refuse: refuse, free: cfg.Lookups}
	if n.lookup == nil {
		n.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if n.timeout <= 0 {
		n.timeout = defaultLookupTimeout
	}
	if n.free <= 0 {
		n.free = defaultLookups
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.answers = make(map[string]answer)
	n.asking = make(map[string][]waiter)
	n.results = make(chan result, n.free)
	return n
}

// target returns the target of w at name if the name's address is known. If not,
// w is kept until settle returns it.
func (n *names) target(name string, w waiter) (Target, bool) {
	if a, ok := n.known(name); ok {
		return w.target(a), true
	}
	waiters, asked := n.asking[name]
	n.asking[name] = append(waiters, w)
	n.waiting++
	if !asked {
		n.queue = append(n.queue, name)
		n.ask()
	}
	return Target{}, false
}

// known returns the answer for a name if that takes no lookup.
func (n *names) known(name string) (answer, bool) {
	switch a, ok := n.answers[name]; {
	case ok:
		return a, true
	case isLocalhost(name):
		return n.answer(result{addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}}), true
	case n.none:
		return answer{refusal: Resolve, reason: "names are not looked up"}, true
	}
	return answer{}, false
}

// isLocalhost reports whether a name, in lower case, is this machine's by definition
// (RFC 6761).
func isLocalhost(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// ask starts as many lookups as may run.
func (n *names) ask() {
	for n.free > 0 && len(n.queue) > 0 {
		name := n.queue[0]
		n.queue = n.queue[1:]
		n.free--
		go func() {
			ctx, cancel := context.WithTimeout(n.ctx, n.timeout)
			defer cancel()
			addrs, err := n.lookup(ctx, name)
			n.results <- result{name, addrs, err}
		}()
	}
}

// settle takes in a result and appends the targets that waited for it to dst.
func (n *names) settle(dst []Target, r result) []Target {
	n.free++
	a := n.answer(r)
	n.remember(r.name, a)
	for _, w := range n.asking[r.name] {
		dst = append(dst, w.target(a))
		n.waiting--
	}
	delete(n.asking, r.name)
	n.ask()
	return dst
}

func (n *names) remember(name string, a answer) {
	if len(n.order) < maxAnswers {
		n.order = append(n.order, name)
	} else {
		delete(n.answers, n.order[n.next])
		n.order[n.next] = name
		n.next = (n.next + 1) % maxAnswers
	}
	n.answers[name] = a
}

// answer chooses one address: the first of the preferred family, or else the
// first of all.
func (n *names) answer(r result) answer {
	if r.err != nil || len(r.addrs) == 0 {
		return answer{refusal: Resolve, reason: n.lookupReason(r.err)}
	}
	chosen := r.addrs[0].Unmap()
	for _, a := range r.addrs {
		if a = a.Unmap(); a.Is4() != n.prefer6 {
			chosen = a
			break
		}
	}
	a := answer{addr: addressOf(chosen)}
	a.scope, _ = scopeOf(chosen)
	if reason := unaskedReason(a.addr, a.scope); reason != "" {
		a.refusal, a.reason = Invalid, "the name resolves to no host: "+reason
	} else if reason := n.refuse(a.addr); reason != "" {
		a.refusal, a.reason = Blocked, fmt.Sprintf("%s: %v", reason, chosen)
	}
	return a
}

// lookupReason says in words why a name has no address.
func (n *names) lookupReason(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return "the name has no address"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &dns) && dns.IsTimeout:
		return "the lookup timed out"
	case dns != nil && dns.IsNotFound:
		return "no such host"
	case dns != nil:
		return "lookup failed: " + dns.Err
	}
	return "lookup failed: " + err.Error()
}

func (w waiter) target(a answer) Target {
	t := Target{Seq: w.seq, Origin: w.origin, Refusal: a.refusal, Reason: a.reason, Key: mux.Key{Port: w.port}}
	if a.refusal != Resolve {
		t.Key = mux.Key{Hi: a.addr.hi, Lo: a.addr.lo, Scope: a.scope, Port: w.port}
	}
	return t
}
