package scanner

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// A clock tells a scan's time: monotonic nanoseconds since its start, less those in
// which it did not run. An answer that came while the process was stopped waits in the
// socket, and the target's time must not be over when it is read.
type clock struct {
	start  time.Time
	lost   time.Duration // in stalls
	turned time.Duration // since start, when turn was last called
	spent  time.Duration // of the turn, when moment was last called
}

func (c *clock) now() proto.Time { return proto.Time(time.Since(c.start) - c.lost) }

// moment returns the time within a turn. A stall within the turn does not count, as for
// turn.
func (c *clock) moment() proto.Time {
	if spent := time.Since(c.start) - c.turned; spent <= stallTime {
		c.spent = spent
	}
	return proto.Time(c.turned + c.spent - c.lost)
}

// turn is called once per turn, after the wait for the socket: at most wait, or without end
// if wait is negative. It returns the time of the turn. If the turn took stallTime longer
// than the wait, the time is set back by lost. Both values follow from one reading of the
// clock: with two, a stop between them would count twice, or not at all.
func (c *clock) turn(wait time.Duration) (now proto.Time, lost time.Duration) {
	since := time.Since(c.start)
	if took := since - c.turned; wait >= 0 && took > wait+stallTime {
		lost = took - max(wait, c.spent, 1) // 1: the packets of the turn before were sent before this one
		c.lost += lost
	}
	c.turned, c.spent = since, 0
	return proto.Time(since - c.lost), lost
}
