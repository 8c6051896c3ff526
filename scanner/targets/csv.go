package targets

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// A csvReader turns CSV into lines of one target each. It keeps the number of lines:
// line feeds inside quotes become blank lines.
type csvReader struct {
	r    *bufio.Reader
	cols columns
	head bool   // the header was not read yet
	out  []byte // not yet returned
	row  []byte // scratch
	cell [][]byte
}

// columns are the places of a target's parts in a row; -1: it has no such column.
type columns struct {
	addr, port, proto, tag, input int
	header                        bool // the first row is a header
}

func newCSVReader(r io.Reader, cols *columns) *csvReader {
	return &csvReader{r: bufio.NewReaderSize(r, readSize), cols: *cols, head: cols.header}
}

// csvColumns returns the columns of a list whose first row is line, or nil if that is no
// CSV.
func csvColumns(line []byte) *columns {
	cells := splitRow(nil, bytes.TrimSuffix(bytes.TrimRight(line, "\r\n"), []byte{','}))
	c := columns{addr: -1, port: -1, proto: -1, tag: -1, input: -1, header: true}
	for i, cell := range cells {
		var at *int
		switch string(bytes.ToLower(cell)) {
		case "ip", "saddr", "addr", "host", "hostname":
			at = &c.addr
		case "port", "sport":
			at = &c.port
		case "proto", "protocol":
			at = &c.proto
		case "tag":
			at = &c.tag
		case "input":
			at = &c.input
		}
		if at != nil && *at < 0 {
			*at = i
		}
	}
	switch {
	case c.addr >= 0:
		return &c
	case len(cells) < 2:
		return nil
	}
	// Without a header: the address and the port.
	var e entry
	if bytes.ContainsAny(cells[0], " \t/") || e.parseWord(string(cells[0])) != nil || e.ports.Len() > 0 {
		return nil
	}
	if _, err := parsePort(string(wholeNumber(cells[1]))); err != nil {
		return nil
	}
	return &columns{addr: 0, port: 1, proto: -1, tag: -1, input: -1}
}

// splitRow appends the cells of a row to dst. Cells in quotes are new, others alias row.
// Blanks around cells are removed.
func splitRow(dst [][]byte, row []byte) [][]byte {
	for {
		row = bytes.TrimLeft(row, " \t")
		if len(row) == 0 || row[0] != '"' {
			cell, rest, more := bytes.Cut(row, []byte{','})
			dst = append(dst, bytes.TrimSpace(cell))
			if row = rest; !more {
				return dst
			}
			continue
		}
		var cell []byte
		for row = row[1:]; ; {
			part, rest, closed := bytes.Cut(row, []byte{'"'})
			cell = append(cell, part...)
			if row = rest; !closed || len(row) == 0 || row[0] != '"' {
				break
			}
			cell = append(cell, '"')
			row = row[1:]
		}
		dst = append(dst, cell)
		_, rest, more := bytes.Cut(row, []byte{','})
		if row = rest; !more {
			return dst
		}
	}
}

func (c *csvReader) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if err := c.next(); err != nil && len(c.out) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.out)
	c.out = c.out[:copy(c.out, c.out[n:])]
	return n, nil
}

// next takes in a row, and those behind it that are at hand.
func (c *csvReader) next() error {
	for {
		row, feeds, err := c.readRow()
		if len(row) > 0 {
			c.target(row)
		}
		for ; feeds > 0; feeds-- {
			c.out = append(c.out, '\n')
		}
		if err != nil || len(c.out) > readSize/2 || c.r.Buffered() == 0 {
			return err
		}
	}
}

// readRow returns the next row without its end, and how many line feeds it has. Of a row
// that is longer than a line may be it returns the beginning.
func (c *csvReader) readRow() (row []byte, feeds int, err error) {
	row, err = c.r.ReadSlice('\n')
	if err == nil && bytes.IndexByte(row, '"') < 0 {
		return bytes.TrimRight(row, "\r\n"), 1, nil
	}
	c.row = c.row[:0]
	for quotes := 0; ; row, err = c.r.ReadSlice('\n') {
		if len(c.row) <= maxLine {
			c.row = append(c.row, row...)
		}
		quotes += bytes.Count(row, []byte{'"'})
		if bytes.HasSuffix(row, []byte{'\n'}) {
			feeds++
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		// Quotes that never end would swallow the list.
		if err != nil || quotes%2 == 0 || len(c.row) > maxLine {
			return bytes.TrimRight(c.row, "\r\n"), feeds, err
		}
	}
}

// target appends the target of a row to out.
func (c *csvReader) target(row []byte) {
	first := bytes.TrimLeft(row, " \t")
	if len(first) == 0 || first[0] == '#' || first[0] == ';' {
		return
	}
	if c.head {
		c.head = false
		return
	}
	c.cell = splitRow(c.cell[:0], row)
	addr, port := c.at(c.cols.addr), wholeNumber(c.at(c.cols.port))
	switch {
	case len(c.cell) == 1 && c.cols.addr == 0: // a target as in other lists
		c.out = appendWord(c.out, addr)
		return
	case len(addr) == 0 && len(c.at(c.cols.input)) > 0: // a record whose name has no address
		c.out = appendWord(c.out, c.at(c.cols.input))
		return
	}
	if proto := c.at(c.cols.proto); len(proto) > 0 && !bytes.EqualFold(proto, []byte("udp")) {
		c.out = append(c.out, "open tcp "...)
		c.out = append(appendWord(c.out, port), ' ')
		c.out = append(appendWord(c.out, addr), " 0"...)
		return
	}
	if tag := c.at(c.cols.tag); len(tag) > 0 {
		c.out = append(appendString(append(c.out, `{"host":`...), addr), `,"port":`...)
		c.out = append(appendString(c.out, port), `,"tag":`...)
		c.out = append(appendString(c.out, tag), '}')
		return
	}
	colons := bytes.Count(addr, []byte{':'})
	brackets := colons > 1 && addr[0] != '[' && bytes.IndexByte(addr, '/') < 0
	if brackets && len(port) > 0 {
		c.out = append(c.out, '[')
	}
	c.out = appendWord(c.out, addr)
	if brackets && len(port) > 0 {
		c.out = append(c.out, ']')
	}
	if len(port) > 0 && (colons != 1) {
		c.out = append(c.out, ':')
		c.out = appendWord(c.out, port)
	}
}

func (c *csvReader) at(col int) []byte {
	if col < 0 || col >= len(c.cell) {
		return nil
	}
	return c.cell[col]
}

// appendWord appends a cell as one word: blanks and control characters, which no target
// has, become underscores.
func appendWord(dst, cell []byte) []byte {
	from := len(dst)
	dst = append(dst, cell[:min(len(cell), 300)]...)
	for i := from; i < len(dst); i++ {
		if dst[i] <= ' ' || dst[i] == 0x7F {
			dst[i] = '_'
		}
	}
	return dst
}

func appendString(dst, cell []byte) []byte {
	s, err := json.Marshal(string(cell[:min(len(cell), 4096)]))
	if err != nil {
		return append(dst, strconv.Quote("")...)
	}
	return append(dst, s...)
}
