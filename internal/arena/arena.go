// Package arena keeps byte strings in a fixed amount of memory without pointers: the
// fragments of split replies, and answers that wait for the target's other answers.
package arena

// chunkSize is the unit in which an Arena hands out memory. An INFO reply (100 to
// 200 bytes) fits into one chunk; a full fragment (1,260 or 1,400 bytes) takes five
// or six and wastes less than a tenth.
const chunkSize = 256

// InChunks returns how much of an Arena n bytes take.
func InChunks(n int) int { return max((n+chunkSize-1)/chunkSize, 1) * chunkSize }

// An Arena keeps byte strings of unknown number and length within a fixed amount
// of memory. It never grows and holds no pointers, so the garbage collector does
// not scan its content. Memory that was never used is never touched. It is not safe
// for concurrent use.
type Arena struct {
	data  []byte
	meta  []chunkMeta
	free  uint32 // head of the list of returned chunks, 0: none
	fresh uint32 // chunks from here on were never used
	used  int
	peak  int
}

// A chunkMeta describes a chunk. Length, Link and Tag are those of the string
// that begins in it.
type chunkMeta struct {
	next   uint32
	length uint32
	link   uint32
	tag    uint32
}

// A Ref names a string in an Arena. The zero Ref is none.
type Ref uint32

// New returns an Arena of about size bytes of content, at least one chunk.
// Its bookkeeping adds a sixteenth.
func New(size int) *Arena {
	n := max(size/chunkSize, 1) + 1 // chunk 0 is never used, so that Ref 0 is none
	return &Arena{data: make([]byte, n*chunkSize), meta: make([]chunkMeta, n), fresh: 1}
}

// Capacity returns the content that a holds at most, in bytes.
func (a *Arena) Capacity() int { return (len(a.meta) - 1) * chunkSize }

// Available returns how many bytes can still be kept, in whole chunks.
func (a *Arena) Available() int { return a.Capacity() - a.used*chunkSize }

// Used returns the bytes in use, in whole chunks.
func (a *Arena) Used() int { return a.used * chunkSize }

// Peak returns the largest that Used has ever been.
func (a *Arena) Peak() int { return a.peak * chunkSize }

// Put keeps a copy of b with a free-form tag. It returns false and keeps nothing if
// b does not fit. An empty b takes a chunk too.
func (a *Arena) Put(b []byte, tag uint32) (Ref, bool) {
	need := max((len(b)+chunkSize-1)/chunkSize, 1)
	if need > len(a.meta)-1-a.used {
		return 0, false
	}
	a.used += need
	a.peak = max(a.peak, a.used)
	var head, last uint32
	length := uint32(len(b))
	for range need {
		c := a.free
		if c != 0 {
			a.free = a.meta[c].next
		} else {
			c = a.fresh
			a.fresh++
		}
		b = b[copy(a.data[int(c)*chunkSize:int(c+1)*chunkSize], b):]
		if head == 0 {
			head = c
		} else {
			a.meta[last].next = c
		}
		last = c
	}
	a.meta[last].next = 0
	m := &a.meta[head]
	m.length, m.link, m.tag = length, 0, tag
	return Ref(head), true
}

// Len returns the length of the string r.
func (a *Arena) Len(r Ref) int { return int(a.meta[r].length) }

// Tag returns the tag that Put or SetTag set last.
func (a *Arena) Tag(r Ref) uint32 { return a.meta[r].tag }

// SetTag replaces the tag.
func (a *Arena) SetTag(r Ref, tag uint32) { a.meta[r].tag = tag }

// Link returns the link that SetLink set last, at first zero. The owner strings its
// Refs together with links.
func (a *Arena) Link(r Ref) Ref { return Ref(a.meta[r].link) }

// SetLink sets r's link.
func (a *Arena) SetLink(r, to Ref) { a.meta[r].link = uint32(to) }

// Head returns the string's first bytes, up to a chunk, without copying. They
// are valid until r is freed.
func (a *Arena) Head(r Ref) []byte {
	o := int(r) * chunkSize
	return a.data[o : o+min(int(a.meta[r].length), chunkSize)]
}

// AppendTo appends the string to dst.
func (a *Arena) AppendTo(dst []byte, r Ref) []byte {
	left := int(a.meta[r].length)
	for c := uint32(r); left > 0; c = a.meta[c].next {
		o, n := int(c)*chunkSize, min(left, chunkSize)
		dst = append(dst, a.data[o:o+n]...)
		left -= n
	}
	return dst
}

// Free returns r's memory to the Arena. r must not be used again.
func (a *Arena) Free(r Ref) {
	c := uint32(r)
	for {
		a.used--
		next := a.meta[c].next
		if next == 0 {
			break
		}
		c = next
	}
	a.meta[c].next = a.free
	a.free = uint32(r)
}

// FreeAll frees r and every string linked behind it.
func (a *Arena) FreeAll(r Ref) {
	for r != 0 {
		next := a.Link(r)
		a.Free(r)
		r = next
	}
}
