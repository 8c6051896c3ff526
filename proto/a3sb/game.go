package a3sb

import (
	"bytes"

	"github.com/a2scan/a2scan/proto"
)

// A game says which of the two layouts a block has.
type game uint8

// The games.
const (
	unknownGame game = iota
	gameArmA3
	gameDayZ
)

// String returns the game's name.
func (g game) String() string {
	switch g {
	case gameArmA3:
		return "Arma 3"
	case gameDayZ:
		return "DayZ"
	}
	return "unknown"
}

// The games' app ids.
const (
	appArmA3    = 107410
	appDayZ     = 221100
	appDayZExpt = 1024020 // DayZ Experimental
)

// gameOf returns the game that a server's INFO names, by its app id, or by its folder if
// the id is unknown or missing. It returns unknownGame if info is nil.
func gameOf(info *proto.Info) game {
	if info == nil {
		return unknownGame
	}
	switch info.AppID() {
	case appArmA3:
		return gameArmA3
	case appDayZ, appDayZExpt:
		return gameDayZ
	}
	switch {
	case bytes.EqualFold(info.Folder, []byte("Arma3")):
		return gameArmA3
	case bytes.EqualFold(info.Folder, []byte("dayz")):
		return gameDayZ
	}
	return unknownGame
}
