package targets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// parseObject reads a line that is a JSON object: {"ip", "port"} as in our own
// records, {"addr"} as in the Steam Web API's rows, {"saddr", "sport"} as zmap
// writes them. Other keys are skipped, however much they hold. A record of ours
// that has no address, because its name did not resolve, stands for its input.
func (e *entry) parseObject(line string) error {
	text := []byte(line)
	if !json.Valid(text) {
		return errors.New("the line begins like a JSON object and is not one; write one object a line, whole")
	}
	var addr, ip, port, saddr, sport, tag, input jsonValue
	fields(text, func(key []byte, value jsonValue) {
		switch string(key) {
		case "addr":
			addr = value
		case "ip":
			ip = value
		case "port":
			port = value
		case "saddr":
			saddr = value
		case "sport":
			sport = value
		case "tag":
			tag = value
		case "input":
			input = value
		}
	})
	key, where := "addr", addr
	switch {
	case !addr.isNull():
	case !ip.isNull():
		key, where = "ip", ip
	case !saddr.isNull():
		key, where, port = "saddr", saddr, sport
	case ip != nil && !input.isNull():
		key, where = "input", input
	default:
		return errors.New(`the object has no address; it needs "ip" and "port", "addr", or "saddr" and "sport"`)
	}
	word, ok := where.text()
	if !ok || word == "" {
		return fmt.Errorf("%q is %s, not an address; write it as a string", key, quote(string(where)))
	}
	if err := e.parseWord(word); err != nil {
		return err
	}
	e.word = word
	e.tag, _ = tag.text()
	if e.ports.Len() > 0 || port.isNull() {
		return nil
	}
	list, quoted := port.text()
	if !quoted {
		list = string(port)
	}
	var err error
	if quoted && list != "" {
		e.ports, err = ParsePorts(list)
	} else {
		var p uint16
		if p, err = parsePort(list); err == nil {
			e.ports = OnePort(p)
		} else {
			err = fmt.Errorf("%s is not a port; use 1 to 65535", quote(list))
		}
	}
	if strings.IndexByte(word, ':') >= 0 && word[0] != '[' && !strings.Contains(word, "/") {
		word = "[" + word + "]"
	}
	e.word = word + ":" + list
	return err
}

// A jsonValue is the text of a value in valid JSON; nil where it is absent.
type jsonValue []byte

func (v jsonValue) isNull() bool { return v == nil || string(v) == "null" }

// text returns the string that v is; false where it is something else.
func (v jsonValue) text() (string, bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
		return string(v[1 : len(v)-1]), true
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err == nil
}

// fields calls yield with the keys and values of the object that text is, which
// is valid JSON. Of what lies deeper it only finds the end: a record with a
// thousand rules costs no more than its bytes. key and value alias text, or are new.
func fields(text []byte, yield func(key []byte, value jsonValue)) {
	i := 1 // behind the brace
	for {
		i = skipSpace(text, i)
		if text[i] == '}' {
			return
		}
		end := valueEnd(text, i)
		key := text[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 || !utf8.Valid(key) {
			s, _ := jsonValue(text[i:end]).text()
			key = []byte(s)
		}
		i = skipSpace(text, end)
		i = skipSpace(text, i+1) // the colon
		end = valueEnd(text, i)
		yield(key, jsonValue(text[i:end:end]))
		i = skipSpace(text, end)
		if text[i] == ',' {
			i++
		}
	}
}

func skipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n' {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(text []byte, i int) int {
	depth := 0
	for {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
			if depth == 0 {
				return i
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 { // behind a number or word
				return i
			}
			i++
			if depth--; depth == 0 {
				return i
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			i++
		default:
			i++
		}
	}
}
