package run

import (
	"math/rand/v2"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
)

// sampleReport returns a report as a run makes one, with figures that are made up.
func sampleReport() *Report {
	r := &Report{
		Schema: ReportSchema, Tool: "a2scan bench", Version: "0.0-test", CommandLine: "a2scan bench",
		Start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), DurationS: 321.5, Size: Quick, Seed: 7, Complete: true,
		Machine: Machine{
			OS: "linux", Arch: "amd64", Kernel: "6.18", CPU: `Processor | <of> "names"`, CPUs: 2, Memory: 8 << 30, Virtual: true,
			Go: "go1.26", Load: "0.01 0.02 0.03", Settings: map[string]string{"net.core.rmem_max": "4194304"},
		},
		Rows: []Row{}, Rates: []RateRow{}, Problems: []Problem{},
	}
	dice := rand.New(rand.NewPCG(1, 2))
	about := func(v float64) float64 { return v * (0.9 + 0.2*dice.Float64()) }
	b := &bench{}
	for _, w := range Plan(Quick, 5, 0) {
		if w.Group == Rate {
			row := rateRow(w.Rate, []farm.Second{
				{Requests: 1, Busiest: 1}, {Requests: uint32(w.Rate), Busiest: uint32(w.Rate/100) + 1},
				{Requests: uint32(about(w.Rate)), Busiest: uint32(w.Rate/100) + 2}, {Requests: 1, Busiest: 1},
			}, Run{WallS: 3, CPUs: 2, UserS: 0.1, SystemS: 0.2, Asked: 100, Found: 100})
			r.Rates = append(r.Rates, row)
			continue
		}
		rows := make([]Row, len(w.Variants))
		for i, v := range w.Variants {
			rows[i] = Row{
				Group: w.Group, Workload: w.Name, Title: w.Title, Variant: v.Name, Query: kindList(w.Kinds),
				Shares: shareList(&w.Shares), Command: "a2scan scan …", Targets: uint64(w.Targets), Live: uint64(w.Targets), Lines: uint64(w.Lines),
			}
			if w.Shares.Silent == 100 {
				rows[i].Live = 0
			}
			if !v.Bare && !w.Discard {
				rows[i].Check = &Check{Records: uint64(w.Targets), Verified: 100, Expected: 100, Found: 100, First: []farm.Difference{}}
			}
			for round := range w.Rounds {
				took := about(float64(w.Targets) / 50_000)
				live := took
				if w.Tail && !v.Bare {
					took += 7
				}
				rows[i].Runs = append(rows[i].Runs, Run{
					Round: round, WallS: took + 0.01, DurationS: took, LiveS: live, UserS: about(live / 3), SystemS: about(live / 2),
					PeakRSS: int64(about(16 << 20)), FarmCPUS: live, OthersS: about(0.1), CPUs: 2,
					Asked: uint64(w.Targets), Found: rows[i].Live, Sent: uint64(2 * w.Targets), Received: uint64(2 * w.Targets),
					PeakInFlight: 512, RcvbufActual: 8 << 20,
				})
			}
			rows[i].summarize(&w, &rows[0])
			b.judge(&rows[i], &w)
		}
		r.Rows = append(r.Rows, rows...)
	}
	r.Problems = append(r.Problems, b.report.Problems...)
	return r
}
