package proto

// PlayerList is a decoded PLAYER reply. It can be reused: Decode keeps List's memory.
type PlayerList struct {
	// Count is the server's byte. It wraps above 255 while the entries go on,
	// so len(List) is the truth.
	Count uint8
	List  []Player
	// Ship says that a block of deaths and money followed the list (The Ship).
	Ship bool
	// Truncated is set where the reply holds fewer whole entries than Count.
	Truncated bool
	Trailing  []byte // what follows the last whole entry
}

// A Player is one entry of a PLAYER reply. Name aliases the payload.
type Player struct {
	Index    uint8   // zero for almost everyone
	Name     []byte  // often empty, often not unique
	Score    int32   // signed: negative scores exist
	Duration float32 // seconds; -1 is a bot; may be NaN or infinite
	Deaths   int32   // The Ship
	Money    int32   // The Ship
}
