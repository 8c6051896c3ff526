package scanner

import (
	"math/bits"
	"testing"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// transmit sends what Fill writes, one batch, over a socket that takes it all.
func (e *engine) transmit(now proto.Time, tx *mux.Batch) {
	e.Fill(now, tx)
	e.Commit(now, now, tx, tx.Len())
}

// checkInvariants walks all that e links slots by and fails t where two of the
// structures disagree. A slot that is in none of them is a target that never ends;
// one that is in two is a target that ends twice.
func (e *engine) checkInvariants(t testing.TB) {
	t.Helper()
	n := len(e.slab.slots)
	fail := func(i int, what string) {
		t.Helper()
		t.Fatalf("slot %d (flags %08b): %s", i, e.slab.slots[i].flags, what)
	}

	// The free list: only free slots, no ring.
	free := 0
	for f := e.slab.free; f != 0; f = e.slab.slots[f-1].next {
		if e.slab.slots[f-1].flags != 0 {
			fail(int(f-1), "free and in use")
		}
		if free++; free > n {
			t.Fatal("the free list is a ring")
		}
	}
	if free+e.slab.live != int(e.slab.fresh) {
		t.Fatalf("%d free and %d live slots are not the %d that were ever used", free, e.slab.live, e.slab.fresh)
	}

	// The ready lists: links that agree, and each slot in the one that its flags say.
	for _, l := range []*readyList{&e.answers, &e.retries, &e.fresh} {
		before, listed := uint32(0), 0
		for i := l.head; i != 0; before, i = i, e.slab.slots[i-1].next {
			s := &e.slab.slots[i-1]
			if s.prev != before {
				fail(int(i-1), "its neighbour in the ready list is another")
			}
			if s.flags&slotQueued != l.mark {
				fail(int(i-1), "in a ready list and elsewhere")
			}
			if listed++; listed > n {
				t.Fatal("a ready list is a ring")
			}
		}
		if l.tail != before {
			t.Fatal("a ready list does not know its end")
		}
		for i := range e.slab.slots[:e.slab.fresh] {
			if e.slab.slots[i].flags&l.mark != 0 {
				listed--
			}
		}
		if listed != 0 {
			t.Fatalf("%d slots are marked and not in their list", -listed)
		}
	}

	// The queue for inflation budget: each slot that waits stands in it.
	queued := map[uint32]bool{}
	for _, i := range e.deferred.slots[e.deferred.head:] {
		queued[i] = true
	}

	live, unsent, armed, stored, tabled := 0, 0, 0, 0, 0
	for i := range e.slab.slots[:e.slab.fresh] {
		s := &e.slab.slots[i]
		if e.wheel.nodes[i].tick != 0 {
			armed++
		}
		if e.table.Key(uint32(i)) != (mux.Key{}) {
			tabled++
		}
		if s.flags&slotLive == 0 {
			if e.wheel.nodes[i].tick != 0 || e.table.Key(uint32(i)) != (mux.Key{}) || s.kept != 0 {
				fail(i, "free, and on the wheel, in the table or keeping something")
			}
			continue
		}
		live++
		if found, ok := e.table.Find(e.table.Key(uint32(i))); !ok || found != uint32(i) {
			fail(i, "not found by its address")
		}
		if _, started := s.q.Started(); !started {
			unsent++
			if !s.q.WantsSend() || s.flags&slotFresh == 0 || e.wheel.nodes[i].tick != 0 || s.sent != 0 {
				fail(i, "nothing was sent, and it does not just wait for room")
			}
		} else if e.wheel.nodes[i].tick == 0 {
			fail(i, "live and without a deadline")
		} else if at, ok := e.client.Deadline(&s.q); s.flags&slotBusy != 0 {
			if ok || s.flags&slotQueued != 0 || !e.isSilent(uint32(i)) {
				fail(i, "waits for a port, and its query is not over")
			}
		} else if !ok {
			fail(i, "its query is done, or was never begun")
		} else if tick := uint32((at + 1<<tickBits - 1) >> tickBits); e.wheel.nodes[i].tick > max(tick, e.wheel.cursor) {
			fail(i, "its deadline on the wheel is later than its query's")
		}
		if s.q.Deferred() && (s.flags&slotDeferred == 0 || !queued[uint32(i)]) {
			fail(i, "waits for inflation budget, and is in no list")
		}
		if s.q.WantsSend() && s.flags&slotQueued == 0 {
			fail(i, "wants to send, and is in no list")
		}
		for r := s.kept; r != 0; r = e.store.Link(r) {
			stored += max((e.store.Len(r)+255)/256, 1) * 256 // in whole chunks
		}
		e.checkRaw(t, i)
	}
	switch {
	case live != e.slab.live:
		t.Fatalf("%d slots are live, %d are counted", live, e.slab.live)
	case tabled != live || e.table.Len() != live:
		t.Fatalf("%d live slots, %d keys, %d counted", live, tabled, e.table.Len())
	case armed != live-unsent || e.wheel.armed != armed:
		t.Fatalf("%d live slots, %d not sent to yet, %d deadlines, %d counted", live, unsent, armed, e.wheel.armed)
	case stored != e.store.Used():
		t.Fatalf("slots keep %d bytes, the store holds %d", stored, e.store.Used())
	case live > e.cfg.MaxInFlight:
		t.Fatalf("%d in flight", live)
	case e.hosts.parked > maxParked:
		t.Fatalf("%d parked", e.hosts.parked)
	}

	// The wheel's buckets hold exactly the nodes that are armed.
	linked := 0
	for word, used := range &e.wheel.used {
		for ; used != 0; used &= used - 1 {
			b := word*64 + bits.TrailingZeros64(used)
			head := e.wheel.heads[b]
			if head == 0 {
				t.Fatalf("bucket %d is said to be in use", b)
			}
			for before := uint32(0); head != 0; before, head = head, e.wheel.nodes[head-1].next {
				node := &e.wheel.nodes[head-1]
				if node.prev != before || node.tick%wheelBuckets != uint32(b) {
					t.Fatalf("bucket %d: node %d is misplaced", b, head-1)
				}
				linked++
			}
		}
	}
	if linked != armed {
		t.Fatalf("%d deadlines are in buckets, %d are armed", linked, armed)
	}

	parked := 0
	for c, q := range e.hosts.chains {
		if len(q.waiting) == 0 {
			t.Fatalf("cell %d has a chain without an owner", c)
		}
		parked += len(q.waiting)
	}
	if parked != e.hosts.parked || len(e.hosts.due) != len(e.hosts.chains) {
		t.Fatalf("%d parked, %d counted; %d chains, %d due", parked, e.hosts.parked, len(e.hosts.chains), len(e.hosts.due))
	}

	behind := 0
	for k, list := range e.twins.behind {
		_, ahead := e.table.Find(k)
		for i := range e.twins.due {
			ahead = ahead || e.twins.due[i].Key == k
		}
		for _, q := range e.hosts.chains {
			for i := range q.waiting {
				ahead = ahead || q.waiting[i].Key == k
			}
		}
		if !ahead || len(list) == 0 {
			t.Fatalf("%d targets wait for %v, and nobody will tell them", len(list), k.AddrPort())
		}
		behind += len(list)
	}
	if behind != e.twins.waiting {
		t.Fatalf("%d twins wait, %d are counted", behind, e.twins.waiting)
	}

	if w := e.window; w != nil {
		open := 0
		for _, n := range w.ring {
			open += int(n)
		}
		if open != w.open || w.limit < min(minWindow, w.most) || w.limit > w.most {
			t.Fatalf("window: %d open in the ring, %d counted; limit %d of %d", open, w.open, w.limit, w.most)
		}
	}
	if d, ok := e.Deadline(proto.Time(e.wheel.cursor)<<tickBits, false); live > 0 && !ok {
		t.Fatalf("%d in flight and no deadline (%v)", live, d)
	}
}

// checkRaw compares what is counted of a slot's datagrams with those that it keeps, and
// with the bound.
func (e *engine) checkRaw(t testing.TB, i int) {
	if !e.cfg.Raw {
		return
	}
	t.Helper()
	var all, steps rawShare
	for r := e.slab.slots[i].kept; r != 0; r = e.store.Link(r) {
		switch e.store.Tag(r) & tagRaw {
		case tagStep:
			steps.add(e.store.Len(r))
			fallthrough
		case tagReceived:
			all.add(e.store.Len(r))
		}
	}
	u := &e.raws[i]
	switch {
	case steps != u.steps || all.n != u.noise.n+u.taken.n || all.bytes != u.noise.bytes+u.taken.bytes:
		t.Fatalf("slot %d keeps %v, steps %v; counted are %+v", i, all, steps, *u)
	case max(u.noise.n, u.taken.n) > maxRaw/2 || max(u.noise.bytes, u.taken.bytes) > maxRawBytes/2:
		t.Fatalf("slot %d keeps too much: %+v", i, *u)
	}
}
