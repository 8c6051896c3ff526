package proto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// sourceInfo returns an INFO with every field of the Source format, for tests
// to take things from.
func sourceInfo() *proto.Info {
	return &proto.Info{
		Format: proto.FormatSource, Protocol: 17,
		Name: []byte("Dust till dawn"), Map: []byte("de_dust2"), Folder: []byte("cstrike"), Game: []byte("Counter-Strike: Source"),
		AppID16: 240, Players: 12, MaxPlayers: 32, Bots: 2, BotsKnown: true,
		ServerType: 'd', OS: 'l', Visibility: 1, VAC: 1, VACKnown: true,
		Version: []byte("1.0.0.34"),
		HasEDF:  true, EDF: 0xF1,
		GamePort: 27015, SteamID: 90071992547409920,
		SpectatorPort: 27020, SpectatorName: []byte("SourceTV"),
		Keywords: []byte("alltalk,increased_maxplayers"), GameID: 240,
	}
}

// goldSourceInfo returns an 'm' reply with a mod block, as HLDS sends it.
func goldSourceInfo() *proto.Info {
	return &proto.Info{
		Format:  proto.FormatGoldSource,
		Address: []byte("192.0.2.7:27015"), Name: []byte("Old boys"), Map: []byte("crossfire"), Folder: []byte("cstrike"), Game: []byte("Counter-Strike"),
		Players: 3, MaxPlayers: 16, Protocol: 47, ServerType: 'd', OS: 'w', Visibility: 0,
		IsMod: 1, HasMod: true,
		Mod: proto.Mod{Link: []byte("www.counter-strike.net"), Version: 1, Size: 184000000, DLL: 1},
		VAC: 1, VACKnown: true, Bots: 1, BotsKnown: true,
	}
}

func decodeInfo(t *testing.T, b []byte) *proto.Info {
	t.Helper()
	i := &proto.Info{Name: []byte("left over"), HasShip: true, Truncated: true}
	require.NoError(t, i.Decode(b))
	return i
}

// same compares the values of two replies. Empty and nil slices are equal.
func same(t *testing.T, want, got *proto.Info) {
	t.Helper()
	require.Equal(t, plainInfo(want), plainInfo(got))
}

func plainInfo(i *proto.Info) proto.Info {
	c := *i
	for _, p := range []*[]byte{&c.Address, &c.Name, &c.Map, &c.Folder, &c.Game, &c.Version, &c.SpectatorName,
		&c.Keywords, &c.Trailing, &c.Mod.Link, &c.Mod.DownloadLink, &c.Mod.HLVersion} {
		if len(*p) == 0 {
			*p = nil
		}
	}
	return c
}

func TestInfoSourceAllFields(t *testing.T) {
	want := sourceInfo()
	got := decodeInfo(t, encodeInfo(want))
	same(t, want, got)
	require.EqualValues(t, 240, got.AppID())
	require.Equal(t, "dedicated", got.ServerTypeName())
	require.Equal(t, "linux", got.OSName())
	require.Equal(t, "private", got.VisibilityName())
	secured, known := got.VACSecured()
	require.True(t, secured)
	require.True(t, known)
}

// TestInfoEDFOrder_3_1 decodes the fields one by one: they come in the order 80 10 40 20
// 01, not in the order of the bits.
func TestInfoEDFOrder_3_1(t *testing.T) {
	tail := []byte("\x87\x69" + "\x01\x02\x03\x04\x05\x06\x07\x08" + "\x8c\x69tv\x00" + "tags\x00" + "\xf0\x00\x00\x00\x00\x00\x00\x00")
	base := sourceInfo()
	base.HasEDF, base.EDF = false, 0
	base.GamePort, base.SteamID, base.SpectatorPort, base.SpectatorName, base.Keywords, base.GameID = 0, 0, 0, nil, nil, 0
	got := decodeInfo(t, append(append(encodeInfo(base), 0xF1), tail...))
	require.EqualValues(t, 0x6987, got.GamePort)
	require.EqualValues(t, 0x0807060504030201, got.SteamID)
	require.EqualValues(t, 0x698C, got.SpectatorPort)
	require.Equal(t, "tv", string(got.SpectatorName))
	require.Equal(t, "tags", string(got.Keywords))
	require.EqualValues(t, 240, got.GameID)

	for bits := range 256 {
		want := sourceInfo()
		want.EDF = byte(bits)
		for bit, zero := range map[byte]func(){
			proto.EDFGamePort:  func() { want.GamePort = 0 },
			proto.EDFSteamID:   func() { want.SteamID = 0 },
			proto.EDFSpectator: func() { want.SpectatorPort, want.SpectatorName = 0, nil },
			proto.EDFKeywords:  func() { want.Keywords = nil },
			proto.EDFGameID:    func() { want.GameID = 0 },
		} {
			if byte(bits)&bit == 0 {
				zero()
			}
		}
		got := decodeInfo(t, encodeInfo(want))
		same(t, want, got)
		for _, bit := range []byte{proto.EDFGamePort, proto.EDFSteamID, proto.EDFSpectator, proto.EDFKeywords, proto.EDFGameID} {
			require.Equal(t, byte(bits)&bit != 0, got.Has(bit))
		}
	}
}

// TestInfoWithoutEDF_D15: the byte is optional; Xash sends none, app id 0 and protocol 49.
func TestInfoWithoutEDF_D15(t *testing.T) {
	want := sourceInfo()
	want.Protocol, want.AppID16 = 49, 0
	want.HasEDF, want.EDF = false, 0
	want.GamePort, want.SteamID, want.SpectatorPort, want.SpectatorName, want.Keywords, want.GameID = 0, 0, 0, nil, nil, 0
	got := decodeInfo(t, encodeInfo(want))
	same(t, want, got)
	require.False(t, got.Truncated)
	require.Zero(t, got.AppID())
	require.False(t, got.Has(proto.EDFGamePort))
}

// TestInfoCutAnywhere_3_1 cuts a full reply at every byte. Before the end of the
// name that is an error. After it, the whole fields are kept and the others are
// reported as missing.
func TestInfoCutAnywhere_3_1(t *testing.T) {
	full := sourceInfo()
	ship := sourceInfo()
	ship.AppID16, ship.HasShip, ship.Ship = 2400, true, proto.Ship{Mode: 5, Witnesses: 2, Duration: 3}
	for _, full := range []*proto.Info{full, ship} {
		b := encodeInfo(full)
		name := 1 + 1 + len(full.Name) + 1
		version := len(b) - (1 + 2 + 8 + 2 + len("SourceTV\x00") + len("alltalk,increased_maxplayers\x00") + 8)
		for n := range b {
			var i proto.Info
			err := i.Decode(b[:n])
			if n < name {
				require.ErrorIs(t, err, proto.ErrShort, "%d bytes", n)
				require.True(t, i.Truncated)
				var de *proto.DecodeError
				require.ErrorAs(t, err, &de)
				require.Equal(t, proto.KindInfo, de.Kind)
				require.LessOrEqual(t, de.Offset, n)
				continue
			}
			require.NoError(t, err, "%d bytes", n)
			require.Equal(t, b[:n], encodeInfo(&i), "%d bytes", n)
			require.Equal(t, full.Name, i.Name)
			require.Equal(t, n != version, i.Truncated, "%d bytes: with no EDF byte at all nothing is missing", n)
			require.Equal(t, n < version, i.Missing != 0, "%d bytes", n)
			require.Equal(t, n > version, i.EDFMissing != 0, "%d bytes", n)
			requireMissing(t, full, &i)
		}
	}

	b := encodeInfo(full)
	version := len(b) - (1 + 2 + 8 + 2 + len("SourceTV\x00") + len("alltalk,increased_maxplayers\x00") + 8)
	// In the middle of the spectator's name: neither its port nor its name.
	cut := version + 1 + 2 + 8 + 2 + 3
	got := decodeInfo(t, b[:cut])
	require.True(t, got.Truncated)
	require.True(t, got.Has(proto.EDFGamePort))
	require.True(t, got.Has(proto.EDFSteamID))
	require.False(t, got.Has(proto.EDFSpectator))
	require.Zero(t, got.SpectatorPort)
	require.Equal(t, "\x8c\x69Sou", string(got.Trailing))
	require.EqualValues(t, 240, got.AppID(), "the 16-bit field is used")
}

func TestInfoErrorNamesTheField(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "info: type: short payload at byte 0",
		"I":                  "info: protocol: short payload at byte 1",
		"I\x11name":          "info: name: short payload at byte 2",
		"D\x00":              "info: type: not a reply of this kind at byte 0",
		"m1.2.3.4:5\x00name": "info: name: short payload at byte 11",
		"C\x00":              "info: name: short payload at byte 2",
	} {
		var i proto.Info
		require.EqualError(t, i.Decode([]byte(in)), want)
		require.True(t, i.Truncated)
	}
	var i proto.Info
	require.ErrorIs(t, i.Decode([]byte("E\x00\x00")), proto.ErrType)
}

// requireMissing compares got, a reply that was cut, with the whole one: a field is
// either the same or missing, and a missing field is zero.
func requireMissing(t *testing.T, full, got *proto.Info) {
	t.Helper()
	for _, f := range []struct {
		bit       proto.InfoFields
		full, got any
	}{
		{proto.InfoProtocol, full.Protocol, got.Protocol},
		{proto.InfoMap, string(full.Map), string(got.Map)},
		{proto.InfoFolder, string(full.Folder), string(got.Folder)},
		{proto.InfoGame, string(full.Game), string(got.Game)},
		{proto.InfoAppID, full.AppID16, got.AppID16},
		{proto.InfoPlayers, full.Players, got.Players},
		{proto.InfoMaxPlayers, full.MaxPlayers, got.MaxPlayers},
		{proto.InfoServerType, full.ServerType, got.ServerType},
		{proto.InfoOS, full.OS, got.OS},
		{proto.InfoVisibility, full.Visibility, got.Visibility},
		{proto.InfoVAC, full.VAC, got.VAC},
		{proto.InfoVersion, string(full.Version), string(got.Version)},
		{proto.InfoIsMod, full.IsMod, got.IsMod},
	} {
		if got.Missing.Has(f.bit) {
			require.Zero(t, f.got, "field %x", f.bit)
		} else {
			require.Equal(t, f.full, f.got, "field %x", f.bit)
		}
	}
	if got.Missing.Has(proto.InfoBots) || !got.BotsKnown {
		require.Zero(t, got.Bots)
		require.False(t, got.BotsKnown)
	} else {
		require.Equal(t, full.Bots, got.Bots)
	}
	if got.Missing.Has(proto.InfoVisibility) {
		require.Equal(t, "unknown", got.VisibilityName())
	}
	require.Equal(t, full.Format != proto.FormatObsolete && !got.Missing.Has(proto.InfoVAC), got.VACKnown)
	if got.HasShip {
		require.Equal(t, full.Ship, got.Ship)
	} else {
		require.Zero(t, got.Ship)
	}
}

// TestInfoWithoutFinalNUL_3_1: one live server leaves out the NUL of its version.
func TestInfoWithoutFinalNUL_3_1(t *testing.T) {
	want := sourceInfo()
	want.HasEDF, want.EDF = false, 0
	b := encodeInfo(want)
	got := decodeInfo(t, b[:len(b)-1])
	require.True(t, got.Truncated)
	require.Equal(t, proto.InfoVersion, got.Missing)
	require.Equal(t, want.Version, got.Trailing)
	requireMissing(t, want, got)
}

func TestInfoTrailingBytesAreKept_3_1(t *testing.T) {
	b := append(encodeInfo(sourceInfo()), "added by a later version"...)
	got := decodeInfo(t, b)
	require.False(t, got.Truncated)
	require.Equal(t, "added by a later version", string(got.Trailing))

	want := sourceInfo()
	want.EDF |= 0x02 // an unknown bit
	b = append(encodeInfo(want), 1, 2)
	got = decodeInfo(t, b)
	require.False(t, got.Truncated)
	require.Equal(t, []byte{1, 2}, got.Trailing)
}

func TestInfoShip_3_1(t *testing.T) {
	want := sourceInfo()
	want.Protocol, want.AppID16, want.GameID = 7, 2400, 2400
	want.HasShip, want.Ship = true, proto.Ship{Mode: 5, Witnesses: 2, Duration: 3}
	same(t, want, decodeInfo(t, encodeInfo(want)))

	want.VAC = '1'
	got := decodeInfo(t, encodeInfo(want))
	require.True(t, got.VACKnown, "the Ship's bytes would hide a missing one: not guessed at")
}

// TestInfoAppID_3_1: the game id's low 24 bits win, the rest of it is the type of
// the application, and ids of more than 16 bits leave the old field at zero.
func TestInfoAppID_3_1(t *testing.T) {
	for _, tt := range []struct {
		app16  uint16
		gameID uint64
		want   uint32
	}{
		{240, 240, 240},
		{0, 252490, 252490},
		{0, 0x8000_0001_0200_01F4, 500},
		{70, 0, 70},
		{70, 0xFF00_0000_0000_0000, 70},
		{0, 0, 0},
		{0xDA4A, 252490, 252490}, // the low 16 bits, as the wiki has it
	} {
		i := proto.Info{AppID16: tt.app16, GameID: tt.gameID}
		require.Equal(t, tt.want, i.AppID(), "%+v", tt)
	}
}

// TestInfoVACByteMissing_3_1: one DayZ clone leaves it out, so its place has the version's
// first digit.
func TestInfoVACByteMissing_3_1(t *testing.T) {
	want := sourceInfo()
	want.VACKnown, want.VAC, want.Version = false, 0, []byte("1.28.161464")
	b := encodeInfo(want)
	got := decodeInfo(t, b)
	same(t, want, got)
	secured, known := got.VACSecured()
	require.False(t, secured)
	require.False(t, known)

	t.Run("not if the rest does not add up", func(t *testing.T) {
		for name, b := range map[string][]byte{
			"bytes left over": append(encodeInfo(want), 9),
			"EDF cut off":     encodeInfo(want)[:len(b)-1],
		} {
			got := decodeInfo(t, b)
			require.True(t, got.VACKnown, name)
			require.Equal(t, byte('1'), got.VAC, name)
			require.Equal(t, ".28.161464", string(got.Version), name)
			secured, known := got.VACSecured()
			require.False(t, secured, "only 1 is yes")
			require.True(t, known)
		}
	})
	t.Run("not for other bytes", func(t *testing.T) {
		for _, vac := range []byte{0, 1, 2, '0' - 1, '9' + 1, 0xFF} {
			want := sourceInfo()
			want.VAC = vac
			got := decodeInfo(t, encodeInfo(want))
			same(t, want, got)
			secured, known := got.VACSecured()
			require.Equal(t, vac == 1, secured)
			require.True(t, known)
		}
	})
}

// TestInfoEnumsAreFree_D9: unknown letters are data; so are both cases of the
// known ones, and zero (Rag Doll Kung Fu).
func TestInfoEnumsAreFree_D9(t *testing.T) {
	types := map[byte]string{'d': "dedicated", 'D': "dedicated", 'l': "listen", 'L': "listen", 'p': "proxy", 'P': "proxy"}
	systems := map[byte]string{'l': "linux", 'L': "linux", 'w': "windows", 'W': "windows", 'm': "mac", 'M': "mac", 'o': "mac", 'O': "mac"}
	visibilities := map[byte]string{0: "public", 1: "private"}
	word := func(m map[byte]string, c byte) string {
		if s, ok := m[c]; ok {
			return s
		}
		return "unknown"
	}
	for _, base := range []*proto.Info{sourceInfo(), goldSourceInfo()} {
		for c := range 256 {
			want := *base
			want.ServerType, want.OS, want.Visibility = byte(c), byte(c), byte(c)
			got := decodeInfo(t, encodeInfo(&want))
			same(t, &want, got)
			require.Equal(t, word(types, byte(c)), got.ServerTypeName(), "%q", c)
			require.Equal(t, word(systems, byte(c)), got.OSName(), "%q", c)
			require.Equal(t, word(visibilities, byte(c)), got.VisibilityName(), "%d", c)
		}
	}
}

func TestInfoListenIsL_D7(t *testing.T) {
	require.Equal(t, "listen", (&proto.Info{ServerType: 'l'}).ServerTypeName())
	require.Equal(t, "unknown", (&proto.Info{ServerType: 'i'}).ServerTypeName())
}

func TestInfoEnvironmentOIsMac_D8(t *testing.T) {
	require.Equal(t, "mac", (&proto.Info{OS: 'o'}).OSName())
}

func TestFormatString(t *testing.T) {
	require.Equal(t, "source", proto.FormatSource.String())
	require.Equal(t, "goldsource", proto.FormatGoldSource.String())
	require.Equal(t, "obsolete", proto.FormatObsolete.String())
	require.Equal(t, "unknown", proto.Format(9).String())
}

func TestInfoDecodeAllocatesNothing(t *testing.T) {
	var i proto.Info
	for _, b := range [][]byte{encodeInfo(sourceInfo()), encodeInfo(goldSourceInfo())} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := i.Decode(b); err != nil {
				panic(err)
			}
			i.AppID()
			i.ActualPlayers()
		}))
	}
}

func FuzzInfo(f *testing.F) {
	for _, seed := range seeds(f, "info") {
		f.Add(seed)
	}
	f.Add(encodeInfo(sourceInfo()))
	f.Add(encodeInfo(goldSourceInfo()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var i proto.Info
		if err := i.Decode(b); err != nil {
			var de *proto.DecodeError
			require.ErrorAs(t, err, &de)
			require.LessOrEqual(t, de.Offset, len(b))
			require.True(t, i.Truncated)
			return
		}
		require.Equal(t, b, encodeInfo(&i), "a byte was lost")
		require.Equal(t, i.Missing != 0 || i.EDFMissing != 0, i.Truncated)
		require.False(t, i.VAC != 0 && !i.VACKnown)
		i.ServerTypeName()
		i.OSName()
		i.VisibilityName()
		if p, m, ok := i.ActualPlayers(); ok {
			require.GreaterOrEqual(t, p, 0)
			require.GreaterOrEqual(t, m, 0)
		}
	})
}

func BenchmarkInfoDecode(b *testing.B) {
	p := encodeInfo(sourceInfo())
	var i proto.Info
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := i.Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}
