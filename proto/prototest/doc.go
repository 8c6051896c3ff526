// Package prototest simulates game servers, without the I/O.
//
// A [World] has one server behind every address and port. A server (its name, its
// players, its rules, whether it asks for a challenge or answers with rubbish) is a
// pure function of its [Endpoint], the World's seed and its [Shares]. Nothing is
// stored, so a World of sixteen million servers costs nothing, and any process that
// knows the seed and the shares knows the truth about each of them: [World.Truth]
// returns the record that a perfect scanner writes.
//
// # How to drive it
//
// [World.Answer] takes one request and leaves the server's datagrams for it in a
// [Replies]: none, one or several, each with its delay. It never reads a clock and
// sends nothing itself. A test in virtual time queues the datagrams in its own event
// list, the loopback farm puts them in a timer wheel; both see the same servers. A
// World is read-only and may be shared. A Replies belongs to one goroutine and holds
// the random numbers per datagram (loss, split ids, the order of reordered
// fragments). The same random numbers and the same requests in the same order give
// the same replies.
//
// # Behaviours
//
// Each server draws from its hash, independently:
//
//   - its temper, at most one of: silent, garbage, challenge-loop, endless,
//     wrong-type, truncate;
//   - its engine, at most one of: goldsource, ship; Source otherwise;
//   - its way with long replies, at most one of: split, bzip2; one large
//     datagram otherwise. GoldSource knows no compression: a server that draws
//     goldsource and bzip2 splits as if it had drawn split;
//   - whether it asks for a challenge before INFO (challenge). All but relays
//     (HLTV) ask for one before PLAYER and RULES;
//   - whether it sends every datagram twice (duplicate) and whether its
//     datagrams overtake each other (reorder);
//   - whether it answers the first token with a second challenge (ask-twice), and
//     whether it ignores requests with bytes behind the token (strict-length).
//
// Loss belongs to the path, not to a server: it is the chance of every single
// datagram, each way. Silent, garbage and challenge-loop servers ignore everything
// else that they drew; the other tempers come after the challenge.
//
// In every World, servers also have the quirks of real ones: names that are empty,
// not UTF-8 or full of terminal escapes, more than 255 players, negative scores,
// missing EDF bytes, a VAC byte left out, 64-bit game ids, Arma 3 and DayZ rules
// that carry binary. The code that draws them has comments on each.
package prototest
