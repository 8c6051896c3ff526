// Package mux sends and receives datagrams, many at a time, over one socket,
// and finds who a datagram is from. It knows nothing of what is in them.
//
//	           ┌─ Port ───────────────────────────────┐
//	Batch ──── Send ──── sendmmsg ────────────────────►  servers
//	Batch ◄─── Recv ◄─┬─ recvmmsg ◄── datagrams ───────  servers
//	  │        │      └─ the error queue ◄── ICMP ─────  servers, routers
//	  │        └──────────────────────────────────────┘
//	  └─ for each Packet: Table.Find(Peer) → its slot
//
// A [Port] is one UDP socket, or something that behaves like one: [Listen]
// opens a socket, muxtest.Net.Listen an imitation in memory. A [Batch] is the
// packets of one call, with all that the system wants to know about them laid
// out once. A [Key] is a peer, a [Table] finds its number.
//
// # One loop
//
// A Port is made for a program that has one goroutine for everything:
//
//	for {
//		port.Recv(in, untilTheNextDeadline)	// at once while there is something
//		handle(in)
//		fill(out)
//		n, err := port.Send(out)
//		out.DropFront(n)
//	}
//
// (What Send took is err's to say; see [Port].) It never blocks but in Recv,
// and there only if nothing has come: under load such a loop costs no context
// switch at all. Others wake it with Wake.
//
// # The Linux socket
//
// The descriptor is a plain one, not package net's, for three reasons. In the
// runtime's netpoller each datagram that arrives while nobody waits for one
// still wakes a thread. Package net sets SO_BROADCAST on every UDP socket, so
// that one stray address in a target list is a broadcast. And it has no way to
// the error queue.
//
// ICMP errors come by way of IP_RECVERR, which has two traps. A pending error
// about any datagram makes the next recvmmsg fail, though healthy datagrams
// wait; and it makes the next sendmmsg fail, whose packet, a healthy server's,
// is then not sent. So an errno of either call blames nobody: the error queue
// is read, which names the destination, and the call is repeated. Only the
// packet that is refused again while that queue is empty is refused for its own
// sake, a [*PeerError].
//
// With IP_RECVERR the kernel also stops hiding that a device's queue was full,
// ENOBUFS, which Send reports as want of room: such a packet was not lost on
// the way but never sent, and costs no try.
//
// # Elsewhere
//
// On other systems, and with the build tag portable, a Port is a net.UDPConn
// that a goroutine reads ahead: one system call a packet, no ICMP errors, no
// count of drops. The contract is the same, and so are its tests: see
// muxtest.Contract.
package mux
