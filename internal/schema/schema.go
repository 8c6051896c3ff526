// Package schema describes the objects that a2scan writes, for programs as JSON
// Schema and for people as tables.
package schema

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/a2scan/a2scan/output"
)

// Names are the objects that are described.
var Names = []string{"record", "metadata", "status", "event", "report"}

// The descriptions. A line has a key, a type and a sentence; keys of an object are
// indented below it. A key that begins with ~ may be absent. A type that ends with ?
// may be null.
//
//go:embed *.txt
var files embed.FS

// A member is one key of an object.
type member struct {
	key      string
	optional bool // may be absent
	kind     string
	null     bool // may be null
	text     string
	members  []*member
}

// load returns the description of an object: a member without a key.
func load(name string) *member {
	b, err := files.ReadFile(name + ".txt")
	if err != nil {
		panic(err) // the name is one of Names
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	root := &member{kind: "object", text: lines[0]}
	path := []*member{root}
	for _, line := range lines[1:] {
		rest := strings.TrimLeft(line, " ")
		depth := (len(line) - len(rest)) / 2
		m := &member{}
		m.key, rest, _ = strings.Cut(rest, " ")
		m.kind, m.text, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
		m.text = strings.TrimSpace(m.text)
		m.key, m.optional = strings.CutPrefix(m.key, "~")
		m.kind, m.null = strings.CutSuffix(m.kind, "?")
		path = append(path[:depth+1], m)
		path[depth].members = append(path[depth].members, m)
	}
	return root
}

// JSON returns the JSON Schema of the object of that name, which is one of Names.
func JSON(name string) []byte {
	root := load(name)
	s := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "a2scan " + name},
	}
	s = append(s, root.schema()...)
	if name == "event" {
		s = append(s, pair{"$defs", object{{"record", load("record").schema()}}})
	}
	var out bytes.Buffer
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Indent(&out, b, "", "  ")
	}
	if err != nil {
		panic(err) // there is nothing that cannot be marshaled
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// An object is a JSON object whose keys have an order.
type object []pair

type pair struct {
	key   string
	value any
}

// MarshalJSON returns the object.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := marshal(p.key)
		if err != nil {
			return nil, err
		}
		value, err := marshal(p.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// schema returns the schema of m's value.
func (m *member) schema() object {
	kind, arg, _ := strings.Cut(m.kind, ":")
	var o object
	typ := func(name string) object {
		if m.null {
			return object{{"type", []string{name, "null"}}}
		}
		return object{{"type", name}}
	}
	switch kind {
	case "const":
		o = object{{"const", json.Number(arg)}}
	case "string", "text":
		o = typ("string")
	case "word":
		words := []any{}
		for _, w := range strings.Split(arg, "|") {
			words = append(words, w)
		}
		if m.null {
			words = append(words, nil)
		}
		o = object{{"enum", words}}
	case "status":
		words := []any{}
		for s := range output.Status(output.NumStatuses) {
			words = append(words, s.String())
		}
		o = object{{"enum", words}}
	case "id":
		o = append(typ("string"), pair{"pattern", "^[0-9]{1,20}$"})
	case "time":
		o = append(typ("string"), pair{"format", "date-time"}, pair{"pattern", `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`})
	case "uint":
		o = append(typ("integer"), pair{"minimum", 0})
		if arg != "" {
			o = append(o, pair{"maximum", json.Number(arg)})
		}
	case "int":
		o = typ("integer")
	case "number":
		o = typ("number")
	case "bool":
		o = typ("boolean")
	case "any":
		o = object{}
	case "list":
		o = append(typ("array"), pair{"items", (&member{kind: "object", members: m.members}).schema()})
	case "strings", "texts":
		o = append(typ("array"), pair{"items", object{{"type", "string"}}})
	case "uints":
		o = append(typ("array"), pair{"items", object{{"type", "integer"}, {"minimum", 0}}})
	case "map":
		o = append(typ("object"), pair{"additionalProperties", (&member{kind: arg}).schema()})
	case "anyobject":
		o = typ("object")
	case "changes":
		o = append(typ("object"), pair{"additionalProperties", object{{"type", "array"}, {"minItems", 2}, {"maxItems", 2}}})
	case "record":
		o = object{{"anyOf", []object{{{"$ref", "#/$defs/record"}}, {{"type", "null"}}}}}
	case "statuses":
		counts := &member{kind: "object"}
		for s := range output.Status(output.NumStatuses) {
			counts.members = append(counts.members, &member{key: s.String(), kind: "uint",
				text: "Number with the status " + s.String() + "."})
		}
		o = counts.schema()
	case "object":
		properties, required := object{}, []string{}
		for _, c := range m.members {
			properties = append(properties, pair{c.key, c.schema()})
			if !c.optional {
				required = append(required, c.key)
			}
			if k := c.kind; k == "text" || k == "texts" {
				b64 := object{{"type", "string"}, {"contentEncoding", "base64"}}
				if k == "texts" {
					b64 = object{{"type", "array"}, {"items", object{{"type", []string{"string", "null"}}, {"contentEncoding", "base64"}}}}
				}
				properties = append(properties, pair{c.key + "_b64", append(b64, pair{"description", "The true bytes, if they are not valid UTF-8; else absent."})})
			}
		}
		o = append(typ("object"), pair{"properties", properties}, pair{"required", required}, pair{"additionalProperties", false})
	default:
		panic("unknown type " + m.kind)
	}
	if m.text != "" {
		o = append(object{{"description", m.text}}, o...)
	}
	return o
}

// Markdown returns the description of that object as a table.
func Markdown(name string) string {
	var b strings.Builder
	root := load(name)
	fmt.Fprintf(&b, "%s\n\n| key | type | |\n|---|---|---|\n", root.text)
	root.rows(&b, "")
	return b.String()
}

func (m *member) rows(b *strings.Builder, path string) {
	for _, c := range m.members {
		kind, arg, _ := strings.Cut(c.kind, ":")
		text := c.text
		switch kind {
		case "const":
			kind = arg
		case "uint":
			kind = "integer"
		case "int":
			kind = "integer"
		case "word", "status":
			kind = "string"
			if arg != "" {
				text += " One of `" + strings.ReplaceAll(arg, "|", "`, `") + "`."
			}
		case "text", "id", "time":
			kind = "string"
		case "list":
			kind = "array"
		case "strings", "texts", "uints":
			kind = "array"
		case "map", "anyobject", "changes", "statuses", "record":
			kind = "object"
		}
		if c.null {
			kind += " or null"
		}
		key := path + c.key
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, kind, strings.ReplaceAll(text, "|", `\|`))
		if c.kind == "list" {
			key += "[]"
		}
		c.rows(b, key+".")
	}
}
