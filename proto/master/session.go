package master

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/a2scan/a2scan/proto"
)

const (
	// perMinute is how many requests a master answers before it falls silent for a
	// minute.
	perMinute = 30

	// fullPage is the number of entries from which a page is full: Valve's masters
	// sent 231 at most.
	fullPage = 231

	// window is the minute of perMinute, with a margin for packets that
	// overtake each other.
	window = 61 * time.Second

	// maxServers is the default of Config.Limit, which bounds memory.
	maxServers = 1 << 20

	// clientVersion is what Xash masters are told unless the filter says otherwise:
	// without one they list no servers.
	clientVersion = "0.21"
)

// madeUp is the only entry in the replies of Xash masters that want a newer client.
var madeUp = netip.MustParseAddrPort("127.0.0.1:27010")

// A Config says which list to fetch, and how.
type Config struct {
	Filter Filter
	Region Region // Everywhere for all servers

	Timeout time.Duration // of the first attempt, doubles with each retry; 0: 1 s
	Retries int           // further attempts per request

	// RequestsPerMinute is never exceeded in any minute. 0: 30, which is what masters
	// answer before they fall silent for a minute; negative: no limit.
	RequestsPerMinute int

	// NoSplit fetches one list only. Otherwise a list that the master cut off is
	// fetched again in parts: by region, then by filters.
	NoSplit bool

	Limit int // end after this many servers; 0: 1,048,576

	// XashKey, if not zero, selects the dialect of Xash3D FWGS. It should be random:
	// pages that do not repeat it are ignored.
	XashKey uint32
	IPv6    bool // a Xash master is asked over IPv6; its entries have 18 bytes
}

// A Session fetches one list of servers. It neither sends nor reads a clock; it is
// not safe for concurrent use.
type Session struct {
	cfg    Config
	seen   map[netip.AddrPort]int // the last part that had the server
	result Result

	queue    []*part
	cur      *part // nil: done
	parts    int
	answered bool // a page has come at some time
	silent   int  // parts without an answer, one after the other
	ignored  map[string]bool
	honoured bool // some division has divided something

	state    state
	deadline proto.Time // of waiting and lingering
	sent     []proto.Time
	oldest   int // of sent, a ring

	// Of the current part.
	seed     netip.AddrPort
	seeds    map[netip.AddrPort]bool
	asked    bool // a request was sent
	pages    int
	attempt  int  // of the current request, from 0
	longest  int  // the most attempts of a request
	repeated int  // attempts of the current request that an earlier page answered
	again    bool // this attempt is one
	full     bool // the last page that brought something was full
	fakes    int

	// Of the current round. A list that comes in several datagrams is fetched in
	// rounds until no datagram was lost.
	round      int
	ends       int // pages with an end mark
	roundPages int
	mostPages  int // of any round
	fresh      int // servers that it has added
}

// state is what the session waits for.
type state uint8

const (
	ready     state = iota // to send the next request
	waiting                // for a page
	lingering              // for more pages after an end mark
)

// A Result is what a Session has seen so far.
type Result struct {
	Requests   int
	Pages      int
	Servers    int    // different ones
	Duplicates int    // entries that had come before
	Ignored    int    // datagrams that are not a page of this list
	Malformed  int    // pages that end inside an entry
	Incomplete []Part // parts of the list that may lack servers
}

// A Part is a part of a list.
type Part struct {
	Region Region
	Filter Filter
	Reason string // why it may lack servers
}

// NewSession returns a session for the list that cfg describes.
func NewSession(cfg Config) (*Session, error) {
	if cfg.Timeout < 0 || cfg.Retries < 0 || cfg.Limit < 0 {
		return nil, errors.New("master: Timeout, Retries and Limit cannot be negative")
	}
	if cfg.IPv6 && cfg.XashKey == 0 {
		return nil, errors.New("master: only Xash masters have IPv6 entries")
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, time.Second)
	cfg.Limit = cmp.Or(cfg.Limit, maxServers)
	cfg.RequestsPerMinute = cmp.Or(cfg.RequestsPerMinute, perMinute)
	if cfg.XashKey != 0 && !cfg.Filter.Has("clver") {
		cfg.Filter = cfg.Filter.Is("clver", clientVersion)
	}
	if n := len(cfg.Filter.Wire()); n > maxFilter {
		return nil, fmt.Errorf("master: the filter has %d bytes; the most is %d", n, maxFilter)
	}
	s := &Session{cfg: cfg, seen: map[netip.AddrPort]int{}, ignored: map[string]bool{}}
	s.queue = []*part{{region: cfg.Region, filter: cfg.Filter}}
	s.next()
	return s, nil
}

// maxFilter keeps a request within one packet.
const maxFilter = 1200

// Done reports whether the list is complete, or as complete as it gets.
func (s *Session) Done() bool { return s.cur == nil }

// Result returns what has been seen so far. Incomplete aliases the session's memory.
func (s *Session) Result() Result { return s.result }

// Poll appends a request to dst if one is to be sent now. Otherwise request is empty
// and Poll is to be called again at wake, or after the next datagram.
func (s *Session) Poll(dst []byte, now proto.Time) (request []byte, wake proto.Time) {
	for s.cur != nil {
		switch {
		case s.state == ready:
			if at := s.paced(); now < at {
				return nil, at
			}
			return s.request(dst, now), now
		case now < s.deadline:
			return nil, s.deadline
		case s.state == lingering:
			s.endRound()
		case s.repeated > min(s.cfg.Retries, 1): // it was asked again, and repeats itself
			s.endRepeated()
		case s.round > 0 && s.attempt >= min(s.cfg.Retries, 1): // the list is there already
			s.finish(false, "")
		case s.attempt < s.cfg.Retries:
			s.attempt++
			s.longest = max(s.longest, s.attempt)
			s.state, s.again = ready, false
		default:
			s.endSilent()
		}
	}
	return nil, now
}

// paced returns when the next request may be sent.
func (s *Session) paced() proto.Time {
	if s.cfg.RequestsPerMinute < 0 || len(s.sent) < s.cfg.RequestsPerMinute {
		return 0
	}
	return s.sent[s.oldest].Add(window)
}

// request appends the request of the current page.
func (s *Session) request(dst []byte, now proto.Time) []byte {
	switch {
	case s.cfg.RequestsPerMinute < 0:
	case len(s.sent) < s.cfg.RequestsPerMinute:
		s.sent = append(s.sent, now)
	default:
		s.sent[s.oldest] = now
		s.oldest = (s.oldest + 1) % len(s.sent)
	}
	s.state, s.deadline = waiting, now.Add(s.timeout(s.attempt))
	s.result.Requests++
	s.asked = true
	dst = append(dst, '1', byte(s.cur.region))
	dst = s.seed.AppendTo(dst)
	dst = append(dst, 0)
	dst = append(dst, s.cur.wire()...)
	if s.cfg.XashKey != 0 {
		dst = append(dst, `\key\`...)
		dst = strconv.AppendUint(dst, uint64(s.cfg.XashKey), 16)
	}
	return append(dst, 0)
}

// timeout is how long to wait for the answer to an attempt.
func (s *Session) timeout(attempt int) time.Duration { return s.cfg.Timeout << min(attempt, 2) }

// HandleDatagram reads b, a datagram from the master, and appends the servers that it
// adds to the list. It keeps nothing of b.
func (s *Session) HandleDatagram(dst []netip.AddrPort, b []byte, now proto.Time) []netip.AddrPort {
	p, ok := s.read(b)
	if !ok || !s.asked || s.cur == nil {
		s.result.Ignored++
		return dst
	}
	s.result.Pages++
	s.pages++
	s.roundPages++
	s.silent, s.answered = 0, true
	if p.cut {
		s.result.Malformed++
	}
	if p.ended {
		s.ends++
	}
	before := s.fresh
	dst = s.add(dst, &p)
	if s.result.Servers >= s.cfg.Limit {
		s.stop(fmt.Sprintf("the limit of %d servers is reached", s.cfg.Limit))
		return dst
	}
	switch {
	case s.state == lingering:
		if s.fresh > before {
			s.deadline = now.Add(s.timeout(s.longest))
		}
	case !p.ended && p.n > 0 && s.seeds[p.last]:
		// A page that ends as an earlier one did. Either the datagram was duplicated
		// or an answer came late, and then the right one follows; or the master does
		// not advance, and then nothing else comes.
		if !s.again && s.state == waiting {
			s.again = true
			s.repeated++
		}
	case p.ended || p.n == 0:
		if p.n > 0 {
			s.full = p.n >= fullPage
		}
		s.state, s.deadline = lingering, now.Add(s.timeout(s.longest))
	default:
		s.full = p.n >= fullPage
		s.seed, s.state = p.last, ready
		s.seeds[p.last] = true
		s.attempt, s.repeated, s.again = 0, 0, false
	}
	return dst
}

// add appends the entries of a page that are new.
func (s *Session) add(dst []netip.AddrPort, p *page) []netip.AddrPort {
	if p.n == 1 && p.last == madeUp {
		s.fakes++
		return dst
	}
	for i := range p.n {
		a := p.entry(i)
		last, ok := s.seen[a]
		if last != s.cur.id {
			s.seen[a] = s.cur.id
			s.cur.servers = append(s.cur.servers, a)
			s.fresh++
		}
		if ok {
			s.result.Duplicates++
			continue
		}
		s.result.Servers++
		dst = append(dst, a)
		if s.result.Servers == s.cfg.Limit {
			break
		}
	}
	return dst
}

// endRound ends a round of pages after the silence that follows an end mark. Masters
// that answer with several datagrams do not number them, so a lost one shows only if
// the list is fetched again.
func (s *Session) endRound() {
	several := (s.cfg.XashKey != 0 || s.ends > 1) && !s.full
	lost := s.fresh > 0 || s.roundPages < s.mostPages
	s.mostPages = max(s.mostPages, s.roundPages)
	switch {
	case s.fakes > 0 && len(s.cur.servers) == 0:
		s.finish(false, "the master lists no servers for this client version (clver)")
	case several && lost && s.round > s.cfg.Retries:
		s.finish(false, "datagrams were lost each time that the list was fetched")
	case several && lost && len(s.cur.servers) > 0:
		s.round++
		s.fresh, s.roundPages, s.attempt = 0, 0, 0
		s.seed, s.state = start, ready
	case s.full:
		s.finish(true, "its last page is full")
	default:
		s.finish(false, "")
	}
}

// endRepeated ends a part whose master sends an earlier page again. After a page that
// is not full that is a way to end a list.
func (s *Session) endRepeated() {
	if s.full {
		s.finish(false, "the master repeats its pages")
		return
	}
	s.finish(false, "")
}

// endSilent ends a part whose last request was not answered.
func (s *Session) endSilent() {
	switch {
	case !s.answered:
		s.stop("no reply")
	case s.pages > 0 && s.full:
		s.finish(true, "the master fell silent after a full page")
	case s.pages > 0:
		s.finish(false, "the master fell silent before the end of the list")
	default:
		if s.silent++; s.silent == 2 {
			s.stop("the master stopped answering")
			return
		}
		s.finish(false, "no reply")
	}
}
