package a3sb

// A Block is the decoded server-browser block of Arma 3 or DayZ. Its byte slices
// alias memory that [Decode] made for it, not the rules.
type Block struct {
	Version        uint8
	Flags          uint8  // meaning unknown to every reader; 0 and 8 are seen
	DLC            uint16 // bit mask
	DLCHashes      []uint32
	Difficulty     *Difficulty // Arma 3 only
	Mods           []Mod
	Signatures     [][]byte
	Description    []byte // DayZ only, from version 2
	HasDescription bool
	Trailing       []byte // the bytes behind the last known field

	// Truncated reports that the block could not be read whole. The fields before
	// the damage, mods and signatures among them, are whole; the others are zero.
	Truncated bool
}

// A Difficulty is Arma 3's bit field, taken apart.
type Difficulty struct {
	Raw            uint16
	Level          uint8 // bits 0-2
	AI             uint8 // bits 3-5
	AdvancedFlight bool  // bit 6
	ThirdPerson    bool  // bit 7
	Crosshair      bool  // bit 8
}

// A Mod is one entry of the mod list.
type Mod struct {
	Hash uint32
	ID   uint64 // Steam Workshop id, little-endian of 1 to 8 bytes
	Name []byte
	DLC  bool  // a creator DLC: its id is an app id
	Head uint8 // the byte before the id: its length in the low nibble, 0x10 for a DLC
}
