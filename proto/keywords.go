package proto

import "bytes"

// appRust is the app id of the game whose player counts overflow their bytes.
const appRust = 252490

// Keyword returns what follows prefix in the first of the comma-separated
// keywords that begins with it, and holds only digits after it: "cp547" is
// Keyword("cp") = 547. Other games use words of the same beginning ("cp" is a
// kind of map elsewhere), so the digits are part of the match.
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

// ActualPlayers returns the true counts of a server whose Players and
// MaxPlayers bytes cannot hold them. Only Rust is known to say them elsewhere:
// its keywords carry cp (players connected) and mp (the most that may). The
// bytes themselves can't be put right: one server of 575 slots says 63, which is
// 575 modulo 256, but 86 players where its keywords say 547. It returns false
// where the keywords do not tell both.
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
