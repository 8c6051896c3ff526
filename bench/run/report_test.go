package run

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/report-schema.txt")

func TestReportSurvivesItsFile(t *testing.T) {
	r := sampleReport()
	file := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, r.WriteJSONFile(file))
	back, err := ReadReport(file)
	require.NoError(t, err)
	require.Equal(t, r, back)
}

func TestReadReportRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	for text, want := range map[string]string{
		`{"schema": 99}`: "schema 99",
		`{"schema": `:    "unexpected EOF",
		`[]`:             "cannot unmarshal",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := ReadReport(file)
		require.ErrorContains(t, err, want)
	}
}

// A report of another's may say anything.
func TestTextIsShownAndNotObeyed(t *testing.T) {
	r := sampleReport()
	r.Machine.CPU = "x\x1b[2J\u202e"
	r.Problems = append(r.Problems, Problem{Workload: "w\u009b", Variant: "v\r", Text: "Zürich\a"})
	var b strings.Builder
	require.NoError(t, r.WriteText(&b))
	require.Contains(t, b.String(), "x\uFFFD[2J\uFFFD")
	require.Contains(t, b.String(), "PROBLEM: w\uFFFD, v\uFFFD: Zürich\uFFFD\n")
}

// members lists the members of an object and of those in it, by path, with
// their types.
func members(v any, path string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		if strings.HasSuffix(path, "settings") {
			into[path] = "object of strings"
			return
		}
		for name, value := range v {
			members(value, strings.TrimPrefix(path+"."+name, "."), into)
		}
	case []any:
		if len(v) == 0 {
			into[path] = "array"
		}
		for _, value := range v {
			members(value, path+"[]", into)
		}
	case nil:
		if into[path] == "" {
			into[path] = "null"
		}
	default:
		into[path] = map[reflect.Kind]string{reflect.Float64: "number", reflect.String: "string", reflect.Bool: "boolean"}[reflect.TypeOf(v).Kind()]
	}
}

// The schema of the report is a promise: programs read it. A change of this
// file that is not an addition needs another ReportSchema.
func TestReportSchema(t *testing.T) {
	r := sampleReport()
	r.Rows[1].Check = &Check{} // so that null is not all that is seen
	b, err := json.Marshal(r)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	seen := map[string]string{}
	members(v, "", seen)
	var lines []string
	for path, kind := range seen {
		lines = append(lines, path+": "+kind)
	}
	sort.Strings(lines)
	golden := filepath.Join("testdata", "report-schema.txt")
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), got)
}

func TestSummarizeRow(t *testing.T) {
	w := &Workload{Group: Throughput}
	base := Row{Live: 1000, Runs: []Run{
		{DurationS: 1, LiveS: 1, WallS: 1.1, UserS: 0.002, SystemS: 0.008, Asked: 1000, Found: 1000, Sent: 1000, Received: 1000, CPUs: 2, OthersS: 0.22},
		{DurationS: 2, LiveS: 2, WallS: 2.1, UserS: 0.004, SystemS: 0.016, Asked: 1000, Found: 1000, Sent: 1000, Received: 1000, CPUs: 2},
	}}
	row := Row{Live: 1000, Runs: []Run{
		{DurationS: 1.25, LiveS: 1.25, WallS: 1.3, UserS: 0.004, SystemS: 0.008, Asked: 1000, Found: 1000, Sent: 1000, Received: 1000, CPUs: 2, PeakRSS: 1 << 20},
		{DurationS: 4, LiveS: 2.5, WallS: 4.1, UserS: 0.008, SystemS: 0.016, Asked: 1000, Found: 999, Sent: 1000, Received: 999, CPUs: 2, PeakRSS: 3 << 20},
	}}
	base.summarize(w, &base)
	row.summarize(w, &base)
	require.InDelta(t, 10, base.CPUPerServer.Min, 1e-9, "microseconds")
	require.InDelta(t, 0.8, base.KernelPart.Median, 1e-9)
	require.InDelta(t, 0.1, base.OthersShare.Max, 1e-9, "of both processors")
	require.Zero(t, base.CPUVsBare.Runs, "it is not compared with itself")
	require.InDelta(t, 1.2, row.CPUVsBare.Min, 1e-9)
	require.InDelta(t, 1.2, row.CPUVsBare.Max, 1e-9)
	require.InDelta(t, 0.8, row.SpeedVsBare.Max, 1e-9)
	require.InDelta(t, 0.7992, row.SpeedVsBare.Min, 1e-9, "live servers found, until the last of them")
	require.InDelta(t, 1.5, row.TailS.Max, 1e-9)
	require.InDelta(t, 0.999, row.FoundShare.Min, 1e-9)
	require.InDelta(t, 2<<20, row.PeakRSS.Median, 1e-9)
	require.Zero(t, base.PeakRSS.Runs, "memory that is not known is not zero")

	w.Tail, w.Shares.Loss = true, 1
	row.summarize(w, &base)
	require.Equal(t, 2, row.CPUVsBare.Runs)
	require.Zero(t, row.SpeedVsBare.Runs, "the bare socket does not wait for what was lost")
	require.Zero(t, row.PacketsPerS.Runs, "most of the time is waiting")
}

// A report of runs that took no time, or had no targets, can still be written as JSON.
func TestEmptyRunsAreJSON(t *testing.T) {
	row := Row{Runs: []Run{{}, {}}}
	row.summarize(&Workload{}, &Row{Runs: []Run{{}, {}}})
	b, err := json.Marshal(row)
	require.NoError(t, err)
	require.NotContains(t, string(b), "NaN")
	require.False(t, math.IsNaN(row.ServersPerS.Median))
}

func TestJudge(t *testing.T) {
	b := &bench{}
	w := &Workload{}
	good := Row{Workload: "w", Variant: nameScan, Live: 10, FoundShare: Summary{Median: 1, Min: 1, Max: 1, Runs: 2}, Check: &Check{Verified: 10}}
	b.judge(&good, w)
	require.Empty(t, b.report.Problems)

	missing := good
	missing.FoundShare.Min = 0.9
	b.judge(&missing, w)
	require.Len(t, b.report.Problems, 1)
	require.Contains(t, b.report.Problems[0].Text, "0.9000 of the live servers")

	w.Shares.Loss = 1
	b.judge(&missing, w)
	require.Len(t, b.report.Problems, 1, "what is lost may be missing")

	wrong := good
	wrong.Check = &Check{Verified: 10, Wrong: 3}
	b.judge(&wrong, w)
	require.Len(t, b.report.Problems, 2)
	require.Contains(t, b.report.Problems[1].Text, "3 differences from the truth in 10 records")

	bareRow := missing
	bareRow.Variant = nameBareS
	w.Shares.Loss = 0
	b.judge(&bareRow, w)
	require.Len(t, b.report.Problems, 2, "the bare socket asks only once")
}
