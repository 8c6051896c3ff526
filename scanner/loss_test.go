package scanner

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto/prototest"
)

// TestL1_LossTable prints the table of docs/reliability.md: the share of servers that is
// found if 30 of 100 datagrams are lost each way, computed from the retries and
// measured. go test -v -run LossTable ./scanner
func TestL1_LossTable(t *testing.T) {
	t.Parallel()
	total := uint64(20_000)
	if raceEnabled {
		total = 2000 // nothing here is concurrent
	}
	const lost = 1 - 0.7*0.7
	t.Logf("| retries | plain: computed | measured | with a challenge: computed | measured |")
	for _, retries := range []int{0, 2, 8, 30} {
		measure := func(challenge float64) float64 {
			cfg := simConfig()
			cfg.Retries = retries
			cfg.Timeout = 200 * time.Millisecond // thirty tries within the time that a challenge is good for
			cfg.TargetTimeout = 10 * time.Minute
			cfg.MaxInFlight = int(total)
			s := newSim(t, cfg, prototest.Shares{Challenge: challenge, Loss: 30, DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond},
				simSeed(t, 77), total)
			s.run()
			return float64(s.e.Stats().Statuses[output.Success]) / float64(total)
		}
		near := func(want, got float64) {
			require.InDelta(t, want, got, 4*math.Sqrt(want*(1-want)/float64(total))+0.002)
		}
		plain, plainGot := foundShare(1, retries+1, lost), measure(0)
		twice, twiceGot := foundShare(2, retries+1, lost), measure(100)
		t.Logf("| %d | %.2f %% | %.2f %% | %.2f %% | %.2f %% |", retries, 100*plain, 100*plainGot, 100*twice, 100*twiceGot)
		near(plain, plainGot)
		near(twice, twiceGot)
	}
}
