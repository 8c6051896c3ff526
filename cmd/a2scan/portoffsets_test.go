package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseOffsets(t *testing.T) {
	for in, want := range map[string][]int{
		"+1":             {1},
		"+1,+15":         {1, 15},
		" -1 , +2,-1":    {-1, 2},
		"+19238,-65534":  {19238, -65534},
		"+0":             {0},
		"+99999999":      {99999999},
		"1":              nil,
		"+1,27015":       nil,
		"+1,":            nil,
		"":               nil,
		"+":              nil,
		"+x":             nil,
		"+1-+3":          nil,
		"+9999999999999": {9999999999999},
	} {
		got, err := parseOffsets(in)
		require.Equal(t, want == nil, err != nil, "%q: %v", in, err)
		require.Equal(t, want, got, "%q", in)
		if want != nil {
			again, err := parseOffsets(formatOffsets(got))
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
	}
	_, err := parseOffsets("15")
	require.ErrorContains(t, err, `"15" has no sign`)
}
