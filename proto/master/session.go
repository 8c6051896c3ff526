package master

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Limits.
const (
	// RequestsPerMinute is what a master answers before it falls silent for a
	// minute (SteamServerBrowser issue 13; another client measured 60 in five
	// minutes).
	RequestsPerMinute = 30

	// PageEntries is the most that one page of Valve's masters holds:
	// (1,400 - 6) / 6 = 232, and 231 are seen.
	PageEntries = 231

	// DefaultLimit is where a Session ends if Config says nothing else, so that a
	// master that never ends its list can't make it grow without bounds.
	DefaultLimit = 1 << 20
)

// Config says what to ask for.
type Config struct {
	Region Region
	Filter string         // see [Filter]; may be empty
	Seed   netip.AddrPort // where to begin; the zero value: at the beginning
	Limit  int            // end after so many servers; 0: DefaultLimit

	// XashKey speaks the variant of Xash3D FWGS, where it is not zero. It should
	// be random: a page that does not repeat it is ignored. Such masters may ask
	// that the filter also names the client: clver, os, arch, buildnum and others.
	XashKey uint32
	// IPv6 says that a Xash master is asked over IPv6, and so sends entries of
	// 18 bytes.
	IPv6 bool
}

// An End says why a Session is done.
type End uint8

// The ends.
const (
	NotEnded  End = iota
	EndOfList     // the master said so
	EndEmpty      // a page had no entries
	EndRepeat     // a page ends where one before it ended: the master does not advance
	EndLimit      // Config.Limit servers have come
)

// String returns the end in a few words.
func (e End) String() string {
	switch e {
	case NotEnded:
		return "not ended"
	case EndOfList:
		return "end of list"
	case EndEmpty:
		return "empty page"
	case EndRepeat:
		return "repeated page"
	case EndLimit:
		return "limit reached"
	}
	return "unknown"
}

// Stats counts what a Session has seen.
type Stats struct {
	Requests   int // written by AppendRequest
	Pages      int
	Servers    int // different ones
	Duplicates int // entries that had come before; masters do repeat them
	Ignored    int // datagrams that were no page, or a second answer to an earlier request
	Malformed  int // pages that end inside an entry
}

// A Session is one list being fetched, page by page. It is not safe for
// concurrent use.
type Session struct {
	cfg   Config
	seed  netip.AddrPort
	seen  map[netip.AddrPort]bool // true: has been a seed
	end   End
	stats Stats

	// A request that was sent again may be answered twice. The second answer is
	// a page whose seed is known, exactly as when the master does not advance;
	// unanswered and late tell them apart.
	unanswered int // requests since the last page
	late       int // requests before that to which an answer may still come
}

// NewSession begins a list. It returns an error that wraps ErrFilter where the
// filter can't be sent.
func NewSession(cfg Config) (*Session, error) {
	if err := checkFilter(cfg.Filter); err != nil {
		return nil, err
	}
	if cfg.Limit <= 0 {
		cfg.Limit = DefaultLimit
	}
	s := &Session{cfg: cfg, seed: cfg.Seed, seen: map[netip.AddrPort]bool{}}
	if !s.seed.IsValid() {
		s.seed = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	s.seen[s.seed] = true
	return s, nil
}

// AppendRequest appends the request for the next page. Until that page has
// come, it is the same one each time.
func (s *Session) AppendRequest(dst []byte) []byte {
	s.stats.Requests++
	s.unanswered++
	dst = append(dst, '1', byte(s.cfg.Region))
	dst = s.seed.AppendTo(dst)
	dst = append(dst, 0)
	dst = append(dst, s.cfg.Filter...)
	if s.cfg.XashKey != 0 {
		dst = append(dst, `\key\`...)
		dst = strconv.AppendUint(dst, uint64(s.cfg.XashKey), 16)
	}
	return append(dst, 0)
}

// HandleDatagram reads b, a datagram from the master, and appends the servers
// that it adds to the list. It reports whether the next request should go out:
// false where b was no page of this list, and once the list is done. It keeps
// nothing of b.
func (s *Session) HandleDatagram(dst []netip.AddrPort, b []byte) (servers []netip.AddrPort, next bool) {
	entries, ok := s.entries(b)
	if !ok || s.end != NotEnded || s.unanswered == 0 {
		s.stats.Ignored++
		return dst, false
	}
	last, ended := s.last(entries)
	repeated := !ended && last.IsValid() && s.seen[last]
	if repeated && s.late > 0 {
		s.late--
		s.stats.Ignored++
		return dst, false
	}
	s.stats.Pages++
	s.late += s.unanswered - 1
	s.unanswered = 0
	if len(entries)%s.entrySize() != 0 {
		s.stats.Malformed++
	}
	dst = s.add(dst, entries)
	switch {
	case s.end == EndLimit:
	case ended:
		s.end = EndOfList
	case !last.IsValid():
		s.end = EndEmpty
	case repeated:
		s.end = EndRepeat
	default:
		s.seed = last
		s.seen[last] = true
	}
	return dst, s.end == NotEnded
}

// Done reports whether the list is complete, or as complete as it gets.
func (s *Session) Done() bool { return s.end != NotEnded }

// End says why the session is done.
func (s *Session) End() End { return s.end }

// Stats returns what has been counted so far.
func (s *Session) Stats() Stats { return s.stats }

// add appends the entries before the end that are new.
func (s *Session) add(dst []netip.AddrPort, entries []byte) []netip.AddrPort {
	for size := s.entrySize(); len(entries) >= size; entries = entries[size:] {
		a := entry(entries[:size])
		if s.isEnd(a) {
			break
		}
		if _, ok := s.seen[a]; ok {
			s.stats.Duplicates++
			continue
		}
		s.seen[a] = false
		s.stats.Servers++
		dst = append(dst, a)
		if s.stats.Servers == s.cfg.Limit {
			s.end = EndLimit
			break
		}
	}
	return dst
}

// last returns the last entry before the end, which is the next seed, and
// whether the end came. The address is not valid where there is none.
func (s *Session) last(entries []byte) (last netip.AddrPort, ended bool) {
	for size := s.entrySize(); len(entries) >= size; entries = entries[size:] {
		a := entry(entries[:size])
		if s.isEnd(a) {
			return last, true
		}
		last = a
	}
	return last, false
}

// isEnd reports whether an entry marks the end of the list.
func (s *Session) isEnd(a netip.AddrPort) bool {
	return a.Port() == 0 && (s.cfg.XashKey != 0 || a.Addr() == netip.IPv4Unspecified())
}

func (s *Session) entrySize() int {
	if s.cfg.IPv6 && s.cfg.XashKey != 0 {
		return 18
	}
	return 6
}

// entry reads an address and a port.
func entry(b []byte) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(b[:len(b)-2])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[len(b)-2:]))
}

// entries takes the header off a page, and returns false for anything else.
func (s *Session) entries(b []byte) ([]byte, bool) {
	if s.cfg.XashKey != 0 {
		if rest, ok := cut(b, "\xff\xff\xff\xfff\xff"); ok {
			return s.keyed(rest)
		}
		if rest, ok := cut(b, "\xff\xff\xff\xfff\n\x7f"); ok {
			return s.keyed(rest)
		}
		return nil, false
	}
	return cut(b, "\xff\xff\xff\xfff\n")
}

// keyed takes key and reserved byte off a page of the Xash variant.
func (s *Session) keyed(b []byte) ([]byte, bool) {
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != s.cfg.XashKey {
		return nil, false
	}
	return b[5:], true
}

func cut(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}
