package scanner

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/scanner/targets"
)

func TestSlotIsTwoCacheLines(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(slot{}), uintptr(128), "a million of these are alive at once")
}

// TestSlab allocates and releases at random: live and free slots are disjoint and
// all of the slab, and a slot comes back empty.
func TestSlab(t *testing.T) {
	const n = 64
	s := newSlab(n)
	rng := rand.New(rand.NewPCG(1, 1))
	live := map[uint32]bool{}
	for range 3000 {
		if !s.full() && (len(live) == 0 || rng.IntN(2) == 0) {
			i := s.alloc()
			require.False(t, live[i], "slot %d is in use", i)
			require.Equal(t, slot{flags: slotLive}, s.slots[i])
			live[i] = true
			s.slots[i].seq, s.slots[i].next, s.slots[i].kept = rng.Uint64(), rng.Uint32(), 7
			s.slots[i].flags |= slotPaced | slotRetries
		} else {
			for i := range live {
				s.release(i)
				delete(live, i)
				break
			}
		}
		require.Equal(t, len(live), s.live)
		require.Equal(t, len(live) == n, s.full())
		free := 0
		for f := s.free; f != 0; f = s.slots[f-1].next {
			require.False(t, live[f-1])
			require.Zero(t, s.slots[f-1].flags)
			free++
			require.LessOrEqual(t, free, n, "the free list is a ring")
		}
		require.Equal(t, n, free+len(live)+n-int(s.fresh), "a slot is lost")
	}
}

// TestReadyLists plays push, pop and remove on two lists over one slab against
// slices.
func TestReadyLists(t *testing.T) {
	const n = 32
	s := newSlab(n)
	for range n {
		s.alloc()
	}
	lists := []*readyList{{mark: slotAnswer}, {mark: slotRetry}}
	want := [][]uint32{{}, {}}
	in := map[uint32]bool{}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 5000 {
		which := rng.IntN(2)
		l, w := lists[which], want[which]
		switch op := rng.IntN(4); {
		case op < 2:
			if i := uint32(rng.IntN(n)); !in[i] {
				l.push(&s, i)
				want[which] = append(w, i)
				in[i] = true
			}
		case op == 2:
			require.Equal(t, len(w) > 0, l.head != 0)
			if l.head != 0 {
				i := l.head - 1
				l.remove(&s, i)
				require.Equal(t, w[0], i, "first in, first out")
				want[which] = w[1:]
				delete(in, i)
			}
		case len(w) > 0:
			at := rng.IntN(len(w))
			l.remove(&s, w[at])
			delete(in, w[at])
			want[which] = append(w[:at:at], w[at+1:]...)
		}
		for which, l := range lists {
			require.Equal(t, want[which], walk(t, &s, l))
		}
	}
}

// walk returns the slots of l, checking each link and mark.
func walk(t testing.TB, s *slab, l *readyList) []uint32 {
	list := []uint32{}
	before := uint32(0)
	for i := l.head; i != 0; before, i = i, s.slots[i-1].next {
		n := &s.slots[i-1]
		require.Equal(t, before, n.prev)
		require.NotZero(t, n.flags&l.mark, "a slot of the list does not know it")
		list = append(list, i-1)
		require.LessOrEqual(t, len(list), len(s.slots), "the list is a ring")
	}
	require.Equal(t, before, l.tail)
	return list
}

func TestOrigins(t *testing.T) {
	var o origins
	require.Zero(t, o.add(nil))
	require.Nil(t, o.get(0))
	o.release(0)
	a, b := &targets.Origin{Input: "a"}, &targets.Origin{Input: "b"}
	i := o.add(a)
	j := o.add(b)
	require.NotZero(t, i)
	require.NotEqual(t, i, j)
	require.Same(t, a, o.get(i))
	require.Same(t, b, o.get(j))
	o.release(i)
	require.Equal(t, j, o.add(b), "targets of one line share a place")
	o.release(j)
	require.Same(t, b, o.get(j), "until the last of them is gone")
	require.Equal(t, i, o.add(a), "places are used again")
	o.release(j)
	require.Nil(t, o.list[j].o)
	for range 1000 {
		o.release(o.add(&targets.Origin{}))
	}
	require.LessOrEqual(t, len(o.list), 4)
}
