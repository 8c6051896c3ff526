package proto

// decodes reports whether body, a reply from its type byte on, decodes as an
// answer to k. A list decodes as soon as it has its count: the entries that came
// whole are kept and the list is marked truncated. So only INFO costs as much as
// decoding it. occupied reports whether an INFO has players.
func decodes(k Kind, body []byte) (ok, occupied bool) {
	switch k {
	case KindInfo:
		var i Info
		ok = i.Decode(body) == nil
		return ok, ok && i.Players > 0
	case KindPlayers:
		return len(body) >= 2 && body[0] == TypePlayers, false
	default:
		return len(body) >= 3 && body[0] == TypeRules, false
	}
}
