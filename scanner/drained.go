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
// as much was received since. So one look at how full it is tells for a while, and a
// flood delays deadlines by what waits, but doesn't stop them.
type drained struct {
	capacity int        // bytes that the receive buffer can hold at most
	checked  proto.Time // whatever had come by then was received
	looked   proto.Time // when how full the buffer is was looked at
	left     int        // bytes of it to receive until what it held then was received; 0: nobody looked
}

// leastDatagram is what a datagram takes of a receive buffer at least beside its bytes,
// as the kernel accounts it: what describes it (256 bytes, and 320 at the end of its
// data) and its headers (Linux, amd64, 2026-11: 768 for one of no bytes).
const leastDatagram = 512

// drainedOf returns a drained for a buffer of that many bytes.
func drainedOf(rcvbuf int) drained { return drained{capacity: max(rcvbuf, 1024*leastDatagram)} }

// upTo returns the time before which whatever came was received, after a Recv that was
// called after before, and by now has put into rx what there was, or a part of it. used returns what the buffer holds, in
// bytes, or more, 0 where that is not known; it is called only where something may wait.
func (d *drained) upTo(before, now proto.Time, rx *mux.Batch, used func() int) proto.Time {
	if !rx.More() {
		return d.empty(before)
	}
	got := 0
	for i := range rx.Len() {
		if p := rx.Packet(i); p.Unreachable == mux.Reachable { // others did not stand in the buffer
			got += leastDatagram + len(p.Data)
		}
	}
	return d.full(now, got, used)
}

// empty is upTo after a Recv that left nothing behind.
func (d *drained) empty(before proto.Time) proto.Time {
	d.checked, d.left = before, 0
	return d.checked
}

// full is upTo after a Recv that took that many bytes out of the buffer, or more, where
// others may wait.
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
		d.left = min(n, d.capacity)
	}
	return d.checked
}
