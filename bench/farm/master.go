package farm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A Master is a simulated master server. Its fields are its habits; the zero value
// of each is a master that sends pages of 231 entries and an end mark. Do not change
// them once it answers.
type Master struct {
	Servers []Listed
	Seed    uint64  // of the dice
	Loss    float64 // percent of requests, and of datagrams, that get lost
	Double  float64 // percent of datagrams that are sent twice

	Cap          int  // servers per filter and region, then the list ends; 0: all
	CapSilent    bool // beyond Cap it falls silent
	PageEntries  int  // entries per page: 231
	PerMinute    int  // requests per minute that it answers; more silence it for a minute; 0: any number
	Datagrams    int  // bytes per datagram: all servers at once, each datagram with an end mark
	IgnoreSeed   bool // each request gets the first page, without an end mark if there are more
	IgnoreFilter bool // filters and regions do not change the list
	Loop         bool // after the last page comes the first one
	Stray        int  // bytes behind the entries of each page
	Silent       bool // it never answers
	SilentAfter  int  // requests that are answered; 0: all
	Noise        bool // it answers with text
	Xash         bool // keyed headers, and no servers for clients without clver

	mu       sync.Mutex
	rand     prototest.Rand
	rolled   bool
	requests []proto.Time // of the last minute
	blocked  proto.Time   // until then it is silent
	total    int
	busiest  int
	cache    map[string][]netip.AddrPort
}

// Requests returns how many requests came in all, and the most in any minute.
func (m *Master) Requests() (total, busiest int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total, m.busiest
}

// Answer returns the datagrams that answer a request which comes at now.
func (m *Master) Answer(now proto.Time, request []byte) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.rolled {
		m.rolled, m.rand, m.cache = true, prototest.NewRand(m.Seed), map[string][]netip.AddrPort{}
	}
	m.total++
	for len(m.requests) > 0 && now.Sub(m.requests[0]) >= time.Minute {
		m.requests = m.requests[1:]
	}
	m.requests = append(m.requests, now)
	m.busiest = max(m.busiest, len(m.requests))
	if m.PerMinute > 0 && len(m.requests) > m.PerMinute {
		m.blocked = now.Add(time.Minute)
	}
	if m.Silent || now < m.blocked || m.SilentAfter > 0 && m.total > m.SilentAfter || m.rand.Percent(m.Loss) {
		return nil
	}
	if m.Noise {
		return [][]byte{[]byte("\xff\xff\xff\xffprint\nthis is a master\n")}
	}
	var sent [][]byte
	for _, b := range m.pages(request) {
		if m.rand.Percent(m.Loss) {
			continue
		}
		sent = append(sent, b)
		if m.rand.Percent(m.Double) {
			sent = append(sent, b)
		}
	}
	return sent
}

// pages returns the pages that answer a request.
func (m *Master) pages(request []byte) [][]byte {
	if len(request) < 2 || request[0] != '1' {
		return nil
	}
	fields := bytes.Split(request[2:], []byte{0})
	if len(fields) != 3 || len(fields[2]) != 0 {
		return nil
	}
	filter := string(fields[1])
	header := "\xff\xff\xff\xff\x66\x0a"
	if m.Xash {
		i := bytes.Index(fields[1], []byte(`\key\`))
		if i < 0 {
			return nil
		}
		key, err := strconv.ParseUint(string(fields[1][i+len(`\key\`):]), 16, 32)
		if err != nil {
			return nil
		}
		header += "\x7f" + string(binary.LittleEndian.AppendUint32(nil, uint32(key))) + "\x00"
		filter = filter[:i]
		if !bytes.Contains(fields[1], []byte(`\clver\`)) {
			return [][]byte{m.page(header, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:27010")}, true)}
		}
	}
	list, ok := m.selected(request[1], filter)
	if !ok {
		return nil
	}
	if m.Datagrams > 0 {
		var pages [][]byte
		most := max((m.Datagrams-len(header))/6-1, 1)
		for first := true; first || len(list) > 0; first = false {
			n := min(most, len(list))
			pages = append(pages, m.page(header, list[:n], true))
			list = list[n:]
		}
		return pages
	}
	from := 0
	if seed, err := netip.ParseAddrPort(string(fields[0])); err == nil && !m.IgnoreSeed {
		from = slices.Index(list, seed) + 1
	}
	entries := m.PageEntries
	if entries == 0 {
		entries = 231
	}
	capped := m.Cap > 0 && len(list) > m.Cap
	if capped {
		list = list[:m.Cap]
	}
	if m.Loop && from >= len(list) {
		from = 0
	}
	if capped && m.CapSilent && from >= len(list) {
		return nil
	}
	rest := list[min(from, len(list)):]
	n := min(len(rest), entries)
	ends := n == len(rest) && !m.Loop && (n < entries || from == 0) && !(capped && m.CapSilent)
	return [][]byte{m.page(header, rest[:n], ends)}
}

func (m *Master) page(header string, list []netip.AddrPort, ends bool) []byte {
	b := []byte(header)
	for _, a := range list {
		b = append(b, a.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, a.Port())
	}
	if ends {
		b = append(b, 0, 0, 0, 0, 0, 0)
	}
	return append(b, make([]byte, m.Stray)...)
}

// selected returns the servers that a filter and region select.
func (m *Master) selected(region byte, filter string) ([]netip.AddrPort, bool) {
	if m.IgnoreFilter {
		region, filter = 0xFF, ""
	}
	key := string([]byte{region}) + filter
	if list, ok := m.cache[key]; ok {
		return list, true
	}
	terms, ok := termsOf(filter)
	if !ok {
		return nil, false
	}
	var list []netip.AddrPort
	for i := range m.Servers {
		l := &m.Servers[i]
		if l.fits(terms) && l.Addr.Addr().Is4() && (region == 0xFF || region == l.Region) {
			list = append(list, l.Addr)
		}
	}
	m.cache[key] = list
	return list, true
}

// ServeMaster answers the requests that come to conn until it is closed.
func ServeMaster(conn net.PacketConn, m *Master) error {
	began := time.Now()
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, b := range m.Answer(proto.Time(time.Since(began)), buf[:n]) {
			if _, err := conn.WriteTo(b, from); errors.Is(err, net.ErrClosed) {
				return nil
			}
		}
		if m.Noise {
			// It keeps sending for as long as its client asks, and longer.
			go func() {
				for range 400 {
					time.Sleep(10 * time.Millisecond)
					if _, err := conn.WriteTo([]byte("\xff\xff\xff\xffprint\nstill here\n"), from); err != nil {
						return
					}
				}
			}()
		}
	}
}
