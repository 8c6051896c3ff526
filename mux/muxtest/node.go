package muxtest

import (
	"math/rand/v2"
	"time"

	"github.com/a2scan/a2scan/mux"
)

// A Datagram is on its way through a Net.
type Datagram struct {
	From, To mux.Key
	Data     []byte
	At       time.Time // when it will arrive, as it seems so far

	// Unreachable, if not mux.Reachable, says that this is an ICMP error about
	// a datagram from To to From.
	Unreachable mux.Unreachable
}

// A Node is a stretch of the way. It hands d on by calling next: once, changed
// or not, or never, or several times, before it returns. It must take all
// chance from rng and keep its hands off d.Data.
type Node func(rng *rand.Rand, d Datagram, next func(Datagram))

// Chain is one Node behind another.
func Chain(nodes ...Node) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		chain(nodes, rng, d, next)
	}
}

func chain(nodes []Node, rng *rand.Rand, d Datagram, next func(Datagram)) {
	if len(nodes) == 0 {
		next(d)
		return
	}
	nodes[0](rng, d, func(d Datagram) { chain(nodes[1:], rng, d, next) })
}

// Delay adds between least and most to the way of each datagram, which reorders
// those that are closer together than most-least.
func Delay(least, most time.Duration) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		d.At = d.At.Add(least)
		if most > least {
			d.At = d.At.Add(time.Duration(rng.Int64N(int64(most - least + 1))))
		}
		next(d)
	}
}

// Loss drops a share p (0 to 1) of the datagrams.
func Loss(p float64) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		if rng.Float64() >= p {
			next(d)
		}
	}
}

// Duplicate lets a share p of the datagrams arrive twice, at the same time.
func Duplicate(p float64) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		next(d)
		if rng.Float64() < p {
			next(d)
		}
	}
}

// Reorder holds a share p of the datagrams back, so that others overtake them.
func Reorder(p float64, back time.Duration) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		if rng.Float64() < p {
			d.At = d.At.Add(back)
		}
		next(d)
	}
}

// Spoof lets a share p of the datagrams be followed by a copy that claims to
// come from the address that from returns. It leaves ICMP errors alone.
func Spoof(p float64, from func(rng *rand.Rand, d Datagram) mux.Key) Node {
	return func(rng *rand.Rand, d Datagram, next func(Datagram)) {
		next(d)
		if d.Unreachable == mux.Reachable && rng.Float64() < p {
			d.From = from(rng, d)
			next(d)
		}
	}
}
