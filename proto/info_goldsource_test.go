package proto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func TestGoldSourceAllFields_3_2(t *testing.T) {
	want := goldSourceInfo()
	got := decodeInfo(t, encodeInfo(want))
	same(t, want, got)
	require.Zero(t, got.AppID())
	require.Equal(t, "dedicated", got.ServerTypeName())
	require.Equal(t, "windows", got.OSName())
}

// TestGoldSourceThirdModString_D6: a string, not a byte to skip. Readers that skip
// one byte lose HLTV's version; those that skip none are off by one in version and size.
func TestGoldSourceThirdModString_D6(t *testing.T) {
	for _, hl := range []string{"", "1.1.2.0/2.0.0.0"} {
		want := goldSourceInfo()
		want.Mod.HLVersion = []byte(hl)
		got := decodeInfo(t, encodeInfo(want))
		same(t, want, got)
		require.EqualValues(t, 1, got.Mod.Version)
		require.EqualValues(t, 184000000, got.Mod.Size)
	}
}

// TestGoldSourceHLTV_3_2: HLTV writes no bots byte, and two more numbers if its spectators
// or slots do not fit into a byte.
func TestGoldSourceHLTV_3_2(t *testing.T) {
	want := goldSourceInfo()
	want.ServerType = 'p'
	want.Bots, want.BotsKnown = 0, false
	same(t, want, decodeInfo(t, encodeInfo(want)))

	want.Players, want.MaxPlayers = 255, 255
	want.HasProxyCounts, want.ProxySpectators, want.ProxySlots = true, 1270, 3000
	same(t, want, decodeInfo(t, encodeInfo(want)))

	want.IsMod, want.HasMod, want.Mod = 0, false, proto.Mod{}
	same(t, want, decodeInfo(t, encodeInfo(want)))
}

// TestGoldSourceModBlockMissing_3_2: is_mod without its block. 14 bytes of block,
// is_mod itself among them, and two more tell.
func TestGoldSourceModBlockMissing_3_2(t *testing.T) {
	want := goldSourceInfo()
	want.HasMod, want.Mod = false, proto.Mod{}
	got := decodeInfo(t, encodeInfo(want))
	same(t, want, got)
	require.EqualValues(t, 1, got.IsMod)
	require.False(t, got.HasMod)
	require.True(t, got.VACKnown)
	require.EqualValues(t, 1, got.Bots)

	t.Run("the least there is", func(t *testing.T) {
		want := goldSourceInfo()
		want.Mod = proto.Mod{Version: 1, Type: 1}
		same(t, want, decodeInfo(t, encodeInfo(want)))
	})
	t.Run("the least there is, from HLTV", func(t *testing.T) {
		want := goldSourceInfo()
		want.Mod = proto.Mod{Version: 1, Type: 1}
		want.Bots, want.BotsKnown = 0, false
		same(t, want, decodeInfo(t, encodeInfo(want)))
	})
	t.Run("one byte less and other strings", func(t *testing.T) {
		want := goldSourceInfo()
		want.HasMod, want.Mod = false, proto.Mod{}
		want.Trailing = []byte("twelve bytes")
		same(t, want, decodeInfo(t, encodeInfo(want)))
	})
	t.Run("another value is no promise", func(t *testing.T) {
		want := goldSourceInfo()
		want.IsMod, want.HasMod, want.Mod = 2, false, proto.Mod{}
		want.Trailing = []byte("some twenty bytes more")
		same(t, want, decodeInfo(t, encodeInfo(want)))
	})
	t.Run("a block that is cut off is no block", func(t *testing.T) {
		for _, link := range []string{"www.counter-strike.net", ""} {
			full := goldSourceInfo()
			full.Mod.Link = []byte(link)
			b := encodeInfo(full)
			block := len(link) + 1 + 1 + 1 + 4 + 4 + 1 + 1
			for n := len(b) - 2 - block + 3; n < len(b)-2; n++ {
				got := decodeInfo(t, b[:n])
				require.True(t, got.Truncated, "%q: %d bytes", link, n)
				require.Equal(t, proto.InfoVAC, got.Missing, "%q: %d bytes", link, n)
				require.False(t, got.HasMod)
				require.Zero(t, got.Mod)
				require.False(t, got.VACKnown)
				require.False(t, got.BotsKnown)
				require.EqualValues(t, 1, got.IsMod)
				require.Equal(t, b[:n], encodeInfo(got))
			}
		}
	})
}

// TestGoldSourceCutAnywhere: fields that come whole behind the name are kept, in 'm' and in
// 'C'.
func TestGoldSourceCutAnywhere(t *testing.T) {
	for _, full := range []*proto.Info{goldSourceInfo(), {
		Format: proto.FormatObsolete, Address: []byte("LOOPBACK"), Name: []byte("museum"), Map: []byte("c1a0"), Folder: []byte("valve"),
		Game: []byte("Half-Life"), Players: 1, MaxPlayers: 4, Protocol: 46,
	}} {
		b := encodeInfo(full)
		name := 1 + len(full.Address) + 1 + len(full.Name) + 1
		for n := range b {
			var i proto.Info
			err := i.Decode(b[:n])
			if n < name {
				require.ErrorIs(t, err, proto.ErrShort, "%d bytes", n)
				require.True(t, i.Truncated)
				continue
			}
			require.NoError(t, err, "%d bytes", n)
			require.Equal(t, full.Name, i.Name)
			require.Equal(t, b[:n], encodeInfo(&i), "%d bytes", n)
			requireMissing(t, full, &i)
			last := full.Format == proto.FormatGoldSource && n == len(b)-1 // as HLTV, which has no bots byte
			require.Equal(t, !last, i.Truncated)
		}
	}
}

func TestObsolete_3_2(t *testing.T) {
	want := &proto.Info{
		Format: proto.FormatObsolete, Address: []byte("LOOPBACK"), Name: []byte("museum"), Map: []byte("c1a0"), Folder: []byte("valve"),
		Game: []byte("Half-Life"), Players: 1, MaxPlayers: 4, Protocol: 46,
	}
	got := decodeInfo(t, encodeInfo(want))
	same(t, want, got)
	require.Equal(t, "unknown", got.ServerTypeName())
	require.Equal(t, "unknown", got.VisibilityName())
	_, known := got.VACSecured()
	require.False(t, known)

	want.Trailing = []byte{1, 2, 3}
	same(t, want, decodeInfo(t, encodeInfo(want)))
}
