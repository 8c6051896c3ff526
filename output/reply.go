package output

// A Reply is one line of the output of a2scan decode: an assembled reply and the
// datagrams it came from. The line has the one section that belongs to Kind,
// under the kind's name.
type Reply struct {
	Kind  string   // info, players, rules, challenge or ping; empty is written as null
	Split bool     // it came in fragments
	Files []string // the files of its datagrams, in order of arrival
	Error string   // the problem with it, for people; empty is written as null

	Info      *Info    // nil is written as null, as are the next two
	Players   *Players //
	Rules     *Rules   //
	Challenge uint32   // the token as a little-endian number; null if Error is set
	Ping      string   // the text of the answer to a ping
}

// AppendJSON appends r as one line with its newline, under the rules of the
// function [AppendJSON].
func (r *Reply) AppendJSON(dst []byte) []byte {
	dst = appendOptionalWord(dst, `{"kind":`, r.Kind, r.Kind != "")
	if r.Split {
		dst = append(dst, `,"transport":"split"`...)
	} else {
		dst = append(dst, `,"transport":"single"`...)
	}
	dst = appendTexts(dst, `,"files":`, r.Files)
	dst = appendOptional(dst, `,"error":`, r.Error, r.Error != "")
	switch r.Kind {
	case "info":
		dst = appendInfo(append(dst, `,"info":`...), r.Info)
	case "players":
		dst = appendPlayers(append(dst, `,"players":`...), r.Players)
	case "rules":
		dst = appendRules(append(dst, `,"rules":`...), r.Rules)
	case "challenge":
		dst = appendOptionalUint(dst, `,"challenge":`, uint64(r.Challenge), r.Error == "")
	case "ping":
		dst = appendText(dst, `,"ping":`, r.Ping)
	}
	return append(dst, '}', '\n')
}
