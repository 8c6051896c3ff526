package a3sb

import (
	"bytes"

	"github.com/a2scan/a2scan/proto"
)

// A Game says which of the two layouts a block has.
type Game uint8

// The games.
const (
	Unknown Game = iota
	ArmA3
	DayZ
)

// String returns the game's name.
func (g Game) String() string {
	switch g {
	case ArmA3:
		return "Arma 3"
	case DayZ:
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

// GameOf returns the game that a server's INFO names, by its app id, or by its folder if
// the id is unknown or missing. It returns Unknown if info is nil.
func GameOf(info *proto.Info) Game {
	if info == nil {
		return Unknown
	}
	switch info.AppID() {
	case appArmA3:
		return ArmA3
	case appDayZ, appDayZExpt:
		return DayZ
	}
	switch {
	case bytes.EqualFold(info.Folder, []byte("Arma3")):
		return ArmA3
	case bytes.EqualFold(info.Folder, []byte("dayz")):
		return DayZ
	}
	return Unknown
}
