// Package farm serves simulated game servers on loopback, for tests and
// benchmarks, and checks what a scan made of them: the truth about each is known.
//
// A [Farm] is one socket a port. On Linux each is bound to 0.0.0.0 and told by
// the kernel which address was asked, so that one socket is all of 127/8:
// sixteen million servers without an alias or a byte of state. Elsewhere a farm
// is one address. What the servers say is package prototest's: a World drawn
// from a seed, or captured replies ([StartReplay]). A port that no farm
// listens on refuses by itself.
//
// Because the truth about every server follows from its address, a dataset can
// be checked by another process, later: [Verify] compares every field of every
// record. A farm counts what it is asked by the second and remembers the
// busiest 10 ms of each, so that a scan's rate can be measured from outside.
//
// Each port has one goroutine; a farm with several ports uses several cores. To
// give a scan a core of its own, run the farm as a process of its own.
package farm
