package mux

import (
	"fmt"
	"time"
)

// A Packet is a datagram and its peer, or an ICMP error about a datagram.
type Packet struct {
	// Peer is the datagram's sender (received) or destination (sent).
	Peer Key
	// Local is the address of this machine that was asked, on a Port that
	// listens with Options.Wildcard; otherwise zero. In a Batch to send it is
	// the source address, zero for the one that the system chooses.
	Local Key
	// Data is the payload. In a received Batch it is valid until the next Recv
	// into that Batch.
	Data []byte
	// Truncated says that the datagram was longer than the buffer. (Received
	// only.)
	Truncated bool
	// Unreachable is not Reachable if this is an ICMP error about a datagram
	// sent to Peer; Data is then nil. (Received only.) Anybody can forge one
	// who guesses the ports: it is a hint.
	Unreachable Unreachable
}

const (
	// MaxBatch is the largest capacity of a Batch: Linux takes no more messages in
	// one call (UIO_MAXIOV).
	MaxBatch = 1024
	// MaxDatagram is more than any UDP payload can have: a buffer of so many bytes
	// never truncates (65,507 over IPv4, 65,527 over IPv6). Servers do send unsplit replies
	// far over the customary 1,400.
	MaxDatagram = 65535
)

// A Batch is a fixed number of packet buffers that travel through one system
// call. It belongs to its holder and is not safe for concurrent use.
type Batch struct {
	packets []Packet
	n       int
	more    bool   // see More
	buf     []byte // cap(packets) × stride
	size    int
	stride  int // from one packet's buffer to the next
	// waits has for each packet received the time that it waited in the socket's buffer.
	// Until the Recv ends, that is the time of its arrival, in nanoseconds since 1970; 0 is
	// unknown.
	waits  []time.Duration
	gather time.Duration // see SetGather
	sys    batchSys      // the arguments of the system calls, allocated once
}

// NewBatch returns an empty Batch of room for n packets of up to size bytes. It
// panics if n is not between 1 and MaxBatch or size not between 1 and
// MaxDatagram.
func NewBatch(n, size int) *Batch {
	if n < 1 || n > MaxBatch {
		panic(fmt.Sprintf("mux: NewBatch: %d packets is not between 1 and %d", n, MaxBatch))
	}
	if size < 1 || size > MaxDatagram {
		panic(fmt.Sprintf("mux: NewBatch: %d bytes is not between 1 and %d", size, MaxDatagram))
	}
	b := &Batch{packets: make([]Packet, n), size: size, stride: strideOf(size)}
	b.buf = make([]byte, n*b.stride)
	b.waits = make([]time.Duration, n)
	b.initSys()
	return b
}

// Len returns the number of packets that b holds.
func (b *Batch) Len() int { return b.n }

// Cap returns the number of packets that b has room for.
func (b *Batch) Cap() int { return len(b.packets) }

// Packet returns the i-th packet. The pointer is valid until b is refilled.
func (b *Batch) Packet(i int) *Packet { return &b.packets[i] }

// Reset empties b.
func (b *Batch) Reset() { b.n, b.more = 0, false }

// Wait returns how long the i-th packet waited in the socket's buffer until the Recv that
// filled b returned; 0 if the system does not report it.
func (b *Batch) Wait(i int) time.Duration { return b.waits[i] }

// SetWait is for Ports that simulate a socket: it sets the result of Wait.
func (b *Batch) SetWait(i int, d time.Duration) { b.waits[i] = d }

// SetGather lets packets gather in the socket for a time before a Recv into b that may wait
// looks there, so that it wakes up once for several. A Port may ignore it. 0: look at once.
func (b *Batch) SetGather(d time.Duration) { b.gather = d }

// Gather is for Ports: it returns the time of SetGather.
func (b *Batch) Gather() time.Duration { return b.gather }

// More reports whether packets may wait behind those with which a Recv filled b. It is
// false only if the system reported that there are no others: each datagram that came before
// that Recv was called is then in b, or was in a Batch before it.
func (b *Batch) More() bool { return b.more || b.n == len(b.packets) }

// SetMore is for Ports: Recv calls it if it ends before it knows that nothing is left.
func (b *Batch) SetMore() { b.more = true }

// strideOf returns the distance of buffers of size bytes. Most datagrams are short,
// and only the beginnings of the buffers are touched: at a distance near a power of two
// those would all fall into the same few sets of the caches. 17 lines on from one that
// is a multiple of 64 of them, they fall into all.
func strideOf(size int) int {
	const line = 64
	if size < 64*line {
		return size
	}
	return (size+64*line-1)/(64*line)*(64*line) + 17*line
}

// slot returns the i-th buffer, of size bytes.
func (b *Batch) slot(i int) []byte {
	o := i * b.stride
	return b.buf[o : o+b.size : o+b.size]
}

// Next returns the buffer of the packet that would come next, empty, for
// appending up to size bytes. b must not be full.
func (b *Batch) Next() []byte { return b.slot(b.n)[:0] }

// Commit adds a packet to peer. data must be the slice that Next returned with bytes
// appended in place, or else is copied there (cut at size).
func (b *Batch) Commit(peer Key, data []byte) {
	b.packets[b.n] = Packet{Peer: peer, Data: b.place(b.n, data)}
	b.n++
}

// CommitFrom is Commit with the source address of the packet, an answer's
// Local. Only a Port that listens with Options.Wildcard must obey it.
func (b *Batch) CommitFrom(local, peer Key, data []byte) {
	b.Commit(peer, data)
	b.packets[b.n-1].Local = local
}

// commitICMP adds an ICMP error about a datagram to peer.
func (b *Batch) commitICMP(peer Key, what Unreachable) {
	b.packets[b.n] = Packet{Peer: peer, Unreachable: what}
	b.n++
}

// place returns data in the i-th packet's buffer.
func (b *Batch) place(i int, data []byte) []byte {
	dst := b.slot(i)
	if len(data) > 0 && &data[0] != &dst[0] {
		return dst[:copy(dst, data)]
	}
	return dst[:len(data)]
}

// DropFront removes the first n packets, those that a Send took, and keeps the
// order of the rest.
func (b *Batch) DropFront(n int) {
	for i := n; i < b.n; i++ {
		p := b.packets[i]
		if p.Data != nil {
			p.Data = b.place(i-n, p.Data)
		}
		b.packets[i-n] = p
	}
	b.n -= n
}
