package scanner

import (
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// A drained knows up to which time deadlines may be handled. An answer that waits in the
// socket's buffer, because this process was stopped or slow, is not silence.
//
// If a Recv emptied the buffer, that is the time before the Recv. If the batch was full,
// more datagrams may wait. The buffer is read in order, so everything that it held at some
// moment has been read once as many bytes were received since. One look at its fill level
// therefore serves for a while: a flood delays deadlines, but does not stop them.
type drained struct {
	capacity int        // bytes that the receive buffer can hold at most
	checked  proto.Time // all datagrams that arrived before it were received
	looked   proto.Time // when the fill level was read
	left     int        // bytes to receive until that content was received; 0: it was not read
}

// leastDatagram is the smallest part of a receive buffer that a datagram takes in addition
// to its bytes: its description (256 bytes, and 320 behind its data) and its headers (Linux,
// amd64, 2026-11: 768 for an empty one).
const leastDatagram = 512

// drainedOf returns a drained for a buffer of that many bytes.
func drainedOf(rcvbuf int) drained { return drained{capacity: max(rcvbuf, 1024*leastDatagram)} }

// upTo returns the time before which all datagrams were received. A Recv was called after
// before and returned at now, and rx has its datagrams. used returns the bytes in the buffer,
// or more, and 0 if they are not known; it is called only if datagrams may wait.
func (d *drained) upTo(before, now proto.Time, rx *mux.Batch, used func() int) proto.Time {
	if !rx.More() {
		return d.empty(before)
	}
	got := 0
	for i := range rx.Len() {
		if p := rx.Packet(i); p.Unreachable == mux.Reachable { // others were not in the buffer
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

// full is upTo after a Recv that took got bytes or more out of the buffer and may have left
// others.
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
