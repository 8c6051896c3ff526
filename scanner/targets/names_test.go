package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
)

// A zone is a resolver's data, and what it saw.
type zone struct {
	hosts map[string]string // name to addresses, space-separated
	delay time.Duration

	mu           sync.Mutex
	asked        map[string]int
	running, max int
}

func (z *zone) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	z.mu.Lock()
	if z.asked == nil {
		z.asked = make(map[string]int)
	}
	z.asked[host]++
	z.running++
	z.max = max(z.max, z.running)
	z.mu.Unlock()
	defer func() {
		z.mu.Lock()
		z.running--
		z.mu.Unlock()
	}()
	select {
	case <-time.After(z.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	text, ok := z.hosts[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for word := range strings.FieldsSeq(text) {
		addrs = append(addrs, netip.MustParseAddr(word))
	}
	return addrs, nil
}

func TestNamesAndWhatTheyStandFor(t *testing.T) {
	z := &zone{hosts: map[string]string{
		"four.example":   "127.0.0.4",
		"both.example":   "2001:db8::5 127.0.0.5 127.0.0.6",
		"six.example":    "2001:db8::6",
		"mapped.example": "2001:db8::7 ::ffff:127.0.0.7",
		"zero.example":   "0.0.0.0",
		"mdns.example":   "224.0.0.251",
		"no.example":     "127.1.0.1",
		"empty.example":  "",
	}}
	z.delay = time.Nanosecond
	cfg := Config{
		Args: []string{"four.example:1 eu", "both.example:1", "six.example", "mapped.example:1", "zero.example:1", "mdns.example:1",
			"no.example:1-2", "empty.example:1", "gone.example:1", "127.0.0.4:1", "127.1.0.1:1"},
		Exclude: addrSet(t, "127.1.0.0/24"),
		Dedup:   true,
		Lookup:  z.lookup,
		Lookups: 1, // in order, then
	}
	all, c := drain(t, cfg, 256)
	require.Equal(t, `10 127.0.0.4:1
11 127.1.0.1:1 blocked: the address is excluded
0 127.0.0.4:1 input=four.example:1 tag=eu
1 127.0.0.5:1 input=both.example:1 tag=
2 [2001:db8::6]:27015 input=six.example:27015 tag=
3 127.0.0.7:1 input=mapped.example:1 tag=
4 0.0.0.0:1 input=zero.example:1 tag= invalid: the name resolves to no host: 0.0.0.0 is the unspecified address
5 224.0.0.251:1 input=mdns.example:1 tag= invalid: the name resolves to no host: 224.0.0.251 is a multicast address
6 127.1.0.1:1 input=no.example:1 tag= blocked: the address is excluded: 127.1.0.1
7 127.1.0.1:2 input=no.example:2 tag= blocked: the address is excluded: 127.1.0.1
8 - input=empty.example:1 tag= resolve: the name has no address
9 - input=gone.example:1 tag= resolve: no such host
`, show(all), "names have their numbers when they are read, and come when they are resolved")
	require.Equal(t, mux.Key{Port: 1}, all[10].Key, "a name without an address has a port")
	require.Equal(t, Counts{Lines: 11, Targets: 12, Invalid: 2, Blocked: 3, Excluded: 3, Allowed: 7}, c)
	cfg.Args, cfg.PreferIPv6 = []string{"both.example:1", "four.example:1"}, true
	all, _ = drain(t, cfg, 256)
	require.Equal(t, "0 [2001:db8::5]:1 input=both.example:1 tag=\n1 127.0.0.4:1 input=four.example:1 tag=\n", show(all))
}

func TestLookupsHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string]string{"slow.example": "127.0.0.1"}, delay: 3 * time.Second}
		l, err := NewList(Config{Files: file("slow.example:1\n127.0.0.2:1\n127.0.0.3:1\n"), Lookup: z.lookup})
		require.NoError(t, err)
		defer l.Close()
		begin := time.Now()
		dst := make([]Target, 16)
		got := ""
		for {
			n, err := l.Next(t.Context(), dst)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			for _, target := range dst[:n] {
				got += fmt.Sprintf("%v: %d %v\n", time.Since(begin), target.Seq, target.Key.AddrPort())
			}
		}
		require.Equal(t, "0s: 1 127.0.0.2:1\n0s: 2 127.0.0.3:1\n3s: 0 127.0.0.1:1\n", got)
	})
}

// A file that always has more must not keep names from being delivered.
func TestNamesComeBetweenLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string]string{"a.example": "127.0.0.1"}, delay: time.Millisecond}
		l, err := NewList(Config{Args: []string{"a.example:1"}, Files: []File{{"-", new(endless)}}, Lookup: z.lookup})
		require.NoError(t, err)
		defer l.Close()
		dst := make([]Target, 16)
		n, err := l.Next(t.Context(), dst)
		require.NoError(t, err)
		require.Equal(t, 16, n)
		time.Sleep(time.Second)
		n, err = l.Next(t.Context(), dst)
		require.NoError(t, err)
		require.Equal(t, 16, n)
		require.Zero(t, dst[0].Seq, "it waited longest, and comes first")
	})
}

func TestANameIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{hosts: map[string]string{"a.example": "127.0.0.1", "b.example": "127.0.0.2"}, delay: time.Second}
		text := "a.example:1-1000\n"
		for port := range 500 {
			text += fmt.Sprintf("B.example:%d\nb.example:%d\n", port+1, port+501)
		}
		all, _ := drain(t, Config{Files: file(text), Dedup: true, Lookup: z.lookup}, 256)
		require.Len(t, all, 2000)
		require.Equal(t, map[string]int{"a.example": 1, "b.example": 1}, z.asked)

		z.asked = nil
		all, _ = drain(t, Config{Args: []string{"a.example:1-60000"}, Shuffle: true, Dedup: true, Lookup: z.lookup}, 256)
		require.Len(t, all, 60000)
		require.Equal(t, 1, z.asked["a.example"])
	})
}

func TestManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = maxWaiting + maxAnswers/2 + 17
		z := &zone{hosts: make(map[string]string), delay: 20 * time.Millisecond}
		var text strings.Builder
		for i := range n {
			z.hosts[fmt.Sprintf("h%d.example", i)] = netip.AddrFrom4([4]byte{127, 2, byte(i >> 8), byte(i)}).String()
			fmt.Fprintf(&text, "h%d.example:1\n127.0.0.1:1\n", i)
		}
		l, err := NewList(Config{Files: file(text.String()), Lookup: z.lookup})
		require.NoError(t, err)
		defer l.Close()
		begin := time.Now()
		dst := make([]Target, 100)
		seen := make(map[uint64]bool)
		for {
			got, err := l.Next(t.Context(), dst)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.LessOrEqual(t, l.names.waiting, maxWaiting)
			require.LessOrEqual(t, len(l.names.answers), maxAnswers)
			for _, target := range dst[:got] {
				require.False(t, seen[target.Seq])
				seen[target.Seq] = true
				if target.Origin != nil {
					require.Equal(t, fmt.Sprintf("h%d.example:1", target.Seq/2), target.Origin.Input)
					require.Equal(t, z.hosts[strings.TrimSuffix(target.Origin.Input, ":1")], target.Key.Addr().String())
				}
			}
		}
		require.Len(t, seen, 2*n)
		require.Equal(t, defaultLookups, z.max, "as many at once as may, and no more")
		require.Equal(t, (n+defaultLookups-1)/defaultLookups, int(time.Since(begin)/z.delay))
	})
}

func TestLookupsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{delay: time.Hour}
		begin := time.Now()
		all, _ := drain(t, Config{Args: []string{"a.example:1", "b.example:1"}, Lookup: z.lookup, Lookups: 1, LookupTimeout: 7 * time.Second}, 4)
		require.Equal(t, 14*time.Second, time.Since(begin))
		require.Equal(t, "0 - input=a.example:1 tag= resolve: the lookup timed out\n1 - input=b.example:1 tag= resolve: the lookup timed out\n", show(all))
	})
}

func TestCloseEndsLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{delay: time.Hour}
		l, err := NewList(Config{Args: []string{"a.example:1", "b.example:1"}, Lookup: z.lookup, LookupTimeout: time.Hour})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = l.Next(ctx, make([]Target, 1))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		running := func() int {
			synctest.Wait()
			z.mu.Lock()
			defer z.mu.Unlock()
			return z.running
		}
		require.Equal(t, 2, running())
		l.Close()
		require.Zero(t, running())
	})
}

func TestLookupReasons(t *testing.T) {
	n := newNames(&Config{}, nil)
	defer n.cancel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "the name has no address"},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, "no such host"},
		{&net.DNSError{Err: "i/o timeout", IsTimeout: true}, "the lookup timed out"},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), "the lookup timed out"},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, "lookup failed: server misbehaving"},
		{errors.New("out of files"), "lookup failed: out of files"},
	} {
		require.Equal(t, test.want, n.lookupReason(test.err))
	}
}

// localhost and its subdomains are this machine, whatever the resolver says (RFC 6761), and
// even if nothing is looked up.
func TestLocalhost(t *testing.T) {
	for _, cfg := range []Config{
		{NoLookups: true},
		{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			t.Errorf("%s was looked up", host)
			return nil, errors.New("no")
		}},
	} {
		cfg.Args = []string{"localhost", "localhost.:1", "LocalHost:2", "a.b.localhost:3", "db.localhost.:4"}
		all, _ := drain(t, cfg, 4)
		require.Equal(t, `0 127.0.0.1:27015 input=localhost:27015 tag=
1 127.0.0.1:1 input=localhost.:1 tag=
2 127.0.0.1:2 input=LocalHost:2 tag=
3 127.0.0.1:3 input=a.b.localhost:3 tag=
4 127.0.0.1:4 input=db.localhost.:4 tag=
`, show(all))
		cfg.PreferIPv6 = true
		all, _ = drain(t, cfg, 4)
		require.Equal(t, "[::1]:27015", all[0].Key.AddrPort().String())
	}
}

// Names that need a lookup stay names.
func TestNoLookups(t *testing.T) {
	all, c := drain(t, Config{NoLookups: true, Files: file("a.example:1-2 eu\n"), Lookup: func(context.Context, string) ([]netip.Addr, error) {
		t.Error("looked up")
		return nil, nil
	}}, 4)
	require.Equal(t, `0 - input=a.example:1 tag=eu resolve: names are not looked up
1 - input=a.example:2 tag=eu resolve: names are not looked up
`, show(all))
	require.Equal(t, Counts{Lines: 1, Targets: 2, Allowed: 2}, c)
}
