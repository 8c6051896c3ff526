// Package master is the client side of the master-server protocol, without I/O, and
// the filter language that master servers and the Steam Web API share.
//
// # Filters
//
// [Parse] reads a filter in the form that is sent or in words; [Where] builds one:
//
//	f, err := master.Parse("game=rust,empty=1,nor(map=Barren,map=HapisIsland)")
//	f = master.Filter{}.Is("appid", "252490").Is("empty", "1")
//
// # Lists
//
// A [Session] fetches one list. It reads no clock and sends nothing: [Session.Poll]
// says what to send and when, [Session.HandleDatagram] reads what came. The session
// keeps to the masters' limit of 30 requests per minute, repeats requests, notices
// lists that the master cut off, fetches those in parts (by region, then by filters),
// and names every part that may lack servers. Use one socket for the whole session.
//
// A request is
//
//	31 | region u8 | seed "ip:port" NUL | filter NUL
//
// and a page
//
//	FF FF FF FF 66 0A | entries of 6 bytes: IPv4 address, port u16, both big-endian
//
// The seed is 0.0.0.0:0 at first, then the last entry of the page before. An entry of
// 0.0.0.0:0 ends the list. Masters for Xash3D FWGS answer with
//
//	FF FF FF FF 66 0A 7F | key u32 | reserved u8 | entries
//
// in several datagrams, each with an end mark of its own, or with entries of 18 bytes
// over IPv6. The key is the client's, in the filter of its request.
//
// Sources: Valve Developer wiki, "Master Server Query Protocol"; FWGS xash3d-fwgs,
// Documentation/protocol/02-connectionless.md; FWGS xash3d-master.
package master
