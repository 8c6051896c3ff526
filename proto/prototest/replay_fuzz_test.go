package prototest

import (
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// FuzzReplay reads any folder of captures. If it is valid, its server answers with
// datagrams of that folder only, and has a truth.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"messages":[{"files":["0"],"kind":"info","decoded":{"name":"a","map":{"hex":"ff00"},"ship":{}}},{"files":["1","0"],"kind":"players","decoded":{"players":[{"name":"x"}]}}]}`), []byte("\xFF\xFF\xFF\xFFI"), []byte{})
	f.Add([]byte(`{"Messages":[{"files":["0"],"kind":"challenge"}]}`), []byte("\xFF\xFF\xFF\xFFAtokn"), []byte{})
	f.Add([]byte(`{"messages":[{"files":["0"],"kind":"challenge"},{"files":["1"],"kind":"rules","decoded":{"rules":[["a",{"hex":"01"}],["b","c"]]}}]}`), []byte("12345678"), []byte("E"))
	f.Add([]byte(`{"messages":[{"files":[],"kind":"info-goldsource","decoded":{"steamid":"x"}},{"files":["../0"]}]}`), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, expected, zero, one []byte) {
		first := netip.MustParseAddr("127.0.1.1")
		r, err := NewReplay(fstest.MapFS{"a/expected.json": {Data: expected}, "a/0": {Data: zero}, "a/1": {Data: one}}, first, 7)
		if err != nil {
			require.Nil(t, r)
			return
		}
		require.Len(t, r.Folders(), 1)
		folder := &r.Folders()[0]
		require.Equal(t, "127.0.1.1:7", folder.At.String())
		truth, ok := r.Truth(folder.At, proto.WantInfo|proto.WantPlayers|proto.WantRules)
		require.True(t, ok)
		out := NewReplies(1)
		for k := range proto.Kind(3) {
			require.NotZero(t, truth.Sections[k])
			require.Equal(t, folder.Kinds.Has(k), truth.Sections[k].Has(Success))
			r.Answer(out, 0, testClient, folder.At, requestFor(k, proto.NoChallenge))
			for i := range out.Len() {
				b, delay := out.Datagram(i)
				require.Zero(t, delay)
				own := string(b) == string(zero) || string(b) == string(one)
				require.True(t, own || len(b) == 9, "%q is of no folder and no challenge", b)
			}
		}
	})
}
