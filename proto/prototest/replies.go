package prototest

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// A Service answers requests: a World, or a Replay of captured servers.
type Service interface {
	// Answer replaces out's datagrams by those that the server at that endpoint sends for
	// one request of that client. It reads request only during the call.
	Answer(out *Replies, now proto.Time, client, server Endpoint, request []byte)
}

// Replies holds the datagrams that a server sends for one request, in the order in which
// they leave, each with its delay after the request. It is reused from request to request,
// grows to the largest set of replies and then allocates no more. It holds the random
// numbers of its user, and is for one goroutine.
type Replies struct {
	rand Rand
	list []datagram
	buf  []byte // the datagrams back to back

	message []byte // the message to send next
	sc      scratch
	players proto.PlayerList
	rules   proto.RuleList
}

type datagram struct {
	from, to int // in buf
	delay    time.Duration
}

// NewReplies returns Replies whose dice start at seed.
func NewReplies(seed uint64) *Replies { return &Replies{rand: NewRand(seed)} }

// Len returns the number of datagrams.
func (r *Replies) Len() int { return len(r.list) }

// Datagram returns the i-th datagram and how long after the request it leaves.
// The bytes are valid until the next Answer.
func (r *Replies) Datagram(i int) ([]byte, time.Duration) {
	d := r.list[i]
	return r.buf[d.from:d.to:d.to], d.delay
}

// reset removes the datagrams and reuses their memory.
func (r *Replies) reset() {
	r.list, r.buf, r.message = r.list[:0], r.buf[:0], r.message[:0]
	r.sc.text = r.sc.text[:0]
}

// end adds the datagram that was appended to buf from there on.
func (r *Replies) end(from int, delay time.Duration) {
	r.list = append(r.list, datagram{from, len(r.buf), delay})
}

// add adds a datagram with a copy of b.
func (r *Replies) add(b []byte, delay time.Duration) {
	from := len(r.buf)
	r.buf = append(r.buf, b...)
	r.end(from, delay)
}

// disturb applies the faults of the path to the datagrams: loss, and duplication and
// reordering if the server does so.
func (r *Replies) disturb(does Behaviour, loss float64) {
	if does.Has(Duplicate) {
		for i := range len(r.list) {
			d := r.list[i]
			if r.rand.oneIn(2) { // half of the doubles come late
				d.delay += time.Duration(r.rand.Below(20)) * time.Millisecond
			}
			r.list = append(r.list, d)
		}
	}
	if does.Has(Reorder) {
		for i := len(r.list) - 1; i > 0; i-- {
			j := r.rand.Below(i + 1)
			r.list[i], r.list[j] = r.list[j], r.list[i]
		}
		for i := range r.list {
			r.list[i].delay += time.Duration(r.rand.Below(4)) * time.Millisecond
		}
	}
	if loss > 0 {
		kept := r.list[:0]
		for _, d := range r.list {
			if !r.rand.Percent(loss) {
				kept = append(kept, d)
			}
		}
		r.list = kept
	}
}
