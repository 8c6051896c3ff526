package main

import (
	"strings"
	"unicode"

	"github.com/clipperhouse/displaywidth"

	"github.com/a2scan/a2scan/internal/display"
)

// maxMarks is the number of combining marks that a character keeps in a cell. Hundreds of
// them would cover the lines above and below.
const maxMarks = 2

// cell returns foreign text for a place whose width matters. In addition to clean, spaces
// of any kind become single plain spaces, and characters are removed whose width differs
// between terminals: joiners, variation selectors, skin tones and other invisible ones.
func cell(s string) string {
	var b strings.Builder
	marks := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
			if marks++; marks > maxMarks || isSelector(r) || b.Len() == 0 {
				continue
			}
		case unicode.Is(unicode.Cf, r) || r >= 0x1F3FB && r <= 0x1F3FF:
			continue
		case unicode.IsSpace(r) && r != '\u0085':
			r, marks = ' ', 0
		default:
			marks = 0
		}
		b.WriteRune(r)
	}
	return clean(strings.Join(strings.Fields(b.String()), " "))
}

// isSelector reports whether r selects the shape of the character before it.
func isSelector(r rune) bool { return r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0100 && r <= 0xE01EF }

// width returns the number of columns that text takes.
func width(s string) int { return display.Width(s) }

// fit cuts s to at most n columns; a cut text ends with an ellipsis.
func fit(s string, n int) string {
	switch {
	case n <= 0:
		return ""
	case width(s) <= n:
		return s
	}
	return displaywidth.TruncateString(s, n, "…")
}

// left returns s in exactly n columns, cut or with spaces behind it.
func left(s string, n int) string {
	s = fit(s, n)
	return s + strings.Repeat(" ", max(n-width(s), 0))
}

// right returns s in exactly n columns, cut or with spaces before it.
func right(s string, n int) string {
	s = fit(s, n)
	return strings.Repeat(" ", max(n-width(s), 0)) + s
}
