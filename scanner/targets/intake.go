package targets

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/mux"
)

// An intake decides what of the input is accepted: it removes what is blocked and
// what was there before, numbers the rest, and keeps count. What it accepts of a
// line is a space; its targets have their numbers before the first is yielded,
// so that order, shard and resolution change no number.
type intake struct {
	cfg   Config
	drop  *AddrSet // what is cut out of prefixes and ranges
	seen  seen
	shard shard
	seq   uint64 // accepted so far: the number of the next
	space space  // what was accepted of the arguments, or of the last line
	count Counts // but Targets and Skipped

	tags  map[string]*Origin // of plain targets with a tag
	parts []interval         // scratch
	fresh []stretch          // scratch
}

const (
	// fewTargets is the most that a prefix, range or list of ports is remembered
	// one by one, at 7 bytes each, rather than as an interval.
	fewTargets = 16
	// maxTags bounds the tags that share an Origin.
	maxTags = 1024
)

func (in *intake) init(cfg Config) {
	in.cfg = cfg
	in.shard = newShard(cfg.Shard, cfg.Shards)
	in.drop = union(unasked, cfg.Blocklist, cfg.Exclude)
	in.tags = make(map[string]*Origin)
}

func (in *intake) invalid(file string, line int, err error) {
	in.count.Invalid++
	in.cfg.Log(file, line, err.Error())
}

// blocked returns why a is not asked, or "" where it may be.
func (in *intake) blocked(a address, scope uint32) string {
	if !in.drop.contains(a) && (in.cfg.Allowlist == nil || in.cfg.Allowlist.contains(a)) {
		return ""
	}
	if reason := unaskedReason(a, scope); reason != "" {
		return reason
	}
	return in.listed(a)
}

// listed returns which of the user's lists keeps a from being asked, or "".
func (in *intake) listed(a address) string {
	switch {
	case in.cfg.Blocklist != nil && in.cfg.Blocklist.contains(a):
		return "the address is on the blocklist"
	case in.cfg.Exclude != nil && in.cfg.Exclude.contains(a):
		return "the address is excluded"
	case in.cfg.Allowlist != nil && !in.cfg.Allowlist.contains(a):
		return "the address is not on the allowlist"
	}
	return ""
}

// acceptPlain takes in one IPv4 address and port. fresh is false where it was there
// before; reason is set where it is blocked.
func (in *intake) acceptPlain(ip uint32, port uint16) (k mux.Key, reason string, fresh bool) {
	a := address4(ip)
	k = a.key(port)
	if in.cfg.Dedup && !in.seen.add(k) {
		in.count.Duplicates++
		return k, "", false
	}
	if reason = in.blocked(a, 0); reason != "" {
		in.count.Blocked++
	}
	in.seq++
	return k, reason, true
}

// acceptLine appends to the space what of line is accepted.
func (in *intake) acceptLine(line string) error {
	e, ok, err := parseLine(line)
	if !ok {
		return err
	}
	if len(line) > 256 { // do not hold all of it for the sake of a word
		e.name, e.word, e.tag = strings.Clone(e.name), strings.Clone(e.word), strings.Clone(e.tag)
	}
	ports := &in.cfg.Ports
	if e.ports.Len() > 0 {
		own := e.ports // apart, so that e itself stays on the stack
		ports = &own
	}
	switch {
	case e.name != "":
		in.acceptName(&e, ports)
		return nil
	case e.expands:
		return in.acceptInterval(&e, ports)
	default:
		in.acceptAddress(&e, ports)
		return nil
	}
}

func (in *intake) acceptName(e *entry, ports *Ports) {
	if in.cfg.Dedup {
		fresh := in.seen.addName(e.name, ports)
		in.count.Duplicates += uint64(ports.Len() - fresh.Len())
		ports = fresh
	}
	if ports.Len() > 0 {
		in.add(piece{name: e.name, ports: ports, hosts: 1, origin: in.origin(e, ports)})
	}
}

// acceptAddress takes in a single address, which has a place in the list even
// where it is blocked.
func (in *intake) acceptAddress(e *entry, ports *Ports) {
	p := piece{ports: ports, scope: e.scope}
	before := in.seq
	if p.reason = in.blocked(e.iv.first, e.scope); p.reason != "" {
		p.refusal = Blocked
	}
	in.parts = append(in.parts[:0], e.iv)
	in.addFresh(e, p, uint64(ports.Len()))
	if p.refusal == Blocked {
		in.count.Blocked += in.seq - before
	}
}

// acceptInterval takes in a prefix or range. What is blocked of it is counted and
// leaves no trace.
func (in *intake) acceptInterval(e *entry, ports *Ports) error {
	in.parts = in.parts[:0]
	var all uint64
	for _, iv := range e.iv.families() {
		all = saturate(all, iv.size(), uint64(ports.Len()))
		if in.cfg.Allowlist == nil {
			in.parts = in.drop.outside(in.parts, iv)
			continue
		}
		for _, iv := range in.cfg.Allowlist.within(nil, iv) {
			in.parts = in.drop.outside(in.parts, iv)
		}
	}
	var n uint64
	for _, iv := range in.parts {
		n = saturate(n, iv.size(), uint64(ports.Len()))
	}
	switch {
	case n >= maxTargets-1-in.seq:
		return fmt.Errorf("%w: %s; write a longer prefix", ErrUncountable, quote(e.word))
	case n > hugeTargets && !in.cfg.AllowHuge:
		return fmt.Errorf("%w: %s has %s of them; more than %s need --yes or --max-targets", ErrHuge, quote(e.word), thousands(n), thousands(hugeTargets))
	}
	in.count.Blocked = saturate(in.count.Blocked, all-n, 1)
	in.addFresh(e, piece{ports: ports}, n)
	return nil
}

// addFresh adds what is new of in.parts, n targets on p's ports, as pieces like p.
func (in *intake) addFresh(e *entry, p piece, n uint64) {
	in.fresh = in.fresh[:0]
	switch {
	case !in.cfg.Dedup:
		for _, iv := range in.parts {
			in.fresh = append(in.fresh, stretch{iv, p.ports})
		}
	case n <= fewTargets || p.scope != 0:
		in.fresh = in.addFew(in.fresh, p.ports, p.scope)
	default:
		for _, iv := range in.parts {
			in.fresh = in.seen.claim(in.fresh, iv, p.ports)
		}
	}
	before := in.seq
	for _, st := range in.fresh {
		if p.origin == nil {
			p.origin = in.origin(e, p.ports)
		}
		p.iv, p.ports, p.hosts = st.interval, st.ports, st.size()
		in.add(p)
	}
	in.count.Duplicates += n - (in.seq - before)
}

// addFew puts the targets of in.parts into the seen set one by one, and appends to
// dst those that are new: stretch by stretch where all are, else each by itself.
func (in *intake) addFew(dst []stretch, ports *Ports, scope uint32) []stretch {
	for _, iv := range in.parts {
		from, total := len(dst), 0
		for i := range ports.Len() {
			port := ports
			if ports.Len() > 1 {
				one := OnePort(ports.At(i))
				port = &one
			}
			for a := iv.first; ; a = a.plus(1) {
				k := a.key(ports.At(i))
				k.Scope = scope
				total++
				if in.seen.add(k) {
					dst = append(dst, stretch{single(a), port})
				}
				if a == iv.last {
					break
				}
			}
		}
		if len(dst)-from == total {
			dst = append(dst[:from], stretch{iv, ports})
		}
	}
	return dst
}

func (in *intake) add(p piece) {
	in.space.add(p)
	in.seq += p.size()
}

// origin returns what the records of e's targets say about where they came from.
func (in *intake) origin(e *entry, ports *Ports) *Origin {
	if e.name == "" && !e.expands && ports.Len() == 1 {
		k := e.iv.first.key(ports.At(0))
		k.Scope = e.scope
		var buf [64]byte
		if string(k.AddrPort().AppendTo(buf[:0])) == e.word {
			if e.tag == "" {
				return nil
			}
			return in.tagged(e.tag)
		}
	}
	return &Origin{Input: e.word, Tag: e.tag}
}

// tagged returns the Origin of plain targets with that tag. Lists have few tags and
// many targets.
func (in *intake) tagged(tag string) *Origin {
	o := in.tags[tag]
	if o == nil {
		o = &Origin{Tag: strings.Clone(tag)}
		if len(in.tags) < maxTags {
			in.tags[o.Tag] = o
		}
	}
	return o
}

// saturate returns sum + a×b, or the greatest number that JSON readers keep as an
// integer of 64 bits with a sign.
func saturate(sum, a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	lo, carry := bits.Add64(lo, sum, 0)
	if hi+carry != 0 || lo >= maxTargets {
		return maxTargets - 1
	}
	return lo
}

// thousands returns n with commas.
func thousands(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
