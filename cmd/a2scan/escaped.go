package main

import (
	"bytes"
	"strings"
)

// parseEscaped returns the bytes that a text shows as strings with escapes, as Python, C and
// shells print them: "\xff\xff\xff\xffI\x11name\0", one packet per line. It returns nil if
// text is something else: each packet begins like a reply.
func parseEscaped(text []byte) (packets [][]byte) {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		packet := unescape(line)
		if !isReply(packet) {
			return nil
		}
		packets = append(packets, packet)
	}
	return packets
}

// unescape returns the bytes of a string that begins with an escape, with or without quotes:
// b'…' of Python, "…" of C, $'…' of bash.
func unescape(line string) []byte {
	line = strings.TrimRight(line, ",;")
	line = strings.TrimLeft(line, "b$")
	if len(line) > 1 && (line[0] == '\'' || line[0] == '"') {
		if line[len(line)-1] != line[0] {
			return nil
		}
		line = line[1 : len(line)-1]
	}
	if !strings.HasPrefix(line, `\`) {
		return nil
	}
	b := make([]byte, 0, len(line)/2)
	for i := 0; i < len(line); {
		if line[i] != '\\' {
			b = append(b, line[i])
			i++
			continue
		}
		i++
		if i == len(line) {
			return nil
		}
		switch c := line[i]; {
		case c == 'x':
			if i+3 > len(line) || !isHex(line[i+1]) || !isHex(line[i+2]) {
				return nil
			}
			b = append(b, digit(line[i+1])<<4|digit(line[i+2]))
			i += 3
		case c-'0' < 8:
			n := 0
			for end := min(i+3, len(line)); i < end && line[i]-'0' < 8; i++ {
				n = n<<3 | int(line[i]-'0')
			}
			b = append(b, byte(n))
		default:
			if at := bytes.IndexByte([]byte(`abtnvfr`), c); at >= 0 {
				c = "\a\b\t\n\v\f\r"[at]
			}
			b = append(b, c)
			i++
		}
	}
	return b
}

// digit returns the value of a hexadecimal digit.
func digit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
