package proto_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// reply returns the fragments of a reply that declares to hold message and has the
// bytes of packed instead.
func reply(id uint32, message, packed []byte) (datagrams [][]byte) {
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 1240, ID: id, Packed: packed}
	for i := range sp.Fragments(message) {
		datagrams = append(datagrams, sp.AppendFragment(nil, message, i))
	}
	return datagrams
}

// see gives q the whole reply and returns the verdict on its last datagram.
func see(c *proto.Client, q *proto.Query, datagrams [][]byte) (out proto.Output) {
	for _, d := range datagrams {
		out = c.HandleDatagram(q, 10*millisecond, d)
	}
	return out
}

// noise returns n bytes that can't be compressed.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestDearRepliesAreNotOpened: no honest server writes a reply that takes so long to
// decompress for its declared size. Each of the first ones would take a turn or more.
func TestDearRepliesAreNotOpened(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    string
		free   bool // its length alone tells
		size   int
		packed func(message []byte) []byte
	}{
		{"a block for each byte", "too long", true, 1000, func(m []byte) []byte { return prototest.AppendBZip2Blocks(nil, m, 1) }},
		{"no longer than it might be", "blocks", false, 20, func(m []byte) []byte { return prototest.AppendBZip2Blocks(nil, m, 1) }},
		{"not even that, and long", "blocks", false, 60_000, func(m []byte) []byte { return prototest.AppendBZip2Blocks(nil, m, 100) }},
		{"two blocks at no place where bytes begin", "blocks", false, 3, func(m []byte) []byte { return prototest.AppendBZip2Blocks(nil, m, 2) }},
		{"two streams", "blocks", false, 2000, func(m []byte) []byte {
			return prototest.AppendBZip2(prototest.AppendBZip2(nil, m[:1000]), m[1000:])
		}},
		{"streams without a block, which take room for larger and larger ones", "blocks", false, 2000, func(m []byte) (b []byte) {
			for level := range byte(8) {
				b = prototest.AppendBZip2(b, nil)
				b[len(b)-11] += level
			}
			return prototest.AppendBZip2(b, m)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			message := append([]byte("\xff\xff\xff\xffE"), bytes.Repeat([]byte("x"), tt.size)...)[:tt.size]
			packed := tt.packed(message)

			_, messages := converse(reply(1, message, packed)...)
			require.Len(t, messages, 1)
			require.ErrorContains(t, messages[0].Err, tt.err)

			c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
			whole := c.InflateLeft()
			q := ask(c)
			for id := range uint32(10) {
				require.Equal(t, proto.Malformed, see(c, q, reply(id, message, packed)).Verdict)
			}
			looked := 0
			if !tt.free {
				looked = 4 * 2 * len(packed) // after which this server's are not even looked at
			}
			require.Equal(t, looked, whole-c.InflateLeft())
			c.BeginTurn()
			verdict := see(c, q, reply(99, rulesPayload(3), prototest.AppendBZip2(nil, rulesPayload(3)))).Verdict
			if tt.free {
				require.Equal(t, proto.Answer, verdict, "nothing was opened in vain")
			}
			require.Zero(t, c.ReassemblyUsed())
		})
	}
}

// TestWhatHonestServersPackIsOpened: also data that cannot be compressed at all, and data
// with the most blocks.
func TestWhatHonestServersPackIsOpened(t *testing.T) {
	for name, content := range map[string][]byte{
		"nothing":                 []byte("\x00\x00"),
		"noise":                   noise(100),
		"noise of 5 kB":           noise(5000),
		"noise of two blocks":     noise(110_000),
		"runs that become longer": bytes.Repeat([]byte("aaaabbbb"), 40_000),
		"zeros":                   make([]byte, 500_000),
		"text":                    []byte(strings.Repeat("sv_gravity\x00800\x00", 20_000)),
	} {
		t.Run(name, func(t *testing.T) {
			message := append([]byte("\xff\xff\xff\xffE"), content...)
			c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
			out := see(c, ask(c), reply(1, message, prototest.AppendBZip2(nil, message)))
			require.Equal(t, proto.Answer, out.Verdict)
			require.True(t, bytes.Equal(message[4:], out.Body))
		})
	}
}

// TestCompressedBytesAreCharged: a reply that can't be compressed takes thrice the
// time of text that comes to as many bytes.
func TestCompressedBytesAreCharged(t *testing.T) {
	message := append([]byte("\xff\xff\xff\xffE"), noise(60_000)...)
	packed := prototest.AppendBZip2(nil, message)
	c := newClient(t, proto.Config{ReassemblyBytes: 8 << 20})
	whole := c.InflateLeft()
	require.Equal(t, proto.Answer, see(c, ask(c), reply(1, message, packed)).Verdict)
	require.Equal(t, len(message)+2*len(packed)+64<<10, whole-c.InflateLeft())
	opened := 1
	for see(c, ask(c), reply(1, message, packed)).Verdict == proto.Answer {
		opened++
	}
	require.Equal(t, 3, opened)
}

// TestRepliesThatDoNotDecodeAreOpenedFourTimes: a compressed reply that looks like the
// answer until it is decoded was opened in vain like any other.
func TestRepliesThatDoNotDecodeAreOpenedFourTimes(t *testing.T) {
	good := "\xff\xff\xff\xffI\x11a\x00b\x00c\x00d\x00\x00\x00\x01\x02\x00dl\x00\x011.0\x00\x00"
	for _, tt := range []struct {
		name  string
		first string // comes before, uncompressed
		reply string
	}{
		{"as an answer", "", "\xff\xff\xff\xffI, it says"},
		{"as a better one", string(canned["old-info"]), "\xff\xff\xff\xffI, it says"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
			q := new(proto.Query)
			c.Begin(q, proto.WantInfo|proto.WantRules)
			c.Transmit(nil, q, 0)
			opened := 0
			for id := range uint32(12) {
				if tt.first != "" && id == 0 {
					require.Equal(t, proto.Answer, c.HandleDatagram(q, 10*millisecond, []byte(tt.first)).Verdict)
				}
				c.BeginTurn()
				whole := c.InflateLeft()
				out := see(c, q, reply(id, []byte(tt.reply), prototest.AppendBZip2(nil, []byte(tt.reply))))
				require.Equal(t, proto.Malformed, out.Verdict)
				if c.InflateLeft() < whole {
					opened++
				}
			}
			require.Equal(t, 4, opened)
			if tt.first == "" {
				require.Equal(t, proto.Answer, c.HandleDatagram(q, 10*millisecond, []byte(good)).Verdict, "it can still say so plainly")
			}
		})
	}

	t.Run("the plain ones do not count", func(t *testing.T) {
		c := newClient(t, proto.Config{ReassemblyBytes: 1 << 20})
		q := new(proto.Query)
		c.Begin(q, proto.WantInfo|proto.WantRules)
		c.SetChallenge(q, 7)
		c.Transmit(nil, q, 0)
		c.Transmit(nil, q, 0)
		rules := rulesPayload(30)
		require.Equal(t, proto.Answer, see(c, q, reply(1, rules, prototest.AppendBZip2(nil, rules))).Verdict)
		for range 10 {
			require.Equal(t, proto.Malformed, c.HandleDatagram(q, 10*millisecond, []byte("\xff\xff\xff\xffI, it says")).Verdict)
		}
		require.Equal(t, proto.Answer, see(c, q, reply(2, []byte(good), prototest.AppendBZip2(nil, []byte(good)))).Verdict)
	})
}

// BenchmarkInflatePerUnit measures a unit of the inflation budget in the replies that take
// the longest per unit.
func BenchmarkInflatePerUnit(b *testing.B) {
	text := rulesPayload(40_000)
	for name, message := range map[string][]byte{
		"6kB":   rulesPayload(400),
		"text":  text[:min(len(text), 500_000)],
		"noise": append([]byte("\xff\xff\xff\xffE"), noise(200_000)...),
	} {
		b.Run(name, func(b *testing.B) {
			datagrams := reply(1, message, prototest.AppendBZip2(nil, message))
			c := newClient(b, proto.Config{ReassemblyBytes: 1 << 20})
			units := 0
			for b.Loop() {
				c.BeginTurn()
				whole := c.InflateLeft()
				if out := see(c, ask(c), datagrams); out.Verdict != proto.Answer {
					b.Fatal(fmt.Sprint(out.Verdict))
				}
				units += whole - c.InflateLeft()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(units), "ns/unit")
		})
	}
}
