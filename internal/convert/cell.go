package convert

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// A cell is a value as JSON: the bytes of the record's line. nil and null are the
// same: there is no value.
type cell []byte

func (c cell) missing() bool { return len(c) == 0 || c[0] == 'n' }

// text returns the value of a string.
func (c cell) text() string {
	if bytes.IndexByte(c, '\\') < 0 {
		return string(c[1 : len(c)-1])
	}
	var s string
	_ = json.Unmarshal(c, &s) // AppendJSON wrote it
	return s
}

func (c cell) integer() int64 {
	n, _ := strconv.ParseInt(string(c), 10, 64)
	return n
}

func (c cell) float() float64 {
	f, _ := strconv.ParseFloat(string(c), 64)
	return f
}

func (c cell) boolean() bool { return c[0] == 't' }

// micros returns the Unix time in microseconds.
func (c cell) micros() int64 {
	t, _ := time.Parse(time.RFC3339Nano, c.text())
	return t.UnixMicro()
}

// A tree finds values in a line of JSON: the places of cells, by the keys that lead
// to them.
type tree struct {
	place    int // of the value itself; -1: it is not wanted
	children map[string]*tree
}

func newTree() *tree { return &tree{place: -1} }

func (t *tree) add(path []string, place int) {
	for _, key := range path {
		next := t.children[key]
		if next == nil {
			next = newTree()
			if t.children == nil {
				t.children = map[string]*tree{}
			}
			t.children[key] = next
		}
		t = next
	}
	t.place = place
}

// fill sets the cells that t wants from the object at the beginning of b.
func (t *tree) fill(cells []cell, b []byte) {
	for key, value := range members(b) {
		child := t.children[string(key)]
		if child == nil {
			continue
		}
		if child.place >= 0 {
			cells[child.place] = cell(value)
		}
		if child.children != nil && value[0] == '{' {
			child.fill(cells, value)
		}
	}
}

// members returns the members of an object that AppendJSON wrote: keys without
// escapes, no spaces.
func members(b []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		for len(b) > 2 && b[0] != '}' {
			b = b[2:] // {" or ,"
			end := bytes.IndexByte(b, '"')
			key := b[:end]
			b = b[end+2:] // ":
			n := length(b)
			if !yield(key, b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// elements returns the elements of an array that AppendJSON wrote.
func elements(b []byte) func(yield func(value []byte) bool) {
	return func(yield func(value []byte) bool) {
		for len(b) > 2 && b[0] != ']' {
			b = b[1:] // [ or ,
			n := length(b)
			if !yield(b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// length returns the length of the value at the beginning of b.
func length(b []byte) int {
	switch b[0] {
	case '"':
		return stringLength(b)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch b[i] {
			case '"':
				i += stringLength(b[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	n := 0
	for b[n] != ',' && b[n] != '}' && b[n] != ']' {
		n++
	}
	return n
}

// stringLength returns the length of the string at the beginning of b, quotes
// included.
func stringLength(b []byte) int {
	for i := 1; ; {
		i += bytes.IndexByte(b[i:], '"')
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i
		}
	}
}
