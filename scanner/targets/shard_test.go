package targets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// The parts of these never change: files of fleets that run depend on it.
func TestShardsAreFixed(t *testing.T) {
	for text, want := range map[string][3]uint64{ // of 10, 1,000 and 65,536
		"127.0.0.1":             {8, 856, 56113},
		"192.0.2.7":             {7, 712, 46668},
		"203.0.113.255":         {3, 307, 20131},
		"2001:db8::1":           {7, 771, 50549},
		"2001:db8:1::":          {7, 763, 50068},
		"gs1.example.net":       {3, 359, 23553},
		"xn--bcher-kva.example": {7, 727, 47650},
	} {
		var got [3]uint64
		for i, n := range []uint64{10, 1000, 65536} {
			got[i] = shardOf(t, text, n)
		}
		require.Equal(t, want, got, text)
	}
}

// shardOf returns the only part of n that has a target.
func shardOf(t *testing.T, text string, n uint64) uint64 {
	t.Helper()
	found := []uint64{}
	for i := range n {
		s := newShard(i, n)
		a, err := netip.ParseAddr(text)
		if err == nil && s.has(addressOf(a)) || err != nil && s.hasName(text) {
			found = append(found, i)
		}
	}
	require.Len(t, found, 1, text)
	return found[0]
}

func TestHash32IsABijection(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x := rng.Uint32()
		require.Equal(t, x, unhash32(hash32(x)))
	}
}

func TestShardBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []uint64{1, 2, 3, 7, 64, 1000, 65536, math.MaxInt32, 1 << 32, 1<<32 + 1, math.MaxUint64} {
		for range 1000 {
			i := rng.Uint64N(n)
			s := newShard(i, n)
			if s.width == 0 { // more shards than addresses
				require.Greater(t, n, uint64(1)<<32)
				continue
			}
			for _, a := range []address{s.at(0), s.at(s.width - 1), s.at(rng.Uint64N(s.width))} {
				require.True(t, s.has(a))
				if !s.all() {
					other := newShard((i+1)%n, n)
					require.False(t, other.has(a))
				}
			}
		}
	}
}

func TestShardsAreBalanced(t *testing.T) {
	const n, total = 16, 1 << 16
	for name, at := range map[string]func(shard, uint64) bool{
		"neighbours":    func(s shard, i uint64) bool { return s.has(address4(0x7F000000 + uint32(i))) },
		"first of /24s": func(s shard, i uint64) bool { return s.has(address4(uint32(i)<<8 + 1)) },
		"IPv6":          func(s shard, i uint64) bool { return s.has(address{0x20010db8 << 32, i}) },
		"IPv6 networks": func(s shard, i uint64) bool { return s.has(address{0x20010db8<<32 + i, 1}) },
		"names":         func(s shard, i uint64) bool { return s.hasName(fmt.Sprintf("gs%d.example.net", i)) },
	} {
		for shard := range uint64(n) {
			s, count := newShard(shard, n), 0
			for i := range uint64(total) {
				if at(s, i) {
					count++
				}
			}
			require.InDelta(t, total/n, count, 6*math.Sqrt(total/n), name)
		}
	}
}

// Machines that scan parts of one list, each with its own order of lines, its own order
// of ports and its own seed, ask each target once, and each address's ports on one
// machine.
func TestShardsPartitionTheTargets(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		lines := append(strings.Split(strings.TrimSpace(world), "\n"), randomLines(rng)...)
		whole := map[string]bool{}
		all, c := drain(t, func() Config { c := worldConfig(t); c.Args = lines; return c }(), 256)
		seqs := map[uint64]bool{}
		for _, target := range all {
			id := identity(target)
			if whole[id] || seqs[target.Seq] || target.Seq >= uint64(len(all)) {
				t.Fatalf("%s, number %d of %d, came twice or has a wrong number", id, target.Seq, len(all))
			}
			whole[id], seqs[target.Seq] = true, true
		}

		n := []uint64{1, 2, 3, 7, 64}[rng.IntN(5)]
		found := map[string]uint64{}
		host := map[string]uint64{} // its shard
		for shard := range n {
			cfg := worldConfig(t)
			cfg.Shards, cfg.Shard, cfg.Seed, cfg.Shuffle = n, shard, rng.Uint64(), rng.IntN(3) > 0
			mine := slices.Clone(lines)
			rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			if cfg.Args = mine; rng.IntN(2) == 0 {
				cfg.Args, cfg.Files = nil, []File{{"-", iotest.HalfReader(strings.NewReader(strings.Join(mine, "\n")))}}
			}
			some, mineCounts := drain(t, cfg, 1+rng.IntN(300))
			require.Equal(t, c.Lines, mineCounts.Lines)
			require.Equal(t, c.Duplicates, mineCounts.Duplicates)
			require.Equal(t, c.Blocked, mineCounts.Blocked)
			numbers := map[uint64]bool{}
			for _, target := range some {
				id := identity(target)
				if other, twice := found[id]; twice {
					t.Fatalf("%s is in shards %d and %d of %d", id, other, shard, n)
				}
				found[id] = shard
				at := id[:strings.LastIndexByte(id, ':')]
				if other, known := host[at]; known && other != shard {
					t.Fatalf("%s has ports in shards %d and %d of %d", at, other, shard, n)
				}
				host[at] = shard
				if numbers[target.Seq] || target.Seq >= uint64(len(all)) {
					t.Fatalf("number %d of %d is wrong, or came twice", target.Seq, len(all))
				}
				numbers[target.Seq] = true
			}
			if !cfg.Shuffle && len(cfg.Files) > 0 { // names apart, the order of the list
				some = slices.DeleteFunc(some, func(t Target) bool { return strings.Contains(identity(t), "example") })
				require.True(t, slices.IsSortedFunc(some, func(a, b Target) int { return int(a.Seq) - int(b.Seq) }))
			}
		}
		require.Len(t, found, len(whole))
		for id := range whole {
			if _, ok := found[id]; !ok {
				t.Fatalf("%s is in no shard", id)
			}
		}
	}
}

// identity returns what makes a target the same on any machine.
func identity(t Target) string {
	if t.Origin != nil && strings.Contains(t.Origin.Input, "example") {
		name, _, _ := strings.Cut(strings.ToLower(t.Origin.Input), ":")
		return nameAndPort(name, t.Key.Port)
	}
	return t.Key.AddrPort().String()
}

func randomLines(rng *rand.Rand) (lines []string) {
	ports := []string{"", ":1", ":1-3", ":3,1", ":27015"}
	for range rng.IntN(200) {
		port := ports[rng.IntN(len(ports))]
		a, b := rng.IntN(256), rng.IntN(4)
		switch rng.IntN(6) {
		case 0:
			lines = append(lines, fmt.Sprintf("10.9.%d.0/%d%s", b, 22+rng.IntN(11), port))
		case 1:
			lines = append(lines, fmt.Sprintf("10.9.%d.%d-10.9.%d.255%s", b, a, b, port))
		case 2:
			lines = append(lines, fmt.Sprintf("[2001:db8::%x]/%d%s", a, 118+rng.IntN(11), port))
		case 3:
			lines = append(lines, fmt.Sprintf("h%d.example%s", a, port))
		default:
			lines = append(lines, fmt.Sprintf("10.9.%d.%d%s", b, a, port))
		}
	}
	return lines
}

// A shuffled range that is much larger than the shard costs what the shard costs.
func TestShuffledShardOfEverything(t *testing.T) {
	const n = 1 << 22 // 1,024 addresses each
	cfg := Config{Args: []string{"1.0.0.0-9.255.255.255", "10.0.0.0/8:1-2", "2001:db8::/112"}, AllowHuge: true, Shards: n, Shard: 7, Shuffle: true, Seed: 1}
	all, _ := drain(t, cfg, 256)
	s := newShard(7, n)
	want := map[netip.AddrPort]bool{}
	for i := range s.width {
		k := s.at(i).key(27015)
		switch first := byte(k.Lo >> 24); {
		case first >= 1 && first <= 9:
			want[k.AddrPort()] = true
		case first == 10:
			k.Port = 1
			want[k.AddrPort()] = true
			k.Port = 2
			want[k.AddrPort()] = true
		}
	}
	for _, target := range all {
		ap := target.Key.AddrPort()
		if ap.Addr().Is6() {
			require.True(t, s.has(addressOf(ap.Addr())))
			continue
		}
		if !want[ap] {
			t.Fatalf("%v is not the shard's, or came twice", ap)
		}
		delete(want, ap)
	}
	require.Empty(t, want)
}

func BenchmarkSkip4(b *testing.B) {
	s := newShard(7, 65536)
	var ip uint32
	for n := uint64(b.N); n > 0; {
		skipped := s.skip4(ip, n)
		ip += uint32(skipped) + 1
		n -= min(n, skipped+1)
	}
}
