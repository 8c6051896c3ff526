package prototest

import "strings"

// Behaviour is the set of a server's habits, one bit for each share.
type Behaviour uint16

// The behaviours, in the order in which reports list them.
const (
	Challenge Behaviour = 1 << iota
	Silent
	GoldSource
	Split
	BZip2
	Ship
	Duplicate
	Reorder
	Garbage
	ChallengeLoop
	Endless
	WrongType
	Truncate
	AskTwice
	StrictLength
	NumBehaviours = iota
)

var behaviourNames = [NumBehaviours]string{"challenge", "silent", "goldsource", "split", "bzip2", "ship",
	"duplicate", "reorder", "garbage", "challenge-loop", "endless", "wrong-type", "truncate", "ask-twice", "strict-length"}

// Has reports whether b contains any of the behaviours in any.
func (b Behaviour) Has(any Behaviour) bool { return b&any != 0 }

// Each returns the single behaviours in b.
func (b Behaviour) Each() []Behaviour {
	var all []Behaviour
	for i := range NumBehaviours {
		if one := Behaviour(1) << i; b.Has(one) {
			all = append(all, one)
		}
	}
	return all
}

// String returns the names of the flags, joined by "+", or "plain".
func (b Behaviour) String() string {
	var names []string
	for i, n := range behaviourNames {
		if b.Has(1 << i) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "plain"
	}
	return strings.Join(names, "+")
}
