package weblist

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/a2scan/a2scan/proto/master"
)

// A list that was cut off is divided by conditions. What is known of it are its rows,
// which may be any of the list. So every division ends with a part for all the rest:
// the servers for which none of the conditions of the other parts holds.

const (
	// longestFilter bounds the filter of a call, in the URL.
	longestFilter = 7000

	// longestDivision bounds what one division adds to a filter.
	longestDivision = 3000

	// distinct bounds the memory of a sample: that many different maps, names, …
	distinct = 10_000

	// longestPrefix bounds the beginnings of names that lists are divided by, in runes.
	longestPrefix = 64
)

// A sample is what the rows of a part have in common.
type sample struct {
	n         int
	maps      map[string]*int
	names     map[string]*int
	versions  map[string]*int
	addresses map[netip.Addr]int
	full      int
	secure    int
	dedicated int
}

func newSample() *sample {
	s := &sample{}
	s.reset()
	return s
}

func (s *sample) reset() {
	*s = sample{maps: map[string]*int{}, names: map[string]*int{}, versions: map[string]*int{}, addresses: map[netip.Addr]int{}}
}

func (s *sample) add(r *row) {
	s.n++
	countText(s.maps, r.gameMap)
	countText(s.names, r.name)
	countText(s.versions, r.version)
	if a := r.Addr.Addr(); a.IsValid() {
		if _, ok := s.addresses[a]; ok || len(s.addresses) < distinct {
			s.addresses[a]++
		}
	}
	if r.players < r.maxPlayers {
		s.full++
	}
	if r.secure {
		s.secure++
	}
	if r.dedicated {
		s.dedicated++
	}
}

// countText counts b, without garbage if it was there before or there are too many.
func countText(m map[string]*int, b []byte) {
	if n, ok := m[string(b)]; ok {
		*n++
	} else if len(m) < distinct {
		one := 1
		m[string(b)] = &one
	}
}

// divide returns parts of p whose sum is p, or none if nothing divides it.
func divide(p *part, s *sample) []*part {
	for _, by := range []func(*part, *sample) []*part{byEmptyAndLinux, byMap, byName, byFlags, byVersion, byAddress} {
		if parts := by(p, s); len(parts) > 1 {
			return parts
		}
	}
	return nil
}

// all is the filter that selects every server.
var all master.Filter

// with returns a part of p, or nil if its filter is too long or is none.
func (p *part) with(more master.Filter) *part {
	f := p.filter.And(more)
	if f.Err() != nil || len(url.QueryEscape(f.Wire())) > longestFilter {
		return nil
	}
	return &part{filter: f}
}

// halves divides p by a condition. yes asks for it, alone or in a group.
func halves(p *part, yes, condition master.Filter) []*part {
	with, without := p.with(yes), p.with(all.Nor(condition))
	if with == nil || without == nil {
		return nil
	}
	return []*part{with, without}
}

func flagged(p *part, key string) []*part {
	return halves(p, all.Is(key, "1"), all.Is(key, "1"))
}

// byEmptyAndLinux divides by the two conditions that nearly all lists have both sides of.
func byEmptyAndLinux(p *part, _ *sample) []*part {
	parts := []*part{p}
	for _, key := range []string{"empty", "linux"} {
		if p.filter.Has(key) || key == "empty" && p.filter.Has("noplayers") {
			continue
		}
		var next []*part
		for _, q := range parts {
			h := flagged(q, key)
			if h == nil {
				return nil
			}
			next = append(next, h...)
		}
		parts = next
	}
	return parts
}

func byMap(p *part, s *sample) []*part {
	return byValues(p, "map", s.maps, s.n)
}

// byName divides by the beginnings of names. If one name has more than a third of the
// rows, names that begin like it would stay together: then by address, if these tell
// most rows apart, else that name is taken out.
func byName(p *part, s *sample) []*part {
	top, most := "", 0
	for name, n := range s.names {
		if *n > most || *n == most && name < top {
			top, most = name, *n
		}
	}
	if most*3 <= s.n {
		return byPrefix(p, s)
	}
	if parts, covered := byAddresses(p, s); len(parts) > 1 && covered*2 >= s.n {
		return parts
	}
	pattern := exactly(top)
	if pattern == "" || p.restrictedTo("name_match", pattern) {
		return nil
	}
	name := all.Is("name_match", pattern)
	return halves(p, all.Or(name), name) // see restrictedTo
}

// exactly returns the pattern of a name, as far as a filter can carry it.
func exactly(name string) string {
	s := safe(name)
	if s != name && s != "" {
		s += "*"
	}
	return s
}

// restrictedTo reports whether a division has made that a condition of p.
func (p *part) restrictedTo(key, value string) bool {
	return strings.Contains(p.filter.Wire()+`\`, `\or\1\`+key+`\`+value+`\`)
}

// byPrefix divides by the first letters of names: as many as it takes to have no half of
// the rows together.
func byPrefix(p *part, s *sample) []*part {
	for length := 1; length <= longestPrefix; length++ {
		patterns := map[string]*int{}
		most := 0
		for name, n := range s.names {
			pattern := firstRunes(safe(name), length)
			if pattern == "" {
				continue
			}
			if pattern != name {
				pattern += "*"
			}
			sum := patterns[pattern]
			if sum == nil {
				sum = new(int)
				patterns[pattern] = sum
			}
			*sum += *n
			most = max(most, *sum)
		}
		if most*2 <= s.n {
			return byValues(p, "name_match", patterns, s.n)
		}
	}
	return nil
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// safe returns s up to what a filter cannot carry.
func safe(s string) string {
	s = strings.ToValidUTF8(s, "\x00")
	if i := strings.IndexFunc(s, func(r rune) bool { return r == '\\' || r == '*' || r < ' ' || r == 0x7f || r == '\uFFFD' }); i >= 0 {
		s = s[:i]
	}
	return s
}

// byFlags divides by a flag that some rows have and some do not.
func byFlags(p *part, s *sample) []*part {
	for _, f := range []struct {
		key  string
		rows int
	}{{"secure", s.secure}, {"dedicated", s.dedicated}, {"full", s.full}} {
		if few := min(f.rows, s.n-f.rows); !p.filter.Has(f.key) && few*50 > s.n {
			return flagged(p, f.key)
		}
	}
	return nil
}

func byVersion(p *part, s *sample) []*part {
	return byValues(p, "version_match", s.versions, s.n)
}

func byAddress(p *part, s *sample) []*part {
	parts, covered := byAddresses(p, s)
	if covered*20 < s.n {
		return nil // the rest would be as long as the whole
	}
	return parts
}

func byAddresses(p *part, s *sample) (parts []*part, covered int) {
	if len(s.addresses) < 2 {
		return nil, 0
	}
	counts := map[string]*int{}
	for a, n := range s.addresses {
		counts[a.String()] = &n
	}
	return split(p, "gameaddr", counts, s.n)
}

func byValues(p *part, key string, counts map[string]*int, rows int) []*part {
	parts, _ := split(p, key, counts, rows)
	return parts
}

// split divides p by the values of a key that its rows show: the most common ones, in
// parts of similar size, and a part for all other values. covered are the rows that
// have one of the values.
func split(p *part, key string, counts map[string]*int, rows int) (parts []*part, covered int) {
	values := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(*counts[b]-*counts[a], strings.Compare(a, b))
	})
	var listed master.Filter // all values that get a part
	var groups []master.Filter
	one, n := "", 0
	var sizes []int
	length := len(url.QueryEscape(p.filter.Wire()))
	room := min(longestFilter-length-20, longestDivision)
	target := max(rows*2/5, 1)
	for _, v := range values {
		if plain := strings.TrimSuffix(v, "*"); plain == "" || safe(plain) != plain || plain != v && key != "name_match" {
			continue // a filter cannot carry it
		}
		if room -= len(url.QueryEscape(`\` + key + `\` + v)); room < 0 {
			break
		}
		one = v
		n++
		listed = listed.Is(key, v)
		covered += *counts[v]
		i := slices.IndexFunc(sizes, func(n int) bool { return n+*counts[v] <= target })
		if i < 0 {
			i = len(sizes)
			sizes = append(sizes, 0)
			groups = append(groups, all)
		}
		sizes[i] += *counts[v]
		groups[i] = groups[i].Is(key, v)
	}
	if n == 0 || n == 1 && (key == "gameaddr" || p.restrictedTo(key, one)) {
		return nil, 0 // a nor of one gameaddr is ignored
	}
	for _, g := range groups {
		parts = append(parts, p.with(all.Or(g)))
	}
	parts = append(parts, p.with(all.Nor(listed)))
	if slices.Contains(parts, nil) {
		return nil, 0
	}
	return parts, covered
}
