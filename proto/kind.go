package proto

// A Kind is a question to a server.
type Kind uint8

// The kinds of query. Their order is the order in which a Query asks them.
const (
	KindInfo    Kind = iota // A2S_INFO, answered by 'I', 'm' or 'C'
	KindPlayers             // A2S_PLAYER, answered by 'D'
	KindRules               // A2S_RULES, answered by 'E'
	KindPing                // A2A_PING, answered by 'j'; gone from current servers, so a Query does not ask it
	NumKinds    = 4
)

// String returns the kind's name as records spell it: info, players, rules, ping.
func (k Kind) String() string {
	switch k {
	case KindInfo:
		return "info"
	case KindPlayers:
		return "players"
	case KindRules:
		return "rules"
	case KindPing:
		return "ping"
	}
	return "unknown"
}

// Bit returns the set that holds only k.
func (k Kind) Bit() Kinds { return 1 << k }

// Kinds is a set of Kind.
type Kinds uint8

// The sets that are asked for most.
const (
	WantInfo    Kinds = 1 << KindInfo
	WantPlayers Kinds = 1 << KindPlayers
	WantRules   Kinds = 1 << KindRules
)

// Has reports whether k is in s.
func (s Kinds) Has(k Kind) bool { return s&k.Bit() != 0 }
