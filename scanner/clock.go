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

// atLeast gives back so much of what was taken off that it is t at least.
func (c *clock) atLeast(t proto.Time) {
	if now := c.now(); now < t {
		c.lost -= t.Sub(now)
	}
}

// turn is called once a turn, after the socket was waited for: at most wait, or for
// ever where that is negative. It returns by how much time has been set back, because the
// turn took stallTime longer than that; otherwise 0.
func (c *clock) turn(wait time.Duration) (lost time.Duration) {
	now := time.Since(c.start)
	if took := now - c.turned; wait >= 0 && took > wait+stallTime {
		lost = took - wait
		c.lost += lost
	}
	c.turned = now
	return lost
}
