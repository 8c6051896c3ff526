package scanner

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// A pace spreads the beginnings of targets evenly: the one with number n, from 0, begins
// no sooner than n spacings after the start. The zero pace holds nothing back.
type pace struct {
	spacing time.Duration
	begun   uint64 // targets that the engine has taken from its feed
}

// paceStep is the length of time whose moments share one wake-up of the loop: each wake-up
// costs as much as several packets.
const paceStep = 2 * time.Millisecond

// next returns the moment of the next target.
func (p *pace) next() proto.Time {
	if p.spacing == 0 {
		return 0
	}
	at := time.Duration(p.begun) * p.spacing
	if p.spacing < paceStep {
		at = at.Truncate(paceStep)
	}
	return proto.Time(at)
}
