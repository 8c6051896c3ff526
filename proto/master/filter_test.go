package master_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto/master"
)

func TestFilter_6(t *testing.T) {
	for _, tt := range []struct {
		want  string
		terms []master.Term
	}{
		{"", nil},
		{`\appid\240`, []master.Term{master.App(240)}},
		{`\napp\500`, []master.Term{master.NotApp(500)}},
		{`\dedicated\1\secure\1\linux\1\password\0`, []master.Term{master.Dedicated(), master.Secure(), master.Linux(), master.Public()}},
		{`\empty\1\full\1\noplayers\1`, []master.Term{master.NotEmpty(), master.NotFull(), master.NoPlayers()}},
		{`\gamedir\tf\gametype\a,b\name_match\*eu*`, []master.Term{master.Is("gamedir", "tf"), master.Is("gametype", "a,b"), master.Is("name_match", "*eu*")}},
		{`\map\`, []master.Term{master.Is("map", "")}},
		{
			`\appid\440\nor\2\map\ctf_2fort\white\1\nand\1\full\1\gamedir\tf`,
			[]master.Term{
				master.App(440), master.Nor(master.Is("map", "ctf_2fort"), master.Is("white", "1")),
				master.Nand(master.NotFull()), master.Is("gamedir", "tf"),
			},
		},
	} {
		got, err := master.Filter(tt.terms...)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
		_, err = master.NewSession(master.Config{Filter: got})
		require.NoError(t, err)
	}
}

// TestFilterCountsTermsWithoutNesting_D14: what the number counts is disputed, and
// is the same for both sides only without nesting.
func TestFilterCountsTermsWithoutNesting_D14(t *testing.T) {
	_, err := master.Filter(master.Nor(master.Nand(master.App(1), master.App(2))))
	require.ErrorIs(t, err, master.ErrFilter)
	require.ErrorContains(t, err, "nand within nor")
}

func TestFilterRefusesWhatCannotBeSent(t *testing.T) {
	for _, terms := range [][]master.Term{
		{master.Is("map", `de\dust`)},
		{master.Is("map", "de\x00")},
		{master.Is(`a\b`, "1")},
		{master.Is("", "1")},
		{master.Nor()},
		{master.Nand(master.Is("a", "\x00"))},
	} {
		_, err := master.Filter(terms...)
		require.ErrorIs(t, err, master.ErrFilter, "%+v", terms)
	}
	for _, f := range []string{"appid=240", "\\appid\\240\x00", `\appid`, `\a\b\c`} {
		_, err := master.NewSession(master.Config{Filter: f})
		require.ErrorIs(t, err, master.ErrFilter, "%q", f)
	}
}

func TestRegion_6(t *testing.T) {
	for name, want := range map[string]master.Region{
		"us-east": 0, "us-west": 1, "south-america": 2, "europe": 3, "asia": 4, "australia": 5,
		"middle-east": 6, "africa": 7, "all": 0xFF,
	} {
		got, err := master.ParseRegion(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, name, got.String())
	}
	got, err := master.ParseRegion("42")
	require.NoError(t, err)
	require.Equal(t, "42", got.String())
	got, err = master.ParseRegion("Europe")
	require.NoError(t, err)
	require.Equal(t, master.Europe, got)
	_, err = master.ParseRegion("mars")
	require.EqualError(t, err, `"mars" is no region: want one of us-east, us-west, south-america, europe, asia, australia, middle-east, africa, all`)
	_, err = master.ParseRegion("256")
	require.Error(t, err)
}
