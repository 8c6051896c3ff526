package proto

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTransitions walks the table at the top of query.go, cell by cell, as it
// stands there: it brings a kind into the state of the row, does what the
// column says, and finds what the cell says. The notes in parentheses have
// tests of their own below.
func TestTransitions(t *testing.T) {
	columns, rows := readTransitions(t)
	inputs := map[string]func(m *machine){
		"Sent": func(m *machine) {
			if m.q.WantsSend() {
				m.c.Transmit(nil, &m.q, m.now)
			}
		},
		"challenge":    func(m *machine) { m.c.HandleDatagram(&m.q, m.now, challenge(9)) },
		"fragment":     func(m *machine) { m.c.HandleDatagram(&m.q, m.now, m.fragment()) },
		"whole reply":  func(m *machine) { m.c.HandleDatagram(&m.q, m.now, m.reply()) },
		"its deadline": func(m *machine) { m.c.HandleTimeout(&m.q, m.deadline()) },
	}
	ends := map[string]func(m *machine){
		"ceiling": func(m *machine) { m.c.HandleTimeout(&m.q, 10_000*ms) },
		"abort":   func(m *machine) { m.c.Abort(&m.q, ReasonAborted) },
	}
	states := map[string]kindState{
		"unasked": unasked, "held": held, "ready": ready, "waiting": waiting,
		"grace": grace, "answered": answered, "failed": failed,
	}
	require.Len(t, rows, len(states))
	for name, cells := range rows {
		state, ok := states[name]
		require.True(t, ok, "no such state: %q", name)
		for i, cell := range cells {
			cell, _, _ = strings.Cut(cell, "(")
			cell = strings.TrimSpace(cell)
			apply := map[string]func(m *machine){columns[i]: inputs[columns[i]]}
			if columns[i] == "ceiling, abort" {
				apply = ends
			}
			for column, input := range apply {
				require.NotNil(t, input, "no such input: %q", column)
				t.Run(name+"/"+column, func(t *testing.T) {
					m := reach(t, state)
					before, sends := *m.track(), m.q.WantsSend()
					next, leads := strings.CutPrefix(cell, "→ ")
					next, other, either := strings.Cut(next, " or ")
					switch {
					case cell == "–":
						input(m)
						require.Equal(t, before, *m.track())
					case cell == "kept":
						input(m)
						require.Equal(t, before, *m.track())
						require.NotZero(t, m.c.ReassemblyUsed())
					case cell == "gap":
						input(m)
						before.deadline = m.q.micros(m.now.Add(m.c.cfg.FragmentGap))
						require.Equal(t, before, *m.track())
						require.NotZero(t, m.c.ReassemblyUsed())
					case cell == "new token":
						input(m)
						require.True(t, sends && m.q.WantsSend())
						token, _ := m.q.Challenge()
						require.Equal(t, Challenge(9), token)
						require.Equal(t, state, m.track().state)
					case leads:
						input(m)
						require.Equal(t, states[next], m.track().state)
						if either {
							m = reach(t, state)
							m.track().attempts = uint8(m.c.cfg.Retries + 1)
							m.track().rounds = uint8(m.c.cfg.MaxChallenges * int(m.track().attempts))
							input(m)
							require.Equal(t, states[other], m.track().state, "with no try and no round left")
						}
					default:
						require.Fail(t, "a cell that nobody understands", "%q", cell)
					}
				})
			}
		}
	}
}

// readTransitions returns the table's columns and, by state, its cells.
func readTransitions(t *testing.T) (columns []string, rows map[string][]string) {
	text, err := os.ReadFile("query.go")
	require.NoError(t, err)
	rows = map[string][]string{}
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(line, "//\t")
		if !ok || !strings.Contains(line, "|") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if columns == nil {
			columns = cells[1:]
			continue
		}
		require.Len(t, cells[1:], len(columns))
		require.NotContains(t, rows, cells[0])
		rows[cells[0]] = cells[1:]
	}
	require.Len(t, columns, 6)
	return columns, rows
}

// A machine is a Query of which one kind is in the state that is looked at.
type machine struct {
	c   *Client
	q   Query
	k   Kind
	now Time
}

func (m *machine) track() *track { return &m.q.tracks[m.k] }

// deadline returns the kind's deadline, or a later moment where it has none.
func (m *machine) deadline() Time {
	if s := m.track().state; s != waiting && s != grace {
		return m.now + 1*ms
	}
	return m.q.start.Add(time.Duration(m.track().deadline) * time.Microsecond)
}

func (m *machine) reply() []byte {
	return map[Kind][]byte{
		KindInfo:    infoReply,
		KindPlayers: []byte("\xFF\xFF\xFF\xFFD\x00"),
		KindRules:   []byte("\xFF\xFF\xFF\xFFE\x00\x00"),
	}[m.k]
}

// fragment returns the first of two halves of the reply.
func (m *machine) fragment() []byte {
	return append([]byte("\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x02\x00\xE0\x04"), m.reply()...)
}

// reach brings a kind into a state, by the ways that the API has.
func reach(t *testing.T, state kindState) *machine {
	m := &machine{c: newClient(t, Config{Retries: 1, MaxChallenges: 2, ReassemblyBytes: 1 << 20})}
	send := func() { m.c.Transmit(nil, &m.q, m.now) }
	switch state {
	case unasked:
		m.k = KindRules
		m.c.Begin(&m.q, WantInfo)
		send()
	case held:
		m.k = KindPlayers
		m.c.Begin(&m.q, WantInfo|WantPlayers)
		send()
	case ready:
		m.k = KindRules
		m.c.Begin(&m.q, WantRules)
		send()
		m.now = 1000 * ms
		m.c.HandleTimeout(&m.q, m.now)
	case waiting:
		m.k = KindRules
		m.c.Begin(&m.q, WantRules)
		send()
		m.now = 20 * ms
	case grace:
		m.k = KindInfo
		m.c.Begin(&m.q, WantInfo)
		send()
		m.now = 40 * ms
		m.c.HandleDatagram(&m.q, m.now, oldInfoReply)
	case answered: // while RULES waits
		m.k = KindInfo
		m.c.Begin(&m.q, WantInfo|WantRules)
		send()
		m.now = 20 * ms
		m.c.HandleDatagram(&m.q, m.now, infoReply)
		send()
	case failed: // likewise
		m.k = KindPlayers
		m.c.cfg.Retries = 0
		m.c.Begin(&m.q, WantInfo|WantPlayers|WantRules)
		send()
		m.c.HandleDatagram(&m.q, m.now, infoReply)
		send()
		m.now = 1000 * ms
		m.c.HandleTimeout(&m.q, m.now)
		send()
	}
	require.Equal(t, state, m.track().state, "on the way there")
	return m
}

func TestNote1HeldWithSequential(t *testing.T) {
	m := reach(t, held)
	m.c.cfg.Sequential = true
	m.c.HandleDatagram(&m.q, m.now, challenge(9))
	require.Equal(t, held, m.track().state)
	m.c.Transmit(nil, &m.q, m.now)
	m.c.HandleDatagram(&m.q, m.now, infoReply)
	require.Equal(t, ready, m.track().state)
}

// TestNote2FragmentGap: a part that shows its kind moves that kind's deadline, in both
// directions, and no other's; one that does not show it moves all, but only outwards.
func TestNote2FragmentGap(t *testing.T) {
	c := newClient(t, Config{Timeout: 2 * time.Second, FragmentGap: 500 * time.Millisecond})
	var q Query
	c.Begin(&q, WantPlayers|WantRules)
	c.SetChallenge(&q, 7)
	c.Transmit(nil, &q, 0)
	c.Transmit(nil, &q, 0)
	first := []byte("\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x04\x00\xE0\x04\xFF\xFF\xFF\xFFE\x01\x00a")
	other := []byte("\xFE\xFF\xFF\xFF\x02\x00\x00\x00\x04\x01\xE0\x04zz")
	third := []byte("\xFE\xFF\xFF\xFF\x02\x00\x00\x00\x04\x02\xE0\x04zz")
	require.Equal(t, Fragment, c.HandleDatagram(&q, 100*ms, first).Verdict)
	require.Equal(t, uint32(2_000_000), q.tracks[KindPlayers].deadline)
	require.Equal(t, uint32(600_000), q.tracks[KindRules].deadline)
	require.Equal(t, Fragment, c.HandleDatagram(&q, 200*ms, other).Verdict)
	require.Equal(t, uint32(2_000_000), q.tracks[KindPlayers].deadline)
	require.Equal(t, uint32(700_000), q.tracks[KindRules].deadline)
	require.Equal(t, Duplicate, c.HandleDatagram(&q, 300*ms, other).Verdict)
	require.Equal(t, uint32(700_000), q.tracks[KindRules].deadline, "a duplicate brings nothing nearer")
	require.Equal(t, Fragment, c.HandleDatagram(&q, 1900*ms, third).Verdict)
	require.Equal(t, uint32(2_400_000), q.tracks[KindPlayers].deadline)

	// The ceiling holds all the same.
	require.Equal(t, Fragment, c.HandleDatagram(&q, 9900*ms, []byte("\xFE\xFF\xFF\xFF\x02\x00\x00\x00\x04\x03\xE0\x04zz")).Verdict)
	at, _ := c.Deadline(&q)
	require.Equal(t, 10_000*ms, at)
}

func TestNote3NeverSentIsNotAnswered(t *testing.T) {
	for _, state := range []kindState{unasked, held} {
		m := reach(t, state)
		out := m.c.HandleDatagram(&m.q, m.now, m.reply())
		require.Equal(t, Unexpected, out.Verdict)
	}
	// Released by an answer, but still in the sending queue.
	m := reach(t, held)
	require.Equal(t, Answer, m.c.HandleDatagram(&m.q, m.now, infoReply).Verdict)
	require.Equal(t, ready, m.track().state)
	require.Equal(t, Unexpected, m.c.HandleDatagram(&m.q, m.now, m.reply()).Verdict)
	require.Equal(t, ready, m.track().state)
}

func TestNote5ChallengeTurnsARetryIntoAnAnswer(t *testing.T) {
	m := reach(t, ready)
	m.c.HandleDatagram(&m.q, m.now, challenge(9))
	require.Equal(t, KindRules.AppendRequest(nil, 9), m.c.Transmit(nil, &m.q, m.now))
	require.Equal(t, Result{Attempts: 1, Rounds: 1, RTT: -1}, m.q.Result(m.k))

	m = reach(t, ready)
	m.track().rounds = uint8(m.c.cfg.MaxChallenges * int(m.track().attempts))
	m.c.HandleDatagram(&m.q, m.now, challenge(9))
	require.Equal(t, KindRules.AppendRequest(nil, NoChallenge), m.c.Transmit(nil, &m.q, m.now))
	require.Equal(t, 2, m.q.Result(m.k).Attempts, "without a round left it is the retry that it was")
}

func TestNote6OnlyTheBetterInfoUpgrades(t *testing.T) {
	m := reach(t, grace)
	for _, b := range []string{string(oldInfoReply), "\xFF\xFF\xFF\xFFC"} {
		require.Equal(t, Duplicate, m.c.HandleDatagram(&m.q, m.now, []byte(b)).Verdict)
		require.Equal(t, grace, m.track().state)
	}
	require.Equal(t, Upgrade, m.c.HandleDatagram(&m.q, m.now, infoReply).Verdict)
}

// TestDoneIsDone: nothing that comes after the end changes a Query, or stays in memory.
func TestDoneIsDone(t *testing.T) {
	m := reach(t, waiting)
	m.c.Abort(&m.q, ReasonAborted)
	before := m.q
	for _, b := range [][]byte{m.reply(), m.fragment(), challenge(5), infoReply, {1}, []byte("\xFF\xFF\xFF\xFFlbanned\x00")} {
		out := m.c.HandleDatagram(&m.q, m.now, b)
		require.Equal(t, Output{Verdict: Unexpected, Done: true}, out)
	}
	m.c.HandleUnreachable(&m.q, true, false)
	m.c.HandleUnreachable(&m.q, true, true)
	m.c.HandleTimeout(&m.q, 60_000*ms)
	m.c.Abort(&m.q, ReasonSend)
	m.c.Reject(&m.q, m.k, m.now)
	require.Equal(t, before, m.q)
	require.Zero(t, m.c.ReassemblyUsed())

	var zero Query
	require.True(t, m.c.HandleDatagram(&zero, 0, infoReply).Done, "the zero Query is done")
	require.Equal(t, Query{}, zero)
}

// TestLongWaits: whatever the clock says, time does not wrap round.
func TestLongWaits(t *testing.T) {
	c := newClient(t, Config{Timeout: time.Hour, MaxElapsed: time.Hour, Retries: 3})
	var q Query
	c.Begin(&q, WantRules)
	c.Transmit(nil, &q, 5)
	require.Equal(t, Fragment, c.HandleDatagram(&q, Time(59*time.Minute), []byte("\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x02\x00\xE0\x04\xFF\xFF\xFF\xFFE\x00\x00")).Verdict)
	at, open := c.Deadline(&q)
	require.True(t, open)
	require.Equal(t, Time(time.Hour)+5, at)
	out := c.HandleTimeout(&q, Time(72*time.Minute)) // 2³² µs are 71.6 minutes
	require.True(t, out.Done, "a machine that slept finds the deadline passed")

	c.Begin(&q, WantInfo)
	c.Transmit(nil, &q, 1000*ms)
	out = c.HandleDatagram(&q, 999*ms, infoReply)
	require.Equal(t, Answer, out.Verdict, "a clock that steps back")
	require.Zero(t, q.Result(KindInfo).RTT)
}
