package run

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// places are the addresses and ports that are asked: the first so many of a farm's.
type places struct {
	Base  netip.Addr `json:"base"`
	Addrs int        `json:"addrs"` // from Base on
	Ports []uint16   `json:"ports"`
}

// placesOf returns n places of a farm, rounded up to whole addresses.
func placesOf(listen netip.Prefix, ports []uint16, n int) (places, error) {
	p := places{Base: listen.Addr(), Addrs: (n + len(ports) - 1) / len(ports), Ports: ports}
	capacity := 1
	if host := listen.Addr().BitLen() - listen.Bits(); host == 1 {
		capacity = 2
	} else if host > 1 {
		p.Base = p.Base.Next() // the first and the last are the network and its broadcast address
		capacity = 1<<host - 2
	}
	if p.Addrs > capacity {
		return p, fmt.Errorf("%s servers do not fit into %v with %d ports, which has room for %s",
			thousands(uint64(n)), listen, len(ports), thousands(uint64(capacity*len(ports))))
	}
	return p, nil
}

// listenOr returns p, or a farm's default.
func listenOr(p netip.Prefix) netip.Prefix {
	if p == (netip.Prefix{}) {
		return farm.DefaultListen()
	}
	return p
}

// count returns how many places there are.
func (p *places) count() int { return p.Addrs * len(p.Ports) }

// at returns the i-th place. All addresses come at one port before the next, so
// that neighbours in time are different hosts.
func (p *places) at(i int) netip.AddrPort {
	return netip.AddrPortFrom(p.addr(i%p.Addrs), p.Ports[i/p.Addrs])
}

func (p *places) addr(i int) netip.Addr {
	if !p.Base.Is4() {
		return p.Base // there is one
	}
	a := p.Base.As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+uint32(i))
	return netip.AddrFrom4(a)
}

// all yields every place.
func (p *places) all() iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		for i := range p.count() {
			if !yield(p.at(i)) {
				return
			}
		}
	}
}

// target returns the places as one argument of scan.
func (p *places) target() string {
	var ports []string
	for _, port := range p.Ports {
		ports = append(ports, strconv.Itoa(int(port)))
	}
	first := p.Base.String()
	if p.Base.Is6() {
		first = "[" + first + "]"
	}
	if p.Addrs > 1 {
		first += "-" + p.addr(p.Addrs-1).String()
	}
	return first + ":" + strings.Join(ports, ",")
}

// live counts the places whose server answers all that it is asked.
func (p *places) live(w *prototest.World, want proto.Kinds) (n uint64) {
	const tempers = prototest.Silent | prototest.Garbage | prototest.ChallengeLoop | prototest.Endless | prototest.WrongType
	for ap := range p.all() {
		e := prototest.EndpointFrom(ap)
		switch s := w.ServerAt(e); {
		case !s.Does.Has(tempers):
			n++
		case s.Does.Has(prototest.Silent):
		default:
			t, _ := w.Truth(e, want)
			answers := true
			for k := range proto.Kind(proto.NumKinds) {
				if want.Has(k) && !t.Sections[k].Has(prototest.Success) {
					answers = false
				}
			}
			if answers {
				n++
			}
		}
	}
	return n
}
