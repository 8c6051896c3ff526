package proto_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func TestClientDefaults(t *testing.T) {
	c := newClient(t, proto.Config{})
	q := new(proto.Query)
	c.Begin(q, proto.WantRules)
	_, started := q.Started()
	require.False(t, started)
	_, open := c.Deadline(q)
	require.False(t, open)
	q = ask(c)
	start, started := q.Started()
	require.True(t, started)
	require.Zero(t, start)
	at, open := c.Deadline(q)
	require.True(t, open)
	require.Equal(t, proto.Time(time.Second), at)
	require.True(t, c.HandleTimeout(q, at).Done, "no retries are none, not the default")

	c = newClient(t, proto.Config{Timeout: time.Minute})
	at, _ = c.Deadline(ask(c))
	require.Equal(t, proto.Time(10*time.Second), at, "the ceiling")

	for timeout, gap := range map[time.Duration]time.Duration{
		2 * time.Second:       time.Second,
		50 * time.Millisecond: 100 * time.Millisecond,
	} {
		c = newClient(t, proto.Config{Timeout: timeout})
		q = ask(c)
		half := cutter{dialect: proto.DialectSource, id: 1, size: 20}.cut(rulesPayload(3))
		c.HandleDatagram(q, 10*millisecond, half[0])
		at, _ = c.Deadline(q)
		require.Equal(t, 10*millisecond+proto.Time(gap), at, "the gap of a timeout of %v", timeout)
	}
}

// TestClientRefusesWhatIsOutOfRange: all of it at once, each by its name.
func TestClientRefusesWhatIsOutOfRange(t *testing.T) {
	_, err := proto.NewClient(proto.Config{
		Timeout:         -1,
		Retries:         254,
		MaxElapsed:      2 * time.Hour,
		MaxChallenges:   -5,
		FragmentGap:     -1,
		ReassemblyBytes: -1,
		InflateBudget:   -1,
	})
	for _, name := range []string{"Timeout", "Retries", "MaxElapsed", "MaxChallenges", "FragmentGap", "ReassemblyBytes", "InflateBudget"} {
		require.ErrorContains(t, err, name)
	}
	for _, cfg := range []proto.Config{
		{Retries: -1}, {Retries: 254}, {MaxChallenges: 255}, {Timeout: time.Hour + 1}, {ReassemblyBytes: 1<<32 + 1},
	} {
		_, err := proto.NewClient(cfg)
		require.Error(t, err, "%+v", cfg)
	}
	_, err = proto.NewClient(proto.Config{Retries: 253, MaxChallenges: 254, Timeout: time.Hour, MaxElapsed: time.Hour, ReassemblyBytes: 1})
	require.NoError(t, err)
}

// TestMisusePanics: what foreign bytes can't do, the caller's own error does.
func TestMisusePanics(t *testing.T) {
	c := newClient(t, proto.Config{})
	q := ask(c)
	require.Panics(t, func() { c.AppendTransmit(nil, q) })
	require.Panics(t, func() { c.Sent(q, 0) })
	require.Panics(t, func() { c.AppendTransmit(nil, new(proto.Query)) })
}
