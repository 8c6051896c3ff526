package prototest

import (
	"strconv"

	"github.com/a2scan/a2scan/proto/a3sb"
)

// A scratch is memory for the text of a server, kept from one reply to the next so that a
// farm does not allocate. The bytes of a reply stay valid if the text grows into new
// memory; they are reused after the next reset.
type scratch struct {
	text       []byte
	packed     []byte          // a browser block before it is escaped
	block      a3sb.Block      // the last one drawn
	difficulty a3sb.Difficulty // the target of its pointer
}

// mark begins a string; since ends it.
func (s *scratch) mark() int { return len(s.text) }

// since returns the text appended since mark, without capacity behind it.
func (s *scratch) since(mark int) []byte { return s.text[mark:len(s.text):len(s.text)] }

// word makes a string of the parts.
func (s *scratch) word(parts ...string) []byte {
	m := s.mark()
	for _, p := range parts {
		s.text = append(s.text, p...)
	}
	return s.since(m)
}

func (s *scratch) add(text string) { s.text = append(s.text, text...) }

func (s *scratch) addInt(n int) { s.text = strconv.AppendInt(s.text, int64(n), 10) }

func (s *scratch) addHex(n uint64) { s.text = strconv.AppendUint(s.text, n, 16) }

// hostile are texts that have broken somebody's scanner, terminal or line
// format: as names of servers, players and rules they must come out of a record
// with every byte they went in with.
var hostile = [...]string{
	"",
	"\x1b[31m\x1b[2Jred\x1b[0m",               // terminal: colour, clear screen
	"\x1b]0;title\x07\x1b[6n",                 // terminal: window title, report position
	"line\nbreak\r\nand\ttab",                 // more than one line
	"\x01\x02\x03\x04\x1f\x7f",                // other control characters; Source's colours
	"\"quoted\" \\back\\slash/ {\"a\":1}",     // JSON's own
	"<script>alert(1)</script>&amp;'",         // HTML's
	"\xff\xfe\xfdnot UTF-8\x80\xc0\xaf",       // bytes that begin nothing
	"Caf\xe9 M\xfcnchen",                      // Latin-1
	"cut in the middle \xe2\x82",              // a rune that ends early
	"\xed\xa0\x80 surrogate \xf4\x90\x80\x80", // runes that UTF-8 forbids
	"line\u2028and\u2029paragraph\u0085",      // separators that JavaScript ends lines at
	"Сервер №1 · 雷霆战机 · 🎮🔥",                   // three scripts and a surrogate pair
	"\u202eelif.exe\u202c \ufeff\u200b",       // right-to-left override, BOM, zero width
	"back\b\b\bspace\fform\vvertical",         // characters with and without a short escape in JSON
	"=cmd|' /C calc'!A0,;\t|",                 // spreadsheets, separators
	"%s%n%x %00 $(id) `id` ../../etc/passwd",  // formats, shells, paths
	"null",
	"-0",
	"\ufffd already replaced \ufffd", // valid UTF-8: nothing was lost here
	"a name as long as some servers have, with every word that somebody might search for in a list: " +
		"best server ever, no lag, fast download, friendly admins, free skins, vip, store, ranks, stats, 24/7, custom maps, active, eu, na, asia",
}

var (
	regions    = [...]string{"", "[EU] ", "[US-East] ", "[BR] ", "*CN* ", "|RU| ", "AU :: ", "[DE/AT/CH] "}
	adjectives = [...]string{"Golden", "Silent", "Rusty", "Friendly", "Public", "Ancient", "Hardcore", "Official", "Lazy", "Crimson", "Vanilla", "Frozen", "Noob", "Royal", "Wild", "Late Night"}
	nouns      = [...]string{"Wolves", "Arena", "Bunker", "Tavern", "Dust2 24/7", "Castle", "Frontier", "Garage", "Zombies", "Deathmatch", "Sandbox", "Outpost", "Surf", "Roleplay", "Island", "Clan"}
	nicks      = [...]string{"Player", "xX_Sniper_Xx", "Bob", "unnamed", "kro", "Alice", "[TAG] Max", "dr.who", "NoScope", "Олег", "小明", "Zoë", "o7", "Gh0st", "mr blue", "Cheese"}
	prefixes   = [...]string{"sv_", "mp_", "tf_", "sm_", "bot_", "mod_", "host_", "net_"}
	stems      = [...]string{"gravity", "friendlyfire", "timelimit", "maxspeed", "allow_votes", "cheats", "region", "tags", "nextmap", "restart", "alltalk", "airaccelerate", "version", "contact", "footsteps", "winlimit"}
	values     = [...]string{"0", "1", "800", "320", "", "0.5", "24", "-1", "https://example.net/rules", "de_dust2", "1.11.0.6970", "eu,24/7,friendly", "off", "true", "64", "9999"}
)

// serverName draws the name of a server: an ordinary one, or in one of 24 a
// hostile one.
func (s *scratch) serverName(r *Rand) []byte {
	if r.oneIn(24) {
		return s.word(hostile[r.Below(len(hostile))])
	}
	m := s.mark()
	x := r.Uint64()
	s.add(regions[x%8])
	s.add(adjectives[x>>8%16])
	s.add(" ")
	s.add(nouns[x>>16%16])
	s.add(" #")
	s.addInt(int(x >> 24 % 1000))
	return s.since(m)
}

// nick draws the name of a player. One in five is empty, as in real lists: a
// player who still connects, or a game that hides names. The rest repeat.
func (s *scratch) nick(r *Rand) []byte {
	x := r.Uint64()
	switch {
	case x%5 == 0:
		return nil
	case x>>8%48 == 0:
		return s.word(hostile[x>>16%uint64(len(hostile))])
	case x>>16%2 == 0:
		return s.word(nicks[x>>24%16])
	}
	m := s.mark()
	s.add(nicks[x>>24%16])
	s.addInt(int(x >> 32 % 100))
	return s.since(m)
}
