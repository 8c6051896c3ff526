package proto_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// TestRequests holds every request to its bytes: firewalls let only the exact
// lengths pass (25, 29, 9).
func TestRequests(t *testing.T) {
	const info = "ffffffff54536f7572636520456e67696e6520517565727900"
	// The four bytes of a transcript of a real server: 29 f9 d5 3c.
	const token proto.Challenge = 0x3CD5F929
	for _, tt := range []struct {
		name string
		got  []byte
		want string
		size int
	}{
		{"first INFO is plain (D-1)", proto.KindInfo.AppendRequest(nil, proto.NoChallenge), info, 25},
		{"INFO with a challenge", proto.KindInfo.AppendRequest(nil, token), info + "29f9d53c", 29},
		{"first PLAYER asks with -1 (D-2)", proto.KindPlayers.AppendRequest(nil, proto.NoChallenge), "ffffffff55ffffffff", 9},
		{"PLAYER with a challenge", proto.KindPlayers.AppendRequest(nil, token), "ffffffff5529f9d53c", 9},
		{"first RULES asks with -1 (D-2)", proto.KindRules.AppendRequest(nil, proto.NoChallenge), "ffffffff56ffffffff", 9},
		{"RULES with a challenge", proto.KindRules.AppendRequest(nil, token), "ffffffff5629f9d53c", 9},
		{"GETCHALLENGE", proto.AppendGetChallengeRequest(nil), "ffffffff57", 5},
		{"PING", proto.KindPing.AppendRequest(nil, proto.NoChallenge), "ffffffff69", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, hex.EncodeToString(tt.got))
			require.Len(t, tt.got, tt.size)
		})
	}
}

// TestChallengeOfZeroIsAChallenge: a server may hand out any four bytes, zero
// included, and INFO must carry them.
func TestChallengeOfZeroIsAChallenge(t *testing.T) {
	require.Len(t, proto.KindInfo.AppendRequest(nil, 0), 29)
}

func TestRequestsAppend(t *testing.T) {
	buf := make([]byte, 0, 64)
	buf = append(buf, "kept"...)
	got := proto.KindPlayers.AppendRequest(buf, 1)
	require.Equal(t, "kept", string(got[:4]))
	require.Len(t, got, 4+9)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		proto.KindInfo.AppendRequest(buf[:0], 7)
		proto.KindPlayers.AppendRequest(buf[:0], 7)
		proto.KindRules.AppendRequest(buf[:0], 7)
		proto.KindPing.AppendRequest(buf[:0], proto.NoChallenge)
		proto.AppendGetChallengeRequest(buf[:0])
	}))
}
