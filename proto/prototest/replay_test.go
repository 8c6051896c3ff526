package prototest

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// captures returns the folder of real replies, or skips.
func captures(t *testing.T) string {
	dir := os.Getenv("A2SCAN_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "captures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("NO CAPTURES: %v; set A2SCAN_CAPTURES", err)
	}
	return dir
}

// Every captured server, played by the client, is recorded as expected.json says.
func TestReplayIsRecordedAsExpected(t *testing.T) {
	r, err := NewReplay(os.DirFS(captures(t)), netip.MustParseAddr("127.0.1.1"), 27015)
	require.NoError(t, err)
	c := newClient(t, 1)
	for _, f := range r.Folders() {
		t.Run(f.Name, func(t *testing.T) {
			wants := []proto.Kinds{f.Kinds, proto.WantInfo | proto.WantPlayers | proto.WantRules}
			if f.Kinds == 0 {
				wants = wants[1:] // a challenge is all there is
			}
			for _, want := range wants {
				truth, ok := r.Truth(f.At, want)
				require.True(t, ok)
				h := c.query(t, r, f.At, want)
				requireTrue(t, &truth, &h)
				if len(truth.Info) == 2 && want.Has(proto.KindInfo) {
					require.Equal(t, proto.FormatSource, h.info.Format, "the 'I' behind the 'm' is the better answer")
				}
			}
		})
	}
}

func TestReplayOfNothing(t *testing.T) {
	first := netip.MustParseAddr("127.0.1.1")
	_, err := NewReplay(fstest.MapFS{"a/b.bin": {}}, first, 1)
	require.ErrorContains(t, err, "no captures")
	_, err = NewReplay(fstest.MapFS{"a/expected.json": {Data: []byte(`{"messages":[{"files":["00.bin"],"kind":"info","decoded":{}}]}`)}}, first, 1)
	require.ErrorContains(t, err, "00.bin")
	_, err = NewReplay(fstest.MapFS{"a/expected.json": {Data: []byte(`{"messages":[{"kind":"poem","decoded":{}}]}`)}}, first, 1)
	require.ErrorContains(t, err, "a/expected.json: poem: unknown kind")

	r, err := NewReplay(fstest.MapFS{
		"a/expected.json": {Data: []byte(`{"messages":[{"files":["00.bin"],"kind":"challenge","decoded":{}}]}`)},
		"a/00.bin":        {Data: []byte("\xFF\xFF\xFF\xFFAtokn")},
	}, first, 7)
	require.NoError(t, err)
	require.Equal(t, "127.0.1.1:7", r.Folders()[0].At.String())
	_, ok := r.Truth(at(5), proto.WantInfo)
	require.False(t, ok, "nobody is there")
	out := NewReplies(1)
	r.Answer(out, 0, testClient, at(5), requestFor(proto.KindInfo, proto.NoChallenge))
	require.Zero(t, out.Len())
}
