package proto

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/a2scan/a2scan/internal/arena"
)

// Limits of reassembly.
const (
	// setsPerOwner is how many unfinished replies one server may have at once:
	// PLAYER and RULES may both be split.
	// A third id (an answer to a retransmission) takes the place of the oldest.
	setsPerOwner = 3

	// maxDuds is how many of one server's compressed replies are opened and turn out
	// to be broken, nothing that was asked for, or nothing that decodes: 80 bytes can take
	// 2 ms to inflate, and a server can send a hundred of them a second.
	maxDuds = 4

	// maxAssembled limits a reply: 64 KB are seen (Rust), 1 MiB is the size that the most
	// careful peers allow a compressed one to become.
	maxAssembled = 1 << 20

	// maxFragmentBytes limits the bytes that the fragments of one reply may hold together.
	maxFragmentBytes = 256 << 10
)

// Errors of fragments.
var (
	errFragment = errors.New("a fragment that fits no reply") // it contradicts those before it, or begins nothing
	errEmpty    = errors.New("fragments that make an empty reply")
	errNoMemory = errors.New("no memory for a fragment")
)

// A setOwner is the part of a conversation that names its unfinished replies.
// The serial tells whether a set that it names is still its own.
type setOwner struct {
	serial uint32
	sets   [setsPerOwner]uint16
	duds   uint8 // compressed replies that were opened, or looked into, for nothing
}

// A set is one split reply on its way.
type set struct {
	id         uint32
	serial     uint32    // of the owner; 0: the set is free
	frags      arena.Ref // the fragments, newest first; without FE FF FF FF and the id
	prev, next uint16    // by age; next also links the free sets
	bytes      uint32    // of the arena, in whole chunks
	have       [4]uint64 // bit i: fragment i is here; only once the dialect is known
	count      uint8     // fragments kept
	total      uint8     // 0: not known
	dialect    Dialect
	compressed bool
	phase      phase
}

// A phase is how far a set has come.
type phase uint8

const (
	collecting phase = iota
	complete         // all is here, and not taken yet
	// taken sets hold no bytes: they are there to know the duplicates of what they
	// were. Their have is a Bloom filter of the fragments' contents, because the id
	// alone is no proof: a server may use one id for all that it says.
	taken
)

// An assembler joins the fragments of split replies. Its sets and their bytes
// are a fixed budget for all conversations together: if it is used up, the
// oldest unfinished reply is evicted, and its query's timer will ask again.
type assembler struct {
	arena    *arena.Arena
	sets     []set // sets[0] is the head of the list by age
	free     uint16
	fresh    uint16
	joined   []byte // scratch: the last assembled reply
	inflated []byte // scratch: the last decompressed reply
	evicted  uint64
}

// maxSets is bounded by the 16 bits that name a set; at three a server it is
// enough for 20,000 servers answering in fragments at the same moment. The
// number after the last must fit too.
const maxSets = 1<<16 - 2

func newAssembler(size int) *assembler {
	n := min(max(size/4096, 16), maxSets)
	return &assembler{arena: arena.New(size), sets: make([]set, n+1), fresh: 1}
}

// An addResult is the outcome of adding a fragment.
type addResult uint8

const (
	fragmentKept addResult = iota
	fragmentDuplicate
	fragmentMalformed
	fragmentDropped // no memory left even after eviction
	fragmentLast    // the reply is complete
)

// add takes the split datagram b (it begins with FE FF FF FF) for owner o.
// The number names the set if one was found or made.
func (a *assembler) add(o *setOwner, b []byte) (addResult, uint16) {
	if len(b) < minSplit {
		return fragmentMalformed, 0
	}
	id := binary.LittleEndian.Uint32(b[4:])
	n := a.find(o, id)
	if n != 0 && a.sets[n].phase == taken {
		if a.sets[n].knows(b) {
			return fragmentDuplicate, n
		}
		a.close(o, n)
		n = 0
	}
	if n == 0 || a.sets[n].dialect == DialectUnknown {
		return a.addUnknown(o, n, id, b)
	}
	s := &a.sets[n]
	if s.phase == complete {
		return fragmentDuplicate, n
	}
	index, total, ok := s.dialect.position(b[splitPrefix:])
	if !ok || total != int(s.total) {
		return fragmentMalformed, n
	}
	if s.have[index/64]&(1<<(index%64)) != 0 {
		return fragmentDuplicate, n
	}
	if !a.keep(s, n, b) {
		return fragmentDropped, n
	}
	s.have[index/64] |= 1 << (index % 64)
	return a.finished(s), n
}

// addUnknown is add for set n, or a new one if n is 0, of which no fragment has told
// the dialect. It looks whether b or all that is here tells it, and else keeps b raw.
func (a *assembler) addUnknown(o *setOwner, n uint16, id uint32, b []byte) (addResult, uint16) {
	// Nothing is believed of a first fragment that contradicts itself or begins nothing.
	d, compressed := probe(b)
	total := 0
	if d != DialectUnknown {
		var ok bool
		if _, total, ok = d.position(b[splitPrefix:]); !ok {
			return fragmentMalformed, n
		}
	} else if beginsNothing(b) {
		return fragmentMalformed, n
	}
	if n == 0 {
		n = a.open(o, id)
	}
	s := &a.sets[n]
	if d != DialectUnknown {
		// b comes first in the list, so that it wins over others that claim its place.
		if !a.keep(s, n, b) {
			return fragmentDropped, n
		}
		s.dialect, s.compressed, s.total = d, compressed, uint8(total)
		a.index(s)
		return a.finished(s), n
	}
	if s.count == maxFragments {
		return fragmentMalformed, n
	}
	// In every dialect two fragments whose bytes 8 and 9 agree are the same one.
	for r := s.frags; r != 0; r = a.arena.Link(r) {
		if h := a.arena.Head(r); h[0] == b[8] && h[1] == b[9] {
			return fragmentDuplicate, n
		}
	}
	if !a.keep(s, n, b) {
		return fragmentDropped, n
	}
	for _, d := range [...]Dialect{DialectSource, DialectSourceNoSize} {
		if a.agreeHeaderless(s, d) {
			s.dialect, s.total = d, s.count
			a.index(s)
			return a.finished(s), n
		}
	}
	return fragmentKept, n
}

// beginsNothing reports whether b, in which probe has found nothing, is fragment 0 in
// every dialect, and so the beginning of no reply: garbage in the place of one, or a
// compressed one without the signature.
func beginsNothing(b []byte) bool {
	headerless := func(o int) bool { return len(b) > o && isHeaderless(b[o]) }
	return b[8]>>4 == 0 && b[9] == 0 &&
		!headerless(DialectSourceNoSize.headerLen()) && !headerless(DialectSource.headerLen())
}

// isHeaderless reports whether a reply of that type may come without the inner header.
func isHeaderless(typ byte) bool { return typ == TypePlayers || typ == TypeRules }

// agreeHeaderless reports whether all that s holds makes a complete reply
// without the inner header in dialect d.
func (a *assembler) agreeHeaderless(s *set, d Dialect) bool {
	first := false
	var seen [4]uint64
	for r := s.frags; r != 0; r = a.arena.Link(r) {
		h := a.arena.Head(r)
		index, total, ok := d.position(h)
		if !ok || total != int(s.count) || seen[index/64]&(1<<(index%64)) != 0 {
			return false
		}
		seen[index/64] |= 1 << (index % 64)
		if o := d.headerLen() - splitPrefix; index == 0 && len(h) > o {
			first = isHeaderless(h[o])
		}
	}
	return first
}

// index sorts the raw fragments into places, now that the dialect is known, and
// drops those that contradict it.
func (a *assembler) index(s *set) {
	var kept arena.Ref
	r := s.frags
	s.have = [4]uint64{}
	s.count, s.bytes = 0, 0
	for r != 0 {
		next := a.arena.Link(r)
		index, total, ok := s.dialect.position(a.arena.Head(r))
		if ok && total == int(s.total) && s.have[index/64]&(1<<(index%64)) == 0 {
			s.have[index/64] |= 1 << (index % 64)
			s.count++
			s.bytes += uint32(arena.InChunks(a.arena.Len(r)))
			a.arena.SetLink(r, kept)
			kept = r
		} else {
			a.arena.Free(r)
		}
		r = next
	}
	s.frags = kept
}

// keep stores b in s, making room if there is none.
func (a *assembler) keep(s *set, n uint16, b []byte) bool {
	b = b[splitPrefix:]
	size := arena.InChunks(len(b))
	if limit := min(maxFragmentBytes, a.arena.Capacity()); int(s.bytes)+size > limit {
		return false // making room would not help
	}
	r, ok := a.arena.Put(b, 0)
	for !ok {
		old := a.sets[0].next
		if old == n {
			old = a.sets[old].next
		}
		if old == 0 {
			return false
		}
		a.evict(old)
		r, ok = a.arena.Put(b, 0)
	}
	a.arena.SetLink(r, s.frags)
	s.frags = r
	s.count++
	s.bytes += uint32(size)
	return true
}

func (a *assembler) finished(s *set) addResult {
	if s.count == s.total {
		s.phase = complete
		return fragmentLast
	}
	return fragmentKept
}

// find returns o's set with that id, or 0.
func (a *assembler) find(o *setOwner, id uint32) uint16 {
	for _, n := range o.sets {
		if a.owns(o, n) && a.sets[n].id == id {
			return n
		}
	}
	return 0
}

// open makes a set for o, at the cost of the oldest of o's, or of anyone's.
func (a *assembler) open(o *setOwner, id uint32) uint16 {
	mine := a.tidy(o)
	if mine == setsPerOwner {
		a.close(o, o.sets[0])
		mine--
	}
	if a.free == 0 && int(a.fresh) == len(a.sets) {
		a.evict(a.sets[0].next)
		mine = a.tidy(o)
	}
	n := a.free
	if n != 0 {
		a.free = a.sets[n].next
	} else {
		n = a.fresh
		a.fresh++
	}
	last := a.sets[0].prev
	a.sets[n] = set{id: id, serial: o.serial, prev: last}
	a.sets[last].next = n
	a.sets[0].prev = n
	o.sets[mine] = n
	return n
}

// tidy removes from o the sets that were evicted, so that the oldest comes
// first, and returns how many are left.
func (a *assembler) tidy(o *setOwner) (mine int) {
	for _, n := range o.sets {
		if a.owns(o, n) {
			o.sets[mine] = n
			mine++
		}
	}
	clear(o.sets[mine:])
	return mine
}

// owns reports whether n, which o names, is still o's.
func (a *assembler) owns(o *setOwner, n uint16) bool {
	return n != 0 && a.sets[n].serial == o.serial
}

// whole reports whether n is a set of o's that is complete and not taken.
func (a *assembler) whole(o *setOwner, n uint16) bool {
	return a.owns(o, n) && a.sets[n].phase == complete
}

// close drops a set of o's.
func (a *assembler) close(o *setOwner, n uint16) {
	a.drop(n)
	a.tidy(o)
}

// evict drops a set for another's sake.
func (a *assembler) evict(n uint16) {
	if a.sets[n].phase != taken {
		a.evicted++
	}
	a.drop(n)
}

// drop frees a set and its bytes. Its owner finds the serial changed.
func (a *assembler) drop(n uint16) {
	s := &a.sets[n]
	a.arena.FreeAll(s.frags)
	a.sets[s.prev].next = s.next
	a.sets[s.next].prev = s.prev
	*s = set{next: a.free}
	a.free = n
}

// release drops all sets of o.
func (a *assembler) release(o *setOwner) {
	for _, n := range o.sets {
		if a.owns(o, n) {
			a.drop(n)
		}
	}
	clear(o.sets[:])
}

// progress returns the best that o has of an unfinished reply of kind k, or of
// one that does not show its kind.
func (a *assembler) progress(o *setOwner, k Kind) (got, total int) {
	for _, n := range o.sets {
		if !a.owns(o, n) || a.sets[n].phase == taken {
			continue
		}
		if shown, ok := a.kindOf(n); ok && shown != k {
			continue
		}
		if s := &a.sets[n]; int(s.count) > got || int(s.count) == got && total == 0 {
			got, total = int(s.count), int(s.total)
		}
	}
	return got, total
}

// compressedSize returns the size that a complete set declares to inflate to and
// how many bytes it has for that, and false if it is not compressed.
func (a *assembler) compressedSize(n uint16) (size uint32, packed int, compressed bool) {
	s := &a.sets[n]
	if !s.compressed {
		return 0, 0, false
	}
	header := s.dialect.headerLen() - splitPrefix
	for r := s.frags; r != 0; r = a.arena.Link(r) {
		packed += a.arena.Len(r) - header
		h := a.arena.Head(r)
		if index, _, _ := s.dialect.position(h); index == 0 {
			size = binary.LittleEndian.Uint32(h[header:])
			packed -= compressHeader
		}
	}
	return size, packed, true
}

// kindOf returns the kind that fragment 0 of an unfinished or compressed set
// shows, if it is here and readable.
func (a *assembler) kindOf(n uint16) (Kind, bool) {
	s := &a.sets[n]
	if s.dialect == DialectUnknown || s.compressed {
		return 0, false
	}
	for r := s.frags; r != 0; r = a.arena.Link(r) {
		h := a.arena.Head(r)
		index, _, _ := s.dialect.position(h)
		o := s.dialect.headerLen() - splitPrefix
		if index != 0 || len(h) <= o {
			continue
		}
		h = h[o:]
		if len(h) > 4 && binary.LittleEndian.Uint32(h) == 0xFFFFFFFF {
			h = h[4:]
		}
		return kindOfReply(h[0])
	}
	return 0, false
}

// take joins the complete set n, decompresses it if it is compressed, frees
// its bytes, and returns the reply from its type byte on. That is valid until
// the next call of take. An error means that the set was no reply.
func (a *assembler) take(n uint16) ([]byte, error) {
	s := &a.sets[n]
	var place [maxFragments]arena.Ref
	for r := s.frags; r != 0; r = a.arena.Link(r) {
		index, _, _ := s.dialect.position(a.arena.Head(r))
		place[index] = r
	}
	header := s.dialect.headerLen() - splitPrefix
	var size, crc uint32
	var known [4]uint64
	joined := a.joined[:0]
	for i := range int(s.total) {
		at := len(joined)
		joined = a.arena.AppendTo(joined, place[i])
		remember(&known, joined[at:])
		skip := header
		if i == 0 && s.compressed {
			head := joined[header:]
			size, crc = binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
			skip += compressHeader
		}
		joined = joined[:at+copy(joined[at:], joined[at+skip:])]
	}
	a.joined = joined
	a.arena.FreeAll(s.frags)
	s.frags, s.bytes, s.have, s.phase = 0, 0, known, taken
	body := joined
	if s.compressed {
		var err error
		a.inflated, err = inflate(a.inflated[:0], joined, size, crc, maxAssembled)
		if err != nil {
			return nil, err
		}
		body = a.inflated
	}
	if len(body) >= 4 && binary.LittleEndian.Uint32(body) == 0xFFFFFFFF {
		body = body[4:] // some servers leave the inner header out
	}
	if len(body) == 0 {
		return nil, errEmpty
	}
	return body, nil
}

// remember puts a fragment's content, from behind the id, into a Bloom filter.
func remember(filter *[4]uint64, content []byte) {
	sum := crc32.ChecksumIEEE(content)
	for range 3 {
		filter[sum>>6&3] |= 1 << (sum & 63)
		sum >>= 8
	}
}

// knows reports whether the datagram b was part of the taken set s. It
// errs towards yes once in a thousand times after a reply of eight fragments.
func (s *set) knows(b []byte) bool {
	var filter [4]uint64
	remember(&filter, b[splitPrefix:])
	for i, bits := range filter {
		if bits&^s.have[i] != 0 {
			return false
		}
	}
	return true
}
