package scanner

import (
	"github.com/a2scan/a2scan/internal/arena"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A slot is a target in flight: two cache lines without a pointer. The table maps its
// address and port to its number.
type slot struct {
	q      proto.Query
	seq    uint64
	paced  proto.Time // with slotPaced: when its address has a turn for it again
	next   uint32     // neighbours in a ready list, or the next free slot: slot+1, 0 is none
	prev   uint32
	origin uint32    // in origins, 0: none
	kept   arena.Ref // answers, and with --raw datagrams, newest first
	bytes  uint32    // received
	asked  stamp     // when it was last sent to
	sent   uint16    // datagrams; stops at its largest
	heard  uint16    // datagrams; stops at its largest
	flags  slotFlags
	open   uint8 // requests whose answer is expected
	kinds  proto.Kinds
}

type slotFlags uint8

const (
	slotLive     slotFlags = 1 << iota
	slotPaced              // wants to send, waits for its address's turn
	slotAnswer             // is in the list of those whose server waits
	slotRetry              // is in the list of retries
	slotRetries            // what it wants to send is a retry
	slotFresh              // is in the list of those that nothing was sent to yet
	slotDeferred           // is in the queue of those that wait for inflation budget
	slotBusy               // waits for a port that another target is asking, its query done

	slotQueued = slotAnswer | slotRetry | slotFresh | slotPaced // waits to send
)

// A slab is a fixed number of slots, those in flight and the free ones.
type slab struct {
	slots []slot
	free  uint32 // slot+1
	fresh uint32 // slots from here on were never used
	live  int
}

func newSlab(n int) slab { return slab{slots: make([]slot, n)} }

func (s *slab) full() bool { return s.live == len(s.slots) }

// alloc returns a zero slot; the slab must not be full.
func (s *slab) alloc() uint32 {
	s.live++
	if s.free != 0 {
		i := s.free - 1
		s.free = s.slots[i].next
		s.slots[i] = slot{flags: slotLive}
		return i
	}
	i := s.fresh
	s.fresh++
	s.slots[i].flags = slotLive
	return i
}

func (s *slab) release(i uint32) {
	s.live--
	s.slots[i] = slot{next: s.free}
	s.free = i + 1
}

// A readyList is a queue of slots that want to send, strung through the slots.
// A slot is in one at most.
type readyList struct {
	head, tail uint32 // slot+1, 0: empty
	mark       slotFlags
}

func (l *readyList) push(s *slab, i uint32) {
	n := &s.slots[i]
	n.flags |= l.mark
	n.next, n.prev = 0, l.tail
	if l.tail != 0 {
		s.slots[l.tail-1].next = i + 1
	} else {
		l.head = i + 1
	}
	l.tail = i + 1
}

func (l *readyList) remove(s *slab, i uint32) {
	n := &s.slots[i]
	if n.prev != 0 {
		s.slots[n.prev-1].next = n.next
	} else {
		l.head = n.next
	}
	if n.next != 0 {
		s.slots[n.next-1].prev = n.prev
	} else {
		l.tail = n.prev
	}
	n.next, n.prev = 0, 0
	n.flags &^= l.mark
}

// deferred is the queue of the slots whose compressed replies wait for inflation
// budget, the one that has waited longest first. A slot may end, and begin anew, while
// it is in the queue, so slotDeferred is checked when it is taken out.
type deferred struct {
	slots []uint32
	head  int
}

func (d *deferred) waiting() bool { return d.head < len(d.slots) }

func (d *deferred) push(i uint32) {
	if d.head > len(d.slots)/2 && len(d.slots) == cap(d.slots) { // move up rather than grow
		d.slots = d.slots[:copy(d.slots, d.slots[d.head:])]
		d.head = 0
	}
	d.slots = append(d.slots, i)
}

func (d *deferred) pop() (uint32, bool) {
	if !d.waiting() {
		d.slots, d.head = d.slots[:0], 0
		return 0, false
	}
	i := d.slots[d.head]
	d.head++
	return i, true
}

// origins keeps the user's words for the targets in flight that need them,
// apart from the slots, which hold no pointers. The targets of a prefix, which
// come one after the other, share an entry.
type origins struct {
	list []origin // list[0] is never used
	free []uint32
	last uint32 // the entry that was made last, if it is alive
}

type origin struct {
	o    *targets.Origin
	refs uint32 // slots that name it
}

func (o *origins) add(t *targets.Origin) uint32 {
	if t == nil {
		return 0
	}
	if o.last != 0 && o.list[o.last].o == t {
		o.list[o.last].refs++
		return o.last
	}
	if n := len(o.free); n > 0 {
		o.last = o.free[n-1]
		o.free = o.free[:n-1]
	} else {
		if len(o.list) == 0 {
			o.list = append(o.list, origin{})
		}
		o.list = append(o.list, origin{})
		o.last = uint32(len(o.list) - 1)
	}
	o.list[o.last] = origin{o: t, refs: 1}
	return o.last
}

func (o *origins) get(i uint32) *targets.Origin {
	if i == 0 {
		return nil
	}
	return o.list[i].o
}

func (o *origins) release(i uint32) {
	if i == 0 {
		return
	}
	if o.list[i].refs--; o.list[i].refs > 0 {
		return
	}
	o.list[i].o = nil
	o.free = append(o.free, i)
	if o.last == i {
		o.last = 0
	}
}
