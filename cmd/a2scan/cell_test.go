package main

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"de_dust2":                  "de_dust2",
		"  a \t b\n\u3000c ":        "a b c",
		"\x1b[2Jhi":                 `\x1b[2Jhi`,
		"\u009b31m":                 `\u009b31m`,
		"a\u200db\ufeffc\u202ed":    "abcd",
		"👨\u200d👩":                  "👨👩",
		"👍🏽 ok ❤\ufe0f":             "👍 ok ❤",
		"e\u0301e\u0301":            "e\u0301e\u0301",
		"z\u0300\u0301\u0302\u0303": "z\u0300\u0301",
		"\u0301x":                   "x",
		"caf\xe9":                   "caf\uFFFD",
		"🇩🇪 Köln":                   "🇩🇪 Köln",
	} {
		require.Equal(t, want, cell(in), "%q", in)
	}
}

func TestFit(t *testing.T) {
	require.Equal(t, "最後の…", fit("最後の砦", 7))
	require.Equal(t, "最後の砦", fit("最後の砦", 8))
	require.Equal(t, "", fit("x", 0))
	require.Equal(t, "ab  ", left("ab", 4))
	require.Equal(t, "  ab", right("ab", 4))
	require.Equal(t, "最… ", left("最後の砦", 4))
}

func FuzzCell(f *testing.F) {
	for _, s := range []string{"plain", "\x1b]0;title\a \xff\u202e\n", "最後の砦 🔥", "z\u0300\u0301\u0302\u0303", "👨\u200d👩\u200d👧", "🇩🇪🇫🇷"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		c := cell(s)
		requireInert(t, c)
		n = min(max(n, 1), 300)
		require.LessOrEqual(t, width(fit(c, n)), n)
		require.Equal(t, n, width(left(c, n)), "%q", c)
		require.Equal(t, n, width(right(c, n)), "%q", c)
		requireInert(t, fit(c, n))
	})
}

// requireInert requires that nothing in a screen acts on a terminal but line ends.
func requireInert(t *testing.T, screen string) {
	t.Helper()
	if i := strings.IndexFunc(screen, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Fatalf("%q acts on a terminal", screen[i:min(i+20, len(screen))])
	}
}
