package prototest

import (
	"net/netip"
	"time"
)

// A World is one server behind every address and port. Its methods only read it; it
// may be shared between goroutines.
type World struct {
	Seed   uint64
	Shares Shares
}

// A Server is one server of a World: its address and its behaviours. It is a small
// value; its replies are drawn from its hash when it is asked.
type Server struct {
	At    Endpoint
	Does  Behaviour
	Delay time.Duration // from a request to its answer

	id uint64 // the hash from which everything else follows
}

// Server returns the server at ap.
func (w *World) Server(ap netip.AddrPort) Server { return w.ServerAt(EndpointFrom(ap)) }

// ServerAt returns the server at e.
func (w *World) ServerAt(e Endpoint) Server {
	s := Server{At: e, id: e.hash(w.Seed)}
	p := &w.Shares

	// Behaviours that exclude each other are drawn from one number, so that every
	// share is a share of all servers.
	u := unit(s.draw(aspectTemper)) * 100
	for _, t := range [...]struct {
		share float64
		does  Behaviour
	}{
		{p.Silent, Silent}, {p.Garbage, Garbage}, {p.ChallengeLoop, ChallengeLoop},
		{p.Endless, Endless}, {p.WrongType, WrongType}, {p.Truncate, Truncate},
	} {
		if u < t.share {
			s.Does |= t.does
			break
		}
		u -= t.share
	}
	switch u := unit(s.draw(aspectEngine)) * 100; {
	case u < p.GoldSource:
		s.Does |= GoldSource
	case u < p.GoldSource+p.Ship:
		s.Does |= Ship
	}
	switch u := unit(s.draw(aspectLong)) * 100; {
	case u < p.Split:
		s.Does |= Split
	case u < p.Split+p.BZip2:
		s.Does |= BZip2
	}
	if s.Does.Has(GoldSource) && s.Does.Has(BZip2) {
		s.Does ^= BZip2 | Split // HLDS cannot compress
	}
	if percent(s.draw(aspectChallenge), p.Challenge) {
		s.Does |= Challenge
	}
	if percent(s.draw(aspectAskTwice), p.AskTwice) {
		s.Does |= AskTwice
	}
	if percent(s.draw(aspectStrict), p.StrictLength) {
		s.Does |= StrictLength
	}
	if percent(s.draw(aspectDuplicate), p.Duplicate) {
		s.Does |= Duplicate
	}
	if percent(s.draw(aspectReorder), p.Reorder) {
		s.Does |= Reorder
	}
	s.Delay = p.DelayMin
	if d := p.DelayMax - p.DelayMin; d > 0 {
		s.Delay += time.Duration(unit(s.draw(aspectDelay)) * float64(d))
	}
	return s
}

// An aspect is a reason to draw from a server's hash. Each reason has a number of
// its own, so that draws for different reasons are independent.
type aspect uint64

const (
	aspectTemper aspect = iota + 1
	aspectEngine
	aspectLong
	aspectChallenge
	aspectDuplicate
	aspectReorder
	aspectDelay
	aspectFlavour // the kind within a behaviour: which garbage, which split header
	aspectGame
	aspectCrowd
	aspectInfo
	aspectPlayers
	aspectRules
	aspectToken
	aspectCut
	aspectAskTwice
	aspectStrict
)

func (s *Server) draw(a aspect) uint64 { return mix(s.id ^ uint64(a)*golden) }

// stream returns a generator for aspect a.
func (s *Server) stream(a aspect) Rand { return Rand{s.draw(a)} }
