package master

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// kind is what the values of a key are.
type kind uint8

const (
	text    kind = iota // any text
	flag                // 1
	zero                // 0
	number              // an app id
	tags                // a,b: several words
	pattern             // text with * for anything
	address             // ip or ip:port
)

// A key is a word of the filter language.
type key struct {
	name string
	kind kind
}

var keys = []key{
	{"appid", number},            // servers of this app
	{"napp", number},             // servers of any other app
	{"dedicated", flag},          // dedicated servers
	{"secure", flag},             // servers with VAC
	{"gamedir", text},            // the mod's folder
	{"map", text},                // the map
	{"linux", flag},              // servers on Linux
	{"password", zero},           // 0: servers without a password
	{"empty", flag},              // servers that are not empty
	{"full", flag},               // servers that are not full
	{"noplayers", flag},          // empty servers
	{"proxy", flag},              // spectator proxies
	{"white", flag},              // whitelisted servers
	{"gametype", tags},           // all of these tags
	{"gamedata", tags},           // all of these hidden tags
	{"gamedataor", tags},         // any of these hidden tags
	{"name_match", pattern},      // the name, * for anything
	{"version_match", pattern},   // the version, * for anything
	{"gameaddr", address},        // servers at ip or ip:port
	{"collapse_addr_hash", flag}, // one server per address (UDP masters only)

	{"clver", text},    // the client's version
	{"nat", text},      // 1: servers behind NAT
	{"protocol", text}, // the protocol's version
	{"commit", text},   // of the client
	{"branch", text},   // of the client
	{"os", text},       // of the client
	{"arch", text},     // of the client
	{"buildnum", text}, // of the client
}

func findKey(name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func isList(name string) bool {
	k := findKey(name)
	return k != nil && k.kind == tags
}

// instead is what to write for keys that are often tried.
var instead = map[string]string{
	"nappid":  "write napp",
	"type":    "write dedicated=1",
	"region":  "the region is no filter; use --region of a2scan master",
	"key":     "it is chosen for each list",
	"notfull": "write full=1: servers that are not full",
	"name":    "write name_match, with * for anything",
	"version": "write version_match, with * for anything",
	"addr":    "write gameaddr",
	"ip":      "write gameaddr",
	"app":     "write appid",
	"app_id":  "write appid",
	"vac":     "write secure=1",
	"game":    "write appid; game=NAME is for filters in words",
}

// checkPair returns why key=value cannot be sent.
func checkPair(name, value string) error {
	k := findKey(name)
	switch {
	case name == "":
		return errors.New("a key is empty")
	case k == nil && instead[name] != "":
		return fmt.Errorf("unknown key %q: %s", name, instead[name])
	case k == nil:
		return fmt.Errorf("unknown key %q", name)
	case strings.Contains(value, `\`):
		return fmt.Errorf(`%s: a value cannot contain \`, name)
	case strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return fmt.Errorf("%s: a value cannot contain control characters", name)
	case strings.Contains(value, "*") && k.kind != pattern:
		return fmt.Errorf("%s: * means anything in name_match and version_match only", name)
	}
	switch k.kind {
	case flag:
		if value != "1" {
			return fmt.Errorf("%s takes only 1; for the opposite write nor(%s=1)", name, name)
		}
	case zero:
		if value != "0" {
			return fmt.Errorf("%s takes only 0; for the opposite write nor(%s=0)", name, name)
		}
	case number:
		if n, err := strconv.ParseUint(value, 10, 32); err != nil || strconv.FormatUint(n, 10) != value {
			return fmt.Errorf("%s: %q is not an app id", name, value)
		}
	case tags, pattern:
		if value == "" {
			return fmt.Errorf("%s is empty", name)
		}
	case address:
		a, err := netip.ParseAddr(value)
		if err != nil {
			var ap netip.AddrPort
			ap, err = netip.ParseAddrPort(value)
			a = ap.Addr()
		}
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%s: %q is neither an address nor address:port", name, value)
		}
	}
	return nil
}
