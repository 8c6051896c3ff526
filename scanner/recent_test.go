package scanner

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
)

func TestRecentRemembersTheLast(t *testing.T) {
	r := newRecent(1<<12, 1)
	require.Len(t, r.cells, 1<<12)
	key := func(i int) mux.Key { return mux.KeyFrom(simAddr(uint64(i))) }
	for i := range 1000 {
		require.False(t, r.has(key(i)))
		r.add(key(i))
		require.True(t, r.has(key(i)))
	}
	forgotten := 0
	for i := range 1000 {
		if !r.has(key(i)) {
			forgotten++ // a newer one has its cell
		}
	}
	// Of 1,000 in 4,096 cells each later one hits a given cell with 1/4096.
	require.Less(t, forgotten, 200)
	for i := 1000; i < 100_000; i++ {
		require.False(t, r.has(key(i)), "a stranger is not taken for a target")
	}
}

// The port, the scope and every part of the address count.
func TestRecentTellsKeysApart(t *testing.T) {
	r := newRecent(1, 99)
	k := mux.KeyFrom(netip.MustParseAddrPort("[fe80::1%3]:27015"))
	r.add(k)
	require.True(t, r.has(k))
	for _, other := range []mux.Key{
		{Hi: k.Hi, Lo: k.Lo, Scope: k.Scope, Port: k.Port + 1},
		{Hi: k.Hi, Lo: k.Lo, Scope: k.Scope + 1, Port: k.Port},
		{Hi: k.Hi, Lo: k.Lo + 1, Scope: k.Scope, Port: k.Port},
		{Hi: k.Hi + 1, Lo: k.Lo, Scope: k.Scope, Port: k.Port},
	} {
		require.False(t, r.has(other))
	}
	require.False(t, r.has(mux.Key{}), "an empty cell is nobody")
}

func TestRecentIsBounded(t *testing.T) {
	require.Len(t, newRecent(1, 1).cells, 1<<12)
	require.Len(t, newRecent(1<<24, 1).cells, 1<<20)
	require.Len(t, newRecent(5000, 1).cells, 8192)
}
