package master

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrFilter means that a filter can't be written in the master's syntax.
var ErrFilter = errors.New("bad filter")

// A Term is one condition on servers, or a group of them. Make one with [Is],
// one of the functions named for what they ask, [Nor] or [Nand].
type Term struct {
	key, value string
	group      []Term // of nor and nand
}

// Is asks for servers whose key has the value, in the master's own words. The
// keys that it knows: dedicated, secure, linux, proxy, password, empty, full,
// noplayers, white (1 each; but see [NotEmpty]), gamedir, map, appid, napp,
// gametype and gamedata (all of a comma-separated list), gamedataor (any),
// name_match and version_match (with *), collapse_addr_hash (1: one server per
// address), gameaddr (ip or ip:port).
func Is(key, value string) Term { return Term{key: key, value: value} }

// App asks for servers of an application.
func App(id uint32) Term { return Is("appid", strconv.FormatUint(uint64(id), 10)) }

// NotApp asks for servers of any other application. Some clients write this key
// nappid; napp is what the wiki has (ruling D-14). Masters have been seen to
// ignore it, so filter the answers too.
func NotApp(id uint32) Term { return Is("napp", strconv.FormatUint(uint64(id), 10)) }

// Dedicated asks for dedicated servers.
func Dedicated() Term { return Is("dedicated", "1") }

// Secure asks for servers with VAC.
func Secure() Term { return Is("secure", "1") }

// Linux asks for servers on Linux.
func Linux() Term { return Is("linux", "1") }

// Public asks for servers without a password.
func Public() Term { return Is("password", "0") }

// NotEmpty asks for servers that somebody plays on. The master's key for that is
// empty, and its value 1.
func NotEmpty() Term { return Is("empty", "1") }

// NotFull asks for servers with a free slot. The master's key for that is full,
// and its value 1.
func NotFull() Term { return Is("full", "1") }

// NoPlayers asks for servers that nobody plays on.
func NoPlayers() Term { return Is("noplayers", "1") }

// Nor asks for servers of which none of the terms holds.
func Nor(terms ...Term) Term { return Term{key: "nor", group: terms} }

// Nand asks for servers of which not all of the terms hold.
func Nand(terms ...Term) Term { return Term{key: "nand", group: terms} }

// Filter writes the terms, all of which shall hold, in the master's syntax:
// \key\value after \key\value. No terms at all are the empty filter: every server.
//
// It refuses (with an error that wraps ErrFilter) what the syntax cannot carry,
// a backslash or a NUL in a key or value, and groups within groups. The number
// that begins a group counts the terms in it, or the pairs that follow: sources
// disagree (ruling D-14), and only where groups are not nested is that the same.
func Filter(terms ...Term) (string, error) {
	var b strings.Builder
	for _, t := range terms {
		if t.group == nil {
			if err := writePair(&b, t); err != nil {
				return "", err
			}
			continue
		}
		fmt.Fprintf(&b, `\%s\%d`, t.key, len(t.group))
		for _, m := range t.group {
			if m.group != nil {
				return "", fmt.Errorf("%w: %s within %s", ErrFilter, m.key, t.key)
			}
			if err := writePair(&b, m); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

func writePair(b *strings.Builder, t Term) error {
	if t.key == "" {
		return fmt.Errorf("%w: a key is empty, or a group is", ErrFilter)
	}
	if strings.ContainsAny(t.key, "\\\x00") || strings.ContainsAny(t.value, "\\\x00") {
		return fmt.Errorf("%w: %q: a backslash or a NUL can't be sent", ErrFilter, t.key+"="+t.value)
	}
	if t.key == "nor" || t.key == "nand" {
		return fmt.Errorf("%w: an empty %s", ErrFilter, t.key)
	}
	b.WriteString(`\` + t.key + `\` + t.value)
	return nil
}

// checkFilter reports what keeps a filter that somebody wrote from being sent.
func checkFilter(s string) error {
	switch {
	case s == "":
		return nil
	case strings.Contains(s, "\x00"):
		return fmt.Errorf("%w: it holds a NUL", ErrFilter)
	case s[0] != '\\':
		return fmt.Errorf(`%w: %q: it must begin with \`, ErrFilter, s)
	case strings.Count(s, `\`)%2 != 0:
		return fmt.Errorf(`%w: %q: a key without a value`, ErrFilter, s)
	}
	return nil
}
