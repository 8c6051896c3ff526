// Package muxtest is a network without a network: Ports that reach each other,
// and simulated Hosts, through memory. It waits only on channels and timers, so
// that a whole scanner over it runs in the virtual time of testing/synctest
// (make the Net inside the bubble), and equally well in real time.
//
// # Theory of operation
//
// A Net is one queue of datagrams, ordered by the time at which they arrive. It
// has no goroutine: a call of Recv on one of its Ports moves everything
// whose time has come, in order, and sleeps until the next arrival if there was
// nothing for him. A Host's Handler is called with the time of arrival, not
// with the time at which somebody looked, so that a scanner that stalls for a
// second finds the same as a real one: a full buffer and answers that are a
// second old.
//
// On its way a datagram passes a Node, which may delay, drop, repeat or forge:
// see Chain, Delay, Loss, Duplicate, Reorder, Spoof. All chance comes from one
// seed, and so with one scanner goroutine every run is the same.
package muxtest

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A Net connects Ports and Hosts. Its methods may be called from any goroutine.
type Net struct {
	// Datagrams of Ports pass Out, answers of Hosts pass Back. A nil Node
	// lets everything pass at once. Both are to be set before the first Send.
	Out, Back Node

	// Tap, if not nil, sees every datagram that a Port's Send took, before Out
	// does. It must not call the Net.
	Tap func(now time.Time, from, to mux.Key, data []byte)

	// turn is held while datagrams are moved, so that Handlers are called one
	// at a time.
	turn sync.Mutex

	mu         sync.Mutex
	rng        *rand.Rand
	queue      queue
	arrivals   uint64 // how many were ever put in the queue
	ports      map[mux.Key]*Port
	hosts      map[mux.Key]Host
	everywhere func(mux.Key) Host
}

// New returns a Net whose chance follows from seed.
func New(seed uint64) *Net {
	return &Net{
		rng:   rand.New(rand.NewPCG(seed, 0x6D757874657374)),
		ports: make(map[mux.Key]*Port),
		hosts: make(map[mux.Key]Host),
	}
}

// A Host answers at an address. The zero Host is silent.
type Host struct {
	// Handler answers the datagrams that arrive.
	Handler Handler

	// Unreachable, if not mux.Reachable, is the ICMP error that every datagram
	// meets instead.
	Unreachable mux.Unreachable

	// SendErr, if not nil, is why the system refuses to send there: Send
	// returns it in a *mux.PeerError.
	SendErr error
}

// A Handler is called when a datagram from that address arrives at a Host, at
// the time now. It may answer any number of times, during the call or later.
// The source of an answer is the Host's own address if it is the zero Key,
// and forged if it is another. An answer sets out after the given time and
// passes Net.Back.
type Handler func(now time.Time, from mux.Key, data []byte, reply func(from mux.Key, data []byte, after time.Duration))

// SetHost puts h at address k.
func (n *Net) SetHost(k mux.Key, h Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[k] = h
}

// SetEverywhere sets the Host of every address that has neither a Port nor a
// SetHost is. hosts must always answer the same for the same address, and not
// call n.
func (n *Net) SetEverywhere(hosts func(to mux.Key) Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.everywhere = hosts
}

// Inject lets a datagram arrive at to after that time, whoever is said to have
// sent it.
func (n *Net) Inject(from, to mux.Key, data []byte, after time.Duration) {
	n.arrive(Datagram{From: from, To: to, Data: clone(data), At: time.Now().Add(after)})
}

// InjectICMP lets an ICMP error about a datagram to about arrive at the Port
// to, after that time, whether to ever sent one or not.
func (n *Net) InjectICMP(about, to mux.Key, what mux.Unreachable, after time.Duration) {
	n.arrive(Datagram{From: about, To: to, Unreachable: what, At: time.Now().Add(after)})
}

// InTransit returns how many datagrams have not arrived yet.
func (n *Net) InTransit() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue)
}

func (n *Net) arrive(d Datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.push(d)
}

// push puts d in the queue and tells those who sleep that there is one more
// arrival to wait for.
func (n *Net) push(d Datagram) {
	n.arrivals++
	heap.Push(&n.queue, arrival{d, n.arrivals})
	for _, p := range n.ports {
		p.poke()
	}
}

// pass sends d through node into the queue.
func (n *Net) pass(node Node, d Datagram) {
	if node == nil {
		n.push(d)
		return
	}
	node(n.rng, d, n.push)
}

// host returns the Host at k.
func (n *Net) host(k mux.Key) Host {
	if h, ok := n.hosts[k]; ok {
		return h
	}
	if n.everywhere != nil {
		return n.everywhere(k)
	}
	return Host{}
}

// advance moves all datagrams that have arrived by now, and returns when the
// next will.
func (n *Net) advance(now time.Time) (next time.Time, more bool) {
	n.turn.Lock()
	defer n.turn.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.queue) > 0 {
		if at := n.queue[0].At; at.After(now) {
			return at, true
		}
		n.deliver(heap.Pop(&n.queue).(arrival).Datagram)
	}
	return time.Time{}, false
}

// deliver gives d to its destination. n.mu is held, but not while a Handler
// runs.
func (n *Net) deliver(d Datagram) {
	if p, ok := n.ports[d.To]; ok {
		p.enqueue(d)
		return
	}
	if d.Unreachable != mux.Reachable {
		return // a Host has no use for ICMP errors
	}
	h := n.host(d.To)
	switch {
	case h.Unreachable != mux.Reachable:
		n.pass(n.Back, Datagram{From: d.To, To: d.From, At: d.At, Unreachable: h.Unreachable})
	case h.Handler != nil:
		n.mu.Unlock()
		defer n.mu.Lock()
		h.Handler(d.At, d.From, d.Data, func(from mux.Key, data []byte, after time.Duration) {
			if from == (mux.Key{}) {
				from = d.To
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.pass(n.Back, Datagram{From: from, To: d.From, Data: clone(data), At: d.At.Add(after)})
		})
	}
}

// Listen opens a Port. It panics if another Port has the address.
func (n *Net) Listen(o Options) *Port {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !o.Local.IsValid() {
		// TEST-NET-1 (RFC 5737), a port of its own for each.
		o.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(40000+len(n.ports)))
	}
	p := &Port{
		net:   n,
		o:     o,
		local: mux.KeyFrom(o.Local),
		wake:  make(chan struct{}, 1),
		moved: make(chan struct{}, 1),
		gone:  make(chan struct{}),
		timer: time.NewTimer(time.Hour),
	}
	p.timer.Stop()
	p.stats.RcvbufRequested, p.stats.RcvbufActual = o.Rcvbuf, o.Rcvbuf
	if _, taken := n.ports[p.local]; taken {
		panic("muxtest: Listen: " + o.Local.String() + " is taken")
	}
	n.ports[p.local] = p
	return p
}

// arrival is a Datagram with its place among those that arrive at the same
// time.
type arrival struct {
	Datagram
	seq uint64
}

type queue []arrival

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].At.Compare(q[j].At); c != 0 {
		return c < 0
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(arrival)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = arrival{}
	*q = (*q)[:last]
	return x
}

// clone copies b, and unlike bytes.Clone keeps an empty datagram apart from
// none.
func clone(b []byte) []byte { return append([]byte{}, b...) }
