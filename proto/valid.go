package proto

// Decodes reports whether body, a reply from its type byte on, decodes as an
// answer to k. A list does as soon as it has its count, whatever follows: what it
// holds is kept, and that it was cut off is said. So only INFO costs as much as
// decoding it.
func Decodes(k Kind, body []byte) bool {
	switch k {
	case KindInfo:
		var i Info
		return i.Decode(body) == nil
	case KindPlayers:
		return len(body) >= 2 && body[0] == TypePlayers
	case KindRules:
		return len(body) >= 3 && body[0] == TypeRules
	}
	return len(body) > 0 && body[0] == TypePing
}
