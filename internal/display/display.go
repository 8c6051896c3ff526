// Package display prepares text that servers and files supplied for a person's
// screen. It makes the text harmless and measures it in terminal columns.
package display

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// Clean returns s with everything that is not a visible character or a plain
// space written as its escape: control characters, line separators, marks that
// change the writing direction. Bytes that are not UTF-8 become U+FFFD.
func Clean(s string) string {
	if isClean(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = utf8.AppendRune(b, utf8.RuneError)
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			q := strconv.QuoteRune(r)
			b = append(b, q[1:len(q)-1]...)
		}
		s = s[n:]
	}
	return string(b)
}

func isClean(s string) bool {
	for i, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return false
		}
	}
	return true
}

// Short returns the beginning of s after Clean: at most n characters, the last of
// them an ellipsis if something is missing. It looks only at the part it returns,
// so the cost does not grow with s.
func Short(s string, n int) string {
	end, count := len(s), 0
	for i := range s {
		if count++; count > n {
			end = i
			break
		}
	}
	short := Clean(s[:end])
	if end == len(s) && utf8.RuneCountInString(short) <= n {
		return short
	}
	r := []rune(short)
	return string(r[:max(min(n-1, len(r)), 0)]) + "…"
}

// Width returns the number of terminal columns that s takes. Characters of East
// Asian scripts and emoji take two.
func Width(s string) int { return displaywidth.String(s) }

// Cut returns s after Clean in at most width columns, the last of them an
// ellipsis if something is missing.
func Cut(s string, width int) string {
	s = Short(s, 4*width) // no need to clean 64 KB for 40 columns
	if Width(s) <= width {
		return s
	}
	var b strings.Builder
	used := 0
	graphemes := displaywidth.StringGraphemes(s)
	for graphemes.Next() {
		w := graphemes.Width()
		if used+w > width-1 {
			break
		}
		b.WriteString(graphemes.Value())
		used += w
	}
	return b.String() + "…"
}

// PadRight returns s followed by spaces up to width columns.
func PadRight(s string, width int) string {
	return s + strings.Repeat(" ", max(width-Width(s), 0))
}

// PadLeft returns s preceded by spaces up to width columns.
func PadLeft(s string, width int) string {
	return strings.Repeat(" ", max(width-Width(s), 0)) + s
}
