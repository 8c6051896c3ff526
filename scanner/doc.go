// Package scanner queries many game servers at once over one socket.
//
// [Scan] takes a list of targets and yields one typed record per target. A [Client] asks
// single servers when the program wants their answers; it obeys the same limits. A
// [Scanner] is for programs that bring a socket of their own and a sink for the lines
// of the records.
//
// All of them run on one engine, which is a scan without its surroundings: targets,
// datagrams and the time go in, requests and outcomes come out, and the same inputs
// always give the same outputs.
//
//	Source              ┌──────────────── Scanner.loop, one goroutine ───────────────┐
//	     │ Next         │                                                            │
//	     ▼              │  Port.Recv ──► engine.HandlePacket ──► proto.Query         │
//	  feeder ─batches──►│  clock ──────► engine.HandleTimeout      │ Output          │
//	                    │                engine.Fill ◄── wants to send, or is done   │
//	                    │  Port.Send ◄──   │ budget, hosts, window    │              │
//	                    │   └─► Commit     ▼                          ▼              │
//	                    │            fresh targets                 outcomes          │
//	                    └──────────────────────────────────────────────┬─────────────┘
//	                                                           buffers ▼
//	                         linewriter.Writer ── recorder ─► JSON lines, or records
//
// A scan has three goroutines, whatever the number of targets. A batch or a buffer has
// one owner at a time, and sending it on a channel hands it over. Nothing in the engine is
// locked, because nothing in it is shared.
//
// # One turn
//
// A turn of the loop receives the datagrams that are there, without waiting, and lets each
// advance the conversation with its sender. It handles the deadlines before the moment at
// which the socket was last known to be empty, so an answer that waits in its buffer is
// never taken for silence. It takes in fresh targets as far as the rate, the address's own
// rate and the window of a closed loop allow, and sends. It hands the outcomes of targets
// that ended to the writer. It sleeps only if there is nothing to do, until the next
// deadline or packet.
//
// Requests are pulled, not pushed: a Query wants to send, Fill writes its request, and
// Commit starts the attempt once the system took it. Waiting for the rate never
// shortens a server's time to answer.
//
// # What bounds memory
//
// Everything is sized when the engine is made: slots, deadlines, the table of addresses
// (180 bytes per target in flight together), the memory for fragments and for answers
// that wait for others of their target. If some of it is used up, admission waits, and
// targets in flight go on.
//
// # Reading on
//
// engine.go is the whole; slab.go, wheel.go, table.go, budget.go, hosts.go and window.go
// are its parts, each with an oracle in its test. outcome.go is the form in which a target's
// result leaves it, and recorder.go makes the record. run.go is the loop, and with
// clock.go the only place that reads a clock.
package scanner
