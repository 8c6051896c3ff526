// Package vector reads the test vectors of testdata/vectors.
//
// A vector is text: comments, a few "key: value" lines, then the bytes of one or
// more datagrams, as hex digits and quoted strings in the syntax of Go.
//
//	# The Ship adds three bytes to INFO.
//	kind: info
//
//	FF FF FF FF 49      # header, type
//	07 "Voyage" 00      # protocol, name
//	--                  # the next datagram begins
//	FF FF FF FF 44 00
//
// Text behind # is a comment, except inside quotes.
package vector

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Vector is a parsed file.
type Vector struct {
	Header    map[string]string
	Datagrams [][]byte
}

// Parse reads a vector. Its errors name the line.
func Parse(text string) (*Vector, error) {
	v := &Vector{Header: map[string]string{}}
	var cur []byte
	data := false
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if !data {
			if line == "" || line[0] == '#' {
				continue
			}
			if k, val, ok := strings.Cut(line, ": "); ok && !strings.Contains(k, `"`) {
				v.Header[k] = strings.TrimSpace(val)
				continue
			}
			data = true
		}
		if line == "--" || strings.HasPrefix(line, "-- ") {
			v.Datagrams = append(v.Datagrams, cur)
			cur = nil
			continue
		}
		b, err := appendLine(cur, line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		cur = b
	}
	v.Datagrams = append(v.Datagrams, cur)
	return v, nil
}

// appendLine appends the bytes of one line of data.
func appendLine(dst []byte, line string) ([]byte, error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return dst, nil
		}
		if line[0] == '"' {
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			s, err := strconv.Unquote(q)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", q, err)
			}
			dst = append(dst, s...)
			line = line[len(q):]
			continue
		}
		word := line
		if i := strings.IndexAny(line, " \t#\""); i >= 0 {
			word = line[:i]
		}
		b, err := hex.DecodeString(word)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		dst = append(dst, b...)
		line = line[len(word):]
	}
}
