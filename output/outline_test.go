package output

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOutline compares what Outline makes of a line with the line, as encoding/json reads
// them: the members that it keeps, and which sections there are.
func FuzzOutline(f *testing.F) {
	for _, r := range goldenRecords() {
		line := AppendJSON(nil, r)
		f.Add(line[:len(line)-1])
		var members map[string]any
		require.NoError(f, json.Unmarshal(line, &members))
		anew, err := json.MarshalIndent(members, "", " ")
		require.NoError(f, err)
		f.Add(anew)
		f.Add(bytes.Replace(line[:len(line)-1], []byte(`,"status":"success"`), nil, 1))
	}
	f.Add([]byte(`{"schema":1,"seq":1,"ip":null,"port":1,"input":"\\",\"tag\":","tag":null,"status":"timeout","info":{"error":null,"status":"aborted"}}`))
	f.Add([]byte(`{"schema":1,"seq":1,"ip":null,"port":1,"input":"x","tag":"t","info":{"status":"timeout","players":null},"players":null,"rules":null,"status":"aborted"}`))
	f.Add([]byte(`{"seq":1,"status":"timeout","status":"success","input":"<&>","info":{}}`))
	f.Add([]byte(`{"seq":1,"status":7}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		outline, ok := Outline(line)
		var want, got ParsedRecord
		if !ok || json.Unmarshal(line, &want) != nil {
			return
		}
		require.True(t, bytes.HasPrefix(outline, []byte(`{"schema":`)), "%s", outline)
		require.NoError(t, json.Unmarshal(outline, &got), "%s", outline)
		require.Equal(t, []any{want.Seq, want.IP, want.Port, want.Input, want.Tag, want.Status},
			[]any{got.Seq, got.IP, got.Port, got.Input, got.Tag, got.Status})
		require.Equal(t, want.Info == nil, got.Info == nil)
		require.Equal(t, want.Players == nil, got.Players == nil)
		require.Equal(t, want.Rules == nil, got.Rules == nil)
		if want.Info != nil {
			require.Equal(t, want.Info.Status, got.Info.Status)
		}
	})
}

// What AppendJSON has written is not parsed.
func TestOutlineOfARecord(t *testing.T) {
	records := goldenRecords()
	records["hostile"] = hostileRecord()
	for name, r := range records {
		line := AppendJSON(nil, r)
		line = line[:len(line)-1]
		outline, ok := Outline(line)
		require.True(t, ok, name)
		require.Equal(t, line, outline, name)
		require.True(t, inOrder(line), "%s", line)
	}
}
