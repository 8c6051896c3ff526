package farm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Difference is one thing in a dataset that is not as it must be.
type Difference struct {
	Line  int64  `json:"line"` // from 1; 0 if a record is missing
	Seq   uint64 `json:"seq"`
	Addr  string `json:"addr"`  // ip:port, as the record says
	Field string `json:"field"` // such as players.list[3].name
	Want  string `json:"want"`
	Got   string `json:"got"`
}

// String returns the difference in one line. A record may say anything: it is
// spelled so that a terminal shows it and does not obey it.
func (d Difference) String() string {
	if d.Line == 0 {
		return fmt.Sprintf("%s: no record of this target", printable(d.Addr))
	}
	return fmt.Sprintf("line %d, seq %d, %s: %s: want %s, got %s", d.Line, d.Seq, printable(d.Addr), printable(d.Field), printable(d.Want), printable(d.Got))
}

// printable returns s with escapes for characters that are neither visible nor a plain
// space, and cuts it if it is long.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() > 1000 {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// A comparison collects differences between the truth and a record as encoding/json read
// it.
type comparison struct {
	found []Difference
}

func (c *comparison) differ(field, want, got string) {
	c.found = append(c.found, Difference{Field: field, Want: want, Got: got})
}

// value compares one member.
func (c *comparison) value(field string, want, got any) {
	switch want := want.(type) {
	case nil:
		if got != nil {
			c.differ(field, "null", spell(got))
		}
	case object:
		c.object(field, want, got)
	case []any:
		c.list(field, want, got, nil)
	case text:
		c.text(field, want, got, nil)
	case float32:
		n, ok := got.(json.Number)
		if f, err := strconv.ParseFloat(string(n), 32); !ok || err != nil || float32(f) != want {
			c.differ(field, strconv.FormatFloat(float64(want), 'g', -1, 32), spell(got))
		}
	case int64:
		if n, ok := got.(json.Number); !ok || string(n) != strconv.FormatInt(want, 10) {
			c.differ(field, strconv.FormatInt(want, 10), spell(got))
		}
	default: // bool, string
		if got != want {
			c.differ(field, spell(want), spell(got))
		}
	}
}

// object compares the members of an object. All of them must exist, and no others except
// the bytes of a text.
func (c *comparison) object(field string, want object, got any) {
	members, ok := got.(map[string]any)
	if !ok {
		c.differ(field, "an object", spell(got))
		return
	}
	c.members(field, want, members)
	for name := range members {
		if _, ok := want[name]; !ok && !isBytesOf(name, want) {
			c.differ(join(field, name), "no such member", spell(members[name]))
		}
	}
}

// members compares those members of got that want names.
func (c *comparison) members(field string, want object, got map[string]any) {
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			c.differ(join(field, name), spellWant(w), "no such member")
			continue
		}
		b64 := got[name+"_b64"]
		switch w := w.(type) {
		case text:
			c.text(join(field, name), w, g, b64)
		case []any:
			c.list(join(field, name), w, g, b64)
		default:
			if b64 != nil {
				c.differ(join(field, name)+"_b64", "no such member", spell(b64))
			}
			c.value(join(field, name), w, g)
		}
	}
}

// isBytesOf reports whether name is the _b64 twin of a member of want.
func isBytesOf(name string, want object) bool {
	base, ok := strings.CutSuffix(name, "_b64")
	_, known := want[base]
	return ok && known
}

// text compares a server's text. A string contains it exactly if it is UTF-8. Otherwise the
// bad bytes are U+FFFD, and b64 contains the true bytes.
func (c *comparison) text(field string, want text, got, b64 any) {
	s, ok := got.(string)
	if !ok {
		c.differ(field, strconv.Quote(string(want)), spell(got))
		return
	}
	if utf8.Valid(want) {
		if s != string(want) {
			c.differ(field, strconv.Quote(string(want)), spell(got))
		}
		if b64 != nil {
			c.differ(field+"_b64", "nothing: the text is UTF-8", spell(b64))
		}
		return
	}
	if readable := strings.ToValidUTF8(string(want), "\uFFFD"); oneReplacement(s) != oneReplacement(readable) {
		c.differ(field, strconv.Quote(readable), spell(got))
	}
	encoded, _ := b64.(string)
	if raw, err := base64.StdEncoding.DecodeString(encoded); err != nil || string(raw) != string(want) {
		c.differ(field+"_b64", strconv.Quote(string(want)), spell(b64))
	}
}

// oneReplacement makes one U+FFFD of many in a row: it does not matter whether each byte
// that is not UTF-8 has one of its own.
func oneReplacement(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}

// list compares items in order. For a list of texts, b64 may be a list with the true bytes
// of the items that are not UTF-8, and null for the others.
func (c *comparison) list(field string, want []any, got, b64 any) {
	items, ok := got.([]any)
	if !ok {
		c.differ(field, "a list", spell(got))
		return
	}
	if len(items) != len(want) {
		c.differ(field, fmt.Sprintf("%d items", len(want)), fmt.Sprintf("%d", len(items)))
	}
	raw, _ := b64.([]any)
	for i := range min(len(items), len(want)) {
		at := field + "[" + strconv.Itoa(i) + "]"
		w, isText := want[i].(text)
		switch {
		case !isText:
			c.value(at, want[i], items[i])
		case i < len(raw):
			c.text(at, w, items[i], raw[i])
		default:
			c.text(at, w, items[i], nil)
		}
	}
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// spell writes a value for people, and cuts it if it is long.
func spell(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 300 {
		b = append(b[:300:300], "…"...)
	}
	return string(b)
}

func spellWant(v any) string {
	if t, ok := v.(text); ok {
		return strconv.Quote(string(t))
	}
	return spell(v)
}
