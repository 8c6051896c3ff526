package proto

// decodes reports whether body, a reply from its type byte on, decodes as an
// answer to k. A list decodes as soon as it has its count: the entries that came
// whole are kept and the list is marked truncated. So only INFO costs as much as
// decoding it.
func decodes(k Kind, body []byte) bool {
	switch k {
	case KindInfo:
		var i Info
		return i.Decode(body) == nil
	case KindPlayers:
		return len(body) >= 2 && body[0] == TypePlayers
	default:
		return len(body) >= 3 && body[0] == TypeRules
	}
}
