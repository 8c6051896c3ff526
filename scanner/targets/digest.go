package targets

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/a2scan/a2scan/mux"
)

// A digest is a SHA-256 over the accepted targets in the order of their sequence
// numbers: what a resumed scan must find again, so that a number means the same
// target. Comments, tags, spelling, duplicates and blocked parts of prefixes leave
// no trace in it; nor do seed, shard and what names resolve to. Prefixes and
// ranges enter as the stretches that were accepted, not target by target.
type digest struct {
	hash hash.Hash
	buf  []byte // one write to the hash for thousands of targets
}

const digestBuffer = 16 << 10

func (d *digest) target(k mux.Key) {
	if k.Is4() {
		d.buf = append(d.buf, '4')
		d.buf = binary.BigEndian.AppendUint32(d.buf, uint32(k.Lo))
	} else {
		d.buf = append(d.buf, '6')
		d.buf = binary.BigEndian.AppendUint64(d.buf, k.Hi)
		d.buf = binary.BigEndian.AppendUint64(d.buf, k.Lo)
		d.buf = binary.BigEndian.AppendUint32(d.buf, k.Scope)
	}
	d.buf = binary.BigEndian.AppendUint16(d.buf, k.Port)
	d.spill()
}

func (d *digest) piece(p *piece) {
	if p.size() == 1 && p.name == "" {
		d.target(p.key(0))
		return
	}
	if p.name != "" {
		d.buf = append(d.buf, 'n')
		d.buf = append(d.buf, p.name...)
		d.buf = append(d.buf, ':') // no name holds one
	} else {
		d.buf = append(d.buf, 'r')
		for _, n := range [4]uint64{p.iv.first.hi, p.iv.first.lo, p.iv.last.hi, p.iv.last.lo} {
			d.buf = binary.BigEndian.AppendUint64(d.buf, n)
		}
		d.buf = binary.BigEndian.AppendUint32(d.buf, p.scope)
	}
	d.buf = p.ports.appendTo(d.buf)
	d.buf = append(d.buf, '\n') // no list of ports holds one
	d.spill()
}

func (d *digest) spill() {
	if len(d.buf) >= digestBuffer {
		d.flush()
	}
}

func (d *digest) flush() {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Write(d.buf)
	d.buf = d.buf[:0]
}

// sum returns the digest of all so far.
func (d *digest) sum() (s [sha256.Size]byte) {
	d.flush()
	d.hash.Sum(s[:0])
	return s
}
