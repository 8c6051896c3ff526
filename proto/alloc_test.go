package proto_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// A stepper plays one whole conversation on its Query, again and again, as the
// loop of a scan would.
type stepper struct {
	c     *proto.Client
	q     proto.Query
	want  proto.Kinds
	out   []byte
	reply [][]byte // in order of arrival, sends as needed between them
}

func (s *stepper) run() {
	s.c.Begin(&s.q, s.want)
	now := proto.Time(0)
	for _, d := range s.reply {
		for s.q.WantsSend() {
			s.out = s.c.Transmit(s.out[:0], &s.q, now)
		}
		now = now.Add(20 * time.Millisecond)
		s.c.HandleTimeout(&s.q, now) // early, as the lap of a wheel may be
		s.c.HandleDatagram(&s.q, now, d)
	}
}

func (s *stepper) silence() {
	s.c.Begin(&s.q, s.want)
	now := proto.Time(0)
	for {
		for s.q.WantsSend() {
			s.out = s.c.Transmit(s.out[:0], &s.q, now)
		}
		at, open := s.c.Deadline(&s.q)
		if !open {
			return
		}
		now = at
		s.c.HandleTimeout(&s.q, now)
	}
}

func steppers(t testing.TB) map[string]*stepper {
	challenge := append(append([]byte{}, canned["challenge"]...), 7, 0, 0, 0)
	split := func(d proto.Dialect) [][]byte {
		return cutter{dialect: d, id: 5, size: 1248}.cut(rulesPayload(300))
	}
	all := map[string]*stepper{
		"plain":      {want: proto.WantInfo, reply: [][]byte{canned["info"]}},
		"challenge":  {want: proto.WantInfo, reply: [][]byte{challenge, canned["info"]}},
		"three":      {want: proto.WantInfo | proto.WantPlayers | proto.WantRules, reply: [][]byte{challenge, canned["info"], canned["players"], canned["rules"]}},
		"old-info":   {want: proto.WantInfo, reply: [][]byte{canned["old-info"], canned["info"]}},
		"noise":      {want: proto.WantInfo, reply: [][]byte{{1}, make([]byte, 64), canned["info"]}},
		"goldsource": {want: proto.WantRules, reply: append([][]byte{challenge}, split(proto.DialectGoldSource)...)},
		"split":      {want: proto.WantRules, reply: append([][]byte{challenge}, split(proto.DialectSource)...)},
		"split twice": {want: proto.WantRules | proto.WantInfo, reply: append(append([][]byte{challenge},
			append(split(proto.DialectSource), split(proto.DialectSource)...)...), canned["info"])},
	}
	for _, s := range all {
		s.c = newClient(t, proto.Config{Retries: 2, ReassemblyBytes: 1 << 20})
		s.out = make([]byte, 0, 64)
	}
	return all
}

// TestStepsAllocateNothing: any uncompressed datagram, and any deadline.
func TestStepsAllocateNothing(t *testing.T) {
	for name, s := range steppers(t) {
		t.Run(name, func(t *testing.T) {
			s.run()
			for k := range proto.Kind(proto.NumKinds) {
				require.Equal(t, s.want.Has(k), s.q.Result(k).Answered, "the conversation is what it should be")
			}
			require.Zero(t, testing.AllocsPerRun(100, s.run))
			require.Zero(t, testing.AllocsPerRun(100, s.silence))
		})
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, name := range []string{"plain", "challenge", "three", "split"} {
		s := steppers(b)[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.run()
			}
		})
	}
	s := steppers(b)["plain"]
	b.Run("silence", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.silence()
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	for name, d := range map[string][]byte{
		"6kB":  cutter{dialect: proto.DialectSource, id: 1, size: 1 << 15, packed: true}.cut(rulesPayload(400))[0],
		"bomb": bomb(100)[0],
	} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, proto.Config{ReassemblyBytes: 1 << 20})
			b.ReportAllocs()
			for b.Loop() {
				c.BeginTurn()
				c.HandleDatagram(ask(c), 1, d)
			}
		})
	}
}
