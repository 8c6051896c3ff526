package targets

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"

	"github.com/a2scan/a2scan/internal/ipaddr"
	"github.com/a2scan/a2scan/mux"
)

// An address is 128 bits that can be counted with. IPv4 is held in its
// v4-mapped form, as in a mux.Key, so that 1.2.3.4 and ::ffff:1.2.3.4 are one
// address and one number line holds both families.
type address struct{ hi, lo uint64 }

// The v4-mapped addresses, ::ffff:0:0/96.
var (
	mappedFirst = address{0, 0xFFFF_0000_0000}
	mappedLast  = address{0, 0xFFFF_FFFF_FFFF}
)

func addressOf(a netip.Addr) address {
	k := mux.KeyFrom(netip.AddrPortFrom(a.WithZone(""), 0))
	return address{k.Hi, k.Lo}
}

func address4(v uint32) address { return address{0, mappedFirst.lo | uint64(v)} }

func (a address) key(port uint16) mux.Key { return mux.Key{Hi: a.hi, Lo: a.lo, Port: port} }

func (a address) is4() bool { return a.hi == 0 && a.lo>>32 == 0xFFFF }

func (a address) String() string { return a.key(0).Addr().String() }

func (a address) less(b address) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// plus returns the address n behind a. It wraps around: callers stay inside an
// interval that holds more than n addresses.
func (a address) plus(n uint64) address {
	lo, carry := bits.Add64(a.lo, n, 0)
	return address{a.hi + carry, lo}
}

func (a address) minus(n uint64) address {
	lo, borrow := bits.Sub64(a.lo, n, 0)
	return address{a.hi - borrow, lo}
}

// An interval is all addresses from first to last, both included. Because the
// last is included, no interval ever needs the number behind the greatest
// address.
type interval struct{ first, last address }

func single(a address) interval { return interval{a, a} }

func (iv interval) contains(a address) bool { return !a.less(iv.first) && !iv.last.less(a) }

// size returns the number of addresses, or the greatest uint64 where there are
// more.
func (iv interval) size() uint64 {
	lo, borrow := bits.Sub64(iv.last.lo, iv.first.lo, 0)
	if iv.last.hi-iv.first.hi-borrow != 0 || lo == ^uint64(0) {
		return ^uint64(0)
	}
	return lo + 1
}

// families cuts the v4-mapped addresses out of an IPv6 interval that holds them
// among others: ::/0 means IPv6, not the IPv4 addresses that the socket writes
// in disguise.
func (iv interval) families() []interval {
	if !iv.contains(mappedFirst) || !iv.contains(mappedLast) || iv.first.is4() && iv.last.is4() {
		return []interval{iv}
	}
	var parts []interval
	if iv.first.less(mappedFirst) {
		parts = append(parts, interval{iv.first, mappedFirst.minus(1)})
	}
	if mappedLast.less(iv.last) {
		parts = append(parts, interval{mappedLast.plus(1), iv.last})
	}
	return parts
}

// errMapped reports a prefix or range in IPv6 form that is ::ffff:0:0/96. Longer ones are
// IPv4 prefixes; this one, in lists of special IPv6 addresses, does not mean all of IPv4.
var errMapped = errors.New("a prefix of all IPv4-mapped addresses")

// prefixInterval returns the addresses of p, which is valid. Host bits that are
// set are ignored, as zmap does.
func prefixInterval(p netip.Prefix) interval {
	first := addressOf(p.Masked().Addr())
	ones := 128 - p.Bits() // host bits
	if p.Addr().Is4() {
		ones = 32 - p.Bits()
	}
	last := first
	if ones >= 64 {
		last.lo = ^uint64(0)
		last.hi |= 1<<(ones-64) - 1
	} else {
		last.lo |= 1<<ones - 1
	}
	return interval{first, last}
}

// parseInterval reads an address, a prefix or a range of addresses, without
// ports and without brackets.
func parseInterval(s string) (interval, error) {
	for i := range len(s) {
		switch s[i] {
		case '/':
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return interval{}, fmt.Errorf("%s is not a prefix; write ADDRESS/BITS, with up to 32 bits for IPv4 and 128 for IPv6", quote(s))
			}
			iv := prefixInterval(p)
			if p.Addr().Is6() && iv == (interval{mappedFirst, mappedLast}) {
				return iv, errMapped
			}
			return iv, nil
		case '-':
			first, err1 := netip.ParseAddr(s[:i])
			last, err2 := netip.ParseAddr(s[i+1:])
			if err1 != nil || err2 != nil || first.Zone() != "" || last.Zone() != "" || first.Unmap().Is4() != last.Unmap().Is4() {
				return interval{}, fmt.Errorf("%s is not a range; write both ends whole, such as 10.0.0.1-10.0.0.50", quote(s))
			}
			iv := interval{addressOf(first), addressOf(last)}
			if iv.last.less(iv.first) {
				return interval{}, fmt.Errorf("%s ends before it begins; write the lower address first", quote(s))
			}
			if first.Is6() && iv == (interval{mappedFirst, mappedLast}) {
				return iv, errMapped
			}
			return iv, nil
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return interval{}, fmt.Errorf("%s is not an address, a prefix or a range", quote(s))
	}
	return single(addressOf(a)), nil
}

// scopeOf returns the interface index that a's zone names, by number or by name, and
// that a mux.Key of a has.
func scopeOf(a netip.Addr) (uint32, error) {
	scope, err := ipaddr.Scope(a)
	if err != nil {
		return 0, fmt.Errorf("there is no network interface %s", quote(a.Zone()))
	}
	return scope, nil
}

// quote returns what the user wrote for use in a message: escaped, and cut where
// it is long.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
