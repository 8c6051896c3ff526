package convert

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// A csvWriter writes RFC 4180 with LF at the ends of lines. Values are written as
// JSON writes them, missing ones as nothing.
type csvWriter struct {
	w     *bufio.Writer
	list  []column
	excel bool
}

func newCSVWriter(w io.Writer, list []column, excel bool) (*csvWriter, error) {
	c := &csvWriter{bufio.NewWriterSize(w, 64<<10), list, excel}
	if excel {
		c.w.WriteString("\uFEFF") // the mark by which Excel knows UTF-8
	}
	for i, col := range list {
		c.field(i, col.name)
	}
	return c, c.end()
}

func (c *csvWriter) write(cells []cell) error {
	for i, v := range cells {
		switch {
		case v.missing():
			c.field(i, "")
		case c.list[i].kind == text:
			s := v.text()
			if c.excel && isFormula(s) {
				s = "'" + s
			}
			c.field(i, s)
		case c.list[i].kind == instant:
			c.field(i, v.text())
		default:
			c.field(i, string(v))
		}
	}
	return c.end()
}

// isFormula reports whether a spreadsheet may take s for a formula.
func isFormula(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", r) && s != ""
}

// field writes the i-th field of a line.
func (c *csvWriter) field(i int, s string) {
	if i > 0 {
		c.w.WriteByte(',')
	}
	if s == "" && len(c.list) == 1 {
		c.w.WriteString(`""`) // an empty line is no row
		return
	}
	if !strings.ContainsAny(s, ",\"\r\n") && (s == "" || s[0] != ' ' && s[len(s)-1] != ' ') {
		c.w.WriteString(s)
		return
	}
	c.w.WriteByte('"')
	c.w.WriteString(strings.ReplaceAll(s, `"`, `""`))
	c.w.WriteByte('"')
}

// end ends a line. A bufio.Writer keeps the errors of the writes before.
func (c *csvWriter) end() error { return c.w.WriteByte('\n') }

func (c *csvWriter) close() error { return c.w.Flush() }
