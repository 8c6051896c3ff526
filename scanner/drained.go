package scanner

import (
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// A drained tells up to when deadlines may be dealt with: an answer that waits in the
// socket's buffer, because this process was stopped or slow, is not silence.
//
// Where a Recv left nothing behind, that is the time before it. Where it was full, more
// may wait. A buffer is read in order: what it held at some moment has been read once
// as many datagrams were received since. So one look at how full it is tells for a
// while, and a flood delays deadlines by what waits, but doesn't stop them.
type drained struct {
	capacity int        // datagrams that the receive buffer can hold at most
	checked  proto.Time // whatever had come by then was received
	looked   proto.Time // when how full the buffer is was looked at
	left     int        // datagrams to receive until what it held then was received; 0: nobody looked
}

// leastDatagram is what a datagram takes of a receive buffer at least, as the kernel
// accounts it: that of no bytes takes 768 (Linux, amd64, 2026-11).
const leastDatagram = 512

// drainedOf returns a drained for a buffer of that many bytes.
func drainedOf(rcvbuf int) drained { return drained{capacity: max(rcvbuf/leastDatagram, 1024)} }

// upTo returns the time before which whatever came was received, after a Recv that was
// called after before, and by now has filled rx. used returns what the buffer holds, in
// bytes, or more, 0 where that is not known; it is called only where something may wait.
func (d *drained) upTo(before, now proto.Time, rx *mux.Batch, used func() int) proto.Time {
	if rx.Len() < rx.Cap() {
		return d.empty(before)
	}
	got := 0
	for i := range rx.Len() {
		if rx.Packet(i).Unreachable == mux.Reachable { // others did not stand in the buffer
			got++
		}
	}
	return d.full(now, got, used)
}

// empty is upTo after a Recv that left nothing behind.
func (d *drained) empty(before proto.Time) proto.Time {
	d.checked, d.left = before, 0
	return d.checked
}

// full is upTo after a Recv that got so many datagrams, behind which others may wait.
func (d *drained) full(now proto.Time, got int, used func() int) proto.Time {
	if d.left > got {
		d.left -= got
		return d.checked
	}
	if d.left > 0 {
		d.checked = d.looked
	}
	d.looked, d.left = now, d.capacity
	if n := used(); n > 0 {
		d.left = min(n/leastDatagram+1, d.capacity)
	}
	return d.checked
}
