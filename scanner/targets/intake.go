package targets

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/mux"
)

// An intake decides which targets of the input are accepted: it removes blocked ones and
// duplicates, numbers the others and counts them all. The targets of a line form a space
// and have their numbers before the first is yielded, so order, shard and name lookups
// change no number.
type intake struct {
	cfg    Config
	drop   *AddrSet // all addresses that may not be asked, but those that Allowlist lacks
	seen   seen
	shard  shard
	seq    uint64 // targets accepted so far: the number of the next
	space  space  // the targets of the arguments, or of the last line
	ranges uint64 // targets of prefixes and ranges so far
	named  bool   // a line named a target, whether it was accepted or not
	count  Counts // without Targets and Skipped

	tags  map[string]*Origin // of plain targets with a tag
	parts []interval         // scratch
	cuts  []interval         // scratch
	fresh []stretch          // scratch
}

const (
	// fewTargets is the largest prefix, range or list of ports whose targets are
	// remembered one by one, at 7 bytes each, and not as an interval.
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

// blocked returns why a is not asked and the count that it belongs to, or "".
func (in *intake) blocked(a address, scope uint32) (reason string, by *uint64) {
	if !in.drop.contains(a) && (in.cfg.Allowlist == nil || in.cfg.Allowlist.contains(a)) {
		return "", nil
	}
	if reason := unaskedReason(a, scope); reason != "" {
		return reason, &in.count.Reserved
	}
	return in.listed(a)
}

// listed returns which of the user's lists keeps a from being asked, and its count.
func (in *intake) listed(a address) (reason string, by *uint64) {
	switch {
	case in.cfg.Blocklist != nil && in.cfg.Blocklist.contains(a):
		return "the address is on the blocklist", &in.count.Blocklisted
	case in.cfg.Exclude != nil && in.cfg.Exclude.contains(a):
		return "the address is excluded", &in.count.Excluded
	case in.cfg.Allowlist != nil && !in.cfg.Allowlist.contains(a):
		return "the address is not on the allowlist", &in.count.NotAllowed
	}
	return "", nil
}

// acceptPlain takes in one IPv4 address and port. fresh is false if it is a duplicate;
// reason is set if it is blocked.
func (in *intake) acceptPlain(ip uint32, port uint16) (k mux.Key, reason string, fresh bool) {
	a := address4(ip)
	k = a.key(port)
	in.named = true
	if in.cfg.Dedup && !in.seen.add(k) {
		in.count.Duplicates++
		return k, "", false
	}
	if why, by := in.blocked(a, 0); why != "" {
		reason = why
		in.count.Blocked++
		*by++
	} else {
		in.count.Allowed++
	}
	in.seq++
	return k, reason, true
}

// acceptLine appends the accepted targets of a line to the space.
func (in *intake) acceptLine(line string, inFile bool) error {
	e, ok, err := parseLine(line)
	in.count.NotUDP += uint64(e.tcp)
	if ok && inFile && e.host != "" {
		err = e.checkLabel()
	}
	if !ok || err != nil {
		return err
	}
	in.named = true
	if len(line) > 256 { // do not hold all of it for the sake of a word
		e.host, e.word, e.tag = strings.Clone(e.host), strings.Clone(e.word), strings.Clone(e.tag)
	}
	ports := &in.cfg.Ports
	if e.ports.Len() > 0 {
		own := e.ports // apart, so that e itself stays on the stack
		ports = &own
	}
	switch {
	case e.host != "":
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
	name := strings.ToLower(e.host)
	if in.cfg.Dedup {
		fresh := in.seen.addName(name, ports)
		in.count.Duplicates += uint64(ports.Len() - fresh.Len())
		ports = fresh
	}
	if ports.Len() > 0 {
		in.count.Allowed += uint64(ports.Len())
		in.add(piece{name: name, ports: ports, hosts: 1, origin: in.origin(e, ports)})
	}
}

// acceptAddress takes in a single address, which has a place in the list even if it is
// blocked.
func (in *intake) acceptAddress(e *entry, ports *Ports) {
	p := piece{ports: ports, scope: e.scope}
	before := in.seq
	by := &in.count.Allowed
	if why, list := in.blocked(e.iv.first, e.scope); why != "" {
		p.refusal, p.reason, by = Blocked, why, list
	}
	in.parts = append(in.parts[:0], e.iv)
	in.addFresh(e, p, uint64(ports.Len()))
	*by += in.seq - before
	if p.refusal == Blocked {
		in.count.Blocked += in.seq - before
	}
}

// acceptInterval takes in a prefix or range. Its blocked addresses are counted, and have
// no place in the list.
func (in *intake) acceptInterval(e *entry, ports *Ports) error {
	in.parts = append(in.parts[:0], e.iv.families()...)
	var removed [4]uint64
	n := in.targets(ports)
	for i, list := range [...]*AddrSet{unasked, in.cfg.Blocklist, in.cfg.Exclude, in.cfg.Allowlist} {
		if list == nil {
			continue
		}
		in.cuts, in.parts = in.parts, in.cuts[:0]
		for _, iv := range in.cuts {
			if i == 3 {
				in.parts = list.within(in.parts, iv)
			} else {
				in.parts = list.outside(in.parts, iv)
			}
		}
		left := in.targets(ports)
		removed[i] = n - left
		n = left
	}
	ranges := saturate(in.ranges, n, 1)
	switch {
	case n >= maxTargets-1-in.seq:
		return fmt.Errorf("%w: %s stands for more than can be numbered; write a longer prefix", ErrHuge, quote(e.word))
	case ranges <= hugeTargets || in.cfg.AllowHuge:
	case in.ranges == 0:
		return fmt.Errorf("%w: %s stands for %s of them; more than %s need consent", ErrHuge, quote(e.word), thousands(n), thousands(hugeTargets))
	default:
		return fmt.Errorf("%w: with %s the ranges stand for %s of them; more than %s need consent", ErrHuge, quote(e.word), thousands(ranges), thousands(hugeTargets))
	}
	in.ranges = ranges
	for i, by := range [...]*uint64{&in.count.Reserved, &in.count.Blocklisted, &in.count.Excluded, &in.count.NotAllowed} {
		*by = saturate(*by, removed[i], 1)
		in.count.Blocked = saturate(in.count.Blocked, removed[i], 1)
	}
	before := in.seq
	in.addFresh(e, piece{ports: ports}, n)
	in.count.Allowed += in.seq - before
	return nil
}

// thousands returns n with separators.
func thousands(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// targets returns the number of targets of parts, each on the ports.
func (in *intake) targets(ports *Ports) (n uint64) {
	for _, iv := range in.parts {
		n = saturate(n, iv.size(), uint64(ports.Len()))
	}
	return n
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
				one := onePort(ports.At(i))
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

// origin returns the origin of e's targets.
func (in *intake) origin(e *entry, ports *Ports) *Origin {
	o := Origin{Input: e.word, Tag: e.tag}
	switch {
	case e.host != "":
		o.Input = e.host // and each target's port
	case !e.expands && ports.Len() == 1:
		k := e.iv.first.key(ports.At(0))
		k.Scope = e.scope
		var buf [64]byte
		if string(k.AddrPort().AppendTo(buf[:0])) == e.word {
			o.Input = ""
		}
	}
	switch {
	case in.cfg.KeepSource && e.source != "":
		return &Origin{o.Input, o.Tag, []byte(strings.ToValidUTF8(e.source, "\uFFFD"))}
	case o.Input != "":
		return &Origin{Input: o.Input, Tag: o.Tag}
	case e.tag == "":
		return nil
	}
	return in.tagged(e.tag)
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
