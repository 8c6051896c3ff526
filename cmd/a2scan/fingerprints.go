package main

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/a2scan/a2scan/mux"
)

// fingerprints remember of each target that is done where it was asked, by 32 bits
// of a hash: 4 bytes a target, in pages of 256 bytes, each made when its first target
// arrives. Of another list one target in four billion would pass for the same. The
// zero value is ready to use.
type fingerprints struct {
	seed  maphash.Seed
	every uint64 // only each every-th number can occur: those of one shard
	pages map[uint64]*[fingerprintPage]uint32
}

const fingerprintPage = 64

func newFingerprints(shards uint64) *fingerprints {
	return &fingerprints{seed: maphash.MakeSeed(), every: max(shards, 1), pages: map[uint64]*[fingerprintPage]uint32{}}
}

// set keeps the fingerprint of target seq.
func (f *fingerprints) set(seq uint64, print uint32) {
	i := seq / f.every
	p := f.pages[i/fingerprintPage]
	if p == nil {
		p = new([fingerprintPage]uint32)
		f.pages[i/fingerprintPage] = p
	}
	p[i%fingerprintPage] = print
}

// is reports whether target seq has that fingerprint.
func (f *fingerprints) is(seq uint64, print uint32) bool {
	i := seq / f.every
	p := f.pages[i/fingerprintPage]
	return p != nil && p[i%fingerprintPage] == print
}

// of returns the fingerprint of a target: of its host and port where it was
// written as a name, whose address may have changed since, and else of its address
// and port. An interface index is not part of it, since records have its name.
func (f *fingerprints) of(host string, at mux.Key) uint32 {
	var b [18 + 253]byte // of the longest name
	binary.LittleEndian.PutUint64(b[0:], at.Hi)
	binary.LittleEndian.PutUint64(b[8:], at.Lo)
	binary.LittleEndian.PutUint16(b[16:], at.Port)
	n := 18
	if host != "" {
		clear(b[:16])
		n += copy(b[18:], host)
	}
	return uint32(maphash.Bytes(f.seed, b[:n]))
}
