// Package master is the client side of the master-server protocol, without the
// I/O: how to ask a master server for the game servers it knows, and how to read
// its pages.
//
// A request is
//
//	31 | region u8 | seed "ip:port" NUL | filter NUL
//
// and a page
//
//	FF FF FF FF 66 0A | entries of 6 bytes: IPv4 address, port u16, both big-endian
//
// The seed is 0.0.0.0:0 at first, then the last entry of the page before. An
// entry of 0.0.0.0:0 ends the list. A page holds at most 231 entries.
//
// Masters for Xash3D FWGS speak a variant. The filter carries a key that the
// client invents, and the page repeats it, so that nobody can forge one who has
// not seen the request:
//
//	FF FF FF FF 66 FF    | key u32 | reserved u8 | entries
//	FF FF FF FF 66 0A 7F | key u32 | reserved u8 | entries
//
// The first is how its documentation has it, the second how its servers and
// clients are written; both are read. A master that is asked over IPv6
// answers with entries of 18 bytes. Any entry with port 0 ends the list.
//
// # Use
//
// A [Session] is one list being fetched. It reads no clock and sends nothing:
//
//	s, err := master.NewSession(master.Config{Region: master.Everywhere, Filter: `\appid\240`})
//	for !s.Done() {
//		send(s.AppendRequest(nil))
//		for more := false; !more && !s.Done(); {
//			b, timedOut := receive()
//			if timedOut {
//				break // ask again: the same request
//			}
//			servers, more = s.HandleDatagram(servers[:0], b)
//			use(servers)
//		}
//	}
//
// One socket serves all pages: a master that sees a new port begins anew. It
// answers 30 requests a minute ([RequestsPerMinute]) and then falls silent for
// a minute. Valve's own masters have been unreliable for years.
//
// Sources: Valve Developer wiki, "Master Server Query Protocol"; FWGS
// xash3d-fwgs, Documentation/protocol/02-connectionless.md; FWGS xash3d-master.
package master
