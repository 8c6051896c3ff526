package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/linewriter"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// What users are promised in numbers stands here in numbers, so that a constant
// that changes is noticed: other tests follow the constants.
func TestT3_BurstInNumbers(t *testing.T) {
	for rate, burst := range map[float64]int{1: 2, 400: 2, 2000: 10, 10_000: 50, 1e6: 5000} {
		b := newBudget(rate, 0)
		b.spend(0, b.available(0, 1), 25)
		// After an hour of nothing so many go at once, and no more.
		require.Equal(t, burst, b.available(proto.Time(time.Hour), 1<<20), "rate %v", rate)
	}
}

// While the sink is stuck as many targets are taken in as the writer has buffers for,
// and not as many as memory beyond them: that is for the answers which are still to come.
func TestO2_AdmissionWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	virtual(t, func(s *scan) {
		cfg := scanConfig()
		cfg.Kinds = allKinds
		cfg.Rate = 20_000
		s.sink.stick(30 * time.Second)
		const n = 5000
		result, err := s.run(s.t.Context(), cfg, &countSource{n: n})
		require.NoError(s.t, err)
		s.requireWhole(result)
		asked := map[mux.Key]bool{}
		for _, p := range s.sends {
			if p.at.Sub(s.start) < 29*time.Second {
				asked[p.to] = true
			}
		}
		perTarget := int64(outcomeFixed) + int64(result.Stats.BytesReceived)/n*9/10 // but for headers and challenges
		room := 16 * linewriter.BufferSize / perTarget
		s.t.Logf("%d targets taken in, %d fit into the writer's buffers", len(asked), room)
		require.LessOrEqual(s.t, int64(len(asked)), room+int64(cfg.MaxInFlight))
		require.Less(s.t, len(asked), n)
	})
}

// Deadlines are dealt with up to a time before the datagrams that were just read. A
// target that ends so has lasted until then, and no round trip is longer than that.
func TestT2_NoRoundTripIsLongerThanItsTarget(t *testing.T) {
	r := newRig(t, rigConfig(proto.WantInfo|proto.WantRules), rigTargets(1)...)
	k := rigKey(0)
	ms := proto.Time(time.Millisecond)
	began := r.now
	r.now = began + 10*ms
	r.reply(k, goldSourceReply("m")) // another may follow: up to 30 ms are waited for it
	r.now = began + 102*ms
	r.e.BeginTurn()
	r.e.HandlePacket(r.now, r.now, &mux.Packet{Peer: k, Data: rulesReply("a", "b")})
	r.e.HandleTimeout(began + 58*ms)
	r.fill()
	rec := r.record(0)
	require.Equal(t, output.Success, rec.Status)
	require.InDelta(t, 102*time.Millisecond, rec.Duration, 1e4)
	require.LessOrEqual(t, rec.Rules.RTT, rec.Duration)
	r.finish()
}
