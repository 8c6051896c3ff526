package run

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseBusy(t *testing.T) {
	busy, ok := parseBusy("cpu  100 20 300 99999 88888 4 50 6 777 0")
	require.True(t, ok)
	require.InDelta(t, 4.8, busy, 1e-9, "all but idle, iowait and guest")
	for _, line := range []string{"", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3", "cpu 1 2 3 4 5 6 x 8 9"} {
		_, ok := parseBusy(line)
		require.False(t, ok, line)
	}
}

func TestHere(t *testing.T) {
	m := Here()
	require.Equal(t, runtime.GOOS, m.OS)
	require.Positive(t, m.CPUs)
	require.NotNil(t, m.Settings)
	if runtime.GOOS == "linux" {
		require.NotEmpty(t, m.Kernel)
		require.Positive(t, m.Memory)
		busy, ok := busySeconds()
		require.True(t, ok)
		require.Positive(t, busy)
	}
}
