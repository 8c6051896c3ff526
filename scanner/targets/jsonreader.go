package targets

import (
	"bufio"
	"io"
)

// A jsonReader turns JSON whose objects are not one per line into lines of one object
// each: arrays of objects, objects over several lines, several on one line, and the
// rows of whole responses of the Steam Web API. It holds one object at a time. An
// object keeps the number of its first line if no other begins there; other text passes
// as it is.
type jsonReader struct {
	r   *bufio.Reader
	out []byte // not yet returned

	open  bool // the line that out ends with has an object
	rows  bool // inside the array of servers of a response
	depth int  // of the response outside of that array; 0: in none
}

// responseKey is the first key of a response; its servers are the array serversKey.
const (
	responseKey = `"response"`
	serversKey  = `servers`
)

func newJSONReader(r io.Reader) *jsonReader { return &jsonReader{r: bufio.NewReaderSize(r, readSize)} }

func (j *jsonReader) Read(p []byte) (int, error) {
	for len(j.out) == 0 {
		if err := j.next(); err != nil && len(j.out) == 0 {
			return 0, err
		}
	}
	n := copy(p, j.out)
	j.out = j.out[:copy(j.out, j.out[n:])]
	return n, nil
}

// next takes in one object or a byte between objects.
func (j *jsonReader) next() error {
	c, err := j.r.ReadByte()
	if err != nil {
		return err
	}
	switch {
	case j.depth > 0 && !j.rows:
		return j.skip(c)
	case c == '\n':
		j.out = append(j.out, c)
		j.open = false
	case c == '{':
		return j.object()
	case c == ']' && j.rows:
		j.rows = false
	case isBlank(c), c == ',', c == '[', c == ']', j.rows:
	default: // other text, up to the end of its line
		j.newLine()
		for ; err == nil && c != '\n'; c, err = j.r.ReadByte() {
			j.keep(c)
		}
		j.out = append(j.out, '\n')
		return err
	}
	return nil
}

// newLine ends the line of an object.
func (j *jsonReader) newLine() {
	if j.open {
		j.out = append(j.out, '\n')
		j.open = false
	}
}

// keep appends a byte of a line, up to one more than a line may have.
func (j *jsonReader) keep(c byte) {
	if len(j.out) <= maxLine+1 {
		j.out = append(j.out, c)
	}
}

// object takes in an object, whose brace has been read.
func (j *jsonReader) object() error {
	if !j.rows && j.isResponse() {
		j.depth = 1
		return nil
	}
	j.newLine()
	j.keep('{')
	j.open = true
	feeds := 0
	depth, quoted := 1, false
	var err error
	for depth > 0 {
		var c byte
		if c, err = j.r.ReadByte(); err != nil {
			break
		}
		switch {
		case c == '\n':
			feeds++
			c = ' '
		case quoted && c == '\\':
			j.keep(c)
			if c, err = j.r.ReadByte(); err != nil {
				break
			}
			if c == '\n' {
				feeds++
				c = ' '
			}
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		}
		j.keep(c)
	}
	for ; feeds > 0; feeds-- {
		j.out = append(j.out, '\n')
		j.open = false
	}
	return err
}

// isResponse reports whether the key that follows is that of a response. It reads no
// further than it must.
func (j *jsonReader) isResponse() bool {
	for blanks, n := 0, 1; ; n++ {
		b, err := j.r.Peek(n)
		if err != nil {
			return false
		}
		c := b[n-1]
		if n == blanks+1 && isBlank(c) {
			blanks++
			continue
		}
		at := n - blanks - 1
		if c != responseKey[at] {
			return false
		}
		if at == len(responseKey)-1 {
			return true
		}
	}
}

// skip takes in c and what follows it, up to the servers of a response or its end.
func (j *jsonReader) skip(c byte) (err error) {
	var key []byte // the string that was read last
	for ; err == nil; c, err = j.r.ReadByte() {
		switch c {
		case '\n':
			j.newLine()
			j.out = append(j.out, '\n')
		case '"':
			key = key[:0]
			for c, err = j.r.ReadByte(); err == nil && c != '"'; c, err = j.r.ReadByte() {
				if c == '\\' {
					if _, err = j.r.ReadByte(); err != nil {
						return err
					}
				}
				if len(key) <= len(serversKey) {
					key = append(key, c)
				}
			}
			if err != nil {
				return err
			}
		case '[':
			if j.depth == 2 && string(key) == serversKey {
				j.rows = true
				return nil
			}
			j.depth++
		case '{':
			j.depth++
		case '}', ']':
			if j.depth--; j.depth == 0 {
				return nil
			}
		case ',':
			key = key[:0]
		}
	}
	return err
}
