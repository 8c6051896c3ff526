package a3sb

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func armaBlock() *Block {
	return &Block{
		Version: 3, Flags: 8, DLC: 0b101, DLCHashes: []uint32{0x58A5C510, 0xFF000001},
		Difficulty: &Difficulty{Raw: 0x0189, Level: 1, AI: 1, ThirdPerson: true, Crosshair: true},
		Mods: []Mod{
			{Hash: 0xC3613E7E, Head: 0x13, ID: 1227700, Name: []byte{}, DLC: true},
			{Hash: 1, Head: 4, ID: 450814997, Name: []byte("CBA_A3")},
			{Hash: 0, Head: 8, ID: 1<<63 + 1, Name: []byte("eight bytes")},
			{Hash: 2, Head: 0, Name: []byte("not from the Workshop")},
		},
		Signatures: [][]byte{[]byte("a3"), []byte("cba_3.15"), {}},
		Trailing:   []byte{},
	}
}

func dayzBlock() *Block {
	return &Block{
		Version: 2, Mods: []Mod{
			{Hash: 0x1176F6B9, Head: 4, ID: 1559212036, Name: []byte("Community Framework")},
			{Hash: 0xFF, Head: 0x13, ID: 1151700, Name: []byte("Livonia DLC"), DLC: true},
		},
		Signatures:  [][]byte{[]byte("dayz"), []byte("Jacob_Mango_V3")},
		Description: []byte("Hardcore. No third person."), HasDescription: true,
		Trailing: []byte{},
	}
}

func text(s ...string) []proto.Rule {
	var l []proto.Rule
	for i := 0; i < len(s); i += 2 {
		l = append(l, proto.Rule{Name: []byte(s[i]), Value: []byte(s[i+1])})
	}
	return l
}

func TestDecodeArma3Version3_3_5(t *testing.T) {
	want := armaBlock()
	list := append(chunked(encode(want), 127), text("island", "altis")...)
	for _, hint := range []game{gameArmA3, unknownGame} {
		got, rest, err := decodeRules(list, hint)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text("island", "altis"), rest)
	}
}

// TestDecodeArma3Version2_3_5: in 2017 Arma 3 sent version 2, and difficulty.
func TestDecodeArma3Version2_3_5(t *testing.T) {
	want := armaBlock()
	want.Version = 2
	for _, hint := range []game{gameArmA3, unknownGame} {
		got, _, err := decodeRules(chunked(encode(want), 127), hint)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestDecodeDayZHasNoDifficulty_D13: read as Arma 3 it would be shifted by two.
func TestDecodeDayZHasNoDifficulty_D13(t *testing.T) {
	want := dayzBlock()
	for _, hint := range []game{gameDayZ, unknownGame} {
		got, _, err := decodeRules(chunked(encode(want), 127), hint)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Nil(t, got.Difficulty)
	}
}

// TestDecodeDayZVersion1_3_5: seen in 2021 and 2022, without a description, and with one
// DLC hash per bit.
func TestDecodeDayZVersion1_3_5(t *testing.T) {
	want := dayzBlock()
	want.Version, want.DLC, want.DLCHashes = 1, 1, []uint32{0x54286E67}
	want.HasDescription, want.Description = false, nil
	for _, hint := range []game{gameDayZ, unknownGame} {
		got, _, err := decodeRules(chunked(encode(want), 127), hint)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDifficultyBits_3_5(t *testing.T) {
	for raw, want := range map[uint16]Difficulty{
		0:      {},
		0x0007: {Level: 7},
		0x0038: {AI: 7},
		0x0040: {AdvancedFlight: true},
		0x0080: {ThirdPerson: true},
		0x0100: {Crosshair: true},
		0x0193: {Level: 3, AI: 2, ThirdPerson: true, Crosshair: true},
		0xFE00: {}, // unknown bits
	} {
		want.Raw = raw
		require.Equal(t, &want, difficulty(raw))
	}
}

// TestDecodeChunkLengthDoesNotMatter_D12: 124, 125 and 127 are claimed; neither the length
// nor the place of the cuts matters.
func TestDecodeChunkLengthDoesNotMatter_D12(t *testing.T) {
	want := armaBlock()
	p := encode(want)
	for _, size := range []int{1, 2, 3, 124, 125, 127, 1000} {
		if (len(escape(p))+size-1)/size > 255 {
			continue
		}
		got, rest, err := decodeRules(chunked(p, size), gameArmA3)
		require.NoError(t, err, "chunks of %d", size)
		require.Equal(t, want, got, "chunks of %d", size)
		require.Empty(t, rest)
	}
}

func TestDecodeChunksInAnyOrder_3_5(t *testing.T) {
	want := armaBlock()
	list := chunked(encode(want), 20)
	var mixed []proto.Rule
	mixed = append(mixed, text("first", "1")...)
	for i := len(list) - 1; i >= 0; i-- {
		mixed = append(mixed, list[i])
		mixed = append(mixed, text("between", "2")...)
	}
	mixed = append(mixed, list[0]) // twice
	before := append([]proto.Rule{}, mixed...)
	got, rest, err := decodeRules(mixed, gameArmA3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Len(t, rest, 1+len(list))
	require.Equal(t, "first", string(rest[0].Name))
	require.Equal(t, before, mixed, "the caller's list is never changed")
}

// TestDecodeTextRulesOfTwoLetters_3_5: "ab" has 1 <= i <= n, and is no chunk.
func TestDecodeTextRulesOfTwoLetters_3_5(t *testing.T) {
	list := text("ab", "1", "ps", "2", "AA", "3", "long", "4")
	got, rest, err := decodeRules(list, unknownGame)
	require.NoError(t, err)
	require.Nil(t, got)
	require.Equal(t, list, rest)

	want := armaBlock()
	mixed := append(text("ab", "1"), chunked(encode(want), 127)...)
	got, rest, err = decodeRules(mixed, gameArmA3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, text("ab", "1"), rest)

	got, rest, err = decodeRules(nil, gameArmA3)
	require.NoError(t, err)
	require.Nil(t, got)
	require.Nil(t, rest)
}

// requirePart compares a truncated block with the whole one: every field that it has
// is the same.
func requirePart(t *testing.T, whole, part *Block) {
	t.Helper()
	require.True(t, part.Truncated)
	require.Equal(t, []any{whole.Version, whole.Flags, whole.DLC}, []any{part.Version, part.Flags, part.DLC})
	if part.Difficulty != nil {
		require.Equal(t, whole.Difficulty, part.Difficulty)
	}
	requirePrefix(t, whole.DLCHashes, part.DLCHashes)
	requirePrefix(t, whole.Mods, part.Mods)
	requirePrefix(t, whole.Signatures, part.Signatures)
	require.False(t, part.HasDescription)
	require.Empty(t, part.Trailing)
}

func requirePrefix[T any](t *testing.T, whole, part []T) {
	t.Helper()
	if len(part) > 0 {
		require.Equal(t, whole[:len(part)], part)
	}
}

// TestDecodeIncompleteSet_3_5: without one of its chunks the block ends before it.
// Without the first chunk there is no block, and the rules are all still there.
func TestDecodeIncompleteSet_3_5(t *testing.T) {
	whole := armaBlock()
	for _, size := range []int{7, 20, 31} {
		list := append(chunked(encode(whole), size), text("island", "altis", "ab", "1")...)
		n := len(list) - 2
		mods := 0
		for missing := range n {
			var some []proto.Rule
			some = append(append(some, list[:missing]...), list[missing+1:]...)
			got, rest, err := decodeRules(some, gameArmA3)
			require.ErrorIs(t, err, ErrIncomplete)
			require.ErrorContains(t, err, "chunk")
			if missing == 0 {
				require.Nil(t, got)
				require.Equal(t, some, rest)
				continue
			}
			require.NotNil(t, got)
			requirePart(t, whole, got)
			require.Equal(t, text("island", "altis", "ab", "1"), rest)
			require.GreaterOrEqual(t, len(got.Mods), mods)
			mods = len(got.Mods)
		}
		require.NotZero(t, mods)
	}
	_, _, err := decodeRules([]proto.Rule{{Name: []byte{2, 3}}, {Name: []byte{1, 3}}}, gameDayZ)
	require.EqualError(t, err, "server-browser block is incomplete: chunk 3 of 3 is missing")
	_, _, err = decodeRules([]proto.Rule{{Name: []byte{0, 3}}, {Name: []byte{4, 3}}}, gameDayZ)
	require.NoError(t, err, "no chunk has such numbers")
}

// TestUnescapeInOnePass_3_5: one replacement after the other corrupts 01 01 02.
func TestUnescapeInOnePass_3_5(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"\x01\x01\x02":         "\x01\x02",
		"\x01\x01\x03":         "\x01\x03",
		"\x01\x01\x01\x02":     "\x01\x00",
		"\x01\x01\x01\x01\x03": "\x01\x01\x03",
		"\x01\x02\x01\x03":     "\x00\xff",
		"\x02\x01\x02\x01\x02\x01\x02\x01\x01\x02\x02": "\x02\x00\x00\x00\x01\x02\x02",
		"a\x01":  "a\x01", // an escape cut off
		"\x01zz": "\x01zz",
	} {
		require.Equal(t, want, string(appendUnescaped(nil, []byte(in))), "%q", in)
		b := []byte(in)
		require.Equal(t, want, string(appendUnescaped(b[:0], b)), "in place: %q", in)
	}
}

// TestDecodeEscapeAcrossMissingChunk: a mod's name ends with an escape that the
// missing chunk completes. The byte is not known, so the mod is not whole.
func TestDecodeEscapeAcrossMissingChunk(t *testing.T) {
	for ones, whole := range map[int]bool{1: false, 2: true, 3: false, 4: true} {
		want := &Block{Version: 2, Mods: []Mod{{Hash: 5, Head: 4, ID: 7 << 24, Name: []byte("one")}, {Hash: 5, Head: 4, ID: 7 << 24}}}
		want.Mods[1].Name = append([]byte("two"), make([]byte, (ones+1)/2)...)
		for i := range want.Mods[1].Name[3:] {
			want.Mods[1].Name[3+i] = 1
		}
		e := escape(encode(want))
		end := len(e) - len(escape([]byte{0})) // the number of signatures
		if !whole {
			end--
		}
		list := []proto.Rule{{Name: []byte{1, 2}, Value: e[:end]}}
		got, _, err := decodeRules(list, gameDayZ)
		require.ErrorIs(t, err, ErrIncomplete)
		require.Len(t, got.Mods, map[bool]int{true: 2, false: 1}[whole], "%d", ones)
		require.Equal(t, want.Mods[:len(got.Mods)], got.Mods)
	}
}

// TestDecodeBadBlocks cuts a block at every byte: the header must be whole, and
// everything before the cut is kept.
func TestDecodeBadBlocks(t *testing.T) {
	for _, tt := range []struct {
		block *Block
		game  game
	}{{armaBlock(), gameArmA3}, {dayzBlock(), gameDayZ}} {
		p := encode(tt.block)
		mods, signatures := 0, 0
		for n := range len(p) {
			list := append(chunked(p[:n], 127), text("island", "altis")...)
			got, rest, err := decodeRules(list, tt.game)
			if n < 4 {
				require.Nil(t, got, "%d bytes", n)
				require.Equal(t, list, rest)
			} else if err == nil {
				require.Equal(t, gameDayZ, tt.game)
				require.False(t, got.Truncated, "a description is optional")
				require.Equal(t, len(p)-1-len(tt.block.Description), n)
				continue
			} else {
				requirePart(t, tt.block, got)
				require.Equal(t, text("island", "altis"), rest)
				mods, signatures = max(mods, len(got.Mods)), max(signatures, len(got.Signatures))
			}
			var de *proto.DecodeError
			require.ErrorAs(t, err, &de)
			require.ErrorIs(t, err, proto.ErrShort)
			require.LessOrEqual(t, de.Offset, n)
		}
		require.Equal(t, len(tt.block.Mods), mods)
		require.Equal(t, len(tt.block.Signatures)-map[game]int{gameArmA3: 1, gameDayZ: 0}[tt.game], signatures)
	}
	_, _, err := decodeRules(chunked(encode(armaBlock())[:9], 127), gameArmA3)
	require.EqualError(t, err, "rules: a3sb dlc hash: short payload at byte 6")

	bad := armaBlock()
	bad.Mods[1].Head = 8
	p := encode(bad)
	p[6+8+1+4+1+3+1+4] = 9
	got, _, err := decodeRules(chunked(p, 127), gameArmA3)
	require.ErrorIs(t, err, ErrIDLength)
	require.True(t, got.Truncated)
	require.Equal(t, bad.Mods[:1], got.Mods)

	_, rest, err := decodeRules(chunked([]byte("neither one nor the other"), 127), unknownGame)
	require.ErrorIs(t, err, ErrLayout)
	require.Len(t, rest, 1)
}

// TestDecodeCutBlockOfUnknownGame: the layout in which the mods look like mods is
// taken, and none if both do or neither does.
func TestDecodeCutBlockOfUnknownGame(t *testing.T) {
	for _, whole := range []*Block{armaBlock(), dayzBlock()} {
		whole.Mods = whole.Mods[:len(whole.Mods):len(whole.Mods)]
		for i := range whole.Mods {
			if len(whole.Mods[i].Name) == 0 {
				whole.Mods[i].Name = []byte("Contact")
			}
		}
		p := encode(whole)
		found := 0
		for n := range len(p) {
			got, rest, err := decodeRules(chunked(p[:n], 127), unknownGame)
			if err == nil {
				continue // DayZ without its description
			}
			if got == nil {
				require.Len(t, rest, 1)
				continue
			}
			require.ErrorIs(t, err, ErrLayout)
			requirePart(t, whole, got)
			found = max(found, len(got.Mods))
		}
		require.Equal(t, len(whole.Mods), found)
	}
}

func TestDecodeKeepsTrailingBytes(t *testing.T) {
	want := armaBlock()
	want.Trailing = []byte("a later version")
	got, _, err := decodeRules(chunked(encode(want), 127), gameArmA3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, _, err = decodeRules(chunked(encode(want), 127), unknownGame)
	require.ErrorIs(t, err, ErrLayout)
	require.True(t, got.Truncated, "with bytes left over the layout is a guess")
	require.Equal(t, want.Mods, got.Mods)
}

// TestDecodeAliasesNothing: the rules may be overwritten by the next datagram.
func TestDecodeAliasesNothing(t *testing.T) {
	list := chunked(encode(dayzBlock()), 127)
	got, _, err := decodeRules(list, gameDayZ)
	require.NoError(t, err)
	for _, r := range list {
		for i := range r.Value {
			r.Value[i] = 'X'
		}
	}
	require.Equal(t, dayzBlock(), got)
}

func TestGameOf_3_5(t *testing.T) {
	for _, tt := range []struct {
		info *proto.Info
		want game
	}{
		{nil, unknownGame},
		{&proto.Info{}, unknownGame},
		{&proto.Info{GameID: 107410}, gameArmA3},
		{&proto.Info{GameID: 221100}, gameDayZ},
		{&proto.Info{GameID: 1024020, Folder: []byte("dayz")}, gameDayZ},
		{&proto.Info{Folder: []byte("Arma3")}, gameArmA3},
		{&proto.Info{Folder: []byte("DayZ")}, gameDayZ},
		{&proto.Info{GameID: 33930, Folder: []byte("arma2arrowpc")}, unknownGame},
	} {
		require.Equal(t, tt.want, gameOf(tt.info), "%+v", tt.info)
	}
	require.Equal(t, "Arma 3", gameArmA3.String())
	require.Equal(t, "DayZ", gameDayZ.String())
	require.Equal(t, "unknown", unknownGame.String())
}

// TestDecodeManySets: a hostile list does not cost more than it is long.
func TestDecodeManySets(t *testing.T) {
	var list []proto.Rule
	for i := range 60_000 {
		list = append(list, proto.Rule{Name: []byte{1, byte(i%250 + 2)}})
	}
	_, rest, err := decodeRules(list, unknownGame)
	require.ErrorIs(t, err, ErrIncomplete)
	require.Len(t, rest, len(list))
}

// FuzzA3SB takes its input for the payload of a RULES reply, so that names and
// escapes are part of the game, and for an unescaped block.
func FuzzA3SB(f *testing.F) {
	for _, b := range []*Block{armaBlock(), dayzBlock()} {
		f.Add(encode(b), uint8(gameArmA3))
		f.Add(encode(b), uint8(unknownGame))
		f.Add(encode(b), uint8(gameDayZ))
		reply := []byte{'E', 9, 0}
		for _, r := range append(chunked(encode(b), 20), text("island", "altis", "ab", "1")...) {
			reply = append(append(reply, r.Name...), 0)
			reply = append(append(reply, r.Value...), 0)
		}
		f.Add(reply, uint8(unknownGame))
	}
	f.Fuzz(func(t *testing.T, b []byte, hint uint8) {
		g := game(hint % 3)
		var l proto.RuleList
		if l.Decode(b) == nil {
			before := append([]proto.Rule{}, l.List...)
			block, rest, err := decodeRules(l.List, g)
			require.Equal(t, before, append([]proto.Rule{}, l.List...))
			if block == nil {
				require.Equal(t, before, append([]proto.Rule{}, rest...))
			} else {
				require.Equal(t, err != nil, block.Truncated)
				require.Less(t, len(rest), len(before))
			}
		}

		block, err := decode(b, g)
		if err != nil {
			require.True(t, block == nil || block.Truncated)
			return
		}
		require.Equal(t, b, encode(block), "a byte was lost")
		if g == unknownGame {
			require.Empty(t, block.Trailing)
		}
		if len(b) <= 255*60 {
			again, rest, err := decodeRules(chunked(b, 127), g)
			require.NoError(t, err)
			require.Equal(t, block, again)
			require.Empty(t, rest)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	list := chunked(encode(armaBlock()), 127)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := decodeRules(list, gameArmA3); err != nil {
			b.Fatal(err)
		}
	}
}
