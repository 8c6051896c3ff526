package main

import (
	"bytes"
	"errors"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "de_dust2 [EU] Zürich 日本", "de_dust2 [EU] Zürich 日本"},
		{"escape sequence", "\x1b[2Jhi", `\x1b[2Jhi`},
		{"forged line", "x\na2scan: all is well", `x\na2scan: all is well`},
		{"carriage return", "a\rb", `a\rb`},
		{"not UTF-8", "caf\xe9", "caf\uFFFD"},
		{"U+FFFD as sent", "caf\uFFFD", "caf\uFFFD"},
		{"direction override", "a\u202eb", `a\u202eb`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"C1 control", "a\u009bb", `a\u009bb`},
		{"quote and backslash stay", `'"\`, `'"\`},
		{"zero width", "a\u200bb", `a\u200bb`},
		{"empty", "", ""},
	} {
		require.Equal(t, c.want, clean(c.in), c.name)
		require.Equal(t, c.want, clean([]byte(c.in)), c.name)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b]0;title\a \xff\u202e\n")
	f.Fuzz(func(t *testing.T, s string) {
		c := clean(s)
		require.True(t, utf8.ValidString(c))
		for _, r := range c {
			require.True(t, unicode.IsPrint(r), "%q", r)
		}
		require.Equal(t, c, clean(c), "what is clean stays as it is")
	})
}

func TestUILines(t *testing.T) {
	var b bytes.Buffer
	u := newUI(&b)
	u.error(withHint(errors.Join(errors.New("one"), errors.New("two")), "use %d", 3))
	require.Equal(t, "a2scan: one\na2scan: two\na2scan: hint: use 3\n", b.String())

	b.Reset()
	u.detailf("not asked for")
	u.notef("shown")
	u.quiet = true
	u.notef("not shown")
	u.progress("not shown")
	require.Equal(t, "a2scan: shown\n", b.String())
}

func TestUIProgress(t *testing.T) {
	var b bytes.Buffer
	u := newUI(&b)
	u.progress("50%")
	u.endProgress()
	require.Equal(t, "a2scan: 50%\n", b.String(), "plain lines where there is no terminal")

	b.Reset()
	u.terminal, u.width = true, 20
	u.progress("50% and much more than fits")
	u.sayf("a line between")
	u.progress("60%")
	u.endProgress()
	u.endProgress()
	require.Equal(t, "\ra2scan: 50% and mu…\x1b[K"+
		"\r\x1b[Ka2scan: a line between\n"+
		"\ra2scan: 60%\x1b[K\n", b.String())
}
