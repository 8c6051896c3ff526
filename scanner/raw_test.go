package scanner

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// received returns the datagrams of rec that came.
func received(rec output.Record) (list [][]byte) {
	for _, d := range rec.Raw {
		if !d.Sent {
			list = append(list, d.Data)
		}
	}
	return list
}

// requireReceived finds all of want in rec, in that order.
func requireReceived(t *testing.T, rec output.Record, want ...[]byte) {
	t.Helper()
	have := received(rec)
	for _, b := range want {
		at := slices.IndexFunc(have, func(h []byte) bool { return bytes.Equal(h, b) })
		require.GreaterOrEqual(t, at, 0, "missing in its place: %.20q", b)
		have = have[at+1:]
	}
	require.True(t, slices.IsSortedFunc(rec.Raw, func(a, b output.Datagram) int { return int(a.Time - b.Time) }))
}

// Whatever else a server sends, what was taken is in its record, in its place, and how
// much is not is counted.
func TestRawKeepsWhatWasTaken(t *testing.T) {
	large := func(begin string, i int) []byte {
		return append(append([]byte(begin), strconv.Itoa(i)...), make([]byte, 60_000)...)
	}
	rules := rulesReply("name", "a value", "other", "another value")
	floods := map[string]func(i int) []byte{
		"what does not parse":       func(i int) []byte { return large("noise", i) },
		"many short ones":           func(i int) []byte { return []byte("n" + strconv.Itoa(i)) },
		"pings' answers":            func(i int) []byte { return large("\xFF\xFF\xFF\xFFj", i) },
		"one challenge again":       func(int) []byte { return challengeReply(9) },
		"answers that do not parse": func(i int) []byte { return append([]byte("\xFF\xFF\xFF\xFFI"), bytes.Repeat([]byte{'x'}, 60_000)...) },
		"fragments of nothing": func(i int) []byte {
			b := binary.LittleEndian.AppendUint32([]byte{0xFE, 0xFF, 0xFF, 0xFF}, uint32(1000+i))
			return append(append(b, 60, byte(i%60), 0xE0, 0x04), make([]byte, 1200)...)
		},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			cfg := rigConfig(allKinds)
			cfg.Raw = true
			r := newRig(t, cfg, rigTargets(1)...)
			k := rigKey(0)
			n := 0
			noise := func() {
				for range 600 {
					r.reply(k, flood(n))
					n++
				}
				require.Less(t, r.e.store.Used(), 1<<20)
				r.advance(time.Millisecond)
			}
			parts := fragments(77, 10, rules)
			r.reply(k, challengeReply(9))
			noise()
			r.reply(k, parts...)
			noise()
			r.reply(k, playersReply("p"))
			noise()
			r.reply(k, infoReply("x"))
			rec := r.record(0)
			require.Equal(t, output.Success, rec.Status)
			want := append(slices.Clone(parts), playersReply("p"), infoReply("x"))
			if name != "fragments of nothing" { // there it is a step that has made way
				want = append([][]byte{challengeReply(9)}, want...)
			}
			requireReceived(t, rec, want...)
			st := r.e.Stats()
			require.EqualValues(t, rec.PacketsReceived-len(received(rec)), st.RawLeft)
			require.Positive(t, st.RawLeft)
			require.EqualValues(t, 1, st.RawShort)
		})
	}
}

// Four answers of the largest size have room, whatever came before.
func TestRawHasRoomForTheLongestAnswers(t *testing.T) {
	cfg := rigConfig(allKinds)
	cfg.Raw = true
	r := newRig(t, cfg, rigTargets(1)...)
	k := rigKey(0)
	pad := func(b []byte) []byte { return append(b, make([]byte, 65527-len(b))...) }
	list := [][]byte{pad(goldSourceReply("old")), pad(infoReply("new")), pad(playersReply("p")), pad(rulesReply("a", "b"))}
	r.reply(k, challengeReply(9))
	for i := range 500 {
		r.reply(k, pad([]byte("noise")), fragments(uint32(i), 1000, make([]byte, 3000))[1])
	}
	r.reply(k, list...)
	requireReceived(t, r.record(0), list...)
}

// A compressed reply that has waited for inflation budget is whole all the same, whatever
// came meanwhile and afterwards.
func TestRawOfADeferredReply(t *testing.T) {
	cfg := rigConfig(proto.WantInfo | proto.WantRules)
	cfg.Raw = true
	r := newRig(t, cfg, rigTargets(40)...)
	k := rigKey(0)
	message := rulesReply("name", "a value")
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 20, ID: 3, Packed: prototest.AppendBZip2(nil, message)}
	var parts [][]byte
	for i := range sp.Fragments(message) {
		parts = append(parts, sp.AppendFragment(nil, message, i))
	}
	r.reply(k, challengeReply(9))
	var pairs []string
	for i := range 1000 {
		pairs = append(pairs, "rule"+strconv.Itoa(i), "a value that is repeated very often, and long")
	}
	r.e.BeginTurn()
	for i := 1; r.e.client.CanInflate(); i++ {
		r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: rigKey(i), Data: compressed(1, rulesReply(pairs...))})
	}
	for _, b := range parts {
		r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: k, Data: b})
	}
	require.True(t, r.e.slab.slots[0].q.Deferred())
	r.turn()
	require.False(t, r.e.slab.slots[0].q.Deferred())
	for i := range 1000 {
		r.reply(k, fragments(uint32(100+i), 1000, make([]byte, 3000))[1])
	}
	r.reply(k, infoReply("x"))
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	requireReceived(t, rec, append(parts, infoReply("x"))...)
}
