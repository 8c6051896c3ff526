// Package targets turns arguments and lists into the targets of a scan: what a
// person or another program wrote, one line after the other, becomes addresses
// and ports with numbers.
//
//	arguments ─┐            ┌ plain address ──────────────────┐
//	           ├─► parse ──►┼ prefix, range, ports ► cut ► ───┼─► number ─► order, shard ─► Next
//	files ─────┘            └ name ───────────────────────────┘                ▲
//	                             └────────────── look up ──────────────────────┘
//
// # Theory of operation
//
// A [List] does in the goroutine that calls Next all that there is to do, save
// for two things that may wait for ever: one goroutine reads the files, and up to 32
// look up names. So no state is shared and nothing is locked, and a list that
// comes slowly from a pipe costs nothing between its lines.
//
// What a line means is decided when it is read, as a whole. A prefix becomes the
// stretches of addresses that are left of it after the blocklist and after what
// came before ([AddrSet] and cover cut intervals by intervals), so that its size is
// known at once, a /0 takes no memory and its blocked part no time. Each target
// gets its sequence number here, dense and in the order of the input. Whatever
// comes later, the random order, the choice of a shard, a name's resolution, a
// resumed scan that skips what is done, only picks from what is already numbered.
// That is why shards are disjoint and whole by construction, and why a number means
// the same target in every run over the same input, which Digest proves.
//
// Random order is a keyed permutation of places, so it needs no memory either.
// All arguments together are one such space. A file's lines are not known
// beforehand: they are mixed in windows of 65,536.
//
// Duplicates are found exactly. A single IPv4 address and port is 48 bits and is kept
// as such in 7 bytes (keySet); prefixes and ranges are remembered as intervals.
// A name is compared as a name: one that resolves to an address in the list
// keeps its own place there, because what it resolves to is known too late to
// number the targets behind it, and is different tomorrow.
//
// Nothing that a list holds ends a scan. A line that is no target is counted and
// told to Config.Log with its file, its number and what would be right; only
// an error of the reader itself ends the list.
package targets
