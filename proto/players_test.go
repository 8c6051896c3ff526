package proto_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func decodePlayers(t *testing.T, b []byte) *proto.PlayerList {
	t.Helper()
	p := &proto.PlayerList{List: make([]proto.Player, 3), Ship: true, Truncated: true}
	require.NoError(t, p.Decode(b))
	return p
}

func players(n int) []proto.Player {
	l := make([]proto.Player, n)
	for i := range l {
		l[i] = proto.Player{Name: fmt.Appendf(nil, "player %d", i), Score: int32(i*7 - 3), Duration: float32(i) * 61.5}
	}
	return l
}

func TestPlayers_3_3(t *testing.T) {
	for _, n := range []int{0, 1, 2, 64, 255} {
		want := &proto.PlayerList{Count: uint8(n), List: players(n)}
		got := decodePlayers(t, encodePlayers(want))
		require.Equal(t, want.List, got.List)
		require.EqualValues(t, n, got.Count)
		require.False(t, got.Truncated)
		require.False(t, got.Ship)
		require.Empty(t, got.Trailing)
	}
}

func TestPlayersOddEntriesAreKept_3_3(t *testing.T) {
	want := &proto.PlayerList{Count: 6, List: []proto.Player{
		{Name: []byte{}, Duration: 5}, // still connecting
		{Name: []byte{}, Duration: 5}, // twice
		{Name: []byte("\xFF\xFE"), Score: -1, Duration: -1},
		{Index: 200, Name: []byte("Max Players"), Duration: 1e6},
		{Name: []byte("inf"), Duration: float32(math.Inf(1))},
		{Name: []byte("score"), Score: math.MinInt32},
	}}
	got := decodePlayers(t, encodePlayers(want))
	require.Equal(t, want.List, got.List)
	require.True(t, got.List[2].IsBot())
	require.False(t, got.List[0].IsBot())

	want.List[0].Duration = float32(math.NaN())
	got = decodePlayers(t, encodePlayers(want))
	require.True(t, math.IsNaN(float64(got.List[0].Duration)))
}

// TestPlayersScoreIsSigned_D11: as unsigned it would be 4294967291.
func TestPlayersScoreIsSigned_D11(t *testing.T) {
	got := decodePlayers(t, []byte("D\x01\x00tk\x00\xfb\xff\xff\xff\x00\x00\x80\x3f"))
	require.EqualValues(t, -5, got.List[0].Score)
	require.EqualValues(t, 1, got.List[0].Duration)
}

// TestPlayersReadToTheEnd_D10: the count wraps at 256, the entries go on.
func TestPlayersReadToTheEnd_D10(t *testing.T) {
	for _, n := range []int{256, 257, 300, 547} {
		want := &proto.PlayerList{Count: uint8(n), List: players(n)}
		got := decodePlayers(t, encodePlayers(want))
		require.Len(t, got.List, n)
		require.Equal(t, want.List, got.List)
		require.False(t, got.Truncated)
	}
	t.Run("cut off after it has wrapped", func(t *testing.T) {
		b := encodePlayers(&proto.PlayerList{Count: 300 - 256, List: players(300)})
		got := decodePlayers(t, b[:len(b)-3])
		require.Len(t, got.List, 299)
		require.False(t, got.Truncated, "there are as many as the count says, and more")
		require.NotEmpty(t, got.Trailing)
	})
	t.Run("bytes after a list that is whole", func(t *testing.T) {
		b := encodePlayers(&proto.PlayerList{Count: 2, List: players(2)})
		got := decodePlayers(t, append(b, "junk"...))
		require.Len(t, got.List, 2)
		require.False(t, got.Truncated)
		require.Equal(t, "junk", string(got.Trailing))
	})
	t.Run("zeros after a list that is whole", func(t *testing.T) {
		for _, n := range []int{0, 1, 2, 5, 255} {
			want := encodePlayers(&proto.PlayerList{Count: uint8(n), List: players(n)})
			for _, zeros := range []int{1, 9, 10, 11, 63, 64, 1000} {
				if zeros == 8*n {
					continue // The Ship's block
				}
				got := decodePlayers(t, append(want[:len(want):len(want)], make([]byte, zeros)...))
				require.Len(t, got.List, n, "%d zeros", zeros)
				require.False(t, got.Truncated)
				require.Equal(t, make([]byte, zeros), got.Trailing)
			}
		}
	})
	t.Run("zeros after a list whose count has wrapped", func(t *testing.T) {
		want := encodePlayers(&proto.PlayerList{Count: 300 - 256, List: players(300)})
		got := decodePlayers(t, append(want, make([]byte, 64)...))
		require.Len(t, got.List, 300)
		require.False(t, got.Truncated)
		require.Len(t, got.Trailing, 64)
	})
	t.Run("a list whose count has wrapped ends with players of zeros", func(t *testing.T) {
		list := append(players(297), make([]proto.Player, 3)...)
		got := decodePlayers(t, encodePlayers(&proto.PlayerList{Count: 300 - 256, List: list}))
		require.Len(t, got.List, 300, "the count says so")
		require.Empty(t, got.Trailing)
	})
	t.Run("players of zeros are players if the count includes them", func(t *testing.T) {
		got := decodePlayers(t, append([]byte("D\x03"), make([]byte, 64)...))
		require.Len(t, got.List, 3)
		require.Len(t, got.Trailing, 34)
	})
}

// TestShipBlockAfterAllPlayers_D5: deaths and money come in one block at the end.
func TestShipBlockAfterAllPlayers_D5(t *testing.T) {
	for _, n := range []int{1, 2, 30, 255} {
		want := &proto.PlayerList{Count: uint8(n), List: players(n), Ship: true}
		for i := range want.List {
			want.List[i].Deaths, want.List[i].Money = int32(i-1), int32(2500+i)
		}
		got := decodePlayers(t, encodePlayers(want))
		require.True(t, got.Ship)
		require.Equal(t, want.List, got.List)
		require.Empty(t, got.Trailing)
		require.False(t, got.Truncated)
	}
}

// TestShipBlockNeedsAllPlayers_D5: five entries without names are 50 bytes; after
// the first, 40 = 8*5 remain. That is not the block.
func TestShipBlockNeedsAllPlayers_D5(t *testing.T) {
	for n := 2; n <= 255; n++ {
		want := &proto.PlayerList{Count: uint8(n), List: make([]proto.Player, n)}
		for i := range want.List {
			want.List[i] = proto.Player{Index: uint8(i), Name: []byte{}, Score: 1}
		}
		got := decodePlayers(t, encodePlayers(want))
		require.False(t, got.Ship, "%d players", n)
		require.Equal(t, want.List, got.List)
	}
}

// TestShipBlockOnlyOfTheShip_D18: one of 2026's Rust servers clamps its count at 255,
// and the names beyond it happened to take 8 bytes per player counted.
func TestShipBlockOnlyOfTheShip_D18(t *testing.T) {
	list := players(255)
	for n := range 100 { // 60 entries of 20 bytes and 40 of 21
		name := "abcdefghij"
		if n >= 60 {
			name += "k"
		}
		list = append(list, proto.Player{Name: []byte(name), Score: int32(n), Duration: 100})
	}
	b := encodePlayers(&proto.PlayerList{Count: 255, List: list})
	for _, tt := range []struct {
		info *proto.Info
		ship bool
	}{
		{nil, true}, // the length decides
		{&proto.Info{}, true},
		{&proto.Info{AppID16: 2400}, true},
		{&proto.Info{GameID: 2400, AppID16: 2400, Folder: []byte("rust")}, true},
		{&proto.Info{AppID16: 2412}, true},
		{&proto.Info{GameID: 252490}, false},
		{&proto.Info{GameID: 1<<32 | 252490, Folder: []byte("ship")}, false},
		{&proto.Info{AppID16: 2404}, false},
		{&proto.Info{Folder: []byte("SHIP")}, true}, // an INFO that was cut behind it
		{&proto.Info{Folder: []byte("rust")}, false},
		{&proto.Info{Format: proto.FormatGoldSource, Folder: []byte("cstrike")}, false},
	} {
		var got proto.PlayerList
		require.NoError(t, got.DecodeAfter(b, tt.info))
		require.Equal(t, tt.ship, got.Ship, "%+v", tt.info)
		require.Equal(t, b, encodePlayers(&got))
		if !tt.ship {
			require.Equal(t, list, got.List)
			require.False(t, got.Truncated)
			require.Empty(t, got.Trailing)
		}
	}
}

// TestPlayersTruncated_3_3: fewer entries than the count; the partial one is dropped.
func TestPlayersTruncated_3_3(t *testing.T) {
	full := &proto.PlayerList{Count: 3, List: players(3)}
	b := encodePlayers(full)
	for n := 2; n < len(b); n++ {
		got := decodePlayers(t, b[:n])
		require.True(t, got.Truncated, "%d bytes", n)
		require.Less(t, len(got.List), 3)
		require.Equal(t, full.List[:len(got.List)], append([]proto.Player{}, got.List...))
		require.Equal(t, b[:n], encodePlayers(got))
	}
	got := decodePlayers(t, []byte("D\xff"))
	require.True(t, got.Truncated, "count 255 and nothing else")
	require.Empty(t, got.List)
}

func TestPlayersErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":      "players: type: short payload at byte 0",
		"D":     "players: count: short payload at byte 1",
		"E\x00": "players: type: not a reply of this kind at byte 0",
	} {
		p := proto.PlayerList{List: players(2)}
		require.EqualError(t, p.Decode([]byte(in)), want)
		require.Empty(t, p.List)
		require.True(t, p.Truncated)
	}
}

func TestPlayersDecodeAllocatesNothing(t *testing.T) {
	b := encodePlayers(&proto.PlayerList{Count: 64, List: players(64)})
	var p proto.PlayerList
	require.NoError(t, p.Decode(b))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := p.Decode(b); err != nil {
			panic(err)
		}
	}))
}

func FuzzPlayers(f *testing.F) {
	for _, seed := range seeds(f, "players") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p proto.PlayerList
		if err := p.Decode(b); err != nil {
			var de *proto.DecodeError
			require.ErrorAs(t, err, &de)
			require.True(t, len(b) < 2 || b[0] != proto.TypePlayers, "nothing else is an error")
			return
		}
		var q proto.PlayerList
		require.NoError(t, q.DecodeAfter(b, &proto.Info{AppID16: 240}))
		require.False(t, q.Ship)
		require.Equal(t, b, encodePlayers(&q), "a byte was lost")
		require.True(t, p.Ship || len(p.List) == len(q.List), "the game matters for The Ship's block alone")
		require.Equal(t, b, encodePlayers(&p), "a byte was lost")
		require.Equal(t, len(p.List) < int(p.Count), p.Truncated)
		if n := len(p.List); n > int(p.Count) && len(bytes.TrimLeft(p.Trailing, "\x00")) == 0 {
			// Zeros beyond the count are padding, unless they make the wrapped count right.
			last := &p.List[n-1]
			zero := last.Index == 0 && len(last.Name) == 0 && last.Score == 0 && math.Float32bits(last.Duration) == 0
			require.True(t, !zero || n%256 == int(p.Count) && len(p.Trailing) == 0)
		}
		require.False(t, p.Ship && (p.Truncated || len(p.List) != int(p.Count)))
	})
}

func BenchmarkPlayersDecode64(b *testing.B) {
	buf := encodePlayers(&proto.PlayerList{Count: 64, List: players(64)})
	var p proto.PlayerList
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
