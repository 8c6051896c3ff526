// Package run measures the scanner: against the limit, and against the truth.
//
// A workload is a farm of simulated servers and a few variants of one job: query all
// of them. The first variant is the bare socket (package bare), which exchanges the
// same datagrams and does nothing else; the others are the program as its users start
// it. The limit is the machine's, measured a moment before, so a ratio to it means the
// same on any machine:
//
//	workload ──► farm process ◄──── loopback ────► measured process
//	                │                                   bare │ scan │ scan, zstd │ …
//	                └─ counters, its own CPU                 └─ CPU, memory, records
//
// # Why the figures can be trusted
//
//   - Everything measured is a process of its own, the farm too: the processor
//     time and the memory of one are not those of another.
//   - Variants take turns (A B C, A B C, …) and ratios are made within a round,
//     so that a machine whose speed drifts, as shared ones do, drifts for both
//     sides of the ratio. The report has the median of the rounds, with the
//     minimum and maximum.
//   - Speed without completeness is no result: the servers follow from a seed,
//     so the live ones are known. Every row has the number of these that were
//     found, and a check of every value of the records (farm.Verify, in a
//     process of its own) counts the wrong ones.
//   - The processor time of other processes is measured and reported.
//
// # The processes
//
// The program starts itself again: as "scan" for the measured process, and as "bench
// worker" (see [Work]) for the farm, the bare socket and the check. Workers end when
// their standard input does, so that none outlives this process, however it ends. All
// traffic stays on loopback.
package run
