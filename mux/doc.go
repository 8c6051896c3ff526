// Package mux sends and receives UDP datagrams in batches over one socket. It does
// not look into them.
//
//	           ┌─ Port ───────────────────────────────┐
//	Batch ──── Send ──── sendmmsg ────────────────────►  servers
//	Batch ◄─── Recv ◄─┬─ recvmmsg ◄── datagrams ───────  servers
//	                  └─ the error queue ◄── ICMP ─────  servers, routers
//
// A [Port] is one UDP socket, or something that behaves like one: [Listen] opens a
// socket, muxtest.Net.Listen an imitation in memory. A [Batch] holds the packets of
// one call, laid out once for the system. A [Key] is a peer's address and port.
//
// # One loop
//
// A Port is made for a program that does everything in one goroutine:
//
//	for {
//		port.Recv(in, untilTheNextDeadline)	// returns at once if something is there
//		handle(in)
//		fill(out)
//		n, err := port.Send(out)
//		out.DropFront(n)
//	}
//
// The loop blocks only in Recv, and only if nothing has come, so under load it
// costs no context switch. Wake interrupts a waiting Recv. If Send took less than
// the whole batch, its error says why; see [Port].
//
// # The Linux socket
//
// The descriptor is a plain one, not package net's, for three reasons. In the
// runtime's netpoller each datagram that arrives while no goroutine waits for it
// still wakes a thread. Package net sets SO_BROADCAST on every UDP socket, so one
// stray address in a target list would be a broadcast. And package net has no access
// to the error queue.
//
// ICMP errors arrive through IP_RECVERR, which has two traps. A pending error about
// any datagram makes the next recvmmsg fail although healthy datagrams wait, and it
// makes the next sendmmsg fail, so a healthy server's packet is not sent. Therefore an
// errno of either call blames no packet: the error queue is read, which names the
// destination, and the call is repeated. Only a packet that is refused again while
// that queue is empty is reported as a [*PeerError].
//
// With IP_RECVERR the kernel also reports that a device's queue was full (ENOBUFS).
// Send treats that as a lack of send-buffer space: the packet never left, and costs
// no attempt.
//
// # Elsewhere
//
// On other systems, and with the build tag portable, a Port is a net.UDPConn that a
// goroutine reads ahead: one system call per packet, no ICMP errors, no count of
// drops. The contract is the same, and so are its tests: see muxtest.Contract.
package mux
