package run

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"0":          short(0),
		"0.012":      short(0.0123),
		"1.23":       short(1.234),
		"12.3":       short(12.34),
		"123":        short(123.4),
		"1,234":      short(1234.4),
		"9,999":      short(9999.4),
		"10.0k":      short(9999.6),
		"123k":       short(123_456),
		"1,234k":     short(1_234_000),
		"12.3M":      short(12_345_678),
		"12.3G":      short(12_345_678_901),
		"−250":       short(-250),
		"100 %":      percent(1),
		"99.9 %":     percent(0.999),
		"99.99 %":    percent(0.99994),
		"99.99999 %": percent(0.9999999),
		"12.5 %":     percent(0.125),
		"0.0 %":      percent(0),
		"1.00 MiB":   mebibytes(1 << 20),
		"250 ms":     seconds(0.25),
		"2.50 s":     seconds(2.5),
	} {
		require.Equal(t, want, got)
	}
}

func TestSpread(t *testing.T) {
	require.Equal(t, "–", spread(Summary{}, ratio))
	require.Equal(t, "1.50", spread(Summary{Median: 1.5, Min: 1.5, Max: 1.5, Runs: 1}, ratio))
	require.Equal(t, "1.50 (1.20–1.90)", spread(Summary{Median: 1.5, Min: 1.2, Max: 1.9, Runs: 5}, ratio))
	require.Equal(t, "1.50", spread(Summary{Median: 1.5, Min: 1.499, Max: 1.501, Runs: 5}, ratio), "no spread that can be seen")
	require.Equal(t, "1.50", median(Summary{Median: 1.5, Min: 1.2, Max: 1.9, Runs: 5}, ratio))
}
