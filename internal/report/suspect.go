package report

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/a2scan/a2scan/output"
)

// reasons is a set of reasons to suspect a server.
type reasons uint8

// The reasons. docs/suspects.md explains each of them, and how it can be wrong.
const (
	playersOverMax reasons = 1 << iota
	playersNotListed
	sameOnOneIP
	steamIdentity
	steamPlayers
	numReasons = 5
)

// A Reason names one of them.
type Reason struct {
	Name string `json:"name"`
	Text string `json:"text"` // one sentence
}

// Reasons are all reasons, in the order of their bits.
var Reasons = [numReasons]Reason{
	{"players_over_max", "INFO reports more players than max_players."},
	{"players_not_listed", "INFO reports far more players than the PLAYER reply lists."},
	{"same_on_one_ip", "100 or more servers of one address report the same name, map and player count."},
	{"steam_identity", "The Steam list has another app id, folder or Steam id for this address."},
	{"steam_players", "INFO reports far more players than the Steam list does."},
}

const (
	manyServers = 100 // of one address that report the same
	farOff      = 10  // players that two counts must differ by
	fullList    = 250 // from here on a PLAYER reply may leave players out: its count is a byte
)

// suspicions returns the reasons that one record gives.
func suspicions(rec *output.Record, r *row) (found reasons) {
	if r.players > r.maxPlayers {
		found |= playersOverMax
	}
	humans := r.players - r.bots
	if p := rec.Players; r.listed >= 0 && r.listed < fullList && !p.Truncated && muchMore(humans, r.listed) {
		found |= playersNotListed
	}
	if len(rec.Source) == 0 {
		return found
	}
	var s steamRow
	if json.Unmarshal(rec.Source, &s) != nil {
		return found // a list that is not Steam's
	}
	i := rec.Info
	if s.AppID != 0 && i.AppID != 0 && s.AppID != i.AppID ||
		s.Folder != "" && i.Folder != "" && s.Folder != i.Folder ||
		s.id() != 0 && i.SteamID != 0 && s.id() != i.SteamID {
		found |= steamIdentity
	}
	if s.Players != nil && muchMore(humans, *s.Players) {
		found |= steamPlayers
	}
	return found
}

// muchMore reports whether a is so much more than b that players who come and go
// between two counts do not explain it.
func muchMore(a, b int) bool { return a-b >= farOff && a > 2*b }

// A steamRow is a server in a response of the Steam Web API.
type steamRow struct {
	AppID   uint32          `json:"appid"`
	Folder  string          `json:"gamedir"`
	SteamID json.RawMessage `json:"steamid"`
	Players *int            `json:"players"`
}

// id returns the Steam id, 0 for none.
func (s *steamRow) id() uint64 {
	n, _ := strconv.ParseUint(string(bytes.Trim(s.SteamID, `"`)), 10, 64)
	return n
}
