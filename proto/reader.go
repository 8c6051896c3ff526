package proto

import (
	"bytes"
	"encoding/binary"
)

// A reader takes fields off the front of a payload. At the first field that does not fit it
// stops: failed is the name of that field, off stays at its beginning, and all later reads
// return zero. So a decoder reads all its fields in a row and checks once.
type reader struct {
	b      []byte
	off    int
	failed string
}

// take returns the next n bytes, or nil.
func (r *reader) take(n int, field string) []byte {
	if r.failed != "" || len(r.b)-r.off < n {
		r.fail(field)
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off]
}

// ok reports whether all fields so far did fit.
func (r *reader) ok() bool { return r.failed == "" }

func (r *reader) fail(field string) {
	if r.failed == "" {
		r.failed = field
	}
}

func (r *reader) u8(field string) uint8 {
	if p := r.take(1, field); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16(field string) uint16 {
	if p := r.take(2, field); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32(field string) uint32 {
	if p := r.take(4, field); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64(field string) uint64 {
	if p := r.take(8, field); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// text returns the bytes up to the next NUL, which is skipped. They alias the payload and
// have no capacity to append over the next field.
func (r *reader) text(field string) []byte {
	if r.failed != "" {
		return nil
	}
	n := bytes.IndexByte(r.b[r.off:], 0)
	if n < 0 {
		r.fail(field)
		return nil
	}
	p := r.b[r.off : r.off+n : r.off+n]
	r.off += n + 1
	return p
}

// kind takes the type byte and fails with ErrType if it is not want.
func (r *reader) kind(k Kind, want byte) error {
	got := r.u8("type")
	if r.failed != "" {
		return r.err(k)
	}
	if got != want {
		return &DecodeError{Kind: k, Field: "type", Err: ErrType}
	}
	return nil
}

// rest returns the unread bytes.
func (r *reader) rest() []byte { return r.b[r.off:] }

// err returns the reason why the reader stopped, as an error about a reply of kind k.
func (r *reader) err(k Kind) error {
	if r.failed == "" {
		return nil
	}
	return &DecodeError{Kind: k, Field: r.failed, Offset: r.off, Err: ErrShort}
}
