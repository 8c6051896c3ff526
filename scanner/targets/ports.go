package targets

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is asked where nothing names a port: the game port that most
// Source servers answer queries on.
const DefaultPort = 27015

// Ports is a set of UDP ports with an order, the one in which they were
// written. A port written twice counts once. Ports is not changed after it was
// made and may be shared; the zero Ports is empty.
type Ports struct {
	runs []portRun
	n    int
}

// A portRun is the ports from first to last; before is how many come in runs
// before it.
type portRun struct {
	first, last uint16
	before      int32
}

// parsePorts is UnmarshalText.
func parsePorts(s string) (Ports, error) {
	if !strings.ContainsAny(s, ",-") {
		port, err := parsePort(s)
		if err != nil {
			return Ports{}, err
		}
		return onePort(port), nil
	}
	var p Ports
	var seen portBits
	for item := range strings.SplitSeq(s, ",") {
		a, b, isRange := strings.Cut(item, "-")
		first, err := parsePort(a)
		if err != nil {
			return Ports{}, err
		}
		last := first
		if isRange {
			if last, err = parsePort(b); err != nil {
				return Ports{}, err
			}
			if last < first {
				return Ports{}, fmt.Errorf("port range %s ends before it begins; write the lower port first", quote(item))
			}
		}
		p.addNew(&seen, first, last)
	}
	return p, nil
}

// onePort returns the set of that port alone. port is not 0.
func onePort(port uint16) Ports {
	return Ports{runs: []portRun{{first: port, last: port}}, n: 1}
}

var errNoPort = errors.New("there is no port behind the last colon; write 1 to 65535, or leave the colon out")

func parsePort(s string) (uint16, error) {
	if s == "" {
		return 0, errNoPort
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s is not a port; use 1 to 65535", quote(s))
	}
	return uint16(n), nil
}

// Len returns the number of ports.
func (p Ports) Len() int { return p.n }

// At returns the i-th port, 0 ≤ i < Len.
func (p Ports) At(i int) uint16 {
	lo, hi := 0, len(p.runs)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if int(p.runs[mid].before) <= i {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	r := p.runs[lo]
	return r.first + uint16(i-int(r.before))
}

// Has reports whether port is in the set.
func (p Ports) Has(port uint16) bool {
	for _, r := range p.runs {
		if r.first <= port && port <= r.last {
			return true
		}
	}
	return false
}

// UnmarshalText sets p to a list of ports and ranges such as 27015,27020-27030.
func (p *Ports) UnmarshalText(text []byte) (err error) {
	*p, err = parsePorts(string(text))
	return err
}

// String returns the set in the form that UnmarshalText reads.
func (p Ports) String() string { return string(p.appendTo(nil)) }

func (p Ports) appendTo(dst []byte) []byte {
	for i, r := range p.runs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(r.first), 10)
		if r.last != r.first {
			dst = append(dst, '-')
			dst = strconv.AppendUint(dst, uint64(r.last), 10)
		}
	}
	return dst
}

// same reports whether p and q are the same ports in the same order.
func (p Ports) same(q Ports) bool { return p.n == q.n && slices.Equal(p.runs, q.runs) }

// minus returns the ports of p that are not in q, in the order of p.
func (p Ports) minus(q Ports) Ports {
	var seen portBits
	for _, r := range q.runs {
		seen.set(r.first, r.last)
	}
	var out Ports
	for _, r := range p.runs {
		out.addNew(&seen, r.first, r.last)
	}
	return out
}

// plus returns the ports of p and then those that q adds.
func (p Ports) plus(q Ports) Ports {
	out := Ports{runs: slices.Clone(p.runs), n: p.n}
	var seen portBits
	for _, r := range p.runs {
		seen.set(r.first, r.last)
	}
	for _, r := range q.runs {
		out.addNew(&seen, r.first, r.last)
	}
	return out
}

// addNew appends the ports from first to last that are not in seen, and adds
// them there.
func (p *Ports) addNew(seen *portBits, first, last uint16) {
	for from := int(first); ; {
		from = seen.nextClear(from)
		if from > int(last) {
			return
		}
		to := min(seen.nextSet(from)-1, int(last))
		seen.set(uint16(from), uint16(to))
		if k := len(p.runs); k > 0 && int(p.runs[k-1].last)+1 == from {
			p.runs[k-1].last = uint16(to)
		} else {
			p.runs = append(p.runs, portRun{uint16(from), uint16(to), int32(p.n)})
		}
		p.n += to - from + 1
		from = to + 1
	}
}

// portBits has a bit for every port.
type portBits [1 << 16 / 64]uint64

func (b *portBits) set(first, last uint16) {
	lo, hi := uint64(^uint64(0))<<(first%64), ^uint64(0)>>(63-last%64)
	i, j := first/64, last/64
	if i == j {
		b[i] |= lo & hi
		return
	}
	b[i] |= lo
	for i++; i < j; i++ {
		b[i] = ^uint64(0)
	}
	b[j] |= hi
}

// nextSet returns the first port from i on that is set, or 65536.
func (b *portBits) nextSet(i int) int { return b.next(i, 0) }

// nextClear returns the first port from i on that is not set, or 65536.
func (b *portBits) nextClear(i int) int { return b.next(i, ^uint64(0)) }

func (b *portBits) next(i int, flip uint64) int {
	if i >= 1<<16 {
		return 1 << 16
	}
	w := (b[i/64] ^ flip) >> (i % 64) << (i % 64)
	for i /= 64; ; {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
		if i++; i == len(b) {
			return 1 << 16
		}
		w = b[i] ^ flip
	}
}
