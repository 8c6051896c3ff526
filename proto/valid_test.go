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
		requireDecodes(t, new(Info).Decode(b) == nil, KindInfo, b)
		requireDecodes(t, new(PlayerList).Decode(b) == nil, KindPlayers, b)
		requireDecodes(t, new(RuleList).Decode(b) == nil, KindRules, b)
	})
}

func requireDecodes(t *testing.T, want bool, k Kind, b []byte) {
	t.Helper()
	ok, occupied := decodes(k, b)
	require.Equal(t, want, ok)
	var i Info
	require.Equal(t, k == KindInfo && i.Decode(b) == nil && i.Players > 0, occupied)
}
