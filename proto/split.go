package proto

import "encoding/binary"

// A Dialect is one of the three layouts of a split reply's header. All begin
// with FE FF FF FF and a 32-bit id:
//
//	GoldSource:           | index<<4|total u8 | payload
//	Source:               | total u8 | index u8 | size u16 | payload
//	Source without size:  | total u8 | index u8 | payload
//
// In Source's two, bit 31 of the id says that the joined payload is compressed
// with bzip2; fragment 0 then has the decompressed size and its CRC-32, four
// bytes each, before its payload (ruling D-3). Bit 31, not bit 15, which
// ordinary ids have (ruling D-4); and because a counter may have run that far,
// the bit counts only if bzip2's signature follows.
type Dialect uint8

// The dialects.
const (
	DialectUnknown Dialect = iota
	DialectGoldSource
	DialectSource
	DialectSourceNoSize
)

// String returns the dialect's name as the captures spell it.
func (d Dialect) String() string {
	switch d {
	case DialectGoldSource:
		return "goldsource"
	case DialectSource:
		return "source"
	case DialectSourceNoSize:
		return "source-nosize"
	}
	return "unknown"
}

// Limits of split replies.
const (
	splitPrefix    = 8  // FE FF FF FF and the id, the same in all dialects
	minSplit       = 10 // a GoldSource header and a byte, or a Source header without size
	maxFragments   = 255
	compressHeader = 8 // decompressed size and CRC-32, in fragment 0 only
)

// headerLen returns the offset of the payload in a datagram of dialect d.
func (d Dialect) headerLen() int {
	switch d {
	case DialectGoldSource:
		return 9
	case DialectSource:
		return 12
	default:
		return 10
	}
}

// position returns a fragment's index and its set's total, from the bytes that
// follow the id. It returns false if they contradict each other.
func (d Dialect) position(afterID []byte) (index, total int, ok bool) {
	if len(afterID) < d.headerLen()-splitPrefix {
		return 0, 0, false
	}
	if d == DialectGoldSource {
		index, total = int(afterID[0]>>4), int(afterID[0]&0xF)
	} else {
		total, index = int(afterID[0]), int(afterID[1])
	}
	return index, total, index < total
}

// probe looks for proof that the datagram b is fragment 0 of a dialect: the
// FF FF FF FF that begins the joined payload, or the signature of bzip2, each
// of which has a place of its own in each dialect. Other fragments can't be told
// apart (GoldSource's 0x12, "1 of 2", is Source's total 18), so nothing is
// concluded from them, and nothing from INFO's description of the server:
// its protocol byte is Steam's (PROTOCOL §4.2, §4.3).
func probe(b []byte) (d Dialect, compressed bool) {
	inner := func(o int) bool {
		return len(b) >= o+4 && binary.LittleEndian.Uint32(b[o:]) == 0xFFFFFFFF
	}
	bzip := func(o int) bool { // "BZh" and the size of its blocks, in 100 kB
		return len(b) >= o+4 && b[7]&0x80 != 0 && string(b[o:o+3]) == "BZh" && b[o+3] >= '1' && b[o+3] <= '9'
	}
	if len(b) < minSplit {
		return DialectUnknown, false
	}
	if inner(9) && b[8]>>4 == 0 {
		return DialectGoldSource, false
	}
	if b[9] != 0 {
		return DialectUnknown, false
	}
	// The signature first: if a compressed reply declares a size of FF FF FF FF,
	// the declaration is just at the offset at which another's message would begin.
	switch {
	case bzip(20):
		return DialectSource, true
	case bzip(18):
		return DialectSourceNoSize, true
	case inner(12):
		return DialectSource, false
	case inner(10):
		return DialectSourceNoSize, false
	}
	return DialectUnknown, false
}
