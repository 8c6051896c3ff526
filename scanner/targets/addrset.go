package targets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// An AddrSet is a set of IP addresses, kept as sorted intervals: 32 bytes for
// each stretch of neighbours, whatever its length. Prefixes and ranges that
// touch become one. An IPv6 prefix never contains IPv4 addresses unless it is
// longer than ::ffff:0:0/96; an IPv4 address and its v4-mapped form are the same.
//
// The zero AddrSet is empty and ready to use. The methods that add are not safe
// for concurrent use; those that only read are.
type AddrSet struct{ ivs []interval }

// AddFile adds a blocklist or allowlist in zmap's format: one address, prefix or range
// per line, with '#' and ';' comments. It may be compressed, or UTF-16, as lists of
// targets. name is for messages. The error joins one for each line that is none of
// these, with name and line number, for the first 20 of them; the other lines have been
// added.
func (s *AddrSet) AddFile(name string, r io.Reader) error {
	text, err := readPlain(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	wrong := 0
	for n := 1; len(text) > 0; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		word := string(line)
		if i := strings.IndexAny(word, "#;"); i >= 0 {
			word = word[:i]
		}
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		if err := s.add(word); err == nil {
			continue
		} else if wrong++; wrong <= maxWrongLines {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, n, err))
		}
	}
	if wrong > maxWrongLines {
		errs = append(errs, fmt.Errorf("%s: and %d more", name, wrong-maxWrongLines))
	}
	s.normalize()
	return errors.Join(errs...)
}

// maxWrongLines is how many wrong lines of a file get a message each. A file with more of
// them is probably not the file that was meant.
const maxWrongLines = 20

// AddList adds the addresses, prefixes and ranges of a comma-separated list.
func (s *AddrSet) AddList(list string) error {
	var errs []error
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if err := s.add(word); err != nil {
			errs = append(errs, err)
		}
	}
	s.normalize()
	return errors.Join(errs...)
}

// Contains reports whether a is in s.
func (s *AddrSet) Contains(a netip.Addr) bool { return a.IsValid() && s.contains(addressOf(a)) }

// Intervals returns the number of stretches that s is made of.
func (s *AddrSet) Intervals() int { return len(s.ivs) }

func (s *AddrSet) add(word string) error {
	if trimmed, ok := strings.CutPrefix(word, "["); ok && strings.HasSuffix(trimmed, "]") {
		word = trimmed[:len(trimmed)-1]
	}
	iv, err := parseInterval(word)
	switch {
	case errors.Is(err, errMapped):
		return nil // IPv6 addresses that no packet has
	case err != nil:
		return err
	}
	s.ivs = append(s.ivs, iv.families()...)
	return nil
}

// normalize sorts the intervals and joins those that overlap or touch.
func (s *AddrSet) normalize() {
	slices.SortFunc(s.ivs, func(a, b interval) int {
		if a.first.less(b.first) {
			return -1
		}
		if b.first.less(a.first) {
			return 1
		}
		return 0
	})
	out := s.ivs[:0]
	for _, iv := range s.ivs {
		if n := len(out); n > 0 && (!out[n-1].last.less(iv.first) || touches(out[n-1].last, iv.first)) {
			if out[n-1].last.less(iv.last) {
				out[n-1].last = iv.last
			}
			continue
		}
		out = append(out, iv)
	}
	s.ivs = slices.Clip(out)
}

// touches reports whether b is the address behind a, in the same family.
func touches(a, b address) bool {
	return a.less(b) && a.plus(1) == b && a.is4() == b.is4()
}

// union returns the addresses of all sets, nil ones being empty.
func union(sets ...*AddrSet) *AddrSet {
	u := new(AddrSet)
	for _, s := range sets {
		if s != nil {
			u.ivs = append(u.ivs, s.ivs...)
		}
	}
	u.normalize()
	return u
}

// find returns the index of the first interval that ends at a or behind it.
func (s *AddrSet) find(a address) int {
	lo, hi := 0, len(s.ivs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.ivs[mid].last.less(a) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (s *AddrSet) contains(a address) bool {
	i := s.find(a)
	return i < len(s.ivs) && !a.less(s.ivs[i].first)
}

// within appends to dst the parts of iv that s holds, in order.
func (s *AddrSet) within(dst []interval, iv interval) []interval {
	for i := s.find(iv.first); i < len(s.ivs) && !iv.last.less(s.ivs[i].first); i++ {
		dst = append(dst, interval{later(iv.first, s.ivs[i].first), earlier(iv.last, s.ivs[i].last)})
	}
	return dst
}

// outside appends to dst the parts of iv that s does not hold, in order.
func (s *AddrSet) outside(dst []interval, iv interval) []interval {
	from := iv.first
	for i := s.find(iv.first); i < len(s.ivs) && !iv.last.less(s.ivs[i].first); i++ {
		if from.less(s.ivs[i].first) {
			dst = append(dst, interval{from, s.ivs[i].first.minus(1)})
		}
		if !s.ivs[i].last.less(iv.last) {
			return dst
		}
		from = s.ivs[i].last.plus(1)
	}
	return append(dst, interval{from, iv.last})
}

func earlier(a, b address) address {
	if b.less(a) {
		return b
	}
	return a
}

func later(a, b address) address {
	if a.less(b) {
		return b
	}
	return a
}
