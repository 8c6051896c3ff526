package mux

// A Packet is a datagram and its peer, or what ICMP said about one.
type Packet struct {
	Peer Key
	// Data is the payload. In a received Batch it is valid until the next Recv
	// into that Batch.
	Data []byte
	// Truncated says that the datagram was longer than the buffer. (Received only.)
	Truncated bool
	// Unreachable is not Reachable where this is an ICMP error about a datagram
	// sent to Peer; Data is then nil. (Received only.)
	Unreachable Unreachable
}

// A Batch is a fixed number of packet buffers that travel through one system
// call. It belongs to whoever holds it and is not safe for concurrent use.
type Batch struct {
	packets []Packet
	n       int
	buf     []byte // cap(packets) × size
	size    int
	sys     batchSys // what the system calls want laid out, made once
}

// NewBatch returns an empty Batch of room for n packets of up to size bytes.
func NewBatch(n, size int) *Batch {
	b := &Batch{packets: make([]Packet, n), buf: make([]byte, n*size), size: size}
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
func (b *Batch) Reset() { b.n = 0 }

// Next returns the buffer of the packet that would come next, empty, for
// appending up to size bytes. b must not be full.
func (b *Batch) Next() []byte {
	o := b.n * b.size
	return b.buf[o : o : o+b.size]
}

// Commit adds a packet to peer. data must be what Next returned with bytes
// appended in place, or else is copied there (cut at size).
func (b *Batch) Commit(peer Key, data []byte) {
	o := b.n * b.size
	dst := b.buf[o : o+b.size]
	if len(data) > 0 && &data[0] != &dst[0] {
		data = dst[:copy(dst, data)]
	}
	b.packets[b.n] = Packet{Peer: peer, Data: data}
	b.n++
}

// DropFront removes the first n packets, those that a Send took, and keeps the
// order of the rest.
func (b *Batch) DropFront(n int) {
	for i := n; i < b.n; i++ {
		p := b.packets[i]
		o := (i - n) * b.size
		dst := b.buf[o : o+b.size]
		p.Data = dst[:copy(dst, p.Data)]
		b.packets[i-n] = p
	}
	b.n -= n
}
