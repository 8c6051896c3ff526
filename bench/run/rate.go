package run

import "github.com/a2scan/a2scan/bench/farm"

// burst is the part of a second whose packets the scanner may send at once, and tenMillis
// the window in which the farm looks for bursts.
const (
	burst     = 0.005
	tenMillis = 0.010
)

// rateRow returns a farm's view of a scan at a rate. The first and the last second with
// requests are left out if there are more: they are not whole.
func rateRow(asked float64, seconds []farm.Second, r Run) RateRow {
	row := RateRow{
		AskedPPS:    asked,
		Seconds:     []uint32{},
		Even10ms:    asked * tenMillis,
		Allowed10ms: max(asked*(tenMillis+burst), 2),
		Run:         r,
	}
	for len(seconds) > 0 && seconds[0].Requests == 0 {
		seconds = seconds[1:]
	}
	for len(seconds) > 0 && seconds[len(seconds)-1].Requests == 0 {
		seconds = seconds[:len(seconds)-1]
	}
	for _, s := range seconds {
		row.Busiest10ms = max(row.Busiest10ms, s.Busiest)
	}
	if len(seconds) > 2 {
		seconds = seconds[1 : len(seconds)-1]
	}
	for _, s := range seconds {
		row.Seconds = append(row.Seconds, s.Requests)
		row.MeanPPS += float64(s.Requests) / float64(len(seconds))
		if e := float64(s.Requests)/asked - 1; e*e > row.WorstError*row.WorstError {
			row.WorstError = e
		}
	}
	return row
}
