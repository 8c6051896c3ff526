package output

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReply(t *testing.T) {
	r := sourceRecord()
	section := func(b []byte) string { return string(b) }
	tests := []struct {
		reply Reply
		want  string
	}{
		{Reply{Kind: "info", Files: []string{"00.bin"}, Info: r.Info},
			`{"kind":"info","transport":"single","files":["00.bin"],"error":null,"info":` + section(appendInfo(nil, r.Info)) + "}\n"},
		{Reply{Kind: "players", Split: true, Files: []string{"a", "b"}, Players: r.Players},
			`{"kind":"players","transport":"split","files":["a","b"],"error":null,"players":` + section(appendPlayers(nil, r.Players)) + "}\n"},
		{Reply{Kind: "rules", Split: true, Files: []string{"a"}, Rules: r.Rules},
			`{"kind":"rules","transport":"split","files":["a"],"error":null,"rules":` + section(appendRules(nil, r.Rules)) + "}\n"},
		{Reply{Kind: "rules", Error: "1 of 2 fragments"},
			`{"kind":"rules","transport":"single","files":[],"error":"1 of 2 fragments","rules":null}` + "\n"},
		{Reply{Kind: "challenge", Files: []string{"c"}, Challenge: 1842048853},
			`{"kind":"challenge","transport":"single","files":["c"],"error":null,"challenge":1842048853}` + "\n"},
		{Reply{Kind: "ping", Files: []string{"p"}, Ping: "00000000000000"},
			`{"kind":"ping","transport":"single","files":["p"],"error":null,"ping":"00000000000000"}` + "\n"},
		{Reply{Files: []string{"\xff\x1b", "x"}, Error: "no header\n"},
			`{"kind":null,"transport":"single","files":["` + "\uFFFD" + `\u001b","x"],"files_b64":["/xs=",null],"error":"no header\n"}` + "\n"},
	}
	for _, tt := range tests {
		got := tt.reply.AppendJSON(nil)
		require.Equal(t, tt.want, string(got))
		require.True(t, json.Valid(got))
	}
}
