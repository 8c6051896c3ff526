package display

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"de_dust2":             "de_dust2",
		"a\x1b[31mb":           `a\x1b[31mb`,
		"a\nb\r\tc":            `a\nb\r\tc`,
		"\u202eevil":           `\u202eevil`,
		"\xff\xfe":             "\uFFFD\uFFFD",
		"日本語":                  "日本語",
		"\u2028":               `\u2028`,
		"<script>alert(1)</s>": "<script>alert(1)</s>",
	} {
		require.Equal(t, want, Clean(in))
	}
}

func TestShort(t *testing.T) {
	require.Equal(t, "abc", Short("abc", 3))
	require.Equal(t, "ab…", Short("abcd", 3))
	require.Equal(t, `\x…`, Short("\x1b\x1b", 3))
	long := strings.Repeat("\x1b", 64<<10)
	require.Equal(t, 100, utf8.RuneCountInString(Short(long, 100)))
}

func TestCut(t *testing.T) {
	require.Equal(t, "日本語", Cut("日本語", 6))
	require.Equal(t, "日本…", Cut("日本語", 5))
	require.Equal(t, "日…", Cut("日本語", 4))
	require.Equal(t, "日本語  ", PadRight("日本語", 8))
	require.Equal(t, "  日本語", PadLeft("日本語", 8))
}

func FuzzDisplay(f *testing.F) {
	f.Add("a\x1b]0;x\a\u202e\u200b日本\xff", 7)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = 2 + (n&0x7FFF)%100
		clean := Clean(s)
		require.True(t, isClean(clean))
		require.Equal(t, clean, Clean(clean))
		require.LessOrEqual(t, utf8.RuneCountInString(Short(s, n)), n)
		require.True(t, isClean(Short(s, n)))
		require.LessOrEqual(t, Width(Cut(s, n)), n)
		require.True(t, isClean(Cut(s, n)))
	})
}
