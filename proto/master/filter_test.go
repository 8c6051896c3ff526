package master_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/master"
)

// TestParse_6: both forms of each filter are the same filter, and each form that a
// filter is written in can be read again.
func TestParse_6(t *testing.T) {
	for _, tt := range []struct{ words, wire, canonical string }{
		{"", "", ""},
		{"appid=440", `\appid\440`, ""},
		{"game=rust", `\appid\252490`, "appid=252490"},
		{"game=Team Fortress 2", `\appid\440`, "appid=440"},
		{"appid=440,dedicated=1,map=ctf_2fort", `\appid\440\dedicated\1\map\ctf_2fort`, ""},
		{" appid = 440 , dedicated = 1 ", `\appid\440\dedicated\1`, "appid=440,dedicated=1"},
		{"password=0,empty=1,full=1,noplayers=1,secure=1,linux=1,proxy=1,white=1", `\password\0\empty\1\full\1\noplayers\1\secure\1\linux\1\proxy\1\white\1`, ""},
		{"napp=500,gamedir=tf,collapse_addr_hash=1", `\napp\500\gamedir\tf\collapse_addr_hash\1`, ""},
		{"gametype=a,b,dedicated=1", `\gametype\a,b\dedicated\1`, ""},
		{"gamedata=a,gamedataor=b,c", `\gamedata\a\gamedataor\b,c`, ""},
		{`gametype="a,b"`, `\gametype\a,b`, "gametype=a,b"},
		{"name_match=*eu*,version_match=1.*", `\name_match\*eu*\version_match\1.*`, ""},
		{`name_match="[EU] (1), ""best"" of*"`, `\name_match\[EU] (1), "best" of*`, ""},
		{`map=""`, `\map\`, "map="},
		{"gameaddr=192.0.2.7,gameaddr=192.0.2.7:27015", `\gameaddr\192.0.2.7\gameaddr\192.0.2.7:27015`, ""},
		{
			"appid=440,nor(map=ctf_2fort,white=1),nand(full=1),or(map=a,map=b),gamedir=tf",
			`\appid\440\nor\2\map\ctf_2fort\white\1\nand\1\full\1\or\2\map\a\map\b\gamedir\tf`, "",
		},
		{"nor(gametype=a,b,map=x)", `\nor\2\gametype\a,b\map\x`, ""},
		{"clver=0.21,nat=0,gamedir=valve", `\clver\0.21\nat\0\gamedir\valve`, ""},
	} {
		f, err := master.Parse(tt.words)
		require.NoError(t, err, tt.words)
		require.Equal(t, tt.wire, f.Wire())
		if tt.canonical == "" && tt.words != `map=""` {
			tt.canonical = tt.words
		}
		require.Equal(t, tt.canonical, f.String())
		g, err := master.Parse(tt.wire)
		require.NoError(t, err, tt.wire)
		require.Equal(t, f, g)
		g, err = master.Parse(f.String())
		require.NoError(t, err, f.String())
		require.Equal(t, f, g)
	}
}

func TestFilterIsBuilt(t *testing.T) {
	var all master.Filter
	f := all.Is("appid", "440").Nor(all.Is("map", "x").Is("white", "1"))
	require.NoError(t, f.Err())
	require.Equal(t, `\appid\440\nor\2\map\x\white\1`, f.Wire())
	require.True(t, f.Has("white"))
	require.False(t, f.Has("secure"))
	v, ok := f.Value("appid")
	require.True(t, ok)
	require.Equal(t, "440", v)
	_, ok = f.Value("map")
	require.False(t, ok, "inside of a group")

	g := f.And(all.Is("linux", "1"))
	require.NoError(t, g.Err())
	require.Equal(t, `\appid\440\nor\2\map\x\white\1\linux\1`, g.Wire())
	require.Equal(t, `\appid\440\nor\2\map\x\white\1`, f.Wire(), "it is as it was")

	for _, bad := range []master.Filter{
		all.Is("map", `de\dust`),
		all.Is("map", "de\x00"),
		all.Is("map", "de_*"),
		all.Is(`a\b`, "1"),
		all.Is("", "1"),
		all.Is("or", "2"),
		all.Nor(all),
		all.Nand(all.Is("map", "\x00")),
		all.Nor(all.Nand(all.Is("appid", "1").Is("appid", "2"))), // D-14
	} {
		var wrong *master.FilterError
		require.ErrorAs(t, bad.Err(), &wrong, "%+v", bad)
		require.ErrorAs(t, f.And(bad).Is("linux", "1").Err(), &wrong, "%+v", bad)
		require.ErrorAs(t, all.Or(bad).Err(), &wrong, "%+v", bad)
	}
}

// TestFilterErrors: an error names the key and points at the place.
func TestFilterErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		at   string // the text from the fault on
		key  string
		says string
	}{
		{"appid=440,dedicatd=1", "dedicatd=1", "dedicatd", `unknown key "dedicatd"`},
		{`\appid\440\dedicatd\1`, `\dedicatd\1`, "dedicatd", `unknown key "dedicatd"`},
		{"nappid=440", "nappid=440", "nappid", "write napp"},
		{"region=3", "region=3", "region", "the region is no filter"},
		{`\type\d`, `\type\d`, "type", "write dedicated=1"},
		{`\game\rust`, `\game\rust`, "game", "filters in words"},
		{"game=half-life 3", "game=half-life 3", "game", "not in the list of games"},
		{`map=de\dust`, `map=de\dust`, "map", `map: a value cannot contain \`},
		{"appid=1,map=de_*", "map=de_*", "map", "* means anything in name_match"},
		{`\appid\1\map\de_*`, `\map\de_*`, "map", "* means anything in name_match"},
		{"map=a\x01", "map=a\x01", "map", "control characters"},
		{"dedicated=0", "dedicated=0", "dedicated", "takes only 1; for the opposite write nor(dedicated=1)"},
		{"password=1", "password=1", "password", "takes only 0"},
		{"appid=tf2", "appid=tf2", "appid", "is not an app id"},
		{"appid=-1", "appid=-1", "appid", "is not an app id"},
		{"appid=4294967296", "appid=4294967296", "appid", "is not an app id"},
		{"gameaddr=home", "gameaddr=home", "gameaddr", "neither an address"},
		{"name_match=", "name_match=", "name_match", "is empty"},
		{`\appid`, `\appid`, "appid", `"appid" has no value`},
		{`\appid\440\map`, `\map`, "map", `"map" has no value`},
		{`\nor\2\map\a`, "", "nor", "lacks 1 of its conditions"},
		{`\nor\x\map\a`, `\nor\x\map\a`, "nor", "needs the number of conditions"},
		{`\nor\0`, `\nor\0`, "nor", "needs the number of conditions"},
		{`\nor\2\nand\1\map\a`, `\nand\1\map\a`, "nand", "inside of another group"},
		{"nor(nand(map=a))", "nand(map=a))", "nand", "inside of another group"},
		{"nor(map=a", "", "nor", "lacks its )"},
		{"map=a)", ")", "", "a ) without its ("},
		{"nor()", ")", "", "a condition is missing"},
		{"appid=1,,map=a", ",map=a", "", "a condition is missing"},
		{"appid=1,", "", "", "a condition is missing"},
		{"appid", "appid", "appid", `"appid" has no value; write appid=`},
		{"any(map=a)", "any(map=a)", "any", `"any" is no group`},
		{`map="a`, `"a`, "", "not closed"},
		{`map="a"b`, "b", "", "a comma is missing"},
		{"map=a=b", "a=b", "", "goes into quotation marks"},
	} {
		_, err := master.Parse(tt.text)
		var wrong *master.FilterError
		require.ErrorAs(t, err, &wrong, tt.text)
		require.Equal(t, tt.at, tt.text[wrong.Offset:], "%s: %v", tt.text, err)
		require.Equal(t, tt.key, wrong.Key, tt.text)
		require.ErrorContains(t, err, tt.says, tt.text)
	}
	_, err := master.Parse("appid=440,dedicatd=1")
	require.EqualError(t, err, `filter: unknown key "dedicatd" (byte 11, after "appid=440,")`)
}

func TestGames(t *testing.T) {
	var names []string
	for name, id := range master.Games {
		names = append(names, name)
		f, err := master.Parse("game=" + name)
		require.NoError(t, err)
		g := master.Filter{}.Is("appid", f.String()[len("appid="):])
		require.NoError(t, err)
		require.Equal(t, f, g)
		require.NotZero(t, id)
	}
	require.True(t, slices.IsSorted(names))
	require.Len(t, slices.Compact(names), len(names))
	require.Greater(t, len(names), 50)
	for range master.Games {
		break
	}
}

func TestRegion_6(t *testing.T) {
	for name, want := range map[string]master.Region{
		"us-east": 0, "us-west": 1, "south-america": 2, "europe": 3, "asia": 4, "australia": 5,
		"middle-east": 6, "africa": 7, "all": 0xFF,
	} {
		var got master.Region
		require.NoError(t, got.UnmarshalText([]byte(name)))
		require.Equal(t, want, got)
		require.Equal(t, name, got.String())
	}
	var got master.Region
	require.NoError(t, got.UnmarshalText([]byte("42")))
	require.Equal(t, "42", got.String())
	require.NoError(t, got.UnmarshalText([]byte("Europe")))
	require.Equal(t, master.Europe, got)
	require.EqualError(t, got.UnmarshalText([]byte("mars")), `"mars" is not a region; use one of us-east, us-west, south-america, europe, asia, australia, middle-east, africa, all`)
	require.Error(t, got.UnmarshalText([]byte("256")))
}

// FuzzFilter: a filter that can be read can be written in both forms, and both are
// read as the same filter; an error points into the text.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"", `\appid\440\nor\2\map\a\map\b`, "appid=440,nor(map=a,map=b),gametype=x,y", `name_match="a ""b"" (c)*"`,
		"game=rust,or(password=0)", `\gametype\a,,b`, "nor(", `map="`, "clver=1", "gameaddr=[::1]:27015",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := master.Parse(text)
		if err != nil {
			var wrong *master.FilterError
			require.True(t, errors.As(err, &wrong))
			require.NotEmpty(t, wrong.Reason)
			require.LessOrEqual(t, wrong.Offset, len(text))
			return
		}
		for _, form := range []string{filter.Wire(), filter.String()} {
			again, err := master.Parse(form)
			require.NoError(t, err, "%q of %q", form, text)
			require.Equal(t, filter, again, "%q of %q", form, text)
		}
	})
}
