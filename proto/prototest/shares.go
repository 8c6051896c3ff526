package prototest

import (
	"errors"
	"fmt"
	"time"
)

// Shares are the parts of a World's servers that have each behaviour. All but Loss
// and the delays are percent of its servers; the package comment lists the ones
// that exclude each other.
// The zero Shares is a World of servers that answer every well-formed query.
type Shares struct {
	Challenge     float64 // ask for a challenge before INFO too
	Silent        float64 // never answer
	GoldSource    float64 // speak as the HLDS engine and its relays do
	Split         float64 // split long replies
	BZip2         float64 // split them compressed
	Ship          float64 // are The Ship (app 2400)
	Duplicate     float64 // send every datagram twice
	Reorder       float64 // send datagrams out of order
	Garbage       float64 // send noise, half of them and then the answer
	ChallengeLoop float64 // answer every request with a new challenge
	Endless       float64 // send fragments that never make a reply
	WrongType     float64 // answer with a reply of another kind, half of them only now and then
	Truncate      float64 // cut their replies short
	AskTwice      float64 // answer the first token with a second challenge
	StrictLength  float64 // ignore requests with bytes behind the token

	// Loss is the chance in percent of every datagram to be lost, each way.
	Loss float64

	// DelayMin and DelayMax bound the time from a request to its answer. Each
	// server has one of its own between them.
	DelayMin, DelayMax time.Duration
}

// Validate returns every error in s, joined. Each names the flag that sets the value.
func (s *Shares) Validate() error {
	var errs []error
	share := func(flag string, v float64) {
		if !(v >= 0 && v <= 100) { // written so that NaN fails
			errs = append(errs, fmt.Errorf("--%s %v is not a percentage; use 0 to 100", flag, v))
		}
	}
	share("challenge", s.Challenge)
	share("silent", s.Silent)
	share("goldsource", s.GoldSource)
	share("split", s.Split)
	share("bzip2", s.BZip2)
	share("ship", s.Ship)
	share("loss", s.Loss)
	share("duplicate", s.Duplicate)
	share("reorder", s.Reorder)
	share("garbage", s.Garbage)
	share("challenge-loop", s.ChallengeLoop)
	share("endless", s.Endless)
	share("wrong-type", s.WrongType)
	share("truncate", s.Truncate)
	share("ask-twice", s.AskTwice)
	share("strict-length", s.StrictLength)

	sum := func(flags string, v float64) {
		if v > 100 {
			errs = append(errs, fmt.Errorf("%s come to %v percent; a server does at most one of them", flags, v))
		}
	}
	sum("--silent, --garbage, --challenge-loop, --endless, --wrong-type and --truncate",
		s.Silent+s.Garbage+s.ChallengeLoop+s.Endless+s.WrongType+s.Truncate)
	sum("--goldsource and --ship", s.GoldSource+s.Ship)
	sum("--split and --bzip2", s.Split+s.BZip2)

	if s.DelayMin < 0 || s.DelayMax < s.DelayMin {
		errs = append(errs, fmt.Errorf("--delay %v:%v is not a range; use MIN:MAX, such as 20ms:80ms", s.DelayMin, s.DelayMax))
	}
	return errors.Join(errs...)
}
