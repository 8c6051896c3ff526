package output

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func TestDecodedReply(t *testing.T) {
	r := sourceRecord()
	section := func(b []byte) string { return string(b) }
	tests := []struct {
		reply DecodedReply
		want  string
	}{
		{DecodedReply{Kind: ReplyInfo, Files: []string{"00.bin"}, Info: r.Info},
			`{"kind":"info","transport":"single","files":["00.bin"],"error":null,"info":` + section(AppendInfoJSON(nil, r.Info)) + "}\n"},
		{DecodedReply{Kind: ReplyPlayers, Split: true, Files: []string{"a", "b"}, Players: r.Players},
			`{"kind":"players","transport":"split","files":["a","b"],"error":null,"players":` + section(AppendPlayersJSON(nil, r.Players)) + "}\n"},
		{DecodedReply{Kind: ReplyRules, Split: true, Files: []string{"a"}, Rules: r.Rules},
			`{"kind":"rules","transport":"split","files":["a"],"error":null,"rules":` + section(AppendRulesJSON(nil, r.Rules)) + "}\n"},
		{DecodedReply{Kind: ReplyRules, Error: "1 of 2 fragments"},
			`{"kind":"rules","transport":"single","files":[],"error":"1 of 2 fragments","rules":null}` + "\n"},
		{DecodedReply{Kind: ReplyChallenge, Files: []string{"c"}, Challenge: proto.Challenge(1842048853)},
			`{"kind":"challenge","transport":"single","files":["c"],"error":null,"challenge":1842048853}` + "\n"},
		{DecodedReply{Kind: ReplyPing, Files: []string{"p"}, Ping: []byte("00000000000000")},
			`{"kind":"ping","transport":"single","files":["p"],"error":null,"ping":"00000000000000"}` + "\n"},
		{DecodedReply{Files: []string{"\xff\x1b", "x"}, Error: "no header\n"},
			`{"kind":null,"transport":"single","files":["` + "\uFFFD" + `\u001b","x"],"files_b64":["/xs=",null],"error":"no header\n"}` + "\n"},
	}
	for _, tt := range tests {
		got := tt.reply.AppendJSON(nil)
		require.Equal(t, tt.want, string(got))
		require.True(t, json.Valid(got))
	}
}
