package master

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Filter selects servers: all of its conditions hold. The zero value selects every
// server. The Web API and master servers understand the same filters. Read one with
// [Parse], or build one:
//
//	f := master.Filter{}.Is("appid", "440").Nor(master.Filter{}.Is("map", "x").Is("white", "1"))
//
// The methods return a new Filter and leave f as it is. Conditions that cannot be sent are
// reported by [Filter.Err].
type Filter struct {
	terms []term
	err   *FilterError
}

// A term is one condition on servers, or a group of conditions.
type term struct {
	key, value string
	group      []term // of or, nor and nand
}

// Is adds the condition that key has the value. Keys whose value is 1: dedicated,
// secure, linux, proxy, white, empty (servers that are not empty), full (that are not
// full), noplayers, collapse_addr_hash (one server per address). password is 0
// (servers without one). appid and napp (any other app) take a number; map and gamedir
// a text; gametype, gamedata and gamedataor tags with commas between them; name_match
// and version_match a text with * for anything; gameaddr ip or ip:port. Masters for
// Xash3D also know clver, nat, protocol, commit, branch, os, arch and buildnum.
func (f Filter) Is(key, value string) Filter { return f.add(term{key: key, value: value}) }

// Or adds the condition that at least one of the conditions of g holds.
func (f Filter) Or(g Filter) Filter { return f.group("or", g) }

// Nor adds the condition that none of the conditions of g holds.
func (f Filter) Nor(g Filter) Filter { return f.group("nor", g) }

// Nand adds the condition that not all conditions of g hold.
func (f Filter) Nand(g Filter) Filter { return f.group("nand", g) }

// And adds the conditions of g.
func (f Filter) And(g Filter) Filter {
	return Filter{slices.Concat(f.terms, g.terms), cmp.Or(f.err, g.err)}
}

// Err returns a *[FilterError] that names the key of the first condition that cannot be
// sent, or nil.
func (f Filter) Err() error {
	if f.err == nil {
		return nil // an error that is nil, not a nil *FilterError
	}
	return f.err
}

func (f Filter) group(key string, g Filter) Filter {
	f.err = cmp.Or(f.err, g.err)
	return f.add(term{key: key, group: append([]term{}, g.terms...)})
}

func (f Filter) add(t term) Filter {
	if err := t.check(true); err != nil && f.err == nil {
		f.err = &FilterError{Text: t.words(), Key: t.key, Reason: err.Error()}
	}
	f.terms = slices.Concat(f.terms, []term{t})
	return f
}

// Has reports whether f asks for key, in a group or outside.
func (f Filter) Has(key string) bool {
	return slices.ContainsFunc(f.terms, func(t term) bool {
		return t.key == key || slices.ContainsFunc(t.group, func(m term) bool { return m.key == key })
	})
}

// Value returns the value of the first condition on key outside of groups.
func (f Filter) Value(key string) (string, bool) {
	for _, t := range f.terms {
		if t.key == key && t.group == nil {
			return t.value, true
		}
	}
	return "", false
}

// Wire returns f as it is sent: \key\value after \key\value. The number that begins
// a group counts its conditions.
func (f Filter) Wire() string {
	var b strings.Builder
	for _, t := range f.terms {
		if t.group == nil {
			b.WriteString(`\` + t.key + `\` + t.value)
			continue
		}
		fmt.Fprintf(&b, `\%s\%d`, t.key, len(t.group))
		for _, m := range t.group {
			b.WriteString(`\` + m.key + `\` + m.value)
		}
	}
	return b.String()
}

// String returns f as words, which [Parse] reads.
func (f Filter) String() string {
	var words []string
	for _, t := range f.terms {
		words = append(words, t.words())
	}
	return strings.Join(words, ",")
}

func (t term) words() string {
	if t.group == nil && !isGroup(t.key) {
		return t.key + "=" + quoteValue(t.value, isList(t.key))
	}
	var words []string
	for _, m := range t.group {
		words = append(words, m.words())
	}
	return t.key + "(" + strings.Join(words, ",") + ")"
}

// quoteValue returns a value as words have it. A list of tags needs no quotation
// marks unless a tag does.
func quoteValue(s string, list bool) string {
	if list {
		plain := true
		for tag := range strings.SplitSeq(s, ",") {
			plain = plain && isPlain(tag) && tag != ""
		}
		if plain {
			return s
		}
	} else if isPlain(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

func isPlain(s string) bool {
	return !strings.ContainsAny(s, `,()"=`) && strings.TrimSpace(s) == s
}

// A FilterError reports a filter that cannot be sent.
type FilterError struct {
	Text   string // the filter
	Offset int    // of the fault in Text, in bytes
	Key    string // whose key or value is at fault; may be empty
	Reason string
}

// Error returns the reason and the text up to the fault.
func (e *FilterError) Error() string {
	place := ""
	if e.Offset > 0 && e.Offset <= len(e.Text) {
		before := e.Text[:e.Offset]
		if len(before) > 40 {
			before = "…" + strings.ToValidUTF8(before[len(before)-40:], "")
		}
		place = fmt.Sprintf(" (byte %d, after %q)", e.Offset+1, before)
	}
	return "filter: " + e.Reason + place
}

// check returns why a term cannot be sent.
func (t term) check(groups bool) error {
	if !isGroup(t.key) {
		if t.group != nil {
			return fmt.Errorf("%q is no group; use or, nor or nand", t.key)
		}
		return checkPair(t.key, t.value)
	}
	switch {
	case !groups:
		return fmt.Errorf("%s inside of another group: masters disagree on what that means", t.key)
	case len(t.group) == 0:
		return fmt.Errorf("%s() is empty", t.key)
	}
	for _, m := range t.group {
		if err := m.check(false); err != nil {
			return err
		}
	}
	return nil
}

func isGroup(key string) bool { return key == "or" || key == "nor" || key == "nand" }

// Parse reads a filter in either form: as it is sent (\appid\440\dedicated\1), or as
// words (appid=440,dedicated=1,nor(map=cp_dustbowl,map=pl_upward)). Words also take
// game=NAME for an app id (see [Games]), values in quotation marks, and lists of tags
// (gametype=a,b). The error is a *FilterError.
func Parse(text string) (Filter, error) {
	p := parser{text: strings.Trim(text, "\r\n")} // a value may end in a blank
	if strings.HasPrefix(p.text, `\`) {
		p.wire()
	} else {
		p.text = strings.TrimSpace(p.text)
		p.words()
	}
	if p.err != nil {
		return Filter{}, p.err
	}
	return Filter{terms: p.terms}, nil
}

type parser struct {
	text  string
	at    int
	terms []term
	err   error
}

// fail records the first fault.
func (p *parser) fail(at int, key string, err error) {
	if p.err == nil {
		p.err = &FilterError{Text: p.text, Offset: at, Key: key, Reason: err.Error()}
	}
}

// wire reads \key\value pairs.
func (p *parser) wire() {
	var group *term
	left := 0 // pairs that group still lacks
	for p.at < len(p.text) && p.err == nil {
		start := p.at
		key := p.field()
		if p.at >= len(p.text) {
			p.fail(start, key, fmt.Errorf("%q has no value", key))
			return
		}
		value := p.field()
		switch {
		case isGroup(key) && left > 0:
			p.fail(start, key, term{key: key}.check(false))
		case isGroup(key):
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil || n == 0 {
				p.fail(start, key, fmt.Errorf("%s needs the number of conditions that follow, not %q", key, value))
				return
			}
			p.terms = append(p.terms, term{key: key})
			group, left = &p.terms[len(p.terms)-1], int(n)
		default:
			if err := checkPair(key, value); err != nil {
				p.fail(start, key, err)
				return
			}
			if left > 0 {
				group.group = append(group.group, term{key: key, value: value})
				left--
			} else {
				p.terms = append(p.terms, term{key: key, value: value})
			}
		}
	}
	if left > 0 && p.err == nil {
		p.fail(len(p.text), group.key, fmt.Errorf("%s lacks %d of its conditions", group.key, left))
	}
}

// field reads a backslash and what follows it, up to the next one.
func (p *parser) field() string {
	rest := p.text[p.at+1:]
	if i := strings.IndexByte(rest, '\\'); i >= 0 {
		p.at += 1 + i
		return rest[:i]
	}
	p.at = len(p.text)
	return rest
}

// words reads terms with commas between them.
func (p *parser) words() {
	if p.text == "" {
		return
	}
	p.terms = p.list(true)
	if p.err == nil && p.at < len(p.text) {
		p.fail(p.at, "", errors.New("a ) without its ("))
	}
}

// list reads terms up to the end or a closing bracket.
func (p *parser) list(groups bool) (terms []term) {
	for {
		p.skipSpace()
		start := p.at
		word := strings.TrimSpace(p.until(`,=()"`))
		next := byte(0)
		if p.at < len(p.text) {
			next = p.text[p.at]
		}
		switch {
		case word == "":
			p.fail(start, "", errors.New("a condition is missing; write key=value"))
		case next == '(' && isGroup(word):
			if !groups {
				p.fail(start, word, term{key: word}.check(false))
				return nil
			}
			p.at++
			t := term{key: word, group: p.list(false)}
			if p.err == nil && (p.at >= len(p.text) || p.text[p.at] != ')') {
				p.fail(p.at, word, fmt.Errorf("%s( lacks its )", word))
			}
			p.at++
			terms = append(terms, t)
		case next == '(':
			p.fail(start, word, fmt.Errorf("%q is no group; use or, nor or nand", word))
		case next != '=':
			p.fail(start, word, fmt.Errorf("%q has no value; write %s=…", word, word))
		default:
			p.at++
			terms = append(terms, p.pair(start, word))
		}
		if p.err != nil {
			return nil
		}
		p.skipSpace()
		if p.at >= len(p.text) || p.text[p.at] == ')' {
			return terms
		}
		if p.text[p.at] != ',' {
			p.fail(p.at, "", errors.New("a comma is missing"))
			return nil
		}
		p.at++
	}
}

// pair reads the value of key, which begins at start.
func (p *parser) pair(start int, key string) term {
	value := p.value()
	for isList(key) && p.moreTags() {
		p.at++
		value += "," + p.value()
	}
	if p.err != nil {
		return term{}
	}
	if key == "game" {
		id, ok := gameID(value)
		if !ok {
			p.fail(start, key, fmt.Errorf("%q is not in the list of games; use appid=N", value))
			return term{}
		}
		key, value = "appid", strconv.FormatUint(uint64(id), 10)
	}
	if err := checkPair(key, value); err != nil {
		p.fail(start, key, err)
	}
	return term{key: key, value: value}
}

// moreTags reports whether the comma at p.at is followed by another tag: a word
// without a value.
func (p *parser) moreTags() bool {
	if p.err != nil || p.at >= len(p.text) || p.text[p.at] != ',' {
		return false
	}
	rest := p.text[p.at+1:]
	i := strings.IndexAny(rest, `,=()"`)
	word := rest
	if i >= 0 {
		word = rest[:i]
	}
	return strings.TrimSpace(word) != "" && (i < 0 || rest[i] == ',' || rest[i] == ')')
}

// value reads a value, with or without quotation marks.
func (p *parser) value() string {
	p.skipSpace()
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		start := p.at
		value := p.until(`,()"=`)
		if p.at < len(p.text) && strings.IndexByte(`("=`, p.text[p.at]) >= 0 {
			p.fail(start, "", fmt.Errorf(`a value with %c goes into quotation marks`, p.text[p.at]))
		}
		return strings.TrimSpace(value)
	}
	start := p.at
	var b strings.Builder
	for p.at++; ; {
		b.WriteString(p.until(`"`))
		if p.at >= len(p.text) {
			p.fail(start, "", errors.New("a quotation mark is not closed"))
			return ""
		}
		p.at++
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return b.String()
		}
		b.WriteByte('"')
		p.at++
	}
}

// until moves to the next of chars, or to the end, and returns the text before it.
func (p *parser) until(chars string) string {
	rest := p.text[p.at:]
	i := strings.IndexAny(rest, chars)
	if i < 0 {
		i = len(rest)
	}
	p.at += i
	return rest[:i]
}

func (p *parser) skipSpace() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n') {
		p.at++
	}
}
