package output

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// Real replies, of those that came in one datagram, against the oracle. The
// captures are kept outside of the repository.
func TestAppendJSONCaptures(t *testing.T) {
	root := os.Getenv("A2SCAN_CAPTURES")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "captures")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "*.bin"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("no captures in %s: set A2SCAN_CAPTURES", root)
	}
	seen := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		payload, ok := bytes.CutPrefix(b, []byte{0xFF, 0xFF, 0xFF, 0xFF})
		if !ok || len(payload) == 0 {
			continue
		}
		r := &Record{Input: name, RTT: NoRTT, Time: sourceRecord().Time}
		switch payload[0] {
		case proto.TypeInfo, proto.TypeInfoGoldSource, proto.TypeInfoObsolete:
			r.Info = &InfoSection{Data: &proto.Info{}}
			err = r.Info.Data.Decode(payload)
		case proto.TypePlayers:
			r.Players = &PlayersSection{Data: &proto.PlayerList{}}
			err = r.Players.Data.Decode(payload)
		case proto.TypeRules:
			r.Rules = &RulesSection{Data: &proto.RuleList{}}
			err = r.Rules.Data.Decode(payload)
		default:
			continue
		}
		require.NoError(t, err, name)
		seen++
		line := AppendJSON(nil, r)
		checkLine(t, line)
		require.Equal(t, wantRecord(r), canonical(t, line), name)
	}
	require.NotZero(t, seen)
	t.Logf("%d replies", seen)
}
