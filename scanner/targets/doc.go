// Package targets turns arguments and lists into the targets of a scan: the lines that
// people and other programs write become addresses and ports with numbers.
//
//	arguments ─┐            ┌ plain address ──────────────────┐
//	           ├─► parse ──►┼ prefix, range, ports ► cut ► ───┼─► number ─► order, shard ─► Next
//	files ─────┘            └ name ───────────────────────────┘                ▲
//	                             └────────────── look up ──────────────────────┘
//
// # Theory of operation
//
// A [List] works in the goroutine that calls Next, except for two things that may wait
// forever: one goroutine reads the files, and up to 32 look up names. So there is no
// shared state and no lock, and a list that comes slowly from a pipe costs nothing
// between its lines.
//
// The form of a file is found once, from its first bytes: compression and UTF-16 are
// undone, and JSON arrays, Steam responses and CSV become lines of one target each. Plain
// lists pass through unchanged, so they are read as fast as if there were no other form.
//
// The meaning of a line is decided as a whole when it is read. A prefix becomes the
// stretches of addresses that remain after the blocklist and after the targets before it
// ([AddrSet] and cover cut intervals by intervals), so its size is known at once, a /0
// takes no memory and its blocked part no time. Each target gets its sequence number
// here, dense and in the order of the input. The random order, the shard and the lookup
// of names only pick from numbered targets.
//
// The shard of an address follows from a hash of the address (shard.go), so machines
// agree whatever their lists look like. A shard passes over the addresses of others in a
// range at about a nanosecond each; in random order it lists its own instead, if that is
// shorter. Random order is a keyed permutation of places, so it needs no memory either.
// All arguments together are one such space. The lines of files are not known in advance:
// they are mixed in windows of 65,536.
//
// Duplicates are found exactly. A single IPv4 address and port is 48 bits and is kept
// in 7 bytes (keySet); prefixes and ranges are kept as intervals. A name is compared as
// a name: one that resolves to an address in the list keeps its own place there, because
// its address is known too late to number the targets behind it, and may be another one
// tomorrow. A [Done] is such a set too: the targets that a resumed scan skips.
//
// No line ends a List, unless its ranges are too large (ErrHuge). A line that is no target
// is counted and given to Config.Log with its file, its number and how to write it; a file
// without any target makes NewList fail.
package targets
