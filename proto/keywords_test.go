package proto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// TestActualPlayers_3_1: the bytes of a Rust server wrap, its keywords do not.
func TestActualPlayers_3_1(t *testing.T) {
	for _, tt := range []struct {
		name         string
		info         proto.Info
		players, max int
		ok           bool
	}{
		{"both", proto.Info{GameID: 252490, Keywords: []byte("mp575,cp547,ptrak,qp17,v2336,gmrust,oxide")}, 547, 575, true},
		{"not at the beginning", proto.Info{GameID: 252490, Keywords: []byte("oxide,modded,mp125,cp93")}, 93, 125, true},
		{"by folder, where no game id came", proto.Info{Folder: []byte("Rust"), Keywords: []byte("cp0,mp50")}, 0, 50, true},
		{"words of the same beginning", proto.Info{GameID: 252490, Keywords: []byte("cp,cpx1,mp1x,cp12,mp34,cp99")}, 12, 34, true},
		{"one of two", proto.Info{GameID: 252490, Keywords: []byte("mp125")}, 0, 0, false},
		{"no keywords", proto.Info{GameID: 252490}, 0, 0, false},
		{"a number that no server has", proto.Info{GameID: 252490, Keywords: []byte("cp1234567890,mp1")}, 0, 0, false},
		{"another game", proto.Info{GameID: 440, Folder: []byte("tf"), Keywords: []byte("cp1,mp2")}, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			players, maxPlayers, ok := tt.info.ActualPlayers()
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.players, players)
			require.Equal(t, tt.max, maxPlayers)
		})
	}
}

func TestKeyword(t *testing.T) {
	i := proto.Info{Keywords: []byte("battleye,lqs5,born1653213379,,qp17")}
	n, ok := i.Keyword("lqs")
	require.True(t, ok)
	require.Equal(t, 5, n)
	n, ok = i.Keyword("qp")
	require.True(t, ok)
	require.Equal(t, 17, n)
	_, ok = i.Keyword("battleye")
	require.False(t, ok, "no digits follow")
	_, ok = i.Keyword("")
	require.False(t, ok)
}
