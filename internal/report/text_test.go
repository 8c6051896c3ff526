package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/display"
	"github.com/a2scan/a2scan/output"
)

// TestTextIsHarmless: no text of a server reaches the terminal unescaped or makes a
// line long.
func TestTextIsHarmless(t *testing.T) {
	rep, _ := build(t, NewBuilder(Options{Top: 1000}), make20k(0.3))
	for _, color := range []bool{false, true} {
		var b bytes.Buffer
		require.NoError(t, rep.WriteText(&b, []File{{Name: "a\x1b[2Jb", Cut: true}}, TextOptions{Width: 80, Lines: 1000, Color: color}))
		text := b.String()
		require.Equal(t, color, strings.Contains(text, "\x1b["))
		text = regexp.MustCompile(`\x1b\[[0-9]+m`).ReplaceAllString(text, "") // our own styles
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			require.LessOrEqual(t, display.Width(line), 120, line)
			for _, r := range line {
				require.True(t, unicode.IsPrint(r), "%q", line)
			}
		}
		require.Contains(t, text, `\u202eevil`)
	}
}

// TestTextAligns: columns begin at the same place though names have wide characters.
func TestTextAligns(t *testing.T) {
	rep := &Report{Records: 2, Servers: 2, Statuses: Counts{{"success", 2}}}
	rep.Games = []Game{{1, "日本語サーバー", 1, 1, 1}, {2, "Rust", 1, 1, 1}, {3, "e\u0301e\u0301", 1, 1, 1}}
	var b bytes.Buffer
	require.NoError(t, rep.WriteText(&b, nil, TextOptions{Width: 80, Lines: 10}))
	_, games, _ := strings.Cut(b.String(), "Games")
	var columns []int
	for line := range strings.Lines(games) {
		if before, _, ok := strings.Cut(line, "██"); ok {
			columns = append(columns, display.Width(before))
		}
	}
	require.Len(t, columns, 3)
	require.Equal(t, columns[0], columns[1])
	require.Equal(t, columns[0], columns[2])
}

func TestTextOfNothing(t *testing.T) {
	rep, _ := build(t, NewBuilder(Options{Top: 5}), nil)
	var b bytes.Buffer
	require.NoError(t, rep.WriteText(&b, nil, TextOptions{}))
	require.Contains(t, b.String(), "0 records")
	rep, _ = build(t, NewBuilder(Options{Top: 5}), []*output.Record{{Status: output.Timeout, Error: "no reply", RTT: output.NoRTT}})
	b.Reset()
	require.NoError(t, rep.WriteText(&b, nil, TextOptions{Lines: 5}))
	require.Contains(t, b.String(), "no reply")
}
