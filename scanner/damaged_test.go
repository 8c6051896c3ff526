package scanner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// clampedPlayers is a PLAYER reply of 355 players whose count is clamped at 255. The
// 100 entries beyond it take 8 bytes per counted player: 60 of 20 bytes, 40 of 21.
func clampedPlayers() []byte {
	names := make([]string, 355)
	for i := range names {
		switch {
		case i < 255:
			names[i] = "player"
		case i < 255+60:
			names[i] = "abcdefghij"
		default:
			names[i] = "abcdefghijk"
		}
	}
	b := playersReply(names...)
	b[5] = 255
	return b
}

// INFO decides whether bytes behind a player list are The Ship's block, whichever of
// the two comes first (ruling D-18).
func TestPlayersBeyondAClampedCount(t *testing.T) {
	for _, infoFirst := range []bool{true, false} {
		r := newRig(t, rigConfig(proto.WantInfo|proto.WantPlayers), rigTargets(1)...)
		r.reply(rigKey(0), challengeReply(1))
		if infoFirst {
			r.reply(rigKey(0), infoReply("Rust"), clampedPlayers())
		} else {
			r.reply(rigKey(0), clampedPlayers(), infoReply("Rust"))
		}
		rec := r.record(0)
		require.Equal(t, output.Success, rec.Status)
		require.Len(t, rec.Players.List, 355)
		require.False(t, rec.Players.Ship)
		r.finish()
	}
	r := newRig(t, rigConfig(proto.WantPlayers), rigTargets(1)...)
	r.reply(rigKey(0), clampedPlayers())
	rec := r.record(0)
	require.Len(t, rec.Players.List, 255, "without INFO the length decides")
	require.True(t, rec.Players.Ship)
	r.finish()
}

// A server-browser block that ends too early shows the mods before its end.
func TestDamagedBlockIsShown(t *testing.T) {
	header := strings.Repeat("\x01\x02", 4)                                                // version 0, no DLC
	mods := "\x02" + "aaaa\x04\x09\x09\x09\x09\x03CBA" + "bbbb\x04\x09\x09\x09\x09\x09cut" // the second name has 9 bytes
	dayz := []byte(strings.Replace(string(infoReply("x")), "\x00cstrike\x00", "\x00dayz\x00", 1))
	for name, rules := range map[string][]byte{
		"cut":             rulesReply("\x01\x01", header+mods, "island", "chernarus"),
		"a chunk missing": rulesReply("\x01\x03", header+mods[:20], "\x03\x03", "x", "island", "chernarus"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigConfig(proto.WantInfo|proto.WantRules), rigTargets(1)...)
			r.reply(rigKey(0), challengeReply(1))
			r.reply(rigKey(0), dayz, rules)
			rec := r.record(0)
			require.Equal(t, output.Success, rec.Status)
			require.True(t, rec.Rules.Truncated)
			require.NotNil(t, rec.Rules.A3SB)
			require.True(t, rec.Rules.A3SB.Truncated)
			require.Len(t, rec.Rules.A3SB.Mods, 1)
			require.Equal(t, "CBA", rec.Rules.A3SB.Mods[0].Name)
			require.Len(t, rec.Rules.List, 1)
			r.finish()
		})
	}
	t.Run("the first chunk missing", func(t *testing.T) {
		r := newRig(t, rigConfig(proto.WantRules), rigTargets(1)...)
		r.reply(rigKey(0), challengeReply(1))
		r.reply(rigKey(0), rulesReply("\x02\x02", "x", "island", "chernarus"))
		rec := r.record(0)
		require.Equal(t, output.Success, rec.Status)
		require.True(t, rec.Rules.Truncated)
		require.Nil(t, rec.Rules.A3SB)
		require.Len(t, rec.Rules.List, 2)
		r.finish()
	})
}

// INFO that is cut behind the server's name is an answer: the fields that came whole
// are in the record, the others are null.
func TestTruncatedInfoIsAnAnswer(t *testing.T) {
	whole := infoReply("Chicago")
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	r.reply(rigKey(0), whole[:strings.Index(string(whole), "1.0")+2])
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.True(t, rec.Info.Truncated)
	require.Equal(t, "Chicago", rec.Info.Name)
	require.EqualValues(t, 12, rec.Info.Players)
	require.True(t, rec.Info.VAC)
	require.False(t, rec.Info.Has(output.InfoVersion))
	require.False(t, rec.Info.Has(output.InfoEDF))
	r.finish()

	r = newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	r.reply(rigKey(0), whole[:strings.Index(string(whole), "cstrike")])
	rec = r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.Equal(t, "de_dust2", rec.Info.Map)
	require.Equal(t, output.InfoFormat|output.InfoProtocol|output.InfoName|output.InfoMap, rec.Info.Fields)
	r.finish()
}
