package targets

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A resumed run asks the targets that are not in Done, whatever the order, the spelling
// and the rest of the list.
func TestDone(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(world), "\n")
	all, _ := drain(t, func() Config { c := worldConfig(t); c.Args = lines; return c }(), 64)
	id := func(target Target) string {
		if target.Origin != nil && strings.Contains(target.Origin.Input, "example") {
			name, _, _ := strings.Cut(strings.ToLower(target.Origin.Input), ":")
			return nameAndPort(name, target.Key.Port)
		}
		return target.Key.AddrPort().String()
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shuffle := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			var done Done
			want := map[string]bool{}
			for _, target := range all {
				switch name := id(target); {
				case rng.IntN(3) == 0:
					want[name] = true
				case strings.Contains(name, "example"):
					done.AddName(strings.ToUpper(name))
				default:
					done.AddAddr(target.Key.AddrPort())
					done.AddAddr(target.Key.AddrPort()) // counts once
				}
			}
			done.AddAddr(netip.MustParseAddrPort("192.0.2.1:1")) // in no list
			done.AddName("other.example:1")
			require.EqualValues(t, len(all)-len(want)+2, done.Len())

			cfg := worldConfig(t)
			cfg.Done, cfg.Shuffle = &done, shuffle
			order := append([]string(nil), lines...)
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			if cfg.Args = order; stream {
				cfg.Args, cfg.Files = nil, file(strings.Join(order, "\n"))
			}
			rest, c := drain(t, cfg, 64)
			require.Equal(t, done.Len()-2, c.Skipped)
			for _, target := range rest {
				require.True(t, want[id(target)], "%s is done, or came twice", id(target))
				delete(want, id(target))
			}
			require.Empty(t, want)
		}
	}

	_, err := NewList(Config{Done: new(Done)})
	require.ErrorContains(t, err, "duplicates")
}

// What a record says is enough to know its target again.
func TestDoneOfRecords(t *testing.T) {
	var d Done
	none := netip.AddrPort{}
	at := netip.MustParseAddrPort
	d.Add(at("127.0.0.1:27015"), "127.0.0.1:27015")
	d.Add(at("[::ffff:127.0.0.2]:27015"), "127.0.0.0/30")
	d.Add(at("127.0.0.3:27016"), "Host.example:27016")
	d.Add(none, "gone.example:1")
	d.Add(at("127.0.0.4:27017"), "bare.example")
	d.Add(none, "")
	require.EqualValues(t, 5, d.Len())

	l, err := NewList(Config{Dedup: true, Done: &d, Args: []string{
		"127.0.0.1", "127.0.0.2", "host.example:27016", "gone.EXAMPLE:1", "bare.example:27017",
		"127.0.0.3:27016", // it was asked as a name only
	}})
	require.NoError(t, err)
	defer l.Close()
	dst := make([]Target, 8)
	n, err := l.Next(t.Context(), dst)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, at("127.0.0.3:27016"), dst[0].Key.AddrPort())
	require.EqualValues(t, 5, l.Counts().Skipped)
}
