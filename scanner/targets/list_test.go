package targets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
)

// file returns text as the only file of a Config.
func file(text string) []File { return []File{{"list.txt", strings.NewReader(text)}} }

// stream returns text as the only file of a Config, which can be read once.
func stream(text string) []File {
	return []File{{"list.txt", struct{ io.Reader }{strings.NewReader(text)}}}
}

// drain returns all targets of cfg, taken batch at a time, and what was counted.
func drain(t testing.TB, cfg Config, batch int) ([]Target, Counts) {
	t.Helper()
	l, err := NewList(cfg)
	require.NoError(t, err)
	defer l.Close()
	var all []Target
	dst := make([]Target, batch)
	for {
		n, err := l.Next(context.Background(), dst)
		if errors.Is(err, io.EOF) {
			require.Zero(t, n)
			break
		}
		require.NoError(t, err)
		require.Positive(t, n)
		all = append(all, dst[:n]...)
	}
	_, err = l.Next(context.Background(), dst)
	require.ErrorIs(t, err, io.EOF, "the end stays the end")
	c := l.Counts()
	require.EqualValues(t, len(all), c.Targets)
	return all, c
}

// show writes targets one a line: number, address, and what else there is.
func show(targets []Target) string {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "%d ", t.Seq)
		if t.Refusal == Resolve {
			b.WriteString("-")
		} else {
			b.WriteString(t.Key.AddrPort().String())
		}
		if t.Origin != nil {
			fmt.Fprintf(&b, " input=%s tag=%s", t.Origin.Input, t.Origin.Tag)
		}
		if t.Refusal != Accepted {
			fmt.Fprintf(&b, " %s: %s", [...]string{"", "resolve", "blocked", "invalid"}[t.Refusal], t.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func addrSet(t testing.TB, list string) *AddrSet {
	t.Helper()
	s := new(AddrSet)
	require.NoError(t, s.AddList(list))
	return s
}

func TestListReadsWhatListsHold(t *testing.T) {
	const text = "\xef\xbb\xbf# servers\r\n" +
		"127.0.0.1:27015\r\n" +
		"\n" +
		"127.0.0.2\n" +
		"127.0.0.3:27015 eu\n" +
		"127.0.0.3:27016 eu # two\n" +
		"127.0.0.4:70000\n" +
		"host:27015:x\n" +
		"[::ffff:127.0.0.1]:27015\n" +
		"127.0.0.8/30:1-2\n" +
		"127.0.0.10:2\n" +
		"{\"ip\":\"127.0.0.5\",\"port\":27015}\n" +
		"\x00\n" +
		"224.0.0.1:27015\n" +
		"[::1]:27015" // no line feed
	var log []string
	all, c := drain(t, Config{
		Files: file(text),
		Dedup: true,
		Log:   func(file string, line int, msg string) { log = append(log, fmt.Sprintf("%s:%d: %s", file, line, msg)) },
	}, 256)
	require.Equal(t, `0 127.0.0.1:27015
1 127.0.0.2:27015 input=127.0.0.2 tag=
2 127.0.0.3:27015 input= tag=eu
3 127.0.0.3:27016 input= tag=eu
4 127.0.0.8:1 input=127.0.0.8/30:1-2 tag=
5 127.0.0.9:1 input=127.0.0.8/30:1-2 tag=
6 127.0.0.10:1 input=127.0.0.8/30:1-2 tag=
7 127.0.0.11:1 input=127.0.0.8/30:1-2 tag=
8 127.0.0.8:2 input=127.0.0.8/30:1-2 tag=
9 127.0.0.9:2 input=127.0.0.8/30:1-2 tag=
10 127.0.0.10:2 input=127.0.0.8/30:1-2 tag=
11 127.0.0.11:2 input=127.0.0.8/30:1-2 tag=
12 127.0.0.5:27015
13 224.0.0.1:27015 blocked: 224.0.0.1 is a multicast address
14 [::1]:27015
`, show(all))
	require.Equal(t, []string{
		`list.txt:7: "70000" is not a port; use 1 to 65535`,
		`list.txt:8: "host:27015:x" has too many colons; write HOST:PORT, or [IPV6]:PORT`,
		`list.txt:13: the line has a NUL byte; a list is plain text in UTF-8`,
	}, log)
	require.Equal(t, Counts{Lines: 15, Targets: 15, Duplicates: 2, Invalid: 3, Blocked: 1, Reserved: 1, Allowed: 14}, c)
	require.Same(t, all[2].Origin, all[3].Origin, "a tag is kept once")
	require.Same(t, all[4].Origin, all[11].Origin, "an Origin is shared by a line's targets")
}

func TestListOfNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing", "\xef\xbb\xbf", "\r\n\r\n"} {
		all, c := drain(t, Config{Files: stream(text), Dedup: true}, 8)
		require.Empty(t, all)
		require.Zero(t, c.Invalid)
		require.Zero(t, c.Allowed)

		_, err := NewList(Config{Files: file(text)})
		require.EqualError(t, err, "list.txt: no line is a target")
	}
	all, c := drain(t, Config{}, 8)
	require.Empty(t, all)
	require.Zero(t, c)
}

func TestArgumentsComeFirst(t *testing.T) {
	var log []string
	all, c := drain(t, Config{
		Args:  []string{"127.0.0.1", "10.0.0.0/33", "127.0.0.2:1"},
		Files: []File{{"a", strings.NewReader("127.0.0.3:1")}, {"empty", struct{ io.Reader }{strings.NewReader("")}}, {"b", strings.NewReader("\xef\xbb\xbf127.0.0.1:27015\n127.0.0.4:1\nx:0\n")}},
		Dedup: true,
		Log:   func(file string, line int, msg string) { log = append(log, fmt.Sprintf("%s:%d: %s", file, line, msg)) },
	}, 256)
	require.Equal(t, `0 127.0.0.1:27015 input=127.0.0.1 tag=
1 127.0.0.2:1
2 127.0.0.3:1
3 127.0.0.4:1
`, show(all))
	require.Equal(t, Counts{Lines: 7, Targets: 4, Duplicates: 1, Invalid: 2, Allowed: 4}, c)
	require.Len(t, log, 2)
	require.Contains(t, log[0], `:2: "10.0.0.0/33" is not a prefix`)
	require.Equal(t, `b:3: "0" is not a port; use 1 to 65535`, log[1])
}

func TestBlocking(t *testing.T) {
	cfg := Config{
		Args: []string{
			"10.0.0.0/30:1",     // .1 and .2 are blocked
			"10.0.0.1:1",        // has a place in the list all the same
			"10.0.0.1:1",        // but only one
			"10.9.0.1",          // not on the allowlist
			"0.0.0.0",           // nobody's address
			"255.255.255.255:9", // everybody's
			"169.254.1.1",
			"[::]:1",
			"[ff02::1]:1",
			"255.255.255.252/30",
			"10.0.0.2-10.0.0.2:1-100",
			"10.0.0.2:1-100",
		},
		Blocklist: addrSet(t, "10.0.0.1"),
		Exclude:   addrSet(t, "10.0.0.2-10.0.0.2"),
		Allowlist: addrSet(t, "10.0.0.0/16,255.255.255.252/30,::/0"),
		Dedup:     true,
	}
	all, c := drain(t, cfg, 10)
	require.Equal(t, `0 10.0.0.0:1 input=10.0.0.0/30:1 tag=
1 10.0.0.3:1 input=10.0.0.0/30:1 tag=
2 10.0.0.1:1 blocked: the address is on the blocklist
3 10.9.0.1:27015 input=10.9.0.1 tag= blocked: the address is not on the allowlist
4 0.0.0.0:27015 input=0.0.0.0 tag= blocked: 0.0.0.0 is the unspecified address
5 255.255.255.255:9 blocked: 255.255.255.255 is the broadcast address
6 169.254.1.1:27015 input=169.254.1.1 tag= blocked: 169.254.1.1 is a link-local address (RFC 3927; Steam's relays show such)
7 [::]:1 blocked: :: is the unspecified address
8 [ff02::1]:1 blocked: ff02::1 is a multicast address
`, show(all[:9]))
	require.Len(t, all, 109)
	for _, target := range all[9:] {
		require.Equal(t, Blocked, target.Refusal)
		require.Equal(t, "the address is excluded", target.Reason)
	}
	require.EqualValues(t, 1, c.Duplicates)
	require.EqualValues(t, 2+7+4+100+100, c.Blocked)
}

func TestPrefixesAtTheEndsOfTheNumberLine(t *testing.T) {
	for _, test := range []struct {
		arg     string
		targets uint64
		blocked uint64
	}{
		{"255.255.255.0/24", 0, 256},
		{"255.255.255.255/32", 0, 1},
		{"0.0.0.0/0", 1<<32 - 1<<24 - 1<<16 - 1<<29, 1<<24 + 1<<16 + 1<<29},
		{"0.0.0.0-255.255.255.255:27015", 1<<32 - 1<<24 - 1<<16 - 1<<29, 1<<24 + 1<<16 + 1<<29},
		{"223.255.255.254-224.0.0.1", 2, 2},
		{"192.0.2.1/32", 1, 0},
		{"192.0.2.1/31", 2, 0},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", 0, 16},
		{"::/127", 1, 1},
		{"::fffe:ffff:fff0/124", 16, 0},
		{"feff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/120", 256, 0},
	} {
		for _, shuffle := range []bool{false, true} {
			l, err := NewList(Config{Args: []string{test.arg}, Dedup: true, Shuffle: shuffle, AllowHuge: true})
			require.NoError(t, err, test.arg)
			n, all := l.Size()
			require.Equal(t, test.targets, n, test.arg)
			require.True(t, all)
			require.Equal(t, test.blocked, l.Counts().Blocked, test.arg)
			if n < 1000 {
				got, _ := drain(t, Config{Args: []string{test.arg}, Dedup: true, Shuffle: shuffle}, 7)
				require.Len(t, got, int(n))
			}
			l.Close()
		}
	}
}

func TestHugePrefixesNeedConsent(t *testing.T) {
	for _, arg := range []string{"2001:db8::/95", "0.0.0.0/0", "10.0.0.0/5", "::/0"} {
		_, err := NewList(Config{Args: []string{arg}})
		require.ErrorIs(t, err, ErrHuge, arg)
		require.ErrorContains(t, err, arg)

		// The beginning of a file is read before anything else happens, a stream is not.
		_, err = NewList(Config{Files: file("127.0.0.1:1\n" + arg + "\n")})
		require.ErrorIs(t, err, ErrHuge, arg)
		require.ErrorContains(t, err, "list.txt:2: ")
		l, err := NewList(Config{Files: stream("127.0.0.1:1\n" + arg + "\n127.0.0.2:1\n")})
		require.NoError(t, err)
		dst := make([]Target, 5)
		n, err := l.Next(t.Context(), dst)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		_, err = l.Next(t.Context(), dst)
		require.ErrorIs(t, err, ErrHuge)
		require.ErrorContains(t, err, "list.txt:2: ")
		l.Close()
	}
	// Together, of all arguments and files and shards, before duplicates are dropped.
	half := []string{"10.0.0.0/9", "10.0.0.0/9"}
	cfg := Config{Args: half, Dedup: true, Shards: 1 << 20}
	_, err := NewList(cfg)
	require.NoError(t, err)
	cfg.Args = append(half, "127.0.0.0/31")
	_, err = NewList(cfg)
	require.ErrorIs(t, err, ErrHuge)
	require.ErrorContains(t, err, `with "127.0.0.0/31" the ranges stand for 16,777,218 of them`)
	cfg.Args, cfg.Files = half, file("127.0.0.1\n127.0.0.0/31\n")
	_, err = NewList(cfg)
	require.ErrorIs(t, err, ErrHuge)
	cfg.Exclude = addrSet(t, "127.0.0.0/8") // blocked targets do not count
	cfg.Files = file("127.0.0.1\n127.0.0.0/31\n")
	_, err = NewList(cfg)
	require.NoError(t, err)

	_, err = NewList(Config{Args: []string{"2001:db8::/64"}, AllowHuge: true})
	require.ErrorIs(t, err, ErrHuge, "2^64 numbers do not fit a sequence number with a sign")

	for _, shuffle := range []bool{false, true} {
		all, _ := drain(t, Config{Args: []string{"2001:db8::/66"}, AllowHuge: true, Shuffle: shuffle, MaxTargets: 1000, Dedup: true}, 64)
		require.Len(t, all, 1000)
	}
	// An allowlist makes the whole of IPv6 small.
	all, c := drain(t, Config{Args: []string{"::/0"}, Allowlist: addrSet(t, "2001:db8::/120,10.0.0.0/8"), Dedup: true}, 64)
	require.Len(t, all, 256, "and IPv4 is no part of it")
	require.Equal(t, uint64(maxTargets-1-256), c.Blocked)
	_, c = drain(t, Config{Args: []string{"::/0", "::/1", "::/0:1-65535"}, Allowlist: addrSet(t, "127.0.0.1")}, 64)
	require.Equal(t, uint64(maxTargets-1), c.Blocked, "it stays at the greatest number there is")
}

func TestScopedAddresses(t *testing.T) {
	all, c := drain(t, Config{Dedup: true, Args: []string{"[fe80::1%1]:1-40", "[fe80::1%2]:1-40", "fe80::1%1", "[fe80::1%1]:40-41", "[fe80::1]:1"}}, 64)
	require.Len(t, all, 40+40+1+1+1)
	require.EqualValues(t, 1, c.Duplicates)
	require.Equal(t, "[fe80::1%2]:1", all[40].Key.AddrPort().String())
	require.Equal(t, "[fe80::1]:1", all[82].Key.AddrPort().String())
	require.Equal(t, Blocked, all[82].Refusal, "it could be anybody's")
	for _, target := range all[:82] {
		require.Equal(t, Accepted, target.Refusal)
	}

	// What answers has no zone where none is needed, and must be found by its key.
	all, c = drain(t, Config{Dedup: true, Args: []string{"[::1%1]:9", "[::1]:9", "[2001:db8::1%2]:9"}}, 64)
	require.Len(t, all, 2)
	require.EqualValues(t, 1, c.Duplicates, "they are one address")
	for i, want := range []struct{ addr, input string }{{"[::1]:9", "[::1%1]:9"}, {"[2001:db8::1]:9", "[2001:db8::1%2]:9"}} {
		require.Equal(t, want.addr, all[i].Key.AddrPort().String())
		require.Equal(t, want.input, all[i].Origin.Input, "as it was written")
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	fits := "127.0.0.2:1 #" + strings.Repeat("x", maxLine-13)
	var log []string
	cfg := Config{
		Dedup: true,
		Log:   func(file string, line int, msg string) { log = append(log, fmt.Sprintf("%d: %s", line, msg)) },
	}
	cfg.Files = file("127.0.0.1:1\n" + long + "\n" + fits + "\n127.0.0.3:1\n" + long + long + long)
	all, c := drain(t, cfg, 256)
	require.Equal(t, "0 127.0.0.1:1\n1 127.0.0.2:1\n2 127.0.0.3:1\n", show(all))
	require.Equal(t, Counts{Lines: 5, Targets: 3, Invalid: 2, Allowed: 3}, c)
	require.Equal(t, []string{"2: the line is longer than 1048576 bytes", "5: the line is longer than 1048576 bytes"}, log)
}

func TestReadErrorEndsTheList(t *testing.T) {
	broken := errors.New("broken disk")
	l, err := NewList(Config{Files: []File{
		{"list.txt", io.MultiReader(strings.NewReader("127.0.0.1:1\n127.0.0.2:1\n127.0.0."), iotest.ErrReader(broken))},
		{"more.txt", strings.NewReader("127.0.0.3:1\n")},
	}})
	require.NoError(t, err)
	defer l.Close()
	dst := make([]Target, 16)
	got := 0
	for {
		var n int
		n, err = l.Next(context.Background(), dst)
		got += n
		if err != nil {
			break
		}
	}
	require.Equal(t, 2, got, "what came before the error counts, half a line does not")
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "list.txt")
	_, again := l.Next(context.Background(), dst)
	require.Equal(t, err, again)
}

func TestReaderWithoutProgress(t *testing.T) {
	l, err := NewList(Config{Files: []File{{"stuck", readerFunc(func([]byte) (int, error) { return 0, nil })}}})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Next(context.Background(), make([]Target, 1))
	require.ErrorIs(t, err, io.ErrNoProgress)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A slow list must flow: each line is yielded when it is there, and nothing runs in
// between.
func TestSlowInputFlowsLineByLine(t *testing.T) {
	for name, test := range map[string]struct {
		cfg   Config
		delay time.Duration
		calls int
	}{
		"in order": {Config{}, 0, 40},
		"shuffled": {Config{Shuffle: true}, windowWait, 20}, // what comes within a second is mixed
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				begin := time.Now()
				go func() {
					for i := range 20 {
						time.Sleep(5 * time.Second)
						fmt.Fprintf(w, "127.0.0.%d:1\n127.0.1.%d", i, i)
						time.Sleep(time.Second / 2)
						fmt.Fprint(w, ":1\n")
					}
					w.Close()
				}()
				cfg := test.cfg
				cfg.Files = []File{{"-", r}}
				l, err := NewList(cfg)
				require.NoError(t, err)
				defer l.Close()
				dst := make([]Target, 256)
				got, calls := 0, 0
				for {
					n, err := l.Next(t.Context(), dst)
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					now := time.Since(begin)
					for _, target := range dst[:n] {
						i := time.Duration(target.Key.Lo & 0xff)
						written := (i+1)*5*time.Second + i*time.Second/2
						if target.Key.Lo&0x100 != 0 {
							written += time.Second / 2
						}
						require.LessOrEqual(t, now, written+test.delay)
						require.GreaterOrEqual(t, now, written)
					}
					got += n
					calls++
				}
				require.Equal(t, 40, got)
				require.Equal(t, test.calls, calls)
			})
		})
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		l, err := NewList(Config{Files: []File{{"-", r}}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dst := make([]Target, 4)
		_, err = l.Next(ctx, dst)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// Nothing is lost: another context may go on.
		go fmt.Fprint(w, "127.0.0.1:1\n")
		n, err := l.Next(t.Context(), dst)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		w.Close() // lets the reading goroutine go: synctest fails where one stays
	})
}

func TestEndlessDuplicatesDoNotHoldUpTheContext(t *testing.T) {
	same := []byte("127.0.0.1:1\n")
	l, err := NewList(Config{Dedup: true, Files: []File{{"-", readerFunc(func(p []byte) (int, error) {
		n := len(p) / len(same) * len(same)
		for i := 0; i < n; i += len(same) {
			copy(p[i:], same)
		}
		return n, nil
	})}}})
	require.NoError(t, err)
	defer l.Close()
	dst := make([]Target, 4)
	long, cancelLong := context.WithTimeout(t.Context(), time.Minute)
	defer cancelLong()
	n, err := l.Next(long, dst)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = l.Next(ctx, dst)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Positive(t, l.Counts().Duplicates)
}

func TestMaxTargets(t *testing.T) {
	const text = "127.0.0.0/29:1\n127.0.1.0/29:1\n127.0.0.1:1\nx:0\n"
	for _, shuffle := range []bool{false, true} {
		for _, shards := range []uint64{1, 2, 3, 20} {
			for shard := range shards {
				take := func(n uint64, done *Done) []Target {
					all, _ := drain(t, Config{Files: file(text), Dedup: true, MaxTargets: n, Shuffle: shuffle, Shards: shards, Shard: shard, Done: done}, 3)
					return all
				}
				whole := take(0, nil)
				var done Done
				for i := 0; i < len(whole); i += 3 {
					done.AddAddr(whole[i].Key.AddrPort())
				}
				for _, n := range []uint64{1, 5, 8, 9, 16, 17, 1000} {
					require.Len(t, take(n, nil), min(int(n), len(whole)))
					require.Len(t, take(n, &done), min(int(n), len(whole)-int(done.Len())), "done targets are not counted")
				}
			}
		}
	}
	// It ends the reading of an endless list.
	all, c := drain(t, Config{Files: []File{{"-", new(endless)}}, MaxTargets: 100}, 256)
	require.Len(t, all, 100)
	require.EqualValues(t, 100, c.Lines)
}

// world is a list of every kind of line that overlap in every way.
const world = `127.0.0.0/28
127.0.0.3:27015
127.0.0.3:27015 again
127.0.0.0/24:27014-27016
127.0.0.250-127.0.1.5:27015
127.0.2.77:27015
127.0.2.78:1-40
127.0.2.0/24
10.0.0.0/22:1
[2001:db8::5]:1
[2001:db8::/120]:1
[2001:db8::7]:1
::ffff:10.0.0.1
10.0.0.1
224.0.0.1
223.255.255.0-224.0.0.255
a.example
b.example:1-50
A.example:27015
a.example:27016
`

func worldConfig(t testing.TB) Config {
	return Config{
		Dedup:     true,
		Blocklist: addrSet(t, "10.0.1.0/26,127.0.2.100-127.0.2.110,2001:db8::10-2001:db8::1f"),
		Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return []netip.Addr{netip.AddrFrom4([4]byte{127, 9, 9, host[0]})}, nil
		},
	}
}

func TestShuffleFollowsFromTheSeed(t *testing.T) {
	for name, cfg := range map[string]func() Config{
		"arguments":        func() Config { return Config{Args: []string{"127.0.0.0/20:1-2", "127.1.0.0/24:1"}} },
		"prefix in a file": func() Config { return Config{Files: file("127.0.0.0/20:1-2\n127.1.0.0/24:1\n")} },
		"lines":            func() Config { return Config{Files: []File{{"-", bytes.NewReader(plainLines(100_000))}}} },
	} {
		t.Run(name, func(t *testing.T) {
			run := func(seed uint64) (all []Target) {
				c := cfg()
				c.Dedup, c.Shuffle, c.Seed = true, true, seed
				// A busy machine must not use up a window's patience.
				synctest.Test(t, func(t *testing.T) { all, _ = drain(t, c, 100) })
				return all
			}
			one, same, other := run(1), run(1), run(2)
			require.Equal(t, one, same)
			require.NotEqual(t, one, other)
			// No run of neighbours worth the name is left, and the first targets come
			// from everywhere.
			neighbours, far := 0, 0
			window := min(len(one), windowTargets)
			for i := 1; i < window; i++ {
				if one[i].Seq == one[i-1].Seq+1 {
					neighbours++
				}
				if i < 1000 && one[i].Seq > uint64(window)/2 {
					far++
				}
			}
			require.Less(t, neighbours, 20)
			require.InDelta(t, 500, far, 100)
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := NewList(Config{Shards: 4, Shard: 4})
	require.ErrorContains(t, err, "shard 4 of 4 does not exist")
	_, err = NewList(Config{Shard: 1})
	require.Error(t, err)
}

func TestSize(t *testing.T) {
	size := func(cfg Config) (uint64, bool) {
		l, err := NewList(cfg)
		require.NoError(t, err)
		defer l.Close()
		return l.Size()
	}
	args := []string{"127.0.0.0/24:1-2", "a.example"}
	sum := uint64(0)
	for shard := range uint64(3) {
		n, all := size(Config{Args: args, Shards: 3, Shard: shard})
		some, _ := drain(t, Config{Args: args, Shards: 3, Shard: shard, Lookup: worldConfig(t).Lookup}, 64)
		require.EqualValues(t, len(some), n)
		require.True(t, all)
		sum += n
	}
	require.EqualValues(t, 513, sum)
	n, all := size(Config{Args: []string{"127.0.0.0/24"}, Files: file("127.0.0.1")})
	require.EqualValues(t, 256, n)
	require.False(t, all)
	n, _ = size(Config{Args: []string{"1.0.0.0/5"}, AllowHuge: true, Shards: 4})
	require.EqualValues(t, 7<<24/4, n, "about as many")
}

// Prefixes that come after many single targets must leave those out, whether that is
// found by asking for each of the prefix's or by looking through all that are known.
func TestPrefixesAfterManySingles(t *testing.T) {
	for name, base := range map[string]address{"IPv4": address4(0x7f000000), "IPv6": {0x20010db8_00000000, 0}} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(4, 2))
			want := make(map[netip.AddrPort]bool)
			var text strings.Builder
			var duplicates uint64
			note := func(ap netip.AddrPort) {
				if want[ap] {
					duplicates++
				}
				want[ap] = true
			}
			for range 3000 {
				ap := base.plus(rng.Uint64N(4096)).key(uint16(1 + rng.IntN(3))).AddrPort()
				fmt.Fprintln(&text, ap)
				note(ap)
			}
			for _, part := range []struct{ first, n uint64 }{{100, 50}, {140, 100}, {0, 300}, {2000, 2000}, {0, 4096}, {5, 20}} {
				e := entry{iv: interval{base.plus(part.first), base.plus(part.first + part.n - 1)}, expands: true}
				e.ports, _ = parsePorts("2,1")
				fmt.Fprintln(&text, e.String())
				for i := range part.n {
					note(e.iv.first.plus(i).key(1).AddrPort())
					note(e.iv.first.plus(i).key(2).AddrPort())
				}
			}
			all, c := drain(t, Config{Dedup: true, Files: file(text.String()), Shuffle: true}, 256)
			require.Equal(t, duplicates, c.Duplicates)
			require.Len(t, all, len(want))
			for _, target := range all {
				if !want[target.Key.AddrPort()] {
					t.Fatalf("%v is no target, or came twice", target.Key.AddrPort())
				}
				delete(want, target.Key.AddrPort())
			}
		})
	}
}

// FuzzDedup makes lines that overlap in a small world and compares what comes of
// them with a map.
func FuzzDedup(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint64(1), uint8(3), true)
	f.Add([]byte("\x03\x10\x20\x01\x00\x15\x00\x00\x03\x00\x3f\x02\x00\x20\x00\x01"), uint64(2), uint8(0), false)
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x3f\x05\x02\x3f\x00\x04\x04\x05\x05\x05"), uint64(3), uint8(9), true)
	f.Add([]byte{}, uint64(0), uint8(0), true)
	f.Fuzz(func(t *testing.T, script []byte, seed uint64, options uint8, inFile bool) {
		if len(script) > 400 {
			script = script[:400]
		}
		base4, base6 := address4(0x7f000000), address{0x20010db8_00000000, 0}
		block := &AddrSet{ivs: []interval{{base4.plus(20), base4.plus(23)}, {base6.plus(60), base6.plus(99)}}}
		lists := []string{"1", "2", "1-2", "2,1", "1-40", "3-3"}
		seen := make(map[netip.AddrPort]bool)
		var want Counts
		var lines []string
		for ; len(script) >= 4; script = script[4:] {
			base := base4
			if script[0]&8 != 0 {
				base = base6
			}
			first := base.plus(uint64(script[1] % 64))
			last := first.plus(uint64(script[2] % 64))
			ports, err := parsePorts(lists[int(script[3])%len(lists)])
			require.NoError(t, err)
			e := entry{iv: interval{first, last}, expands: true, ports: ports}
			if script[0]&3 == 0 {
				e.iv, e.expands = single(first), false
			}
			lines = append(lines, e.String())
			for a := e.iv.first; ; a = a.plus(1) {
				for i := range ports.Len() {
					ap := a.key(ports.At(i)).AddrPort()
					switch blocked := block.contains(a) || a == (address{}); {
					case blocked && e.expands:
						want.Blocked++
						want.Blocklisted++
					case seen[ap]:
						want.Duplicates++
					default:
						seen[ap] = true
						want.Targets++
						if blocked {
							want.Blocked++
							want.Blocklisted++
						} else {
							want.Allowed++
						}
					}
				}
				if a == e.iv.last {
					break
				}
			}
		}
		want.Lines = uint64(len(lines))
		cfg := Config{Dedup: true, Blocklist: block, Seed: seed, Shuffle: options&1 != 0, Args: lines}
		if inFile && len(lines) > 0 { // a file without a target is an error
			cfg.Args, cfg.Files = nil, file(strings.Join(lines, "\n"))
		}
		cfg.Shards = 1
		all, got := drain(t, cfg, 1+int(options>>2))
		require.Equal(t, want, got, "%q", lines)
		numbers := make(map[uint64]bool)
		for _, target := range all {
			ap := target.Key.AddrPort()
			if !seen[ap] || target.Seq >= want.Targets || block.Contains(ap.Addr()) != (target.Refusal == Blocked) {
				t.Fatalf("%v is no target, came twice, has a wrong number or refusal: %+v of %q", ap, target, lines)
			}
			delete(seen, ap)
			numbers[target.Seq] = true
		}
		require.Len(t, numbers, len(all))
	})
}

// plainLines returns n different lines in canonical form.
func plainLines(n int) []byte {
	var b []byte
	for i := range uint32(n) {
		k := address4(0x01000000 + i*2654435761%0x7F000000).key(27015)
		b = k.AddrPort().AppendTo(b)
		b = append(b, '\n')
	}
	return b
}

// endless is a list of different plain lines that does not end.
type endless struct {
	next uint32
	buf  [32]byte
	line []byte // what is left of the line before, in buf
}

func (r *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.line) == 0 {
			k := address4(0x01000000 + r.next*2654435761%0x7F000000).key(27015)
			r.line = append(k.AddrPort().AppendTo(r.buf[:0]), '\n')
			r.next++
		}
		c := copy(p[n:], r.line)
		n, r.line = n+c, r.line[c:]
	}
	return n, nil
}

func TestPlainLinesDoNotAllocate(t *testing.T) {
	for name, cfg := range map[string]Config{
		"with dedup":    {Dedup: true}, // but for a chunk of the set every 45,000 targets
		"without dedup": {},
		"as a shard":    {Shards: 2, Shard: 1},
		"shuffled":      {Shuffle: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Files = []File{{"list.txt", new(endless)}}
			l, err := NewList(cfg)
			require.NoError(t, err)
			defer l.Close()
			dst := make([]Target, 256)
			next := func() {
				if _, err := l.Next(context.Background(), dst); err != nil {
					t.Fatal(err)
				}
			}
			for range 600 { // two windows and more
				next()
			}
			require.Zero(t, testing.AllocsPerRun(300, next))
		})
	}
}

func BenchmarkNext(b *testing.B) {
	text := plainLines(1 << 20)
	other := bytes.ReplaceAll(text, []byte(":27015"), []byte(" eu"))
	object := append(bytes.ReplaceAll(bytes.TrimSpace(text), []byte(":27015\n"), []byte("\",\"port\":27015}\n{\"ip\":\"")), '\n')
	object = append([]byte(`{"ip":"`), bytes.Replace(object, []byte(":27015\n"), []byte("\"}\n"), 1)...)
	for _, bench := range []struct {
		name string
		text []byte
		cfg  Config
	}{
		{"plain", text, Config{}},
		{"plain dedup", text, Config{Dedup: true}},
		{"plain shuffle", text, Config{Shuffle: true}},
		{"tagged default port", other, Config{Dedup: true}},
		{"objects", object, Config{Dedup: true}},
		{"prefix", []byte("10.0.0.0/12\n"), Config{Dedup: true}},
		{"prefix shuffle", []byte("10.0.0.0/12\n"), Config{Dedup: true, Shuffle: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]Target, 256)
			targets := 0
			for targets < b.N {
				cfg := bench.cfg
				cfg.Files = []File{{"list.txt", bytes.NewReader(bench.text)}}
				l, err := NewList(cfg)
				require.NoError(b, err)
				for targets < b.N {
					n, err := l.Next(context.Background(), dst)
					targets += n
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(b, err)
				}
				if targets == 0 {
					b.Fatal(l.Counts())
				}
				l.Close()
			}
		})
	}
}

// Has knows every address and port that was read, while the list is being read.
func TestListHas(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "10.0.%d.%d:27016\n", i/256, i%256)
	}
	l, err := NewList(Config{
		Args:  []string{"192.0.2.0/24:27015,27020", "[2001:db8::1]:7", "one.example:27015"},
		Files: []File{{Name: "list", R: strings.NewReader(text.String())}}, Dedup: true, NoLookups: true,
	})
	require.NoError(t, err)
	defer l.Close()
	has := func(s string) bool { return l.Has(mux.KeyFrom(netip.MustParseAddrPort(s))) }
	require.True(t, has("192.0.2.77:27020"))
	require.True(t, has("[2001:db8::1]:7"))
	require.False(t, has("192.0.2.77:27016"))
	require.False(t, has("10.0.0.1:27016"), "not read yet")
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				has("10.0.0.1:27016")
			}
		}
	})
	for {
		batch := make([]Target, 100)
		if _, err := l.Next(t.Context(), batch); err != nil {
			break
		}
	}
	close(stop)
	asking.Wait()
	require.True(t, has("10.0.19.135:27016"))
	require.False(t, has("10.0.19.136:27016"))
}
