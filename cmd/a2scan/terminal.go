package main

import (
	"os"
)

// A terminal describes the place that a stream is shown at. The zero terminal is a file
// or a pipe.
type terminal struct {
	present bool                       // the stream goes to a terminal
	redraw  bool                       // the terminal can erase a line
	color   bool                       // text is coloured
	size    func() (columns, rows int) // the present size; 0 is unknown. Nil: unknown
}

// terminalOf describes the terminal that w goes to, if any. Colours follow NO_COLOR until
// setColor decides otherwise.
func terminalOf(w any) terminal {
	f := fileOf(w)
	if f == nil {
		return terminal{}
	}
	if _, _, ok := terminalSize(f); !ok {
		return terminal{}
	}
	dumb := os.Getenv("TERM") == "dumb"
	return terminal{
		present: true,
		redraw:  !dumb,
		color:   !dumb && os.Getenv("NO_COLOR") == "",
		size: func() (int, int) {
			columns, rows, _ := terminalSize(f)
			return columns, rows
		},
	}
}

// isTerminal reports whether a stream goes to a terminal.
func isTerminal(stream any) bool { return terminalOf(stream).present }

// usualColumns is the width of text for a reader whose width is unknown.
const usualColumns = 80

// columns returns the present width.
func (t *terminal) columns() int {
	if t.size != nil {
		if n, _ := t.size(); n > 0 {
			return n
		}
	}
	return usualColumns
}

// rows returns the present height, or 0 if it is unknown.
func (t *terminal) rows() int {
	if t.size == nil {
		return 0
	}
	_, n := t.size()
	return n
}

// setColor applies a value of --color.
func (t *terminal) setColor(when string) {
	switch when {
	case "always":
		t.color = true
	case "never":
		t.color = false
	}
}

// A color is the parameter of an SGR escape sequence.
type color string

const (
	plain  color = ""
	bold   color = "1"
	dim    color = "2"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
)

// paint returns text in a colour, if t has colours.
func (t *terminal) paint(c color, text string) string {
	if !t.color || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
