package run

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

func TestPlans(t *testing.T) {
	for _, size := range []Size{Quick, Moderate, Full} {
		t.Run(string(size), func(t *testing.T) {
			names := map[string]bool{}
			groups := map[Group]int{}
			for _, w := range Plan(size, 5, 0) {
				require.False(t, names[w.Name], w.Name)
				names[w.Name] = true
				groups[w.Group]++
				require.NoError(t, w.Shares.Validate())
				require.NotEmpty(t, w.Title)
				require.NotEmpty(t, w.Variants)
				require.Positive(t, w.Rounds)
				require.Positive(t, w.Targets)
				require.Equal(t, w.Rate > 0, w.Duration > 0, "a scan at a rate ends by the clock")
				if w.Group == Throughput || w.Group == Scale {
					require.True(t, w.Variants[0].Bare, "%s: the limit is measured first", w.Name)
					require.Equal(t, w.Tail, w.Shares.Silent+w.Shares.Loss > 0)
				}
				_, err := placesOf(farm.DefaultListen(), []uint16{27015}, w.Targets)
				if !farm.DefaultListen().IsSingleIP() {
					require.NoError(t, err)
				}
			}
			for _, g := range []Group{Throughput, Scale, Memory, Rate} {
				require.Positive(t, groups[g], g)
			}
		})
	}
	last := func(plan []Workload) (n int) {
		for _, w := range plan {
			if w.Group == Scale {
				n = max(n, w.Targets)
			}
		}
		return n
	}
	require.Equal(t, 10_000_000, last(Plan(Full, 5, 0)))
	require.Equal(t, 100_000, last(Plan(Full, 5, 999_999)), "the flag sets the end")
}

// A workload of silence must be sent whole before its first target gives up,
// or the most in flight would be less than it says.
func TestSilenceOutlastsItsSending(t *testing.T) {
	for _, w := range Plan(Full, 1, 0) {
		if w.Shares.Silent != 100 {
			continue
		}
		i := slices.Index(w.Variants[0].Args, "--timeout")
		timeout, err := time.ParseDuration(w.Variants[0].Args[i+1])
		require.NoError(t, err)
		require.Greater(t, timeout, time.Duration(w.Targets)*14*time.Microsecond)
	}
}

func TestMatches(t *testing.T) {
	w := Workload{Group: Scale, Name: "scale-1000"}
	require.True(t, w.Matches("scale"))
	require.True(t, w.Matches("scale-1000"))
	require.False(t, w.Matches("scale-100"), "another row's name")
	require.False(t, w.Matches("rate"))
	flight := Workload{Group: Memory, Name: "flight-1000"}
	require.True(t, flight.Matches("memory"))
	require.True(t, flight.Matches("flight"))
}

func TestOwn(t *testing.T) {
	w := Own(proto.WantInfo, prototest.Shares{Challenge: 50, Silent: 5, DelayMax: 50 * time.Millisecond}, 10, 3, []string{"--max-in-flight", "7"})
	require.Len(t, w.Variants, 2)
	require.Greater(t, w.Variants[0].Window, 5000, "late answers need more of them asked at once")
	require.True(t, w.Tail)
	require.GreaterOrEqual(t, w.patience(), 50*time.Millisecond)

	require.Len(t, Own(wantAll, prototest.Shares{Challenge: 50}, 10, 3, nil).Variants, 1, "the bare socket does not remember who wants a challenge")
	require.Len(t, Own(wantAll, prototest.Shares{Challenge: 100}, 10, 3, nil).Variants, 2)
	require.Len(t, Own(proto.WantPlayers, prototest.Shares{Challenge: 100}, 10, 3, nil).Variants, 1, "it begins with INFO")
	require.Len(t, Own(proto.WantInfo, prototest.Shares{Split: 1}, 10, 3, nil).Variants, 1, "it knows whole replies only")
}

// Every share of a farm is a flag for a workload of one's own, and is in the report.
func TestSharesAreComplete(t *testing.T) {
	s := prototest.Shares{Challenge: 1, Silent: 2, GoldSource: 3, Split: 4, BZip2: 5, Ship: 6, Duplicate: 7, Reorder: 8,
		Garbage: 9, ChallengeLoop: 10, Endless: 11, WrongType: 12, Truncate: 13, Loss: 14, DelayMin: time.Second, DelayMax: 2 * time.Second}
	require.Len(t, ShareFlags(), prototest.NumBehaviours+1)
	for i := range prototest.NumBehaviours {
		require.Contains(t, ShareFlags(), prototest.Behaviour(1<<i).String())
	}
	require.Equal(t, "--challenge 1 --silent 2 --goldsource 3 --split 4 --bzip2 5 --ship 6 --duplicate 7 --reorder 8 --garbage 9 "+
		"--challenge-loop 10 --endless 11 --wrong-type 12 --truncate 13 --loss 14 --delay 1s:2s", shareList(&s))
	require.Empty(t, shareList(new(prototest.Shares)))
}
