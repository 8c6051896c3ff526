package scanner

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// randomOutcome is one in the range of what an engine makes.
func randomOutcome(r *rand.Rand) outcome {
	words := func(most int) []byte {
		b := make([]byte, r.IntN(most))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	o := outcome{
		seq: r.Uint64(), key: mux.Key{Hi: r.Uint64(), Lo: r.Uint64(), Scope: r.Uint32(), Port: uint16(r.Uint32())},
		start: proto.Time(r.Int64()), duration: time.Duration(r.Int64()), bytes: r.Uint32(),
		sent: uint16(r.Uint32()), heard: uint16(r.Uint32()), status: output.Status(r.IntN(output.NumStatuses)),
		kinds: proto.Kinds(r.IntN(8)), refusal: targets.Refusal(r.IntN(4)), challenged: r.IntN(2) == 0, raw: r.IntN(2) == 0,
		given: uint16(r.Uint32()), ports: uint8(r.Uint32()),
		input: words(40), tag: words(20), source: words(80), problem: words(60), parts: []byte{},
	}
	for k := range o.results {
		o.results[k] = proto.Result{
			Answered: r.IntN(2) == 0, Reason: proto.Reason(r.Uint32()), Attempts: r.IntN(1 << 16),
			RTT: time.Duration(r.IntN(1<<32-1)) * time.Microsecond, Got: r.IntN(1 << 16), Total: r.IntN(1 << 16),
		}
		if r.IntN(3) == 0 {
			o.results[k].RTT = -1
		}
	}
	return o
}

// What is written down is what is read, field by field, one outcome after another.
func TestOutcomesSurviveTheirBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var buf []byte
		type part struct {
			tag uint32
			b   []byte
		}
		list := make([]outcome, 1+r.IntN(5))
		parts := make([][]part, len(list))
		for i := range list {
			list[i] = randomOutcome(r)
			var at int
			buf, at = list[i].append(buf)
			for range r.IntN(4) {
				p := part{r.Uint32(), bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))}
				parts[i] = append(parts[i], p)
				buf = appendPart(buf, p.tag, p.b)
			}
			buf = endOutcome(buf, at)
		}
		for i := range list {
			var got outcome
			buf = got.parse(buf)
			var read []part
			for rest := got.parts; len(rest) > 0; {
				var p part
				p.tag, p.b, rest = nextPart(rest)
				read = append(read, p)
			}
			require.Equal(t, parts[i], read)
			got.parts = list[i].parts
			require.Equal(t, list[i], got)
		}
		require.Empty(t, buf)
	}
	require.Equal(t, 20, reflect.TypeFor[outcome]().NumField(), "a new field is to be written, read, and made at random above")
}

// The lines come in portions of the size that is asked for, and none is lost or split.
func TestLinesComeInPortions(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo))
	list := rigTargets(50)
	e, err := newEngine(r.e.cfg, time.Unix(0, 0))
	require.NoError(t, err)
	e.Feed(list)
	tx := mux.NewBatch(64, maxRequest)
	now := proto.Time(time.Second)
	e.transmit(now, tx)
	for i := range list {
		e.HandlePacket(now, now, &mux.Packet{Peer: rigKey(i), Data: infoReply("x")})
	}
	rec := newRecorder(e.wall)
	for _, enough := range []int{0, 1, 1000, 5000, 1 << 20} {
		var all []byte
		calls := 0
		for rest := e.Output(); len(rest) > 0; calls++ {
			var lines []byte
			lines, rest = rec.lines(nil, rest, enough)
			require.True(t, bytes.HasSuffix(lines, []byte("}\n")))
			require.Less(t, len(lines), enough+2000, "one line more than enough at most")
			all = append(all, lines...)
		}
		seq := 0
		for line := range bytes.Lines(all) {
			var p output.Record
			require.NoError(t, output.Unmarshal(line, &p))
			require.EqualValues(t, seq, p.Seq)
			seq++
		}
		require.Equal(t, 50, seq)
		if enough == 0 {
			require.Equal(t, 50, calls)
		}
	}
}
