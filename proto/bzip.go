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
	errInflateLong = errors.New("compressed reply is too long for its declared size")
	errInflateMany = errors.New("compressed reply has more blocks than its declared size takes")
)

// Costs of a decompressor in addition to the bytes that it yields, in the units of an
// inflation budget.
const (
	// bzipSetup comes before the first byte: up to 3.6 MB of tables are cleared.
	bzipSetup = 64 << 10
	// bzipBlock is the work that may hide behind a wrong declaration: a block is
	// decoded as a whole before its first byte is seen.
	bzipBlock = 900_000
	// bzipByte is for each compressed byte. On 2026-11-26 megabytes of text, of few
	// different bytes and of noise took 33 ns for a byte that comes out and 57 ns for
	// one that goes in.
	bzipByte = 2
)

// Of the stream's format.
const (
	bzipBlockMark = 0x314159265359 // 48 bits, at any bit: a block begins
	bzipEndMark   = 0x177245385090 // the stream ends
	// bzipLeastBlock is less than any block but the last holds: 100,000 bytes at
	// bzip2's lowest level, of which runs of four take five.
	bzipLeastBlock = 64 << 10
)

// bzipMost returns the most bytes that size bytes become when they are compressed
// honestly: bzip2 promises a hundredth and 600 bytes more. Beyond that are blocks of
// a few bytes each, whose tables take the time: 250 kB that came to 1,000 bytes took
// 70 ms to open.
func bzipMost(size uint32) int { return 2*int(size) + 4<<10 }

// bzipBlocks reports whether src is one stream with no more blocks than size bytes need. A
// table for 256 bytes takes 33 bytes and some 10 µs, so even a short reply may hide a
// hundred times its work; and each further stream may ask for a larger buffer than the one
// before, which must be cleared.
func bzipBlocks(src []byte, size uint32) bool {
	blocks, ends := 0, 0
	var last uint64 // the last eight bytes
	for _, b := range src {
		last = last<<8 | uint64(b)
		for shift := range 8 {
			switch last >> shift & (1<<48 - 1) {
			case bzipBlockMark:
				blocks++
			case bzipEndMark:
				ends++
			}
		}
	}
	return blocks <= 1+int(size/bzipLeastBlock) && ends <= 1
}

// inflate decompresses src onto dst, which it returns. The result must be exactly size
// bytes with the checksum crc. It never produces more than limit bytes, even if the header
// claims more. Data that no honest encoder writes is refused before it is decompressed.
func inflate(dst, src []byte, size, crc uint32, limit int) ([]byte, error) {
	if int64(size) > int64(limit) {
		return dst, errInflateCap
	}
	if len(src) > bzipMost(size) {
		return dst, errInflateLong
	}
	if !bzipBlocks(src, size) {
		return dst, errInflateMany
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
