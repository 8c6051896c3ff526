package run

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name   string
		listen string
		ports  []uint16
		n      int
		target string // empty: they do not fit
		first  string
		last   string
		count  int
	}{
		{"a range begins behind the network's address", "127.0.0.0/8", []uint16{27015}, 1000, "127.0.0.1-127.0.3.232:27015", "127.0.0.1:27015", "127.0.3.232:27015", 1000},
		{"ports share the addresses", "127.0.0.0/8", []uint16{1, 2, 3}, 7, "127.0.0.1-127.0.0.3:1,2,3", "127.0.0.1:1", "127.0.0.3:3", 9},
		{"one", "127.0.0.0/8", []uint16{5}, 1, "127.0.0.1:5", "127.0.0.1:5", "127.0.0.1:5", 1},
		{"one address", "127.0.0.1/32", []uint16{1, 2}, 2, "127.0.0.1:1,2", "127.0.0.1:1", "127.0.0.1:2", 2},
		{"one address of the sixth version", "::1/128", []uint16{9}, 1, "[::1]:9", "[::1]:9", "[::1]:9", 1},
		{"more than there are", "127.0.0.1/32", []uint16{1, 2}, 3, "", "", "", 0},
		{"as many as there are", "127.1.2.0/30", []uint16{1}, 2, "127.1.2.1-127.1.2.2:1", "127.1.2.1:1", "127.1.2.2:1", 2},
		{"the broadcast address is none of them", "127.1.2.0/30", []uint16{1}, 3, "", "", "", 0},
		{"all of 127/8", "127.0.0.0/8", []uint16{1}, 1<<24 - 2, "127.0.0.1-127.255.255.254:1", "127.0.0.1:1", "127.255.255.254:1", 1<<24 - 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := placesOf(netip.MustParsePrefix(c.listen), c.ports, c.n)
			if c.target == "" {
				require.ErrorContains(t, err, "do not fit into "+c.listen)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.target, p.target())
			require.Equal(t, c.count, p.count())
			require.Equal(t, c.first, p.at(0).String())
			require.Equal(t, c.last, p.at(p.count()-1).String())
		})
	}
}

// The quick count of live servers agrees with the truth of each of them.
func TestLiveIsTheTruth(t *testing.T) {
	world := &prototest.World{Seed: 11, Shares: prototest.Shares{
		Silent: 10, Garbage: 10, ChallengeLoop: 5, Endless: 5, WrongType: 10, Truncate: 10, GoldSource: 20, Challenge: 50}}
	p, err := placesOf(netip.MustParsePrefix("127.0.0.0/8"), []uint16{27015, 27016}, 2000)
	require.NoError(t, err)
	for _, want := range []proto.Kinds{proto.WantInfo, wantAll} {
		var truly, all uint64
		seen := map[netip.AddrPort]bool{}
		for ap := range p.all() {
			require.False(t, seen[ap], "%v comes twice", ap)
			seen[ap] = true
			truth, ok := world.Truth(prototest.EndpointFrom(ap), want)
			require.True(t, ok)
			all++
			for k := range proto.Kind(proto.NumKinds) {
				if want.Has(k) && !truth.Sections[k].Has(prototest.Success) {
					truly--
					break
				}
			}
			truly++
		}
		require.Equal(t, uint64(2000), all)
		require.Equal(t, truly, p.live(world, want))
		require.Greater(t, truly, all/3)
		require.Less(t, truly, all)
	}
}
