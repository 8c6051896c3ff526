package prototest

import (
	"math"

	"github.com/a2scan/a2scan/proto"
)

// players draws the PLAYER reply of s. The list uses p's memory. The server announces
// p.Count players and sends the list, and p.Trailing in place of an entry that it cuts.
func (s *Server) players(sc *scratch, p *proto.PlayerList) {
	g := s.game()
	n := s.population(g).players
	r := s.stream(aspectPlayers)
	*p = proto.PlayerList{List: p.List[:0], Ship: g.kind == theShip}
	if s.Does.Has(Truncate) && n < 3 {
		n = 3
	}
	firstIndex, step := 0, 0
	switch {
	case g.kind == theShip, r.oneIn(32): // Xash counts too
		step = 1
	case s.engine() == engineHLTV:
		firstIndex, step = 1, 1
	}
	for i := range n {
		x := r.Uint64()
		e := proto.Player{
			Index:    uint8(firstIndex + i*step),
			Name:     sc.nick(&r),
			Score:    int32(x%120) - 20,
			Duration: float32(x>>8%(1<<20)) / 64,
		}
		switch x >> 32 % 64 {
		case 0, 1, 2, 3:
			e.Duration = -1 // a bot
		case 4:
			e.Score = [...]int32{math.MinInt32, math.MaxInt32, -1, 1 << 24}[x>>40%4]
		case 5:
			e.Duration = math.Float32frombits([...]uint32{
				0x7FC00000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x00000001, 0x80000000, 0xFFFFFFFF, 0x3DCCCCCD}[x>>40%8])
		}
		if p.Ship {
			e.Deaths = int32(x >> 44 % 50)
			e.Money = int32(x>>50%20000) - 500
		}
		p.List = append(p.List, e)
	}
	p.Count = uint8(n)
	if s.Does.Has(Truncate) {
		s.cutPlayers(sc, p)
	}
}

// cutPlayers removes the part that does not fit: the entries from a random one on, of which
// a part may still be sent, and The Ship's block.
func (s *Server) cutPlayers(sc *scratch, p *proto.PlayerList) {
	c := s.stream(aspectCut)
	keep := c.Below(len(p.List))
	m := sc.mark()
	last := p.List[keep]
	sc.text = appendString(append(sc.text, last.Index), last.Name)
	sc.text = le.AppendUint32(sc.text, uint32(last.Score))
	sc.text = le.AppendUint32(sc.text, math.Float32bits(last.Duration))
	sc.text = sc.text[:m+c.Below(len(sc.text)-m)]
	p.Trailing = sc.since(m)
	p.List = p.List[:keep]
	p.Truncated = true
	p.Ship = false
	for i := range p.List {
		p.List[i].Deaths, p.List[i].Money = 0, 0
	}
}
