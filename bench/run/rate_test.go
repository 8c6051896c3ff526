package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
)

func TestRateRow(t *testing.T) {
	second := func(n, busiest uint32) farm.Second { return farm.Second{Requests: n, Busiest: busiest} }

	row := rateRow(1000, []farm.Second{{}, second(400, 10), second(1000, 11), second(980, 14), second(1010, 12), second(300, 10), {}}, Run{})
	require.Equal(t, []uint32{1000, 980, 1010}, row.Seconds, "whole seconds only")
	require.InDelta(t, 996.67, row.MeanPPS, 0.01)
	require.InDelta(t, -0.02, row.WorstError, 1e-9)
	require.Equal(t, uint32(14), row.Busiest10ms)
	require.InDelta(t, 10.0, row.Even10ms, 1e-9)
	require.InDelta(t, 15.0, row.Allowed10ms, 1e-9)

	row = rateRow(1, []farm.Second{second(1, 1), {}, second(2, 1), second(1, 1), second(1, 1)}, Run{})
	require.Equal(t, []uint32{0, 2, 1}, row.Seconds, "a second without any counts")
	require.InDelta(t, 1.0, row.WorstError*row.WorstError, 1e-9)
	require.InDelta(t, 2.0, row.Allowed10ms, 1e-9, "one, and one more after a late wake-up")

	row = rateRow(5, nil, Run{})
	require.Empty(t, row.Seconds)
	require.Zero(t, row.MeanPPS)
	require.Zero(t, row.WorstError)
}
