// Package screen shows the output of a program as a terminal would: for tests of screens
// and for the figures of the documents.
package screen

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a2scan/a2scan/internal/display"
)

// A Screen is a terminal that understands the sequences that a2scan writes and no others:
// a new line, a carriage return, colours, and erasing. Any other control
// character is an error, so that text of a server that acts on a terminal is found.
type Screen struct {
	columns, rows int

	lines       [][]cell // with the lines that have scrolled away
	line, x     int      // the cursor
	style       style
	unprocessed []byte // the beginning of a sequence or a character
}

type style byte

const (
	plain style = iota
	bold
	dim
	red
	green
	yellow
	cyan
)

var styles = map[string]style{"0": plain, "1": bold, "2": dim, "31": red, "32": green, "33": yellow, "36": cyan}

// A cell is a place for one character, with marks that combine with it. A character with
// two columns has an empty second cell.
type cell struct {
	text  string
	style style
}

// New returns an empty screen.
func New(columns, rows int) *Screen {
	return &Screen{columns: columns, rows: rows, lines: make([][]cell, 1)}
}

// Write shows p. The error names a sequence that the screen does not know.
func (s *Screen) Write(p []byte) (int, error) {
	b := append(s.unprocessed, p...)
	for len(b) > 0 {
		n, err := s.next(b)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		b = b[n:]
	}
	s.unprocessed = b
	return len(p), nil
}

var errUnknown = errors.New("a terminal would obey")

// next handles the first character or sequence of b and returns its length: 0 if its end is
// missing.
func (s *Screen) next(b []byte) (int, error) {
	switch b[0] {
	case '\n':
		s.line++
		s.x = 0 // programs write to terminals that add the carriage return
		if s.line == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
		return 1, nil
	case '\r':
		s.x = 0
		return 1, nil
	case '\x1b':
		return s.escape(b)
	}
	if !utf8.FullRune(b) {
		return 0, nil
	}
	r, n := utf8.DecodeRune(b)
	if !unicode.IsGraphic(r) || r == utf8.RuneError && n == 1 {
		return 0, fmt.Errorf("%w %q", errUnknown, b[:n])
	}
	s.put(string(r))
	return n, nil
}

// escape handles a control sequence.
func (s *Screen) escape(b []byte) (int, error) {
	end := 2
	for end < len(b) && end < 8 && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	if end >= len(b) {
		return 0, nil
	}
	color, known := styles[string(b[2:end])]
	switch sequence := string(b[1 : end+1]); {
	case b[1] == '[' && b[end] == 'm' && known:
		s.style = color
	case sequence == "[K":
		s.lines[s.line] = s.lines[s.line][:min(s.x, len(s.lines[s.line]))]
	case sequence == "[H":
		s.line, s.x = max(len(s.lines)-s.rows, 0), 0
	case sequence == "[2J":
		top := max(len(s.lines)-s.rows, 0)
		clear(s.lines[top:])
	default:
		return 0, fmt.Errorf("%w %q", errUnknown, b[:end+1])
	}
	return end + 1, nil
}

// put shows a character at the cursor.
func (s *Screen) put(text string) {
	width := display.Width(text)
	at := &s.lines[s.line]
	if width == 0 {
		if s.x > 0 && s.x <= len(*at) {
			(*at)[s.x-1].text += text
		}
		return
	}
	if s.x+width > s.columns {
		_, _ = s.next([]byte{'\n'})
		at = &s.lines[s.line]
	}
	for len(*at) < s.x+width {
		*at = append(*at, cell{text: " "})
	}
	(*at)[s.x] = cell{text, s.style}
	if width == 2 {
		(*at)[s.x+1] = cell{style: s.style}
	}
	s.x += width
}

// String returns the text of all lines, those that have scrolled away too.
func (s *Screen) String() string {
	var b strings.Builder
	for _, line := range s.lines {
		var text strings.Builder
		for _, c := range line {
			text.WriteString(c.text)
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// The figure in SVG: sizes in pixels.
const (
	cellWidth  = 8.4
	lineHeight = 19
	fontSize   = 14
	margin     = 16
)

var colors = map[style]string{
	plain: `fill="#d6dae2"`, bold: `fill="#ffffff" font-weight="bold"`, dim: `fill="#8b93a3"`,
	red: `fill="#ff7b72"`, green: `fill="#7ee787"`, yellow: `fill="#f2cc60"`, cyan: `fill="#56d4dd"`,
}

// SVG returns a picture of all lines. Each text of one colour has its place and length, so
// that columns are aligned in any font.
func (s *Screen) SVG(title string) []byte {
	var b strings.Builder
	lines := s.lines
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	px := func(f float64) string { return strconv.FormatFloat(math.Round(10*f)/10, 'f', -1, 64) }
	width, height := px(float64(s.columns)*cellWidth+2*margin), 2*margin+len(lines)*lineHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%d" viewBox="0 0 %[1]s %[2]d" role="img">
<title>%s</title>
<rect width="100%%" height="100%%" rx="8" fill="#14171f"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d">
`, width, height, escape(title), fontSize)
	for i, line := range lines {
		for x := 0; x < len(line); {
			end, text := x, ""
			for ; end < len(line) && line[end].style == line[x].style && !blank(line[end:]); end++ {
				text += line[end].text
			}
			if text = strings.TrimRight(text, " "); text != "" {
				fmt.Fprintf(&b, `<text x="%s" y="%d" textLength="%s" %s>%s</text>`+"\n", px(margin+float64(x)*cellWidth),
					margin+i*lineHeight+fontSize, px(float64(display.Width(text))*cellWidth), colors[line[x].style], escape(text))
			}
			for x = max(end, x+1); x < len(line) && line[x].text == " "; x++ {
			}
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return []byte(b.String())
}

// blank reports whether two spaces follow, which readers of SVG would make one.
func blank(line []cell) bool {
	return len(line) > 1 && line[0].text == " " && line[1].text == " "
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
