package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

func TestTwinsInOrder(t *testing.T) {
	var w twins
	w.release(rigKey(1))
	for seq := range uint64(6) {
		w.add(&targets.Target{Key: rigKey(int(seq % 2)), Seq: seq})
	}
	w.release(rigKey(2))
	require.Empty(t, w.due)
	for _, want := range []uint64{0, 2, 1, 4, 3, 5} {
		w.release(rigKey(int(want % 2)))
		require.Len(t, w.due, 1)
		require.Equal(t, want, w.due[0].Seq)
		w.due = w.due[1:]
	}
	require.True(t, w.none())
	require.Empty(t, w.behind)
}

// A thousand names of one server are asked one after the other, at the pace of
// their address, and each has its record.
func TestTwinsKeepTheirAddressesPace(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.PerIPRate = 10
	list := rigTargets(100)
	for i := range list {
		list[i].Key = list[0].Key
	}
	r := newRig(t, cfg, list...)
	var at []proto.Time
	for !r.e.Finished() {
		for _, p := range r.take() {
			at = append(at, p.at)
			r.reply(p.to, infoReply("x"))
		}
		if next, ok := r.e.Deadline(r.now, false); ok {
			r.now = max(next, r.now+1000)
			r.turn()
		}
	}
	require.Len(t, at, 100)
	requireWindows(t, at, 10, hostBurst(10))
	r.finish()
	require.EqualValues(t, 100, r.e.Stats().Statuses[output.Success])
}

// While too many wait for each other the input waits too.
func TestTwinsAreBounded(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Rate = 0
	e, err := newEngine(cfg, time.Unix(0, 0))
	require.NoError(t, err)
	list := make([]targets.Target, maxParked+100)
	for i := range list {
		list[i] = targets.Target{Key: rigKey(1), Seq: uint64(i)}
	}
	e.Feed(list)
	e.EndFeed()
	tx := mux.NewBatch(10, maxRequest)
	e.transmit(0, tx)
	require.Equal(t, 1, e.InFlight())
	require.Equal(t, maxParked, e.Stats().Parked)
	require.Equal(t, maxParked+1, e.feedAt)
	require.False(t, e.Finished())
	info := infoReply("x")
	for range list {
		require.Equal(t, 1, e.InFlight())
		e.HandlePacket(0, 0, &mux.Packet{Peer: rigKey(1), Data: info})
		e.transmit(0, tx)
		e.TakeOutput(e.Output()[:0])
	}
	require.True(t, e.Finished())
	require.EqualValues(t, len(list), e.Stats().Statuses[output.Success])
}

// Stop gives them back as it does all that is not in flight.
func TestTwinsStop(t *testing.T) {
	list := rigTargets(3)
	list[1].Key, list[2].Key = list[0].Key, list[0].Key
	r := newRig(t, rigConfig(proto.WantInfo), list...)
	r.e.Stop()
	require.False(t, r.e.Finished())
	r.reply(rigKey(0), infoReply("x"))
	require.Len(t, r.records, 1)
	r.finish()
}
