// Package a3sb decodes the server-browser block of Arma 3 and DayZ: the mods of a
// server, its difficulty and the signatures that it accepts. The games have no query
// for it, and hide it in RULES.
//
// A block is cut into chunks of some 120 bytes. Each is the value of one rule whose
// name is two bytes: the chunk's number from 1, and the number of chunks. All other
// rules are ordinary.
//
//	name  01 03 | value …
//	name  02 03 | value …
//	name  03 03 | value …
//	name  "island" | value "altis"
//
// Rules end with a NUL, so the joined values are escaped: 01 01 means 01, 01 02
// means 00, 01 03 means FF. Unescaped, the block is
//
//	version u8, flags u8, dlc u16
//	difficulty u16                                   Arma 3 only
//	a hash u32 for each bit of dlc that is set
//	mods u8, each: hash u32, head u8, id, name       head: low nibble the id's bytes, 0x10 a DLC
//	signatures u8, each: text
//	description text                                 DayZ only, from version 2
//
// A text is a length u8 and its bytes. The version does not distinguish Arma 3 from
// DayZ: both have been seen with 2 (ruling D-13). INFO does; without INFO, the layout
// that consumes every byte is taken.
//
// Sources: Bohemia Interactive wiki, "Arma 3: ServerBrowserProtocol3"; real
// replies of Arma 3 (versions 2 and 3) and DayZ (1 and 2).
package a3sb
