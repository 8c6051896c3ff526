package scanner

import (
	"time"

	"github.com/a2scan/a2scan/proto"
)

// A clock tells a scan's time: monotonic nanoseconds since its start, less those in
// which it did not run. A server's answer that came while the process was stopped
// waits in the socket, and what follows from it must not find the target's time over.
type clock struct {
	start  time.Time
	lost   time.Duration // in stalls
	turned time.Duration // since start, when turn was last called
}

func (c *clock) now() proto.Time { return proto.Time(time.Since(c.start) - c.lost) }

// turn is called once a turn, after the socket was waited for: at most wait, or for
// ever where that is negative. It returns the time of the turn, and by how much that has
// been set back because the turn took stallTime longer than the wait; otherwise 0. The two
// are of one look at the clock: a stop between two would be told of twice, or not at all.
func (c *clock) turn(wait time.Duration) (now proto.Time, lost time.Duration) {
	since := time.Since(c.start)
	if took := since - c.turned; wait >= 0 && took > wait+stallTime {
		lost = took - max(wait, 1) // 1: what was sent in the turn before was sent before
		c.lost += lost
	}
	c.turned = since
	return proto.Time(since - c.lost), lost
}
