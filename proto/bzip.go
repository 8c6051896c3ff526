package proto

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"hash/crc32"
	"io"
)

// Errors of compressed replies.
var (
	errInflateSize = errors.New("decompressed size is not the declared one")
	errInflateCRC  = errors.New("checksum of the decompressed reply is wrong")
	errInflateCap  = errors.New("declared size is over the limit")
)

// Costs of a decompressor beside the bytes that it yields, in the units of an
// inflation budget.
const (
	// bzipSetup comes before the first byte: up to 3.6 MB of tables are cleared.
	bzipSetup = 64 << 10
	// bzipBlock is the work that may hide behind a wrong declaration: a block is
	// decoded as a whole before its first byte is seen.
	bzipBlock = 900_000
)

// inflate decompresses src onto dst, which it returns. The result must be
// exactly size bytes with the checksum crc; whatever the header says, no more than
// limit bytes are ever produced.
func inflate(dst, src []byte, size, crc uint32, limit int) ([]byte, error) {
	if int64(size) > int64(limit) {
		return dst, errInflateCap
	}
	r := bzip2.NewReader(bytes.NewReader(src))
	if cap(dst)-len(dst) < int(size)+1 {
		dst = append(make([]byte, 0, len(dst)+int(size)+1), dst...)
	}
	out := dst[len(dst) : len(dst)+int(size)+1] // one more, to see that it ends
	n, err := io.ReadFull(r, out)
	if err != io.ErrUnexpectedEOF && err != io.EOF {
		if err == nil {
			err = errInflateSize
		}
		return dst, err
	}
	if n != int(size) {
		return dst, errInflateSize
	}
	if crc32.ChecksumIEEE(out[:n]) != crc {
		return dst, errInflateCRC
	}
	return dst[:len(dst)+n], nil
}
