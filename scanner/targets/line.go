package targets

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// An entry is the meaning of one line or argument.
type entry struct {
	host    string   // a host name as written, to be resolved; or empty, and then:
	iv      interval // the addresses
	scope   uint32   // the interface index of a link-local address
	expands bool     // iv was written as a prefix or range, not as one address
	ports   Ports    // empty: the default ports
	word    string   // the target as written
	tag     string
	source  string // the JSON object that the target was read from
	tcp     int    // ports of the line that are not UDP, and are skipped
}

// errOnlyTCP marks a line of a port scanner that has no UDP port. It is counted without a
// message.
var errOnlyTCP = errors.New("the line has no UDP port")

// parsePlain reads the most common line there is: an IPv4 address and port in
// canonical form and nothing else. Lines that are anything else, malformed ones
// too, are left to parseLine.
func parsePlain(line []byte) (addr uint32, port uint16, ok bool) {
	i := 0
	for octet := range 4 {
		start, n := i, uint32(0)
		for i < len(line) && line[i]-'0' < 10 && i-start < 3 {
			n = n*10 + uint32(line[i]-'0')
			i++
		}
		if i == start || n > 255 || line[start] == '0' && i-start > 1 {
			return 0, 0, false
		}
		addr = addr<<8 | n
		end := byte('.')
		if octet == 3 {
			end = ':'
		}
		if i == len(line) || line[i] != end {
			return 0, 0, false
		}
		i++
	}
	start, n := i, uint32(0)
	for i < len(line) && line[i]-'0' < 10 && i-start < 5 {
		n = n*10 + uint32(line[i]-'0')
		i++
	}
	if i == start || line[start] == '0' || n > 65535 {
		return 0, 0, false
	}
	if i < len(line) && line[i] == '\r' {
		i++
	}
	if i != len(line) {
		return 0, 0, false
	}
	return addr, uint16(n), true
}

// A plainLine is what parsePlain reads.
type plainLine struct {
	addr uint32
	port uint16
}

// cutPlain reads the line that text begins with, if parsePlain reads it and it ends with a
// line feed. size is its length with that, 0 if it is another line. The search for the end
// of a line of any length takes longer than reading a plain one.
func cutPlain(text []byte) (line plainLine, size int) {
	i := 0
	for _, end := range [4]byte{'.', '.', '.', ':'} {
		start, n := i, uint32(0)
		for i < len(text) && text[i]-'0' < 10 {
			n = n*10 + uint32(text[i]-'0')
			i++
		}
		if uint(i-start-1) > 2 || n > 255 || text[start] == '0' && i-start > 1 || i == len(text) || text[i] != end {
			return plainLine{}, 0
		}
		line.addr = line.addr<<8 | n
		i++
	}
	start, n := i, uint32(0)
	for i < len(text) && text[i]-'0' < 10 {
		n = n*10 + uint32(text[i]-'0')
		i++
	}
	if uint(i-start-1) > 4 || n > 65535 || text[start] == '0' {
		return plainLine{}, 0
	}
	if i < len(text) && text[i] == '\r' {
		i++
	}
	if i == len(text) || text[i] != '\n' {
		return plainLine{}, 0
	}
	line.port = uint16(n)
	return line, i + 1
}

// parseLine reads a line of any accepted form, without its line end. It returns
// false if the line is blank or a comment. The error says what is wrong with the line
// and how to write it.
func parseLine(line string) (e entry, ok bool, err error) {
	line = strings.Trim(line, " \t\r")
	if line == "" || line[0] == '#' || line[0] == ';' {
		return e, false, nil
	}
	if strings.IndexByte(line, 0) >= 0 {
		return e, false, errors.New("the line has a NUL byte; a list is plain text in UTF-8")
	}
	if line[0] == '{' {
		err = e.parseObject(line)
		return e, err == nil, err
	}
	word, rest := cutWord(line)
	if rest != "" && (word == "open" || word == "banner") {
		if is, err := e.parseMasscan(rest); is {
			return e, err == nil, err
		}
	}
	if rest != "" && !isComment(rest) {
		e.tag, rest = cutWord(rest)
		if rest != "" && !isComment(rest) {
			return e, false, fmt.Errorf("there is more than a target and a tag, from %s on; a tag is one word, and '#' starts a comment", quote(rest))
		}
		if err := checkTag(word, e.tag); err != nil {
			return e, false, err
		}
	}
	if len(word) > len(steamLink) && strings.EqualFold(word[:len(steamLink)], steamLink) {
		word, _, _ = strings.Cut(word[len(steamLink):], "/") // a password may follow
	}
	e.word = word
	err = e.parseWord(word)
	return e, err == nil, err
}

// steamLink begins the links that open a server in Steam.
const steamLink = "steam://connect/"

// checkTag returns an error if the second word of a line is not a tag but belongs to a
// target: a port, or an address.
func checkTag(word, tag string) error {
	switch c := tag[0]; {
	case '0' <= c && c <= '9', c == '[', c == ':', strings.IndexByte(tag, ':') > 0:
	default:
		return nil
	}
	if _, err := parsePorts(strings.TrimPrefix(tag, ":")); err == nil {
		if _, _, has := splitPorts(word); has {
			return fmt.Errorf("the second word, %s, is a port and not a tag; write one target per line, as ADDRESS:PORT", quote(tag))
		}
		if a, err := netip.ParseAddr(word); err == nil && a.Is6() {
			word = "[" + word + "]"
		}
		return fmt.Errorf("the second word, %s, is a port and not a tag; write %s", quote(tag), quote(word+":"+strings.TrimPrefix(tag, ":")))
	}
	var e entry
	if e.parseWord(tag) == nil && (e.host == "" || e.ports.Len() > 0 && strings.IndexByte(e.host, '.') > 0) {
		return fmt.Errorf("the second word, %s, is an address and not a tag; write one target per line", quote(tag))
	}
	return nil
}

// parseMasscan reads the rest of a line of masscan -oL: open udp PORT ADDRESS TIME. is is
// false if the line is none.
func (e *entry) parseMasscan(rest string) (is bool, err error) {
	proto, rest := cutWord(rest)
	port, rest := cutWord(rest)
	addr, rest := cutWord(rest)
	switch proto {
	case "udp", "tcp", "sctp", "icmp", "oproto":
	default:
		return false, nil
	}
	if addr == "" || rest == "" {
		return false, nil
	}
	if proto != "udp" {
		e.tcp = 1
		return true, errOnlyTCP
	}
	if a, err := netip.ParseAddr(addr); err == nil && a.Is6() {
		addr = "[" + addr + "]"
	}
	e.word = addr + ":" + port
	return true, e.parseWord(e.word)
}

func isComment(s string) bool { return s[0] == '#' || s[0] == ';' }

// cutWord cuts s behind its first word; rest begins with the next one.
func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// parseWord reads a target: a name, an address, a prefix or a range, and the
// ports behind it.
func (e *entry) parseWord(word string) error {
	where, ports, hasPorts := splitPorts(word)
	if hasPorts {
		var err error
		if e.ports, err = parsePorts(ports); err != nil {
			return err
		}
	}
	if where == "" {
		return fmt.Errorf("%s names no address and no host", quote(word))
	}
	if a, err := netip.ParseAddr(where); err == nil {
		e.iv = single(addressOf(a))
		if !e.iv.first.is4() {
			e.scope, err = scopeOf(a)
		}
		return err
	}
	if isInterval(where) {
		var err error
		e.expands = true
		if e.iv, err = parseInterval(where); errors.Is(err, errMapped) {
			err = fmt.Errorf("%s is the IPv6 form of all IPv4 addresses; write 0.0.0.0/0", quote(where))
		}
		return err
	}
	if word[0] == '[' {
		return fmt.Errorf("%s is not an IPv6 address; brackets are for those alone", quote(word))
	}
	if strings.IndexByte(where, ':') >= 0 {
		return colonsError(word)
	}
	e.host = where
	return checkName(where)
}

func colonsError(word string) error {
	return fmt.Errorf("%s has too many colons; write HOST:PORT, or [IPV6]:PORT", quote(word))
}

// splitPorts cuts word at the colon that ports follow. A bare IPv6 address has
// colons and no ports; where there are brackets or a slash, ports follow the
// first colon behind them, and else a colon that is the only one.
func splitPorts(word string) (where, ports string, ok bool) {
	from, brackets := 0, false
	if i := strings.LastIndexByte(word, ']'); word != "" && word[0] == '[' && i > 0 {
		from, brackets = i+1, true
	} else if i := strings.IndexByte(word, '/'); i >= 0 {
		from = i
	} else if strings.Count(word, ":") > 1 {
		return word, "", false
	}
	where = word
	if i := strings.IndexByte(word[from:], ':'); i >= 0 {
		where, ports, ok = word[:from+i], word[from+i+1:], true
	}
	if brackets {
		// [A], [A]/64, [A/64], [A-B] and [A]-[B] all mean what they look like.
		inner, behind := where[1:from-1], where[from:]
		if behind == "" || behind[0] == '/' {
			where = strings.Replace(inner, "]-[", "-", 1) + behind
		}
	}
	return where, ports, ok
}

// isInterval reports whether s was meant as a prefix or range. A hyphen alone
// does not make it one: host names have them too.
func isInterval(s string) bool {
	if strings.IndexByte(s, '/') >= 0 {
		return true
	}
	i := strings.IndexByte(s, '-')
	if i < 0 {
		return false
	}
	_, err := netip.ParseAddr(s[:i])
	return err == nil
}

// checkLabel returns an error if a name in a file is one word without a port. Most such
// words are not meant as hosts, and must not be looked up.
func (e *entry) checkLabel() error {
	if strings.IndexByte(e.host, '.') >= 0 || e.ports.Len() > 0 || strings.EqualFold(e.host, "localhost") {
		return nil
	}
	return fmt.Errorf("%s is neither an address nor a host name with a domain; write %s if it is a host", quote(e.host), quote(e.host+"."))
}

// checkName returns an error unless s is the name of a host (RFC 1123): labels of
// letters, digits and hyphens, of which the last is not a number.
func checkName(s string) error {
	labels := strings.TrimSuffix(s, ".")
	if len(labels) > 253 {
		return fmt.Errorf("%s is too long for a host name: %d bytes of at most 253", quote(s), len(labels))
	}
	last := ""
	for label := range strings.SplitSeq(labels, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%s is neither an address nor a host name", quote(s))
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
			case c >= 0x80:
				return fmt.Errorf("%s is not a host name; write it in its xn-- form", quote(s))
			default:
				return fmt.Errorf("%s is neither an address nor a host name", quote(s))
			}
		}
		last = label
	}
	// No top-level domain is a number, so this was meant as an address.
	if strings.Trim(last, "0123456789") == "" || len(last) > 2 && (last[:2] == "0x" || last[:2] == "0X") {
		return fmt.Errorf("%s is not an address; write IPv4 as four numbers up to 255 without leading zeros", quote(s))
	}
	return nil
}
