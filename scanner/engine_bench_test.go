package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/linewriter"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

// A benchRig is an engine at full speed, less the socket: batches go out, and
// the answers to them come in at once. What it costs per target is what a scan
// adds to the system calls.
type benchRig struct {
	e       *engine
	now     proto.Time
	tx      *mux.Batch
	list    []targets.Target
	next    int
	replies [2][]byte // to a request without a challenge and with one
	in      []mux.Packet
	step    time.Duration // of the clock, each turn
}

func newBenchRig(b *testing.B, silent bool, replies [2][]byte) *benchRig {
	cfg := DefaultConfig()
	cfg.Rate, cfg.PerIPRate, cfg.Retries = 0, 0, 0
	r := &benchRig{replies: replies, step: 10 * time.Microsecond, list: make([]targets.Target, feedBatch), in: make([]mux.Packet, 0, cfg.Batch)}
	if silent {
		r.step = 10 * time.Millisecond // 100 turns to a timeout, 64 targets each
	}
	e, err := newEngine(cfg, time.Unix(1_800_000_000, 0))
	require.NoError(b, err)
	e.TakeOutput(make([]byte, 0, 4*linewriter.BufferSize))
	r.e, r.tx = e, mux.NewBatch(cfg.Batch, maxRequest)
	return r
}

// settle runs turns of the loop until n more targets are settled.
func (r *benchRig) settle(n uint64) {
	for want := r.e.stats.Done + n; r.e.stats.Done < want; {
		r.now = r.now.Add(r.step)
		r.e.BeginTurn()
		for i := range r.in {
			r.e.HandlePacket(r.now, r.now, &r.in[i])
		}
		r.e.HandleTimeout(r.now)
		r.e.Judge(r.now, noDrops)
		if r.e.NeedsTargets() {
			for i := range r.list {
				r.list[i] = targets.Target{Key: mux.KeyFrom(simAddr(uint64(r.next))), Seq: uint64(r.next)}
				r.next++
			}
			r.e.Feed(r.list)
		}
		r.e.transmit(r.now, r.tx)
		r.in = r.in[:0]
		for i := range r.tx.Len() {
			p := r.tx.Packet(i)
			reply := r.replies[0]
			if len(p.Data) > 25 {
				reply = r.replies[1]
			}
			if reply != nil {
				r.in = append(r.in, mux.Packet{Peer: p.Peer, Data: reply})
			}
		}
		if out := r.e.Output(); len(out) > linewriter.BufferSize {
			r.e.TakeOutput(out[:0])
		}
	}
}

// BenchmarkEngine is one target from its admission to its record.
func BenchmarkEngine(b *testing.B) {
	world := &prototest.World{}
	replies := prototest.NewReplies(0)
	at := prototest.EndpointFrom(simAddr(4))
	world.Answer(replies, 0, at, at, proto.KindInfo.AppendRequest(nil, proto.NoChallenge))
	info, _ := replies.Datagram(0)
	challenge := prototest.AppendChallenge(nil, 77)
	for _, c := range []struct {
		name    string
		silent  bool
		replies [2][]byte
	}{
		{"info", false, [2][]byte{info, nil}},
		{"challenge", false, [2][]byte{challenge, info}},
		{"silent", true, [2][]byte{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newBenchRig(b, c.silent, c.replies)
			r.settle(20_000) // what is made once is made
			sent, received := r.e.stats.Sent, r.e.stats.Received
			b.ReportAllocs()
			b.ResetTimer()
			r.settle(uint64(b.N))
			b.StopTimer()
			packets := r.e.stats.Sent - sent + r.e.stats.Received - received
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
			if !c.silent {
				require.Zero(b, r.e.stats.Statuses[output.Timeout])
			}
		})
	}
}

// BenchmarkEngineStray is a datagram from an address that was not asked: what a flood of
// them costs.
func BenchmarkEngineStray(b *testing.B) {
	r := newBenchRig(b, false, [2][]byte{})
	p := mux.Packet{Data: []byte("\xff\xff\xff\xffI\x11nobody\x00")}
	b.ReportAllocs()
	for i := range b.N {
		p.Peer = mux.KeyFrom(simAddr(uint64(i)))
		r.e.HandlePacket(r.now, r.now, &p)
	}
	require.Equal(b, uint64(b.N), r.e.stats.Unmatched)
}
