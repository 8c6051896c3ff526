package proto_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// TestConversations runs the scripts of testdata/conversations, whose README
// tells their language: one behaviour of Query each, line by line, in virtual
// time. A script must name everything that happens: each request that goes out,
// each answer, each failure, and each deadline that passes.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("../testdata/conversations/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 35)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			runScript(t, text)
		})
	}
}

// TestScriptsCanFail: a runner that lets everything pass would let every script
// pass. Each of these is wrong in one way.
func TestScriptsCanFail(t *testing.T) {
	const end = "\n+20ms < info\nevent answer info\n"
	for name, text := range map[string]string{
		"a request that is not sent":     "expect: answered info\n> players" + end,
		"a request not mentioned":        "expect: answered info" + end,
		"an event that does not come":    "expect: answered info\n> info\nevent duplicate" + end,
		"an event not mentioned":         "expect: answered info\n> info\n+20ms < info\n",
		"a deadline that is early":       "expect: answered info\n> info\n+999ms timeout\n> info" + end,
		"a deadline that is late":        "expect: answered info\n> info\n+1001ms timeout\n> info" + end,
		"a deadline passed over":         "expect: answered info\n> info\n+1001ms < info\nevent answer info\n",
		"an end that is not reached":     "expect: answered info\n> info\n",
		"another result":                 "expect: failed info timeout\n> info" + end,
		"another round trip time":        "expect: answered info rtt=30ms\n> info" + end,
		"a kind without an expectation":  "want: info,players\nexpect: answered info\n> info\n+1ms < info\nevent answer info\n> players\n+1ms < players\nevent answer players\n",
		"another challenge in a request": "expect: answered info\n> info\n+1ms < challenge 07000000\n> info 08000000" + end,
		"a word that nobody knows":       "expect: answered info\n> info\nwait" + end,
		"a header that nobody knows":     "expect: answered info\nretires: 2\n> info" + end,
		"other bytes in the answer":      "expect: answered info\n> info\n+1ms < info\nevent answer info 49\n",
		"memory that is not held":        "expect: answered info\n> info\nmemory 256" + end,
	} {
		t.Run(name, func(t *testing.T) {
			f := &failures{TB: t}
			func() {
				defer func() {
					if r := recover(); r != nil && r != f {
						panic(r)
					}
				}()
				runScript(f, []byte(text))
			}()
			require.True(t, f.failed)
		})
	}
	f := &failures{TB: t}
	runScript(f, []byte("expect: answered info rtt=20ms\n> info"+end))
	require.False(t, f.failed, "and this one is right")
}

// failures is a test that may fail without anybody minding.
type failures struct {
	testing.TB
	failed bool
}

func (f *failures) Errorf(string, ...any) { f.failed = true }
func (f *failures) FailNow()              { f.failed = true; panic(f) }
func (f *failures) Helper()               {}

// canned are the datagrams that scripts name by a word, as PROTOCOL §2 and §3
// lay them out.
var canned = map[string][]byte{
	"challenge": []byte("\xFF\xFF\xFF\xFFA"), // the token follows
	"info":      []byte("\xFF\xFF\xFF\xFFI\x11name\x00map\x00folder\x00game\x00\x0A\x00\x01\x20\x00dl\x00\x011.0\x00\x00"),
	"old-info":  []byte("\xFF\xFF\xFF\xFFm127.0.0.1:27015\x00name\x00map\x00folder\x00game\x00\x01\x20\x2Fdl\x00\x00\x01\x00"),
	"players":   []byte("\xFF\xFF\xFF\xFFD\x01\x00someone\x00\x07\x00\x00\x00\x00\x00\x20\x41"),
	"rules":     []byte("\xFF\xFF\xFF\xFFE\x01\x00sv_gravity\x00800\x00"),
}

var scriptKinds = map[string]proto.Kind{
	"info": proto.KindInfo, "players": proto.KindPlayers, "rules": proto.KindRules,
}

var scriptReasons = map[string]proto.Reason{
	"timeout":        proto.ReasonTimeout,
	"refused":        proto.ReasonRefused,
	"unreachable":    proto.ReasonUnreachable,
	"send":           proto.ReasonSend,
	"challenge-only": proto.ReasonChallenge,
	"fragments":      proto.ReasonFragments,
	"unexpected":     proto.ReasonUnexpected,
	"malformed":      proto.ReasonMalformed,
	"challenge-loop": proto.ReasonLoop,
	"aborted":        proto.ReasonAborted,
	"denied":         proto.ReasonDenied,
	"no-memory":      proto.ReasonNoMemory,
}

func reasonWord(r proto.Reason) string {
	for word, reason := range scriptReasons {
		if reason == r {
			return word
		}
	}
	return fmt.Sprintf("reason %d", r)
}

var verdictWords = map[proto.Verdict]string{
	proto.Answer:     "answer",
	proto.Upgrade:    "upgrade",
	proto.Deferred:   "deferred",
	proto.Duplicate:  "duplicate",
	proto.Unexpected: "unexpected",
	proto.Malformed:  "malformed",
	proto.Dropped:    "dropped",
	proto.Denied:     "denied",
}

// An event is what one input caused, as the script has to name it.
type event struct {
	text  string
	body  []byte
	split bool
}

// A scriptRun is a script on its way.
type scriptRun struct {
	t        testing.TB
	line     int
	sections map[string][]byte
	c        *proto.Client
	q        proto.Query
	want     proto.Kinds
	now      proto.Time
	last     proto.Output
	failed   [proto.NumKinds]bool // which failures were told
	events   []event
	hold     bool // the next input comes while a request waits to be sent
}

func runScript(t testing.TB, text []byte) {
	t.Helper()
	archive := txtar.Parse(text)
	s := &scriptRun{t: t, sections: map[string][]byte{}}
	for _, f := range archive.Files {
		s.sections[f.Name] = s.bytes(strings.Fields(string(f.Data)))
	}
	lines := strings.Split(strings.TrimSuffix(string(archive.Comment), "\n"), "\n")
	header := map[string]string{}
	body := 0
	for ; body < len(lines); body++ {
		key, value, ok := strings.Cut(lines[body], ": ")
		if !ok || strings.ContainsAny(key, " +<>\"") {
			break
		}
		header[key] = value
	}
	s.begin(header)
	for i, line := range lines[body:] {
		s.line = body + i + 1
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			s.step(strings.Fields(line))
		}
	}
	s.line = len(lines)
	s.noEvents()
	s.require(s.last.Done, "the script ends and the query does not")
	_, open := s.c.Deadline(&s.q)
	s.require(!open, "it is done and has a deadline")
	s.require(s.c.ReassemblyUsed() == 0, "it is done and holds %d bytes", s.c.ReassemblyUsed())
	s.expect(header["expect"])
}

func (s *scriptRun) require(ok bool, format string, args ...any) {
	s.t.Helper()
	if !ok {
		require.FailNow(s.t, fmt.Sprintf("line %d, at %v: %s", s.line, time.Duration(s.now), fmt.Sprintf(format, args...)))
	}
}

// begin makes the Client and the Query of the header's lines.
func (s *scriptRun) begin(header map[string]string) {
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		s.require(err == nil, "not a number: %q", text)
		return n
	}
	cfg := proto.Config{Retries: 2, ReassemblyBytes: 1 << 20}
	s.want = proto.WantInfo
	initial := ""
	for key, value := range header {
		switch key {
		case "comment", "expect":
		case "want":
			s.want = 0
			for word := range strings.SplitSeq(value, ",") {
				s.want |= s.kind(word).Bit()
			}
		case "timeout":
			cfg.Timeout = s.duration(value)
		case "max-elapsed":
			cfg.MaxElapsed = s.duration(value)
		case "gap":
			cfg.FragmentGap = s.duration(value)
		case "retries":
			cfg.Retries = number(value)
		case "max-challenges":
			cfg.MaxChallenges = number(value)
		case "reassembly":
			cfg.ReassemblyBytes = number(value)
		case "inflate":
			cfg.InflateBudget = number(value)
		case "sequential":
			cfg.Sequential = value == "true"
		case "getchallenge":
			cfg.GetChallenge = value == "true"
		case "challenge":
			initial = value
		default:
			s.require(false, "unknown header %q", key)
		}
	}
	s.require(header["expect"] != "", "no expect: header")
	var err error
	s.c, err = proto.NewClient(cfg)
	s.require(err == nil, "%v", err)
	s.now = 12345678 // not zero, not whole microseconds
	s.c.Begin(&s.q, s.want)
	if initial != "" {
		s.c.SetChallenge(&s.q, proto.Challenge(binary.LittleEndian.Uint32(s.bytes([]string{initial}))))
	}
}

func (s *scriptRun) kind(word string) proto.Kind {
	k, ok := scriptKinds[word]
	s.require(ok, "not a kind: %q", word)
	return k
}

func (s *scriptRun) duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	s.require(err == nil, "not a duration: %q", word)
	return d
}

// bytes reads what words spell: hex, hex*N, "text", a canned datagram, or @section.
func (s *scriptRun) bytes(words []string) []byte {
	b := []byte{}
	for _, word := range words {
		switch {
		case word[0] == '"':
			text, err := strconv.Unquote(word)
			s.require(err == nil, "not a text: %s", word)
			b = append(b, text...)
		case word[0] == '@':
			data, ok := s.sections[word[1:]]
			s.require(ok, "no section %q", word[1:])
			b = append(b, data...)
		case canned[word] != nil:
			b = append(b, canned[word]...)
		default:
			digits, times, many := strings.Cut(word, "*")
			data, err := hex.DecodeString(digits)
			s.require(err == nil, "not bytes: %q", word)
			n := 1
			if many {
				n, err = strconv.Atoi(times)
				s.require(err == nil, "not a number: %q", word)
			}
			b = append(b, slices.Repeat(data, n)...)
		}
	}
	return b
}

// step does one line.
func (s *scriptRun) step(words []string) {
	after := ""
	if words[0][0] == '+' || words[0][0] == '@' {
		after, words = words[0], words[1:]
	}
	s.require(len(words) > 0, "nothing happens")
	switch words[0] {
	case "event":
		s.event(words[1:])
		return
	case "hold":
		s.require(s.q.WantsSend(), "there is nothing to hold back")
		s.hold = true
		return
	case "turn":
		s.c.BeginTurn()
		return
	case "heard", "unheard":
		s.require(s.q.Heard() == (words[0] == "heard"), "it is the other way round")
		return
	case "challenged", "unchallenged":
		s.require(s.q.WasChallenged() == (words[0] == "challenged"), "it is the other way round")
		return
	case "memory":
		s.require(len(words) == 2 && strconv.Itoa(s.c.ReassemblyUsed()) == words[1], "%d bytes are held", s.c.ReassemblyUsed())
		return
	case "evicted":
		s.require(len(words) == 2 && strconv.FormatUint(s.c.Evicted(), 10) == words[1], "%d sets were evicted", s.c.Evicted())
		return
	}
	s.noEvents()
	if words[0] == ">" {
		s.send(words[1:])
		return
	}
	s.require(s.hold || !s.q.WantsSend(), "a request waits to be sent")
	s.hold = false
	switch words[0] {
	case "timeout":
		s.timeout(after)
	case "inflate":
		s.advance(after)
		s.require(s.q.Deferred(), "nothing waits for budget")
		before := s.q
		out := s.c.HandleTimeout(&s.q, s.now)
		s.require(out.Verdict == proto.Nothing && !out.Done && before == s.q, "a deadline passes meanwhile")
		s.note(s.c.Inflate(&s.q, s.now))
	case "<":
		s.advance(after)
		b := s.bytes(words[1:])
		whole := slices.Clone(b)
		out := s.c.HandleDatagram(&s.q, s.now, b)
		s.require(slices.Equal(whole, b), "the datagram was written to")
		s.note(out)
	case "unreachable", "refused":
		s.advance(after)
		s.note(s.c.HandleUnreachable(&s.q, words[0] == "refused", slices.Contains(words, "final")))
	case "abort":
		s.advance(after)
		s.note(s.c.Abort(&s.q, scriptReasons[words[1]]))
	case "reject":
		s.advance(after)
		s.note(s.c.Reject(&s.q, s.kind(words[1]), s.now))
	default:
		s.require(false, "unknown word %q", words[0])
	}
}

// advance lets time pass in which nothing is due.
func (s *scriptRun) advance(after string) {
	if after == "" {
		return
	}
	to := s.after(after)
	if at, open := s.c.Deadline(&s.q); open {
		s.require(at >= to, "the deadline at %v passes without a word", time.Duration(at))
	}
	s.early(to)
	s.now = to
}

// after reads when something happens: +20ms is after the line before, @20ms
// after the first request.
func (s *scriptRun) after(word string) proto.Time {
	if d, ok := strings.CutPrefix(word, "@"); ok {
		start, _ := s.q.Started()
		return start.Add(s.duration(d))
	}
	return s.now.Add(s.duration(strings.TrimPrefix(word, "+")))
}

// early calls HandleTimeout before anything is due.
func (s *scriptRun) early(now proto.Time) {
	for _, at := range []proto.Time{s.now, now - 1} {
		if at < s.now {
			continue
		}
		before := s.q
		out := s.c.HandleTimeout(&s.q, at)
		s.require(out.Verdict == proto.Nothing && out.Done == s.last.Done && before == s.q, "an early HandleTimeout does something")
	}
}

// timeout lets the next deadline pass, which must be where the script says.
func (s *scriptRun) timeout(after string) {
	at, open := s.c.Deadline(&s.q)
	s.require(open, "there is no deadline")
	word, about := strings.CutPrefix(after, "+~")
	if about {
		d := s.duration(word)
		s.require(at >= s.now.Add(d) && at <= s.now.Add(d+d/8), "the deadline comes after %v", at.Sub(s.now))
	} else {
		s.require(at == s.after(after), "the deadline comes after %v", at.Sub(s.now))
	}
	s.early(at)
	s.now = at
	s.note(s.c.HandleTimeout(&s.q, s.now))
}

// send takes the next request, which must be the one the script names.
func (s *scriptRun) send(words []string) {
	s.require(s.q.WantsSend(), "it does not want to send")
	token := []byte{}
	if len(words) > 1 {
		token = s.bytes(words[1:])
	} else if words[0] == "players" || words[0] == "rules" {
		token = []byte{0xFF, 0xFF, 0xFF, 0xFF}
	}
	want := []byte{0xFF, 0xFF, 0xFF, 0xFF}
	switch words[0] {
	case "info":
		want = append(want, "TSource Engine Query\x00"...)
	case "players":
		want = append(want, 'U')
	case "rules":
		want = append(want, 'V')
	case "getchallenge":
		want = append(want, 'W')
	default:
		s.require(false, "not a request: %q", words[0])
	}
	want = append(want, token...)
	got := s.c.Transmit([]byte("kept"), &s.q, s.now)
	s.require(string(got) == "kept"+string(want), "it sends % X", got[4:])
}

// note turns an Output into the events that the script must name.
func (s *scriptRun) note(out proto.Output) {
	s.require(out.Send == s.q.WantsSend(), "Send is %v", out.Send)
	carries := out.Verdict == proto.Answer || out.Verdict == proto.Upgrade
	s.require(out.Verdict == proto.Denied || carries == (out.Body != nil), "%v with %d bytes", out.Verdict, len(out.Body))
	s.require(!s.last.Done || out.Done, "it was done and is not any more")
	s.last = out
	switch {
	case carries:
		s.events = append(s.events, event{verdictWords[out.Verdict] + " " + out.Kind.String(), slices.Clone(out.Body), out.Split})
	case verdictWords[out.Verdict] != "":
		s.events = append(s.events, event{verdictWords[out.Verdict], slices.Clone(out.Body), false})
	}
	for k := range s.failed {
		r := s.q.Result(proto.Kind(k))
		if r.Reason != proto.NoReason && !s.failed[k] {
			s.events = append(s.events, event{text: fmt.Sprintf("failed %v %s", proto.Kind(k), reasonWord(r.Reason))})
		}
		s.failed[k] = r.Reason != proto.NoReason
	}
}

// event takes the first event off the list; it must be the one named. Bytes
// behind it are the answer's, from its type byte on.
func (s *scriptRun) event(words []string) {
	s.require(len(s.events) > 0, "nothing happened")
	e := s.events[0]
	s.events = s.events[1:]
	name := strings.Fields(e.text)
	s.require(len(words) >= len(name) && slices.Equal(words[:len(name)], name), "event %s", e.text)
	words = words[len(name):]
	if e.split {
		s.require(len(words) > 0 && words[0] == "split", "the answer was split")
		words = words[1:]
	}
	if len(words) > 0 {
		want := s.bytes(words)
		s.require(slices.Equal(want, e.body), "the answer is % X", e.body)
	}
}

func (s *scriptRun) noEvents() {
	s.require(len(s.events) == 0, "not mentioned: %v", s.events)
}

// expect compares the results with the header's words: what each kind came to,
// and as much of the details as is named.
func (s *scriptRun) expect(text string) {
	var named proto.Kinds
	for item := range strings.SplitSeq(text, "; ") {
		words := strings.Fields(item)
		s.require(len(words) >= 2, "expect: %q", item)
		k := s.kind(words[1])
		named |= k.Bit()
		r := s.q.Result(k)
		rest := words[2:]
		switch words[0] {
		case "answered":
			s.require(r.Answered && r.Reason == proto.NoReason, "%v was not answered: %s", k, reasonWord(r.Reason))
		case "failed":
			reason, ok := scriptReasons[words[2]]
			s.require(ok, "not a reason: %q", words[2])
			s.require(!r.Answered && r.Reason == reason, "%v: %+v", k, r)
			rest = words[3:]
		default:
			s.require(false, "expect: %q", item)
		}
		for _, word := range rest {
			key, value, _ := strings.Cut(word, "=")
			got := ""
			switch key {
			case "attempts":
				got = strconv.Itoa(r.Attempts)
			case "rounds":
				got = strconv.Itoa(r.Rounds)
			case "got":
				got = fmt.Sprintf("%d/%d", r.Got, r.Total)
			case "rtt":
				got = "none"
				if r.RTT >= 0 {
					got = r.RTT.String()
				}
			}
			s.require(got == value, "%v: %s is %q", k, key, got)
		}
	}
	s.require(named == s.want, "expect: does not name every kind")
}
