package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
)

func TestFingerprints(t *testing.T) {
	f := newFingerprints(3)
	want := map[uint64]uint32{}
	for range 50_000 {
		seq := rand.Uint64N(1<<20)*3 + 2
		print := f.of("", mux.Key{Lo: seq, Port: 1})
		f.set(seq, print)
		want[seq] = print
	}
	for seq, print := range want {
		require.True(t, f.is(seq, print))
		require.False(t, f.is(seq, print+1))
	}
	require.False(t, f.is(1<<40+2, 1))

	a := mux.Key{Hi: 1, Lo: 2, Port: 3}
	require.Equal(t, f.of("", a), f.of("", mux.Key{Hi: 1, Lo: 2, Port: 3, Scope: 7}))
	for _, other := range []mux.Key{{Hi: 2, Lo: 2, Port: 3}, {Hi: 1, Lo: 1, Port: 3}, {Hi: 1, Lo: 2, Port: 4}} {
		require.NotEqual(t, f.of("", a), f.of("", other))
	}
	// A name is asked wherever it leads.
	require.Equal(t, f.of("gs.example", a), f.of("gs.example", mux.Key{Port: 3}))
	require.NotEqual(t, f.of("gs.example", a), f.of("gs.example", mux.Key{Port: 4}))
	require.NotEqual(t, f.of("gs.example", a), f.of("gs.example.", a))
	require.Zero(t, testing.AllocsPerRun(100, func() { f.of("gs.example", a) }))
}
