package farm

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A Listed is a server as a simulated master or Web API lists it.
type Listed struct {
	Addr       netip.AddrPort
	Region     byte // 0 to 7, 255: the whole world
	Name       string
	AppID      uint32
	GameDir    string
	Version    string
	Product    string
	Map        string
	GameType   string
	SteamID    uint64
	Players    int
	MaxPlayers int
	Bots       int
	Secure     bool
	Dedicated  bool
	Linux      bool
	Password   bool
	Proxy      bool
}

// ListWorld returns a directory's rows of the servers of w at those addresses. One in eight
// has more players than its INFO reply, as many real ones do.
func ListWorld(w *prototest.World, at []netip.AddrPort) []Listed {
	var list []Listed
	for _, a := range at {
		truth, ok := w.Truth(prototest.EndpointFrom(a), proto.WantInfo)
		if !ok || len(truth.Info) == 0 {
			continue
		}
		i := &truth.Info[0]
		l := Listed{
			Addr:       a,
			Name:       string(i.Name),
			AppID:      i.AppID(),
			GameDir:    string(i.Folder),
			Version:    string(i.Version),
			Product:    string(i.Folder),
			Map:        string(i.Map),
			GameType:   string(i.Keywords),
			SteamID:    i.SteamID,
			Players:    int(i.Players),
			MaxPlayers: int(i.MaxPlayers),
			Bots:       int(i.Bots),
			Secure:     i.VAC == 1,
			Dedicated:  i.ServerType|0x20 == 'd',
			Proxy:      i.ServerType|0x20 == 'p',
			Linux:      i.OS|0x20 == 'l',
			Password:   i.Visibility == 1,
		}
		if i.HasActual {
			l.Players, l.MaxPlayers = i.ActualPlayers, i.ActualMaxPlayers
		}
		r := prototest.NewRand(w.Seed ^ prototest.EndpointFrom(a).Lo<<16 ^ uint64(a.Port()))
		l.Region = byte(r.Below(8))
		if r.Below(8) == 0 {
			l.Players += 40 + r.Below(60)
		}
		list = append(list, l)
	}
	return list
}

// Selects reports whether filter, in the form \key\value, selects the server. ok is
// false if the filter cannot be read. A key that is not known selects every server.
func (l *Listed) Selects(filter string) (selects, ok bool) {
	terms, ok := termsOf(filter)
	return ok && l.fits(terms), ok
}

// A term is a condition of a filter, or a group of them.
type term struct {
	key, value string
	group      []term
}

// termsOf takes a filter apart, without the code of package master.
func termsOf(filter string) (terms []term, ok bool) {
	if filter == "" {
		return nil, true
	}
	fields := strings.Split(filter, `\`)
	if fields[0] != "" || len(fields)%2 == 0 {
		return nil, false
	}
	for fields = fields[1:]; len(fields) > 0; {
		t := term{key: fields[0], value: fields[1]}
		fields = fields[2:]
		if t.key == "or" || t.key == "nor" || t.key == "nand" {
			n, err := strconv.Atoi(t.value)
			if err != nil || n < 1 || len(fields) < 2*n {
				return nil, false
			}
			for i := range n {
				t.group = append(t.group, term{key: fields[2*i], value: fields[2*i+1]})
			}
			fields = fields[2*n:]
			if t.key == "nor" && n == 1 && t.group[0].key == "gameaddr" {
				continue // Valve's parser drops it in silence
			}
		}
		terms = append(terms, t)
	}
	return terms, true
}

func (l *Listed) fits(terms []term) bool {
	for _, t := range terms {
		if t.group == nil {
			if !l.has(t.key, t.value) {
				return false
			}
			continue
		}
		some, all := false, true
		for _, m := range t.group {
			hit := l.has(m.key, m.value)
			some, all = some || hit, all && hit
		}
		if t.key == "or" && !some || t.key == "nor" && some || t.key == "nand" && all {
			return false
		}
	}
	return true
}

func (l *Listed) has(key, value string) bool {
	switch key {
	case "appid":
		return value == strconv.Itoa(int(l.AppID))
	case "napp":
		return value != strconv.Itoa(int(l.AppID))
	case "dedicated":
		return l.Dedicated
	case "secure":
		return l.Secure
	case "linux":
		return l.Linux
	case "proxy":
		return l.Proxy
	case "password":
		return !l.Password
	case "empty":
		return l.Players > 0
	case "noplayers":
		return l.Players == 0
	case "full":
		return l.Players < l.MaxPlayers
	case "white":
		return false
	case "gamedir":
		return value == l.GameDir
	case "map":
		return value == l.Map
	case "gametype":
		for tag := range strings.SplitSeq(value, ",") {
			if !strings.Contains(","+l.GameType+",", ","+tag+",") {
				return false
			}
		}
	case "name_match":
		return matchStars(value, l.Name)
	case "version_match":
		return matchStars(value, l.Version)
	case "gameaddr":
		if a, err := netip.ParseAddr(value); err == nil {
			return a == l.Addr.Addr()
		}
		return value == l.Addr.String()
	}
	return true
}

// matchStars reports whether s fits a pattern, in which * is anything.
func matchStars(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}
