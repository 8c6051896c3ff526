//go:build linux

package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
)

// Some rounds, so that soak is known to work.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds, and CI soaks for longer")
	}
	if farm.DefaultListen().IsSingleIP() {
		t.Skip("this system has no loopback network of many addresses")
	}
	var log bytes.Buffer
	s := soak{seed: 4, dir: t.TempDir(), log: &log}
	err := s.run(t.Context(), 2*time.Second, -1)
	t.Log(log.String())
	require.NoError(t, err)
	require.Positive(t, s.total.rounds)
	require.Positive(t, s.total.records)
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A plan is the same each time, and each has its own.
func TestPlansFollowFromTheSeed(t *testing.T) {
	seen := map[string]bool{}
	for n := range 200 {
		p := newPlan(3, n)
		require.Equal(t, p, newPlan(3, n))
		require.NoError(t, p.world.Shares.Validate())
		seen[p.String()] = true
	}
	require.Len(t, seen, 200)
	require.Equal(t, newHostilePlan(3, 1), newHostilePlan(3, 1))
	require.NotEqual(t, newHostilePlan(3, 1), newHostilePlan(3, 2))
	require.NoError(t, newHostilePlan(3, 1).world.Shares.Validate())
}
