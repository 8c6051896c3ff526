package proto

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecodes compares decodes with the decoders.
func FuzzDecodes(f *testing.F) {
	for _, s := range []string{"", "D", "D\x00", "D\x02\x00a\x00", "E", "E\x01", "E\x01\x00", "E\x01\x00a\x00b\x00", "I", "j", string(infoReply[4:])} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		require.Equal(t, new(Info).Decode(b) == nil, decodes(KindInfo, b))
		require.Equal(t, new(PlayerList).Decode(b) == nil, decodes(KindPlayers, b))
		require.Equal(t, new(RuleList).Decode(b) == nil, decodes(KindRules, b))
	})
}
