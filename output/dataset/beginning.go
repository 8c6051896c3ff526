package dataset

import (
	"errors"
	"io"
	"math/bits"
)

// errNoRecord means that a file is no dataset, nor what is left of one.
var errNoRecord = errors.New("line 1 is not a record of a scan")

// recordPrefix is how every line of output.AppendJSON begins.
var recordPrefix = []byte(`{"schema":1,"seq":`)

// A beginning is what stands in a file that was cut before its first line ended. To
// mend such a file is to empty it, so it must be known that nothing is lost but the
// first record: any text without a newline looks as if it was cut.
type beginning struct {
	compression Compression
	head        []byte // how the file begins, maxHead bytes if it has so many
	line        []byte // what came out of it
}

// maxHead is how much of a frame's header is looked at.
const maxHead = 10

// isOurs reports whether a dataset that this package wrote, cut somewhere, can be the
// file.
func (b *beginning) isOurs() bool {
	if len(b.line) > 0 {
		return isCutFrom(b.line, recordPrefix)
	}
	switch b.compression {
	case CompressZstd:
		return isZstdHead(b.head)
	case CompressGzip:
		return isGzipHead(b.head)
	}
	return true // nothing
}

// isCutFrom reports whether b begins with all of want, or is the beginning of it.
func isCutFrom(b, want []byte) bool {
	n := min(len(b), len(want))
	return string(b[:n]) == string(want[:n])
}

// isZstdHead reports whether a frame of newEncoder's may begin so: with a checksum,
// without a dictionary, and no larger window than asked for. What follows differs
// with the length.
func isZstdHead(b []byte) bool {
	const single, lengthSize, checksum = 1 << 5, 3 << 6, 1 << 2
	n := len(zstdMagic)
	if !isCutFrom(b, zstdMagic) || len(b) > n && b[n]&^(single|lengthSize) != checksum {
		return false
	}
	if len(b) <= n+1 || b[n]&single != 0 {
		return true
	}
	window := b[n+1] // five bits of exponent, over 1 KiB, and three of mantissa
	return window&7 == 0 && int(window>>3) <= bits.Len(zstdWindow-1)-10
}

// isGzipHead reports whether a member of newEncoder's may begin so: deflated, without
// a name or anything else; any time; by the fastest way; on a system that is not told.
func isGzipHead(b []byte) bool {
	for i, want := range []byte{0x1F, 0x8B, 8, 0, 4: 0, 8: 4, 9: 0xFF} {
		if i < len(b) && b[i] != want && (i < 4 || i > 7) {
			return false
		}
	}
	return true
}

// readHead returns how f begins, up to limit.
func readHead(f io.ReaderAt, limit int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, 0, min(limit, maxHead)))
}
