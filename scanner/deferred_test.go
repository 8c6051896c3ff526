package scanner

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// compressed returns message as one compressed datagram.
func compressed(id uint32, message []byte) []byte {
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 1 << 15, ID: id, Packed: prototest.AppendBZip2(nil, message)}
	return sp.AppendFragment(nil, message, 0)
}

// C3, P1: more servers than are dealt with in one step send small datagrams that
// become much, as fast as they can. Nobody else's deadline waits for them, nobody's
// time is longer for it, and a compressed reply that is one is read.
func TestC3_FleetOfBombs(t *testing.T) {
	const hostile = 2 * expireStep
	if raceEnabled {
		t.Skip("bzip2 is minutes under the race detector; nothing here is concurrent")
	}
	cfg := rigConfig(proto.WantRules)
	cfg.MaxInFlight = 256
	cfg.Retries = 2
	cfg.Timeout, cfg.TargetTimeout = 200*time.Millisecond, 3*time.Second
	r := newRig(t, cfg, rigTargets(hostile+2)...)
	silent, honest := hostile, hostile+1
	r.e.client.BeginTurn()

	bomb := compressed(1, bytes.Repeat([]byte("\xff\xff\xff\xffZ"), 4000)) // 20 KB of nothing that was asked for
	require.Less(t, len(bomb), 200)
	for ms := range 3100 {
		if ms%25 == 0 {
			bomb[4] = byte(ms / 25) // another reply each time
			for i := range hostile {
				r.reply(rigKey(i), bomb)
			}
		}
		if ms == 120 {
			r.reply(rigKey(honest), compressed(9, rulesReply("sv_gravity", "800")))
		}
		r.advance(time.Millisecond)
	}
	require.Len(t, r.records, hostile+2)
	const tick = float64(1<<tickBits)/1e6 + 1
	for seq, rec := range r.records {
		require.LessOrEqual(t, ms(rec.Duration), 3000+tick, "target %d", seq)
	}
	rec := r.record(uint64(silent))
	require.Equal(t, output.Timeout, rec.Status)
	require.Equal(t, 3, rec.Attempts)
	require.InDelta(t, 200+2*200+4*200, ms(rec.Duration), (2+4)*200/8+3*tick)
	rec = r.record(uint64(honest))
	require.Equal(t, output.Success, rec.Status)
	require.Less(t, ms(rec.Duration), 1000.0)
	require.Equal(t, output.ProtocolError, r.record(0).Status)
	r.finish()
}

// C3, P1: replies that come to little and take long to decompress: 16 servers end one in
// the same turn. None is opened, and an honest one behind them is answered in that turn.
func TestC3_DearReplies(t *testing.T) {
	const hostile = 16
	for _, tt := range []struct {
		name      string
		size, run int // of the reply, and of each of its blocks
	}{
		{"by their length", 1000, 1},
		{"by their blocks", 2000, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, rigConfig(proto.WantRules), rigTargets(hostile+1)...)
			message := append([]byte("\xff\xff\xff\xffE"), make([]byte, tt.size-5)...)
			sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 1240, ID: 1, Packed: prototest.AppendBZip2Blocks(nil, message, tt.run)}
			last := sp.Fragments(message) - 1
			for i := range hostile {
				for part := range last {
					r.reply(rigKey(i), sp.AppendFragment(nil, message, part))
				}
			}
			var packets []mux.Packet
			for i := range hostile {
				packets = append(packets, mux.Packet{Peer: rigKey(i), Data: sp.AppendFragment(nil, message, last)})
			}
			packets = append(packets, mux.Packet{Peer: rigKey(hostile), Data: compressed(9, rulesReply("sv_gravity", "800"))})
			r.turn(packets...)
			require.Equal(t, output.Success, r.record(hostile).Status)
			require.True(t, r.e.client.CanInflate())
			require.EqualValues(t, hostile, r.e.stats.Malformed)
			r.finish()
			require.Equal(t, output.ProtocolError, r.record(0).Status)
		})
	}
}

// C3, P1: replies that look like the answer until they are decoded, each of which takes
// all that a turn may decompress: four of a server's are opened.
func TestC3_RejectedReplies(t *testing.T) {
	message := append([]byte("\xff\xff\xff\xffI"), bytes.Repeat([]byte("x"), 600_000)...) // a name without an end
	reply := compressed(0, message)
	r := newRig(t, rigConfig(proto.WantInfo), rigTargets(1)...)
	opened := 0
	for id := range byte(12) {
		reply[4] = id
		r.e.BeginTurn()
		r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: rigKey(0), Data: reply})
		if !r.e.client.CanInflate() {
			opened++
		}
	}
	require.Equal(t, 4, opened)
	require.EqualValues(t, 12, r.e.stats.Malformed)
	r.finish()
	require.Equal(t, output.ProtocolError, r.record(0).Status)
}

// Who waits for budget is served in the order of waiting, whatever becomes of the slots.
func TestDeferredQueue(t *testing.T) {
	var d deferred
	var want []uint32
	next := uint32(0)
	for round := range 1000 {
		for range round % 7 {
			d.push(next)
			want = append(want, next)
			next++
		}
		for range round % 6 {
			i, ok := d.pop()
			require.Equal(t, len(want) > 0, ok)
			if ok {
				require.Equal(t, want[0], i)
				want = want[1:]
			}
		}
		require.Equal(t, len(want) > 0, d.waiting())
	}
	require.Less(t, cap(d.slots), 4*len(want)+64, "it moves up rather than grow")
}
