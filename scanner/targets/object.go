package targets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// parseObject reads a line that is a JSON object: {"ip","port"} as in a2scan's own
// records, {"addr"} as in the rows of the Steam Web API, {"saddr","sport"} of zmap,
// {"host","port"}, and {"ip","ports":[{"port","proto"}]} of masscan. Other keys are
// skipped without being decoded. A record without an address, because its name did not
// resolve, stands for its input.
func (e *entry) parseObject(line string) error {
	text := []byte(line)
	if !json.Valid(text) {
		if isMasscanEnd(line) {
			return errOnlyTCP
		}
		return errors.New("the line begins like a JSON object but is none; write one whole object per line")
	}
	var addr, ip, port, host, saddr, sport, ports, proto, tag, input jsonValue
	fields(text, func(key []byte, value jsonValue) {
		switch string(key) {
		case "addr":
			addr = value
		case "ip":
			ip = value
		case "port":
			port = value
		case "host":
			host = value
		case "saddr":
			saddr = value
		case "sport":
			sport = value
		case "ports":
			ports = value
		case "proto", "protocol":
			proto = value
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
	case !host.isNull():
		key, where = "host", host
	case ip != nil && !input.isNull():
		key, where = "input", input
	default:
		return errors.New(`the object has no address; it needs "ip" and "port", "addr", "host" and "port", or "saddr" and "sport"`)
	}
	word, ok := where.text()
	if !ok || word == "" {
		return fmt.Errorf("%q is %s, not an address; write it as a string", key, quote(string(where)))
	}
	if err := e.parseWord(word); err != nil {
		return err
	}
	e.word, e.source = word, line
	e.tag, _ = tag.text()
	if e.ports.Len() > 0 {
		return nil
	}
	if p, _ := proto.text(); p != "" && !strings.EqualFold(p, "udp") {
		e.tcp++
		return errOnlyTCP
	}
	list, quoted := port.text()
	switch {
	case !port.isNull() && !quoted:
		list = string(wholeNumber(port))
	case port.isNull() && len(ports) > 0 && ports[0] == '[':
		var err error
		if list, err = e.udpPorts(ports); err != nil || list == "" {
			return err
		}
		quoted = true
	case port.isNull():
		return nil
	}
	var err error
	if quoted && list != "" {
		list = string(wholeNumber([]byte(list)))
		e.ports, err = parsePorts(list)
	} else {
		var p uint16
		if p, err = parsePort(list); err == nil {
			e.ports = onePort(p)
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

// udpPorts returns the UDP ports of masscan's list of ports, and counts the others.
func (e *entry) udpPorts(ports jsonValue) (string, error) {
	var all []struct {
		Port  json.Number `json:"port"`
		Proto string      `json:"proto"`
	}
	if err := json.Unmarshal(ports, &all); err != nil {
		return "", fmt.Errorf(`"ports" is not a list of {"port","proto"}: %s`, quote(string(ports)))
	}
	var udp []string
	for _, p := range all {
		if p.Proto != "" && !strings.EqualFold(p.Proto, "udp") {
			e.tcp++
			continue
		}
		udp = append(udp, string(wholeNumber([]byte(p.Port))))
	}
	if len(udp) == 0 && e.tcp > 0 {
		return "", errOnlyTCP
	}
	return strings.Join(udp, ","), nil
}

// wholeNumber returns a number without a fraction of zeros: tables with gaps have ports such
// as 27015.0.
func wholeNumber(text []byte) []byte {
	whole, fraction, ok := bytes.Cut(text, []byte{'.'})
	if !ok || len(whole) == 0 || len(fraction) == 0 || len(bytes.Trim(fraction, "0")) > 0 {
		return text
	}
	return whole
}

// isMasscanEnd reports whether an object is the last one of old versions of masscan.
func isMasscanEnd(line string) bool {
	return strings.Map(func(c rune) rune {
		if c == ' ' {
			return -1
		}
		return c
	}, line) == "{finished:1}"
}

// A jsonValue is the text of a value in valid JSON; nil if there is none.
type jsonValue []byte

func (v jsonValue) isNull() bool { return v == nil || string(v) == "null" }

// text returns the string that v is; false if it is no string.
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
// is valid JSON. It finds the end of nested values without decoding them. key and value
// alias text, or are new.
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
