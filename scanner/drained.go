package scanner

import "github.com/a2scan/a2scan/proto"

// A drained tells up to when deadlines may be dealt with: an answer that waits in the
// socket's buffer, because this process was stopped or slow, is not silence.
//
// Where a Recv left nothing behind, that is the time before it. Where it was full,
// more may wait; as a buffer is read in order, what had come at some moment has been
// read once as many datagrams as the buffer can hold were received since: a flood
// delays deadlines, but doesn't stop them.
type drained struct {
	capacity int        // datagrams that the receive buffer can hold at most
	checked  proto.Time // the socket was read empty at a time not before this
	backlog  int        // datagrams received since mark
	mark     proto.Time
}

// drainedOf returns a drained for a buffer of that many bytes: of the smallest
// datagrams one holds one for each 512 bytes or so.
func drainedOf(rcvbuf int) drained { return drained{capacity: max(rcvbuf/512, 1024)} }

// upTo returns the time, after a Recv that got so many datagrams and had room for so
// many, before which the time was before.
func (d *drained) upTo(before proto.Time, got, room int) proto.Time {
	d.backlog += got
	if got < room {
		d.checked = before
		d.mark, d.backlog = before, 0
	} else if d.backlog >= d.capacity {
		d.checked = d.mark
		d.mark, d.backlog = before, 0
	}
	return d.checked
}
