package farm

import (
	"slices"
	"sync"
	"time"

	"github.com/a2scan/a2scan/proto"
)

// window is the resolution in which bursts are seen.
const window = 10 * time.Millisecond

// A Second holds the counts of one second of a farm.
type Second struct {
	Requests uint32 `json:"requests"`
	Replies  uint32 `json:"replies"`
	// Busiest is the number of requests in the fullest of the second's hundred windows of
	// 10 ms. The farm counts requests when it reads them: a farm that cannot keep up sees
	// bursts that the client did not send.
	Busiest uint32 `json:"busiest_10ms"`
}

// Counters are the counts of a farm since its start.
type Counters struct {
	Requests uint64 `json:"requests"` // datagrams received, valid or not
	Replies  uint64 `json:"replies"`  // datagrams sent
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	Foreign  uint64 `json:"foreign"` // received for an address that the farm does not serve
	Dropped  uint64 `json:"dropped"` // replies that found no room to be sent, or to wait in
	// SocketDrops are requests that the system dropped because the farm did not read them
	// in time. If a scan misses servers because of them, the farm is at fault.
	SocketDrops uint64 `json:"socket_drops"`

	// Seconds begins with the farm. The last one may not be over.
	Seconds []Second `json:"seconds"`
}

// Rate returns requests per second, from the first second with any to the last. If there
// are more than four, the first and last are left out, since they are not whole.
func (c *Counters) Rate() float64 {
	first := slices.IndexFunc(c.Seconds, func(s Second) bool { return s.Requests > 0 })
	if first < 0 {
		return 0
	}
	busy := c.Seconds[first:]
	for busy[len(busy)-1].Requests == 0 {
		busy = busy[:len(busy)-1]
	}
	if len(busy) > 4 {
		busy = busy[1 : len(busy)-1]
	}
	var n uint64
	for _, s := range busy {
		n += uint64(s.Requests)
	}
	return float64(n) / float64(len(busy))
}

// Busiest returns the largest number of requests in a second, and in 10 ms.
func (c *Counters) Busiest() (second, tenMillis uint32) {
	for _, s := range c.Seconds {
		second, tenMillis = max(second, s.Requests), max(tenMillis, s.Busiest)
	}
	return second, tenMillis
}

// A tally collects Counters from all ports of a farm. Each port calls it once a
// batch.
type tally struct {
	mu     sync.Mutex
	c      Counters
	window int64 // number of the one being filled
	filled uint32
}

// maxSeconds bounds the history: a day, of 12 bytes a second.
const maxSeconds = 24 * 60 * 60

// turn holds the counts of one port between two reads of its socket.
type turn struct {
	requests, replies uint32
	bytesIn, bytesOut uint64
	foreign, dropped  uint64
}

func (t *tally) add(now proto.Time, u *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.c.Requests += uint64(u.requests)
	t.c.Replies += uint64(u.replies)
	t.c.BytesIn += u.bytesIn
	t.c.BytesOut += u.bytesOut
	t.c.Foreign += u.foreign
	t.c.Dropped += u.dropped

	second := int(time.Duration(now) / time.Second)
	if second >= maxSeconds {
		return
	}
	for len(t.c.Seconds) <= second {
		t.c.Seconds = append(t.c.Seconds, Second{})
	}
	if w := int64(time.Duration(now) / window); w > t.window {
		t.window, t.filled = w, 0
	} // a port that looked at the clock before another counts into the other's window
	t.filled += u.requests
	s := &t.c.Seconds[second]
	s.Requests += u.requests
	s.Replies += u.replies
	s.Busiest = max(s.Busiest, t.filled)
}

// counters returns a copy.
func (t *tally) counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.c
	c.Seconds = slices.Clone(c.Seconds)
	return c
}
