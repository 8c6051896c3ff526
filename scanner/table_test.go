package scanner

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
)

func v4(a, b, c, d byte, port uint16) mux.Key {
	return mux.KeyFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{a, b, c, d}), port))
}

// nth returns the n-th address of 10/8, the way a scan of a prefix sees them.
func nth(n uint32) mux.Key {
	return mux.Key{Lo: 0xFFFF_0A00_0000 + uint64(n), Port: 27015}
}

// check walks t and fails where a key cannot be found from its home, or a cell
// and a slot do not agree.
func check(t testing.TB, tab *table) {
	t.Helper()
	n := 0
	for i, c := range tab.cells {
		if c == 0 {
			continue
		}
		n++
		slot, tag := uint32(c)-1, uint32(c>>32)
		require.Equal(t, tab.tag(tab.keys[slot]), tag)
		for j := tab.home(tag); j != i; j = tab.next(j) {
			require.NotZero(t, tab.cells[j], "cell %d cannot be reached from its home", i)
		}
	}
	require.Equal(t, n, tab.Len())
}

func TestTable(t *testing.T) {
	tab := newTable(3, 1)
	a, b, c := v4(10, 0, 0, 1, 27015), v4(10, 0, 0, 1, 27016), v4(10, 0, 0, 2, 27015)

	_, ok := tab.Find(a)
	require.False(t, ok)
	require.True(t, tab.Insert(a, 2))
	require.True(t, tab.Insert(b, 0))
	require.False(t, tab.Insert(a, 1), "already there")
	require.True(t, tab.Insert(c, 1))
	require.Equal(t, 3, tab.Len())
	require.Equal(t, 3, tab.Cap())

	slot, ok := tab.Find(a)
	require.True(t, ok)
	require.EqualValues(t, 2, slot)
	require.Equal(t, b, tab.Key(0))

	tab.Delete(2)
	_, ok = tab.Find(a)
	require.False(t, ok)
	require.Zero(t, tab.Key(2))
	tab.Delete(2)
	require.Equal(t, 2, tab.Len(), "a second Delete does nothing")
	require.True(t, tab.Insert(a, 2))
	check(t, tab)
}

func TestTableKeysThatDifferInOnePlace(t *testing.T) {
	k := mux.Key{Hi: 1, Lo: 2, Scope: 3, Port: 4}
	keys := []mux.Key{
		k, {Hi: 2, Lo: 2, Scope: 3, Port: 4}, {Hi: 1, Lo: 3, Scope: 3, Port: 4},
		{Hi: 1, Lo: 2, Scope: 4, Port: 4}, {Hi: 1, Lo: 2, Scope: 3, Port: 5}, {},
	}
	tab := newTable(len(keys), 1)
	for i, k := range keys {
		require.True(t, tab.Insert(k, uint32(i)))
	}
	for i, k := range keys {
		slot, ok := tab.Find(k)
		require.True(t, ok)
		require.EqualValues(t, i, slot)
	}
	for i := range keys {
		tab.Delete(uint32(i))
	}
	require.Zero(t, tab.Len(), "the zero Key is a key as any other")
}

func TestTableMisuse(t *testing.T) {
	require.Panics(t, func() { newTable(0, 1) })
	require.Panics(t, func() { newTable(maxTable+1, 1) })
	tab := newTable(2, 1)
	tab.Insert(nth(1), 0)
	require.Panics(t, func() { tab.Insert(nth(2), 0) }, "the slot is taken")
	require.Panics(t, func() { tab.Insert(nth(2), 2) }, "there is no such slot")
	require.Equal(t, 1, tab.Len())
}

func TestTableSeed(t *testing.T) {
	a, b := newTable(1000, 1), newTable(1000, 2)
	same := 0
	for i := range uint32(1000) {
		if a.home(a.tag(nth(i))) == b.home(b.tag(nth(i))) {
			same++
		}
	}
	require.Less(t, same, 20, "an address that collides under one seed must not under another")
}

// Addresses and ports come in sequences, which a weak hash would pile up.
func TestTableProbeLength(t *testing.T) {
	const n = 1 << 14
	for name, key := range map[string]func(i uint32) mux.Key{
		"addresses": nth,
		"ports":     func(i uint32) mux.Key { return mux.Key{Lo: 0xFFFF_7F00_0001, Port: uint16(i)} },
		"both":      func(i uint32) mux.Key { return mux.Key{Lo: 0xFFFF_7F00_0000 + uint64(i>>6), Port: uint16(i & 63)} },
		"v6 /64s":   func(i uint32) mux.Key { return mux.Key{Hi: 0x2001_0DB8_0000_0000 + uint64(i)<<16, Lo: 1, Port: 27015} },
		"scopes":    func(i uint32) mux.Key { return mux.Key{Hi: 0xFE80 << 48, Lo: 1, Scope: i, Port: 27015} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				tab := newTable(n, seed)
				for i := range uint32(n) {
					tab.Insert(key(i), i)
				}
				require.Equal(t, n, tab.Len())
				total, worst := 0, 0
				for i, c := range tab.cells {
					if c != 0 {
						d := tab.distance(tab.home(uint32(c>>32)), i)
						total, worst = total+d, max(worst, d)
					}
				}
				// A random function at load ½ gives 0.5 further cells on
				// average.
				require.Less(t, float64(total)/n, 0.55)
				require.Less(t, worst, 64)
			}
		})
	}
}

func TestTableChurn(t *testing.T) {
	const capacity = 512
	rng := rand.New(rand.NewPCG(1, 2))
	tab := newTable(capacity, 3)
	oracle := make(map[mux.Key]uint32, capacity)
	free := make([]uint32, capacity)
	for i := range free {
		free[i] = uint32(i)
	}
	for round := range 100_000 {
		k := nth(rng.Uint32N(4 * capacity))
		want, there := oracle[k]
		slot, ok := tab.Find(k)
		require.Equal(t, there, ok)
		switch {
		case there:
			require.Equal(t, want, slot)
			require.False(t, tab.Insert(k, 0))
			if rng.IntN(2) == 0 {
				tab.Delete(slot)
				delete(oracle, k)
				free = append(free, slot)
			}
		case len(free) > 0:
			slot := free[len(free)-1]
			free = free[:len(free)-1]
			require.True(t, tab.Insert(k, slot))
			oracle[k] = slot
		}
		require.Equal(t, len(oracle), tab.Len())
		if round%10_000 == 0 {
			check(t, tab)
		}
	}
	for k, slot := range oracle {
		require.Equal(t, k, tab.Key(slot))
		tab.Delete(slot)
	}
	for _, c := range tab.cells {
		require.Zero(t, c, "an empty table has nothing but empty cells")
	}
}

func TestTableSizes(t *testing.T) {
	require.EqualValues(t, 24, unsafe.Sizeof(mux.Key{}), "a table holds one for every slot")
	tab := newTable(1000, 1)
	require.Len(t, tab.cells, 2000)

	require.Zero(t, testing.AllocsPerRun(1000, func() {
		tab.Insert(nth(1), 5)
		tab.Find(nth(1))
		tab.Find(nth(2))
		tab.Delete(5)
	}))
}

// FuzzTable plays a script of operations, three bytes each, on a table and a
// map.
func FuzzTable(f *testing.F) {
	f.Add(uint64(1), []byte("i\x01\x01i\x02\x02f\x01\x00d\x01\x00f\x01\x00"))
	f.Add(uint64(2), []byte("i\x01\x01i\x01\x02d\x01\x00d\x01\x00i\x02\x01"))
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		const capacity = 13 // small, so that clusters wrap around the end
		script = script[:min(len(script), 600)]
		tab := newTable(capacity, seed)
		oracle := map[mux.Key]uint32{}
		bySlot := map[uint32]mux.Key{}
		for ; len(script) >= 3; script = script[3:] {
			k := mux.Key{Hi: uint64(script[1] >> 6), Lo: uint64(script[1] >> 3 & 7), Port: uint16(script[1] & 7)}
			slot := uint32(script[2]) % capacity
			switch script[0] % 3 {
			case 0:
				if _, taken := bySlot[slot]; taken {
					continue
				}
				_, there := oracle[k]
				require.Equal(t, !there, tab.Insert(k, slot))
				if !there {
					oracle[k], bySlot[slot] = slot, k
				}
			case 1:
				tab.Delete(slot)
				if k, taken := bySlot[slot]; taken {
					delete(oracle, k)
					delete(bySlot, slot)
				}
			case 2:
				want, there := oracle[k]
				got, ok := tab.Find(k)
				require.Equal(t, there, ok)
				require.Equal(t, want, got)
			}
			require.Equal(t, len(oracle), tab.Len())
			for k, slot := range oracle {
				if got, ok := tab.Find(k); !ok || got != slot {
					t.Fatalf("Find(%v) = %d, %v, want %d", k, got, ok, slot)
				}
			}
		}
		check(t, tab)
	})
}

const live = 1 << 20 // entries, the largest scan that the design speaks of

func benchTable() *table {
	tab := newTable(live, 1)
	for i := range uint32(live) {
		tab.Insert(nth(i), i)
	}
	return tab
}

func BenchmarkTableFind(b *testing.B) {
	tab := benchTable()
	for name, from := range map[string]uint32{"hit": 0, "miss": live} {
		b.Run(name, func(b *testing.B) {
			x := uint32(1)
			for b.Loop() {
				x = x*1664525 + 1013904223
				tab.Find(nth(from + x>>12))
			}
		})
	}
}

func BenchmarkTableChurn(b *testing.B) {
	tab := benchTable()
	x, fresh := uint32(1), uint32(live)
	for b.Loop() {
		x = x*1664525 + 1013904223
		slot := x >> 12
		tab.Delete(slot)
		tab.Insert(nth(fresh), slot)
		fresh = (fresh + 1) & (1<<24 - 1)
		if fresh == 0 {
			fresh = live
		}
	}
}

// The map that the table replaces, for comparison.
func BenchmarkMapChurn(b *testing.B) {
	m := make(map[mux.Key]uint32, live)
	keys := make([]mux.Key, live)
	for i := range keys {
		keys[i] = nth(uint32(i))
		m[keys[i]] = uint32(i)
	}
	x, fresh := uint32(1), uint32(live)
	for b.Loop() {
		x = x*1664525 + 1013904223
		slot := x >> 12
		delete(m, keys[slot])
		keys[slot] = nth(fresh)
		m[keys[slot]] = slot
		fresh = (fresh + 1) & (1<<24 - 1)
		if fresh == 0 {
			fresh = live
		}
	}
}

func TestTableHomeFollowsTag(t *testing.T) {
	// home is monotonic and stays inside, also at the very ends.
	tab := newTable(7, 1)
	require.Equal(t, 0, tab.home(0))
	require.Equal(t, len(tab.cells)-1, tab.home(1<<32-1))
	var b [4]byte
	prev := 0
	for i := range 256 {
		b[0] = byte(i)
		h := tab.home(binary.BigEndian.Uint32(b[:]))
		require.GreaterOrEqual(t, h, prev)
		prev = h
	}
}
