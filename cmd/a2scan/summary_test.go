package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
)

func TestStatusShares(t *testing.T) {
	var c output.StatusCounts
	require.Equal(t, "no targets", statusShares(&c, 0))
	c[output.Success], c[output.Timeout], c[output.Refused] = 3990, 100, 6
	require.Equal(t, "3,990 success (97 %), 100 timeout (2 %), 6 refused (<1 %)", statusShares(&c, 4096))
	require.Equal(t, ">99 %", percent(9999, 10000))
	require.Equal(t, "100 %", percent(5, 5))
}

func TestFormatTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1890 * time.Millisecond: "1.9 s", 125 * time.Second: "2 min 5 s", 3700 * time.Second: "1 h 1 min",
	} {
		require.Equal(t, want, formatTook(d))
	}
}

func TestResumeCommand(t *testing.T) {
	require.Equal(t, "a2scan scan --resume -o 'my file'", resumeCommand([]string{"scan", "-o", "my file", "-f", "list"}, "my file", true))
	require.Equal(t, "a2scan scan -o 'my file' -m m --resume", resumeCommand([]string{"scan", "-o", "my file", "-m", "m"}, "my file", false))
	require.Equal(t, "a2scan scan --resume -o out -m m", resumeCommand([]string{"scan", "--resume", "-o", "out", "-m", "m"}, "out", false))
}
