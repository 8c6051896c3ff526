package master

import (
	"net/netip"
	"slices"
	"strings"
)

// start is the seed of the first page.
var start = netip.MustParseAddrPort("0.0.0.0:0")

// A part is a part of the list that is fetched by itself.
type part struct {
	id      int // from 1, in the order of fetching
	region  Region
	filter  Filter // without the condition on letters
	letters string // names begin with one of these; "": any name
	others  bool   // names begin with none of letters
	global  bool   // it is not divided by region
	step    string // the division that it came from
	parent  *part
	open    int  // parts that it was divided into and that have not ended
	same    int  // of these, how many were cut off and have its very servers
	failed  bool // one of these may lack servers
	servers []netip.AddrPort
	reason  string // why it was divided
}

func (p *part) whole() Filter {
	if p.letters == "" {
		return p.filter
	}
	var names Filter
	for _, c := range p.letters {
		names = names.Is("name_match", string(c)+"*")
		if up := strings.ToUpper(string(c)); up != string(c) {
			names = names.Is("name_match", up+"*")
		}
	}
	if p.others {
		return p.filter.Nor(names)
	}
	return p.filter.Or(names)
}

func (p *part) wire() string { return p.whole().Wire() }

// letters are what names are divided by.
const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

// flags are what lists are divided by after the region, in this order: each flag
// halves a list, into the servers that have it and those that do not.
var flags = []struct{ key, value string }{{"empty", "1"}, {"linux", "1"}, {"secure", "1"}, {"password", "0"}, {"full", "1"}, {"dedicated", "1"}}

// next begins the next part.
func (s *Session) next() {
	s.cur = nil
	if len(s.queue) == 0 {
		return
	}
	s.cur = s.queue[0]
	s.queue = s.queue[1:]
	s.parts++
	s.cur.id = s.parts
	s.seed, s.seeds = start, map[netip.AddrPort]bool{}
	s.state, s.asked = ready, false
	s.pages, s.attempt, s.longest, s.repeated, s.again, s.full, s.fakes = 0, 0, 0, 0, false, false, 0
	s.round, s.ends, s.roundPages, s.mostPages, s.fresh = 0, 0, 0, 0, 0
}

// finish ends the current part. If it was cut off it is divided; otherwise a reason
// means that it may lack servers.
func (s *Session) finish(cutOff bool, reason string) {
	p := s.cur
	switch {
	case cutOff && s.useless(p):
		s.giveUp(p.parent, p.step)
	case cutOff && !s.cfg.NoSplit && s.divide(p, reason):
	default:
		if reason != "" {
			s.incomplete(p, reason)
		}
		s.close(p)
	}
	s.next()
}

// useless reports whether two parts of a division were cut off and have the very
// servers of the part that was divided: the master ignores that condition.
func (s *Session) useless(p *part) bool {
	up := p.parent
	if up == nil || len(p.servers) != len(up.servers) {
		return false
	}
	for _, a := range up.servers {
		if s.seen[a] != p.id {
			return false
		}
	}
	up.same++
	return up.same == 2
}

// giveUp takes back the division of p by a condition that the master ignores, and
// tries the next one.
func (s *Session) giveUp(p *part, step string) {
	s.ignored[step] = true
	s.queue = slices.DeleteFunc(s.queue, func(q *part) bool { return q.within(p) })
	p.open, p.same = 0, 0
	if len(s.ignored) >= 2 && !s.honoured || !s.divide(p, p.reason) {
		s.incomplete(p, p.reason+", and the master ignores what would divide it")
		s.close(p)
	}
}

// within reports whether p came from a division of up.
func (p *part) within(up *part) bool {
	for p != nil && p.parent != up {
		p = p.parent
	}
	return p != nil
}

// divide puts the parts of p into the queue. It returns false if p cannot be divided.
func (s *Session) divide(p *part, reason string) bool {
	p.reason = reason
	var parts []*part
	if p.region == Everywhere && !p.global && !s.ignored["region"] {
		for _, r := range regions {
			if r.region != Everywhere {
				parts = append(parts, &part{region: r.region, filter: p.filter, step: "region"})
			}
		}
		return s.push(p, parts)
	}
	for _, t := range flags {
		if s.ignored[t.key] || p.filter.Has(t.key) {
			continue
		}
		with, without := p.filter.Is(t.key, t.value), p.filter.Nor(Filter{}.Is(t.key, t.value))
		return s.push(p, []*part{{region: p.region, filter: with, step: t.key}, {region: p.region, filter: without, step: t.key}})
	}
	switch n := len(p.letters); {
	case s.ignored["name"] || p.filter.Has("name_match") || p.others || n == 1:
		return false
	case n == 0:
		parts = []*part{{letters: letters}, {letters: letters, others: true}}
	default:
		parts = []*part{{letters: p.letters[:n/2]}, {letters: p.letters[n/2:]}}
	}
	for _, q := range parts {
		q.region, q.filter, q.step = p.region, p.filter, "name"
	}
	return s.push(p, parts)
}

func (s *Session) push(p *part, parts []*part) bool {
	for _, q := range parts {
		if len(q.wire()) > maxFilter {
			return false
		}
	}
	p.open = len(parts)
	for _, q := range parts {
		q.parent, q.global = p, p.global
		s.queue = append(s.queue, q)
	}
	return true
}

// close ends a part for good, and the part that it came from if it was its last.
func (s *Session) close(p *part) {
	up := p.parent
	if up == nil {
		return
	}
	s.honoured = s.honoured || len(p.servers) != len(up.servers)
	up.failed = up.failed || p.failed
	if up.open--; up.open > 0 {
		return
	}
	// A division that lost servers was none: some belong to no region, for example.
	lost := 0
	for _, a := range up.servers {
		if s.seen[a] == up.id {
			lost++
		}
	}
	if lost > 0 && p.step == "region" {
		up.global, up.failed = true, false
		if s.divide(up, up.reason) { // there are servers without a region
			return
		}
	}
	if lost*1000 > len(up.servers) && !up.failed { // fewer may just have ended
		s.incomplete(up, up.reason+", and its parts lack some of its servers")
	}
	s.close(up)
}

// incomplete names a part that may lack servers.
func (s *Session) incomplete(p *part, reason string) {
	p.failed = true
	s.result.Incomplete = append(s.result.Incomplete, Part{Region: p.region, Filter: p.whole(), Reason: reason})
}

// stop ends the list: everything that was not fetched is incomplete.
func (s *Session) stop(reason string) {
	s.incomplete(s.cur, reason)
	for _, p := range s.queue {
		s.incomplete(p, reason)
	}
	s.queue, s.cur = nil, nil
}
