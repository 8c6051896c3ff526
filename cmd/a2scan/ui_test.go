package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
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

// The progress line is redrawn below messages and output, and erased at the end.
func TestUIProgress(t *testing.T) {
	var b bytes.Buffer
	u := newUI(&b)
	u.terminal.redraw = true
	u.progress("50 %")
	u.progress("55 %")
	u.sayf("a message")
	require.NoError(t, u.aside(func() error { b.WriteString("a line of output\n"); u.progress("60 %"); return nil }))
	u.endProgress()
	u.endProgress()
	u.sayf("the end")
	require.Equal(t, "\r50 %\x1b[K\r55 %\x1b[K"+
		"\r\x1b[Ka2scan: a message\n\r55 %\x1b[K"+
		"\r\x1b[Ka line of output\n\r60 %\x1b[K"+
		"\r\x1b[Ka2scan: the end\n", b.String())
}

// Several errors are several lines; a newline in what one of them says is none.
func TestUIErrorLines(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	forged := &fs.PathError{Op: "open", Path: "nope\na2scan: forged", Err: errors.New("no such file")}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"one", one, "one\n"},
		{"joined", errors.Join(one, two), "one\ntwo\n"},
		{"joined twice", errors.Join(one, errors.Join(two, one)), "one\ntwo\none\n"},
		{"in other types", withHint(&usageError{errors.Join(one, two)}, "x"), "one\ntwo\nhint: x\n"},
		{"a hint of one", errors.Join(one, withHint(two, "a\nb")), "one\ntwo\nhint: a\\nb\n"},
		{"a name", forged, `open nope\na2scan: forged: no such file` + "\n"},
		{"a name among others", errors.Join(one, fmt.Errorf("cannot: %w", forged)), "one\n" + `cannot: open nope\na2scan: forged: no such file` + "\n"},
		{"before several", fmt.Errorf("a\nb: %w", errors.Join(one, two)), `a\nb: one` + "\ntwo\n"},
		{"around several", fmt.Errorf("cannot: %w, nor else", errors.Join(one, two)), "cannot: one\ntwo, nor else\n"},
		{"before several twice", fmt.Errorf("x: %w", fmt.Errorf("y: %w", errors.Join(one, two))), "x: y: one\ntwo\n"},
		{"hidden", &flagError{flag: "f", value: "v", err: errors.Join(one, two)}, "--f \"v\": one\ntwo\n"},
		{"two in one line", fmt.Errorf("%w and %w", one, errors.Join(one, two)), `one and one\ntwo` + "\n"},
		{"other words than its cause's", renamed{errors.Join(one, two)}, "renamed\n"},
		{"ends with one", errors.New("nope\n"), `nope\n` + "\n"},
		{"says nothing", errors.Join(errors.New(""), one), "\none\n"},
	} {
		var b bytes.Buffer
		newUI(&b).error(c.err)
		want := ""
		for line := range strings.Lines(c.want) {
			want += "a2scan: " + line
		}
		require.Equal(t, want, b.String(), c.name)
	}
}

// renamed says something else than what caused it.
type renamed struct{ error }

func (r renamed) Error() string { return "renamed" }
func (r renamed) Unwrap() error { return r.error }

// No file's name can make a line of ours, whoever opens it.
func TestFileNamesForgeNoLine(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "nope\na2scan: forged")
	folder := filepath.Join(dir, "no\nfolder", "meta")
	for _, args := range [][]string{
		{"scan", "-d", "-f", name},
		{"scan", "-d", "-b", name, "-w", name, "127.0.0.1"},
		{"scan", "-d", "--config", name},
		{"scan", "-n", "1", "-o", filepath.Join(dir, "out"), "-m", folder, "--icmp", "on", "127.0.0.1:35999"},
		{"bench", "--from", name},
		{"farm", "--verify", name},
		{"decode", name, name},
	} {
		status, stderr := inProcess(args...)
		require.NotZero(t, status, "%q", args)
		require.NotContains(t, stderr, "\na2scan: a2scan: forged", "%q", args)
		require.Contains(t, stderr, `\n`, "%q: the name is shown", args)
		for line := range strings.Lines(stderr) {
			require.True(t, strings.HasPrefix(line, "a2scan: "), "%q", stderr)
		}
	}
}
