// Package scanner runs a scan: thousands or millions of servers, one socket.
//
// An engine is the whole scan without its surroundings: targets, datagrams and
// the time go in, requests and records come out, and the same inputs always give
// the same outputs. A [Scanner] gives it a socket, a clock, a list and a file. A
// [Client] is for programs that want an answer rather than a dataset.
//
//	targets.List        ┌──────────────── Scanner.loop, one goroutine ───────────────┐
//	     │ Next         │                                                            │
//	     ▼              │  Port.Recv ──► engine.HandlePacket ──► proto.Query         │
//	  feeder ─batches──►│  clock ──────► engine.HandleTimeout      │ Output          │
//	                    │                engine.Fill ◄── wants to send, or is done   │
//	                    │  Port.Send ◄──   │ budget, hosts, window    │              │
//	                    │                  ▼                          ▼              │
//	                    │            fresh targets                 outcomes          │
//	                    └──────────────────────────────────────────────┬─────────────┘
//	                                                           buffers ▼
//	                                     output.Writer ── recorder ─► JSON lines ──► file
//
// The loop is three goroutines in all, whatever the number of targets. A batch or
// a buffer belongs to whoever holds it, and sending it on a channel hands it over;
// so nothing in the engine is locked, because nothing in it is shared.
//
// # One turn
//
// A turn of the loop receives what is there, without waiting; lets each datagram
// advance the conversation that its sender's address and port name; deals with the
// deadlines that lie before the moment at which the socket was last known to be
// empty, so that an answer that waits in its buffer is never taken for silence;
// takes in fresh targets as far as the rate, the address's own rate and the
// window of a closed loop allow; sends; and hands the outcomes of targets that ended to
// the writer, which makes their records. Only when there is nothing to do does it
// sleep, until the next deadline or packet.
//
// Requests are pulled, not pushed: a Query says that it wants to send, and its
// clock starts when its request goes out. Waiting for the rate never eats into a
// server's time to answer.
//
// # What bounds what
//
// Everything is sized when the engine is made: slots, deadlines, the table of
// addresses (180 bytes a target in flight together), the memory for fragments and for
// answers that wait for others of their target. When some of it runs out,
// admission waits; what was asked already goes on.
//
// # Where to read
//
// engine.go is the whole; slab.go, wheel.go, budget.go, hosts.go and window.go are
// its parts, each with an oracle in its test; outcome.go is what it leaves of a target,
// and recorder.go makes the record of that; run.go is the loop, and with clock.go the
// only place that reads a clock.
package scanner
