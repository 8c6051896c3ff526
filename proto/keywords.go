package proto

import "bytes"

// appRust is the app id of the game whose player counts overflow their bytes.
const appRust = 252490

// Keyword returns the number behind prefix in the first of the comma-separated keywords
// that consists of prefix and digits: "cp547" is Keyword("cp") = 547. The digits are part
// of the match because other games use words with the same beginning ("cp" is a kind of map
// elsewhere).
func (i *Info) Keyword(prefix string) (n int, ok bool) {
	for rest := i.Keywords; len(rest) > 0; {
		word := rest
		if c := bytes.IndexByte(rest, ','); c >= 0 {
			word, rest = rest[:c], rest[c+1:]
		} else {
			rest = nil
		}
		if len(word) <= len(prefix) || string(word[:len(prefix)]) != prefix {
			continue
		}
		if n, ok := digits(word[len(prefix):]); ok {
			return n, true
		}
	}
	return 0, false
}

// ActualPlayers returns the true counts of a server whose Players and MaxPlayers bytes
// cannot hold them. Only Rust is known to send them elsewhere: its keywords contain cp
// (players connected) and mp (the maximum). The bytes cannot be corrected: one server with
// 575 slots sends 63, which is 575 modulo 256, but 86 players although its keywords contain
// 547. It returns false unless the keywords contain both.
func (i *Info) ActualPlayers() (players, maxPlayers int, ok bool) {
	if i.AppID() != appRust && !bytes.EqualFold(i.Folder, []byte("rust")) {
		return 0, 0, false
	}
	players, ok = i.Keyword("cp")
	maxPlayers, okMax := i.Keyword("mp")
	if !ok || !okMax {
		return 0, 0, false
	}
	return players, maxPlayers, true
}

// digits reads a decimal number of up to nine digits.
func digits(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
