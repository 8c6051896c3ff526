package farm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// VerifyOptions say how a dataset came about.
type VerifyOptions struct {
	// Want is the query set of the scan. If it is empty, the sections of the first record
	// of a contacted target decide.
	Want proto.Kinds
	// Ports are those that the farm served: targets at others must be refused.
	// Empty: all of them.
	Ports []uint16
	// Lossy allows silence of any server: for scans that outran the farm or their own
	// socket. Recorded values must be true all the same.
	Lossy bool
	// Targets are the targets that must have one record each; nil: unknown.
	Targets iter.Seq[netip.AddrPort]
	// MaxDifferences is how many are kept: 20. All are counted.
	MaxDifferences int
}

// A Report is the result of Verify.
type Report struct {
	Records     uint64       `json:"records"`
	Total       uint64       `json:"differences"` // 0: the dataset is the truth
	Differences []Difference `json:"first"`       // the first of them

	Duplicates uint64 `json:"duplicates"` // records of a target that had one
	Missing    uint64 `json:"missing"`    // targets without a record
	Aborted    uint64 `json:"aborted"`    // the scan stopped before
	Elsewhere  uint64 `json:"elsewhere"`  // records of targets that were not contacted: blocked, unresolved, invalid

	// ByBehaviour counts servers by each thing that they do, "plain" first, and
	// "all" last. Servers that do several things count for each.
	ByBehaviour []Tally `json:"by_behaviour"`
}

// A Tally counts servers of a behaviour.
type Tally struct {
	Name     string `json:"name"`
	Servers  uint64 `json:"servers"`
	Expected uint64 `json:"expected"` // that answer everything which they were asked
	Found    uint64 `json:"found"`    // of these, recorded as success
}

// FalseNegatives is how many of the expected were not found.
func (t Tally) FalseNegatives() uint64 { return t.Expected - t.Found }

// OK reports whether nothing differs.
func (r *Report) OK() bool { return r.Total == 0 }

// String returns the report as people read it.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d records, %d differences, %d targets twice, %d missing, %d aborted, %d never asked\n",
		r.Records, r.Total, r.Duplicates, r.Missing, r.Aborted, r.Elsewhere)
	for _, d := range r.Differences {
		fmt.Fprintln(&b, d)
	}
	if r.Total > uint64(len(r.Differences)) {
		fmt.Fprintf(&b, "… and %d more\n", r.Total-uint64(len(r.Differences)))
	}
	fmt.Fprintf(&b, "%-15s %10s %10s %10s %10s\n", "behaviour", "servers", "expected", "found", "missed")
	for _, t := range r.ByBehaviour {
		if t.Servers > 0 {
			fmt.Fprintf(&b, "%-15s %10d %10d %10d %10d\n", t.Name, t.Servers, t.Expected, t.Found, t.FalseNegatives())
		}
	}
	return b.String()
}

// Verify compares each record of a dataset with the truth: its status, every value, and
// that no target has two records. If reading fails it returns the error, and a report about
// the records before it.
func Verify(truth prototest.TruthTeller, lines iter.Seq2[[]byte, error], o VerifyOptions) (*Report, error) {
	v := verifier{
		truth: truth, o: o,
		seen: make(map[prototest.Endpoint]struct{}),
	}
	if v.o.MaxDifferences == 0 {
		v.o.MaxDifferences = 20
	}
	v.report.ByBehaviour = append(v.report.ByBehaviour, Tally{Name: "plain"})
	for i := range prototest.NumBehaviours {
		v.report.ByBehaviour = append(v.report.ByBehaviour, Tally{Name: prototest.Behaviour(1 << i).String()})
	}
	v.report.ByBehaviour = append(v.report.ByBehaviour, Tally{Name: "all"})
	var failed error
	for line, err := range lines {
		if err != nil {
			failed = err
			break
		}
		v.line(line)
	}
	if o.Targets != nil {
		for ap := range o.Targets {
			if _, ok := v.seen[prototest.EndpointFrom(ap)]; !ok {
				v.report.Missing++
				v.note(Difference{Addr: ap.String(), Field: "record", Want: "one", Got: "none"})
			}
		}
	}
	return &v.report, failed
}

type verifier struct {
	truth  prototest.TruthTeller
	o      VerifyOptions
	report Report
	seen   map[prototest.Endpoint]struct{}

	// of the line at hand
	seq  uint64
	addr string
	c    comparison
}

func (v *verifier) note(d Difference) {
	v.report.Total++
	if len(v.report.Differences) < v.o.MaxDifferences {
		v.report.Differences = append(v.report.Differences, d)
	}
}

// line checks one line.
func (v *verifier) line(line []byte) {
	v.report.Records++
	v.seq, v.addr = 0, "?"
	v.c.found = v.c.found[:0]
	v.record(bytes.TrimSuffix(line, []byte("\n")))
	for _, d := range v.c.found {
		d.Line, d.Seq, d.Addr = int64(v.report.Records), v.seq, v.addr
		v.note(d)
	}
}

// recordMembers are the members that every record has.
var recordMembers = []string{"schema", "seq", "ip", "port", "port_given", "input", "tag", "source", "status", "error", "timestamp", "duration_ms", "rtt_ms",
	"attempts", "packets_sent", "packets_received", "bytes_received", "challenged", "info", "players", "rules", "raw"}

var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

// isControl reports whether r must be escaped in a line: it would end the line for some
// readers, or control a terminal.
func isControl(r rune) bool {
	return r < ' ' || r >= 0x7F && r <= 0x9F || r == 0x2028 || r == 0x2029
}

func (v *verifier) record(line []byte) {
	if !utf8.Valid(line) {
		v.c.differ("line", "UTF-8", strconv.Quote(string(line[:min(len(line), 200)])))
	}
	if i := bytes.IndexFunc(line, isControl); i >= 0 {
		v.c.differ("line", "no control characters", fmt.Sprintf("%#x at byte %d", line[i], i))
	}
	var r map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&r); err != nil || decoder.More() {
		v.c.differ("line", "one JSON object", fmt.Sprintf("%v: %.200q", err, line))
		return
	}
	isRecord := true
	for _, name := range recordMembers {
		if _, ok := r[name]; !ok {
			isRecord = false
			v.c.differ(name, "a member of every record", "no such member")
		}
	}
	for name := range r {
		if base, _ := strings.CutSuffix(name, "_b64"); !slices.Contains(recordMembers, base) {
			v.c.differ(name, "no such member", spell(r[name]))
		}
	}
	v.c.value("schema", int64(output.SchemaVersion), r["schema"])
	seq := whole(r["seq"])
	if seq < 0 {
		v.c.differ("seq", "a whole number from 0 on", spell(r["seq"]))
	} else {
		v.seq = uint64(seq) // a resumed scan counts from 0 again
	}
	if s, _ := r["timestamp"].(string); !timestamp.MatchString(s) {
		v.c.differ("timestamp", "UTC with six decimals", spell(r["timestamp"]))
	}

	status, _ := r["status"].(string)
	v.err("", status, r)
	switch status {
	case "blocked", "resolve_error", "invalid_input":
		v.report.Elsewhere++
		return
	}
	addr, err := netip.ParseAddr(word(r["ip"]))
	port := whole(r["port"])
	if err != nil || port < 0 || port > 65535 {
		v.c.differ("ip", "an address and port", spell(r["ip"])+" "+spell(r["port"]))
		return
	}
	ap := netip.AddrPortFrom(addr, uint16(port))
	v.addr = ap.String()
	e := prototest.EndpointFrom(ap)
	target := e
	if r["port_given"] != nil {
		target.Port = v.given(e, r)
	}
	if _, ok := v.seen[target]; ok {
		v.report.Duplicates++
		v.c.differ("record", "one for each target", "another")
	}
	v.seen[target] = struct{}{}
	if v.o.Want == 0 && isRecord {
		for k := range proto.Kind(3) {
			if r[k.String()] != nil {
				v.o.Want |= k.Bit()
			}
		}
	}
	v.target(e, status, r)
}

// given returns the port that the target of a record names, if e is another port of it. That
// port must be silent or closed.
func (v *verifier) given(e prototest.Endpoint, r map[string]any) uint16 {
	port := whole(r["port_given"])
	if port < 1 || port > 65535 || port == int64(e.Port) {
		v.c.differ("port_given", "another port, or null", spell(r["port_given"]))
		return e.Port
	}
	e.Port = uint16(port)
	t, there := v.truth.Truth(e, v.o.Want)
	if !there || v.o.Lossy || !slices.Contains(v.o.Ports, e.Port) {
		return e.Port // closed, or so it may be
	}
	for _, s := range t.Sections {
		if s != 0 && !s.Has(prototest.Timeout) {
			v.c.differ("port_given", "null: the server on that port answers", spell(r["port_given"]))
			break
		}
	}
	return e.Port
}

// target checks the record of a target that was to be asked.
func (v *verifier) target(e prototest.Endpoint, status string, r map[string]any) {
	sections := [3]map[string]any{}
	for k := range proto.Kind(3) {
		sections[k], _ = r[k.String()].(map[string]any)
		if asked := sections[k] != nil; asked != v.o.Want.Has(k) {
			v.c.differ(k.String(), map[bool]string{true: "a section", false: "null"}[v.o.Want.Has(k)], spell(r[k.String()]))
			return
		}
	}
	if status == "aborted" {
		v.report.Aborted++
		return
	}
	v.consistent(status, sections)

	t, there := v.truth.Truth(e, v.o.Want)
	if !there || len(v.o.Ports) > 0 && !slices.Contains(v.o.Ports, e.Port) {
		if status != "refused" && !(v.o.Lossy && status == "timeout") {
			v.c.differ("status", "refused", status)
		}
		for k, s := range sections {
			if s != nil {
				v.values(proto.Kind(k), nil, s)
			}
		}
		return
	}
	if v.o.Lossy {
		t.AllowLoss()
	}
	expected := true
	for k, s := range sections {
		if s == nil {
			continue
		}
		want := t.Sections[k]
		expected = expected && want.Has(prototest.Success)
		got, _ := s["status"].(string)
		if !want.Has(prototest.ParseOutcome(got)) {
			v.c.differ(proto.Kind(k).String()+".status", want.String(), got)
		}
		if got == "success" {
			v.values(proto.Kind(k), &t, s)
			v.rtt(proto.Kind(k).String()+".rtt_ms", s["rtt_ms"], r["duration_ms"], &t)
		} else {
			v.values(proto.Kind(k), nil, s)
		}
	}
	if status == "success" {
		if t.ChallengedKnown && !t.Server.Does.Has(prototest.WrongType) && r["challenged"] != t.Challenged {
			v.c.differ("challenged", strconv.FormatBool(t.Challenged), spell(r["challenged"]))
		}
		v.traffic(r)
	}
	v.count(&t, expected, status == "success")
}

// err checks that there is an error if and only if the status is not success.
func (v *verifier) err(field, status string, r map[string]any) {
	text, is := r["error"].(string)
	switch {
	case prototest.ParseOutcome(status) == prototest.Success:
		v.c.value(join(field, "error"), nil, r["error"])
	case !is || text == "":
		v.c.differ(join(field, "error"), "words for a status of "+status, spell(r["error"]))
	}
	if new(output.Status).UnmarshalText([]byte(status)) != nil {
		v.c.differ(join(field, "status"), "a status", strconv.Quote(status))
	}
}

// consistent checks that a target's status follows from its sections'.
func (v *verifier) consistent(status string, sections [3]map[string]any) {
	successes, asked := 0, 0
	among := false
	for k, s := range sections {
		if s == nil {
			continue
		}
		asked++
		got := word(s["status"])
		v.err(proto.Kind(k).String(), got, s)
		if got == "success" {
			successes++
		}
		among = among || got == status
	}
	switch {
	case successes == asked:
		if status != "success" {
			v.c.differ("status", "success: all sections are", status)
		}
	case successes > 0:
		if status != "partial" {
			v.c.differ("status", "partial: some sections are success", status)
		}
	case !among:
		v.c.differ("status", "that of a section", status)
	}
}

// values compares a section's members with the truth; a nil truth means that
// there must be none.
func (v *verifier) values(k proto.Kind, t *prototest.Truth, got map[string]any) {
	field := k.String()
	head := []string{"status", "error", "attempts", "rtt_ms"}
	rest := make(map[string]any, len(got))
	for name, value := range got {
		if !slices.Contains(head, name) {
			rest[name] = value
		}
	}
	if len(rest) != len(got)-len(head) {
		v.c.differ(field, "status, error, attempts and rtt_ms", spell(got))
	}
	var wants []object
	switch {
	case k == proto.KindInfo && t == nil:
		wants = []object{noInfo}
	case k == proto.KindPlayers && t == nil:
		wants = []object{noPlayers}
	case t == nil:
		wants = []object{noRules}
	case k == proto.KindInfo:
		for i := range t.Info {
			wants = append(wants, expectInfo(&t.Info[i]))
		}
	case k == proto.KindPlayers:
		for i := range t.Players {
			wants = append(wants, expectPlayers(&t.Players[i]))
		}
	default:
		wants = []object{expectRules(&t.Rules, t.A3SB)}
	}
	// If several answers are acceptable, the nearest one counts.
	var best []Difference
	for i, want := range wants {
		var c comparison
		c.object(field, want, rest)
		if i == 0 || len(c.found) < len(best) {
			best = c.found
		}
	}
	slices.SortFunc(best, func(a, b Difference) int { return strings.Compare(a.Field, b.Field) })
	v.c.found = append(v.c.found, best...)
}

// rttSlack is the difference that the clocks of two programs may measure for one delay.
const rttSlack = time.Millisecond

// rtt checks that a round trip is no shorter than the server's delay, and no
// longer than the target took.
func (v *verifier) rtt(field string, rtt, duration any, t *prototest.Truth) {
	ms, measured := float(rtt)
	if !measured {
		if rtt != nil {
			v.c.differ(field, "a number or null", spell(rtt))
		}
		return
	}
	all, _ := float(duration)
	least := max(float64(t.LeastRTT-rttSlack)/float64(time.Millisecond), 0)
	if ms < least || ms > all+1 {
		v.c.differ(field, fmt.Sprintf("%.3f (the server's delay) to %.3f (the target's duration)", least, all), spell(rtt))
	}
}

// traffic checks that the counts of a record of success could be.
func (v *verifier) traffic(r map[string]any) {
	for _, is := range []struct {
		field string
		least int64
	}{{"attempts", 1}, {"packets_sent", whole(r["attempts"])}, {"packets_received", 1}, {"bytes_received", 5}} {
		if whole(r[is.field]) < is.least {
			v.c.differ(is.field, fmt.Sprintf("at least %d", is.least), spell(r[is.field]))
		}
	}
}

// count adds a server to the tallies.
func (v *verifier) count(t *prototest.Truth, expected, found bool) {
	add := func(i int) {
		tally := &v.report.ByBehaviour[i]
		tally.Servers++
		if expected {
			tally.Expected++
			if found {
				tally.Found++
			}
		}
	}
	if t.Server.Does == 0 {
		add(0)
	}
	for i := range prototest.NumBehaviours {
		if t.Server.Does.Has(1 << i) {
			add(1 + i)
		}
	}
	add(len(v.report.ByBehaviour) - 1)
}

// word returns a string member, or nothing.
func word(v any) string {
	s, _ := v.(string)
	return s
}

// whole returns a member that is a whole number, -1 otherwise.
func whole(v any) int64 {
	n, ok := v.(json.Number)
	i, err := n.Int64()
	if !ok || err != nil {
		return -1
	}
	return i
}

func float(v any) (float64, bool) {
	n, ok := v.(json.Number)
	f, err := n.Float64()
	return f, ok && err == nil
}
