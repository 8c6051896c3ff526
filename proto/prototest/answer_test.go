package prototest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// For any request, a server does not crash, answers requests only, and never with more than
// its largest reply.
func FuzzAnswer(f *testing.F) {
	for k := range proto.Kind(3) {
		f.Add(requestFor(k, proto.NoChallenge), 1, false)
		f.Add(requestFor(k, 0x01020304), 70000, true)
	}
	f.Add([]byte("\xff\xff\xff\xffW"), 2, false)
	f.Add(proto.KindPing.AppendRequest(nil, proto.NoChallenge), 3, true)
	f.Add([]byte("\xFF\xFF\xFF\xFF"), 4, true)
	f.Add([]byte{}, 5, false)
	worlds := [2]*World{everything(1), {Seed: 2}}
	out := NewReplies(1)
	f.Fuzz(func(t *testing.T, request []byte, server int, plain bool) {
		w := worlds[0]
		if plain {
			w = worlds[1]
		}
		w.Answer(out, 0, testClient, at(server), request)
		sum := 0
		for i := range out.Len() {
			b, delay := out.Datagram(i)
			sum += len(b)
			require.GreaterOrEqual(t, delay, w.Shares.DelayMin)
		}
		require.LessOrEqual(t, sum, 64<<10)
		if out.Len() == 0 {
			return
		}
		require.True(t, bytes.HasPrefix(request, []byte("\xFF\xFF\xFF\xFF")))
		require.Contains(t, "TUVWi", string(request[4]))
		if c := request[4]; c == 'U' || c == 'V' {
			require.True(t, len(request) == 9 || !w.ServerAt(at(server)).Does.Has(StrictLength))
		} else if c == 'T' {
			require.GreaterOrEqual(t, len(request), 25)
			require.True(t, len(request) == 25 || len(request) == 29 || !w.ServerAt(at(server)).Does.Has(StrictLength))
		}
	})
}

func FuzzParseOutcome(f *testing.F) {
	for _, s := range []string{"success", "timeout", "incomplete", "protocol_error", "refused", "partial", "", "success or timeout"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, status string) {
		o := ParseOutcome(status)
		require.Equal(t, o != 0, status != "" && o.String() == status)
	})
}
