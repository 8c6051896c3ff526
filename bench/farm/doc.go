// Package farm serves simulated game servers on loopback, for tests and benchmarks, and
// checks the records of a scan: the truth about each server is known.
//
// A [Farm] is one socket per port. On Linux each is bound to 0.0.0.0 and learns the queried
// address from the kernel, so that one socket is all of 127/8: sixteen million servers
// without an alias or a byte of state. Elsewhere a farm is one address. The replies come
// from package prototest: a World drawn from a seed, or captured replies ([StartReplay]). A
// port without a farm refuses by itself.
//
// Because the truth about every server follows from its address, another process can check
// a dataset later: [Verify] compares every field of every record. A farm counts its
// requests per second and remembers the busiest 10 ms of each, so that a scan's rate can be
// measured from outside.
//
// Each port has one goroutine; a farm with several ports uses several cores. To give a scan
// a core of its own, run the farm as a process of its own.
package farm
