package report

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/a2scan/a2scan/internal/extsort"
)

// counterMemory bounds the keys and counts that a counter keeps in memory.
const counterMemory = 8 << 20

// A tally holds the counts of a key.
type tally struct{ n, players, maxPlayers uint64 }

func (t *tally) add(u tally) {
	t.n += u.n
	t.players += u.players
	t.maxPlayers += u.maxPlayers
}

// A counter counts by keys of several parts. Counts are exact however many keys
// there are: keys beyond the memory's bound wait in a sorted file until the end.
type counter struct {
	dir    string
	memory int

	counts map[string]*tally
	used   int
	spilt  *extsort.Sorter
	key    []byte
}

func newCounter(dir string) *counter {
	return &counter{dir: dir, memory: counterMemory, counts: map[string]*tally{}}
}

// add adds t to the count of a key.
func (c *counter) add(t tally, parts ...string) error {
	c.key = c.key[:0]
	for _, p := range parts {
		c.key = appendPart(c.key, p)
	}
	if known := c.counts[string(c.key)]; known != nil {
		known.add(t)
		return nil
	}
	c.counts[string(c.key)] = &t
	const overhead = 100 // of an entry of the map
	if c.used += len(c.key) + overhead; c.used < c.memory {
		return nil
	}
	return c.spill()
}

func (c *counter) spill() error {
	if c.spilt == nil {
		c.spilt = extsort.New(c.dir, c.memory)
	}
	var value []byte
	for key, t := range c.counts {
		value = binary.AppendUvarint(value[:0], t.n)
		value = binary.AppendUvarint(value, t.players)
		value = binary.AppendUvarint(value, t.maxPlayers)
		if err := c.spilt.Add([]byte(key), value); err != nil {
			return err
		}
	}
	clear(c.counts)
	c.used = 0
	return nil
}

// A counted is a key with its count.
type counted struct {
	parts []string
	tally
}

// top returns the n largest counts, and how many keys there are. It ends the
// counting.
func (c *counter) top(n int) (_ []counted, keys uint64, err error) {
	best := &topList{n: n}
	if c.spilt == nil {
		for key, t := range c.counts {
			best.offer(key, *t)
		}
		return best.sorted(), uint64(len(c.counts)), nil
	}
	defer func() { err = errors.Join(err, c.spilt.Close()) }()
	if err := c.spill(); err != nil {
		return nil, 0, err
	}
	var key []byte
	var sum tally
	for e, err := range c.spilt.All() {
		if err != nil {
			return nil, 0, err
		}
		in := rowReader{b: e.Value}
		t := tally{in.unsigned(), in.unsigned(), in.unsigned()}
		if in.bad {
			return nil, 0, errRow
		}
		if keys > 0 && bytes.Equal(key, e.Key) {
			sum.add(t)
			continue
		}
		if keys > 0 {
			best.offer(string(key), sum)
		}
		keys++
		key = append(key[:0], e.Key...)
		sum = t
	}
	if keys > 0 {
		best.offer(string(key), sum)
	}
	return best.sorted(), keys, nil
}

// close removes temporary files if top was not called.
func (c *counter) close() error {
	if c.spilt == nil {
		return nil
	}
	return c.spilt.Close()
}

// A topList keeps the n largest counts it is offered, as a heap with the smallest
// of them at the root.
type topList struct {
	n    int
	list []keyed
}

type keyed struct {
	key string
	tally
}

// compare orders by count, then by players, then by key, the first being the best.
func (k keyed) compare(o keyed) int {
	return cmp.Or(cmp.Compare(o.n, k.n), cmp.Compare(o.players, k.players), cmp.Compare(k.key, o.key))
}

func (l *topList) Len() int           { return len(l.list) }
func (l *topList) Less(i, j int) bool { return l.list[i].compare(l.list[j]) > 0 }
func (l *topList) Swap(i, j int)      { l.list[i], l.list[j] = l.list[j], l.list[i] }
func (l *topList) Push(x any)         { l.list = append(l.list, x.(keyed)) }
func (l *topList) Pop() any {
	last := l.list[len(l.list)-1]
	l.list = l.list[:len(l.list)-1]
	return last
}

func (l *topList) offer(key string, t tally) {
	k := keyed{key, t}
	if len(l.list) < l.n {
		heap.Push(l, k)
	} else if l.n > 0 && k.compare(l.list[0]) < 0 {
		l.list[0] = k
		heap.Fix(l, 0)
	}
}

func (l *topList) sorted() []counted {
	slices.SortFunc(l.list, keyed.compare)
	var out []counted
	for _, k := range l.list {
		c := counted{tally: k.tally}
		c.parts = splitParts(k.key)
		out = append(out, c)
	}
	return out
}

// appendPart appends a part of a key so that keys sort as their parts do, one after
// the other: a zero byte is written as 0 255, the end of a part as 0 1.
func appendPart(dst []byte, part string) []byte {
	for {
		head, rest, found := strings.Cut(part, "\x00")
		dst = append(dst, head...)
		if !found {
			return append(dst, 0, 1)
		}
		dst = append(dst, 0, 255)
		part = rest
	}
}

func splitParts(key string) (parts []string) {
	for part := range strings.SplitSeq(strings.TrimSuffix(key, "\x00\x01"), "\x00\x01") {
		parts = append(parts, strings.ReplaceAll(part, "\x00\xff", "\x00"))
	}
	return parts
}
