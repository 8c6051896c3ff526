package output

import "github.com/a2scan/a2scan/proto"

// A DecodedReply is one line of what decode prints: an assembled reply and the
// datagrams it came from. The section of its kind, and only that, is written,
// under the kind's name.
type DecodedReply struct {
	Kind  ReplyKind
	Split bool     // it came in fragments: transport is split, else single
	Files []string // the files of its datagrams, in order of arrival
	Error string   // what was wrong with it, for people; empty is written as null

	Info      *InfoSection    // nil is written as null, here and below
	Players   *PlayersSection //
	Rules     *RulesSection   //
	Challenge proto.Challenge // written as the number that its four bytes make, little-endian; with an Error as null
	Ping      []byte          // the text of a ping's answer, without its NUL
}

// A ReplyKind is the kind of a reply as decode spells it.
type ReplyKind uint8

// The kinds of reply. A reply of unknown kind has null for its kind and no
// section.
const (
	ReplyUnknown ReplyKind = iota
	ReplyInfo
	ReplyPlayers
	ReplyRules
	ReplyChallenge
	ReplyPing
)

// AppendJSON appends r as one line, newline included, under the rules of the
// package's [AppendJSON].
func (r *DecodedReply) AppendJSON(dst []byte) []byte {
	kind, section := `{"kind":null`, ""
	switch r.Kind {
	case ReplyInfo:
		kind, section = `{"kind":"info"`, `,"info":`
	case ReplyPlayers:
		kind, section = `{"kind":"players"`, `,"players":`
	case ReplyRules:
		kind, section = `{"kind":"rules"`, `,"rules":`
	case ReplyChallenge:
		kind, section = `{"kind":"challenge"`, `,"challenge":`
	case ReplyPing:
		kind, section = `{"kind":"ping"`, `,"ping":`
	}
	dst = append(dst, kind...)
	if r.Split {
		dst = append(dst, `,"transport":"split"`...)
	} else {
		dst = append(dst, `,"transport":"single"`...)
	}
	dst = appendTexts(dst, `,"files":`, r.Files)
	dst = appendOptional(dst, `,"error":`, r.Error, r.Error != "")
	switch r.Kind {
	case ReplyInfo:
		dst = AppendInfoJSON(append(dst, section...), r.Info)
	case ReplyPlayers:
		dst = AppendPlayersJSON(append(dst, section...), r.Players)
	case ReplyRules:
		dst = AppendRulesJSON(append(dst, section...), r.Rules)
	case ReplyChallenge:
		dst = appendOptionalUint(dst, section, uint64(r.Challenge), r.Error == "")
	case ReplyPing:
		dst = appendText(dst, section, r.Ping)
	}
	return append(dst, '}', '\n')
}
