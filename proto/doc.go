// Package proto is the client side of Valve's server queries (A2S), without the
// I/O: bytes and the time go in, bytes and events come out. It opens no socket,
// reads no clock and starts no goroutine, so one goroutine can hold a million
// conversations, and a test can run them in virtual time.
//
// # The wire
//
// Everything is UDP. Integers are little-endian; a cstr is bytes up to a NUL,
// nominally UTF-8, and often something else. The requests and their replies:
//
//	FF FF FF FF | 54 "Source Engine Query\0" [challenge u32]     INFO
//	FF FF FF FF | 55 challenge u32                               PLAYER
//	FF FF FF FF | 56 challenge u32                               RULES
//
//	FF FF FF FF | 41 challenge u32                               ask again, with this
//	FF FF FF FF | 49 …                                           INFO
//	FF FF FF FF | 6D …                                           INFO, GoldSource before 2008 and HLTV
//	FF FF FF FF | 44 …                                           PLAYER
//	FF FF FF FF | 45 …                                           RULES
//
// The bodies, from the type byte on; [ ] is optional, and bytes behind the last
// known field are ignored:
//
//	49 protocol u8, name, map, folder, game cstr, app u16, players, max, bots u8,
//	   server type, environment, visibility, vac u8, [The Ship: mode, witnesses, duration u8],
//	   version cstr, [edf u8, [80: port u16] [10: steam id u64]
//	   [40: spectator port u16, name cstr] [20: keywords cstr] [01: game id u64]]
//	6D address, name, map, folder, game cstr, players, max, protocol u8,
//	   server type, environment, visibility, is_mod u8,
//	   [link, download, hl version cstr, version, size u32, type, dll u8], vac u8, [bots u8]
//	44 count u8, count × (index u8, name cstr, score i32, seconds f32),
//	   [The Ship: count × (deaths, money i32)]
//	45 count u16, count × (name, value cstr)
//
// A reply that does not fit into a datagram is split, in one of three dialects:
//
//	FE FF FF FF | id u32 | index<<4|total u8 | payload                          GoldSource
//	FE FF FF FF | id u32 | total u8, index u8, size u16 | payload               Source
//	FE FF FF FF | id u32 | total u8, index u8 | payload                         Source, some games
//
// The joined payloads are a message with its FF FF FF FF. If bit 31 of the id is
// set, they are compressed (bzip2), and begin with the decompressed size and a
// CRC-32. Servers do not name their dialect; fragment 0 identifies it, because the
// beginning of its payload is known.
//
// The facts are from Valve's Developer wiki ("Server queries", "Master Server
// Query Protocol"), from the sources of servers that answer (ReHLDS, HLTV,
// Xash3D FWGS) and from captured replies of some 60 games, which win if these
// disagree. Comments name the source, or a ruling (D-1 to D-21) if other programs
// read the bytes differently.
//
// # Theory of operation
//
// A [Query] is the conversation with one server. A [Client] holds the state that all
// Queries share: the rules by which they ask and the memory for replies that come in
// parts. A Query holds no pointers and its Client no sockets; the caller owns both, the
// socket, the clock and every slice.
//
// [Client.Begin] makes a Query ask for some of INFO, PLAYER and RULES. From then on
// the caller does three things. While the Query wants to send ([Output].Send), and the
// caller sees fit, it calls [Client.AppendTransmit] and sends the request; once the system
// took it, it calls [Client.Sent]. Only then does the attempt begin, so waiting for a
// rate limit never shortens a server's time to answer. The caller hands over each datagram
// that comes from the server ([Client.HandleDatagram]), and calls [Client.HandleTimeout]
// once [Client.Deadline] has passed. Each of these returns an Output: at most one reply,
// the Query's next wish, and whether it is done. There is nothing to drain, and early
// or repeated calls do nothing.
//
// INFO goes first, and plain, as old servers and firewalls want it. A server that has
// been abused as an amplifier answers with a challenge, four bytes that prove that the
// client receives datagrams sent to its address. They are echoed at once, which is not
// another attempt. Since they serve all queries of the server, PLAYER and RULES go out
// at the same moment. Servers may ask twice. A server that never stops asking is cut
// off after MaxChallenges.
//
// Silence costs an attempt, and the next one waits longer. A retry after silence asks
// for a new challenge, since caches and filters in front of servers drop spent tokens
// silently (D-16), and retries of one server's queries are half a timeout apart (D-19). If
// a server is silent to a request for a challenge, PLAYER and then the legacy request
// ask for one (D-21). A reply to the first attempt that comes during the second is a
// reply. HLDS answers INFO twice, with 6D and then 49: the first settles it, and the
// better one replaces it if it comes within moments. A PLAYER or RULES reply that comes
// sooner than the server can have answered is replaced likewise (D-17). A text in place of
// an answer ("Banned by server") ends the Query (D-20).
//
// An answer is an answer only if it decodes. A well-formed reply to a question that is
// not open is counted and dropped, as is everything that cannot be read: no datagram
// causes an error, only a verdict ([Verdict]).
//
// Fragments are kept in a fixed amount of memory until fragment 0 shows the dialect and
// all have come. Each new one puts off the attempt's deadline a little, and never the
// ceiling. If the memory is used up, the oldest unfinished reply is evicted, and its
// Query's timer asks again. Decompression has a budget per turn of the caller's
// loop, so that a bomb can't stall it.
//
// [Info], [PlayerList] and [RuleList] decode the bodies into memory that is reused,
// with slices that alias the payload, and allocate nothing. They refuse only replies
// without their base fields. Fields and entries that came whole are kept, and the rest is
// marked.
//
// Programs without timers of their own, such as a decoder of captured files, use
// a [Conversation] instead: datagrams in, messages out.
//
// # Reading on
//
// query.go has the state machine, with its table; split.go and assembler.go the
// fragments; info.go, players.go and rules.go the bodies. Package a3sb decodes the
// block that Arma 3 and DayZ hide in RULES, package master asks master servers for
// addresses, and package prototest has simulated servers for tests and benchmarks.
package proto
