package farm

import (
	"math/bits"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// A later holds datagrams until they are due: a ring of buckets of one millisecond, each
// with the bytes of the datagrams that leave in it. A datagram goes in and comes out with
// one copy each way and no search. Within a bucket the order is that of arrival.
type later struct {
	buckets []bucket
	next    int64    // the first millisecond that has not been emptied
	used    []uint64 // bit i: buckets[i] is not empty
	spare   []bucket // memory of those that were emptied
	waiting int
	bytes   int
	limit   int // of bytes
}

type bucket struct {
	list []delayed
	buf  []byte
}

type delayed struct {
	due         int64 // in milliseconds
	local, peer mux.Key
	from, to    int // in buf
}

// laterBuckets milliseconds are the longest wait in one step; a datagram that is due later
// takes a second lap. It is a power of two.
const laterBuckets = 4096

// maxLaterBytes bounds the waiting datagrams: about 40,000 RULES replies, or two million
// challenges.
const maxLaterBytes = 256 << 20

// laterCost is the memory of a waiting datagram in addition to its bytes.
const laterCost = 80

func newLater() *later {
	return &later{buckets: make([]bucket, laterBuckets), used: make([]uint64, laterBuckets/64), limit: maxLaterBytes}
}

// millis rounds up: nothing leaves early.
func millis(t proto.Time) int64 {
	return (int64(t) + int64(time.Millisecond) - 1) / int64(time.Millisecond)
}

// add keeps a copy of b until due. It returns false if there is no space.
func (l *later) add(due proto.Time, local, peer mux.Key, b []byte) bool {
	if l.bytes+len(b)+laterCost > l.limit {
		return false
	}
	l.put(millis(due), local, peer, b)
	return true
}

func (l *later) put(due int64, local, peer mux.Key, b []byte) {
	at := min(max(due, l.next), l.next+laterBuckets-1)
	i := at % laterBuckets
	k := &l.buckets[i]
	if n := len(l.spare); k.list == nil && n > 0 {
		*k, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	from := len(k.buf)
	k.buf = append(k.buf, b...)
	k.list = append(k.list, delayed{due: due, local: local, peer: peer, from: from, to: len(k.buf)})
	l.used[i/64] |= 1 << (i % 64)
	l.waiting++
	l.bytes += len(b) + laterCost
}

// advance hands send everything that is due at now. The bytes are valid during
// the call.
func (l *later) advance(now proto.Time, send func(local, peer mux.Key, b []byte)) {
	ms := int64(now) / int64(time.Millisecond)
	if l.waiting == 0 {
		l.next = max(l.next, ms+1)
		return
	}
	for ; l.next <= ms && l.waiting > 0; l.next++ {
		i := l.next % laterBuckets
		if l.used[i/64]&(1<<(i%64)) == 0 {
			continue
		}
		emptied := l.buckets[i]
		l.buckets[i] = bucket{} // a datagram that takes another lap may come back into this one
		l.used[i/64] &^= 1 << (i % 64)
		for n := range emptied.list {
			d := &emptied.list[n]
			b := emptied.buf[d.from:d.to]
			l.waiting--
			l.bytes -= len(b) + laterCost
			if d.due > l.next {
				l.put(d.due, d.local, d.peer, b)
			} else {
				send(d.local, d.peer, b)
			}
		}
		l.spare = append(l.spare, bucket{emptied.list[:0], emptied.buf[:0]})
	}
	l.next = max(l.next, ms+1)
}

// wait returns how long after now the next datagram is due, negative if none waits.
func (l *later) wait(now proto.Time) time.Duration {
	if l.waiting == 0 {
		return -1
	}
	start := l.next % laterBuckets
	word, shift := start/64, start%64
	step := int64(0)
	for n := range int64(len(l.used) + 1) {
		u := l.used[(word+n)%int64(len(l.used))]
		if n == 0 {
			u &^= 1<<shift - 1
		}
		if u != 0 {
			step = n*64 - shift + int64(bits.TrailingZeros64(u))
			break
		}
	}
	due := proto.Time((l.next + step) * int64(time.Millisecond))
	return max(due.Sub(now), 0)
}
