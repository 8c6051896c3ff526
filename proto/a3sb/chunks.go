package a3sb

import (
	"bytes"
	"fmt"

	"github.com/a2scan/a2scan/proto"
)

// chunks are the rules that carry a block.
type chunks struct {
	n     int      // chunks in the set; 0: there is no set
	whole int      // chunks from the first on that are there; n if the set is complete
	at    [256]int // index in the list of chunk i, from 1
}

// chunkName returns the numbers in a chunk's name.
func chunkName(name []byte) (i, n int, ok bool) {
	if len(name) != 2 || name[0] == 0 || name[0] > name[1] {
		return 0, 0, false
	}
	return int(name[0]), int(name[1]), true
}

// find looks for names that are the complete set {1…n} for some n. Nothing less
// is a block: a text rule of two letters ("ab") has 1 <= i <= n too. But a name
// with a control byte is no text, so an incomplete set of such names is an error.
func (c *chunks) find(list []proto.Rule) error {
	var tried [256]bool
	for r := range list {
		i, n, ok := chunkName(list[r].Name)
		if !ok || i != 1 || tried[n] {
			continue // a complete set has a first chunk
		}
		tried[n] = true
		if c.collect(list, n) == 0 {
			c.n, c.whole = n, n
			return nil
		}
	}
	for r := range list {
		if i, n, ok := chunkName(list[r].Name); ok && (i < ' ' || n < ' ') {
			missing := c.collect(list, n)
			c.n, c.whole = n, missing-1
			return fmt.Errorf("%w: chunk %d of %d is missing", ErrIncomplete, missing, n)
		}
	}
	return nil
}

// collect finds the chunks of a set of n and returns the first that is missing,
// or 0. Of chunks that come twice the first counts.
func (c *chunks) collect(list []proto.Rule, n int) (missing int) {
	clear(c.at[:])
	for r := range list {
		if i, of, ok := chunkName(list[r].Name); ok && of == n && c.at[i] == 0 {
			c.at[i] = r + 1
		}
	}
	for i := 1; i <= n; i++ {
		if c.at[i] == 0 {
			return i
		}
		c.at[i]--
	}
	return 0
}

// payload joins the chunks up to the first missing one and undoes the escapes. An
// escape that continues in the missing chunk is left out.
func (c *chunks) payload(list []proto.Rule) []byte {
	size := 0
	for i := 1; i <= c.whole; i++ {
		size += len(list[c.at[i]].Value)
	}
	joined := make([]byte, 0, size)
	for i := 1; i <= c.whole; i++ {
		joined = append(joined, list[c.at[i]].Value...)
	}
	if c.whole < c.n && endsInEscape(joined) {
		joined = joined[:len(joined)-1]
	}
	return appendUnescaped(joined[:0], joined)
}

// endsInEscape reports whether the last byte of b begins an escape.
func endsInEscape(b []byte) bool {
	ones := len(b) - len(bytes.TrimRight(b, "\x01"))
	return ones%2 == 1
}

// others returns the rules that are not chunks of the set, in their order.
func (c *chunks) others(list []proto.Rule) []proto.Rule {
	rest := make([]proto.Rule, 0, max(0, len(list)-c.n))
	for _, r := range list {
		if _, n, ok := chunkName(r.Name); ok && n == c.n {
			continue
		}
		rest = append(rest, r)
	}
	return rest
}

// appendUnescaped appends src to dst with its escapes undone: 01 01 becomes 01,
// 01 02 becomes 00, 01 03 becomes FF. It goes through src once: replacing one
// escape after the other makes 00 of 01 01 02, which is an escaped 01 and a 02.
// An 01 that begins no escape stays as it is. The result is never longer than src;
// dst may be src[:0].
func appendUnescaped(dst, src []byte) []byte {
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == 1 && i+1 < len(src) {
			switch src[i+1] {
			case 1:
				i++
			case 2:
				c = 0
				i++
			case 3:
				c = 0xFF
				i++
			}
		}
		dst = append(dst, c)
	}
	return dst
}
