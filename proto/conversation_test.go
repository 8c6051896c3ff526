package proto_test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// forEachSplitCapture calls f with the fragments of every captured split reply,
// the synthetic ones that are replies among them.
func forEachSplitCapture(t *testing.T, dir string, f func(t *testing.T, format string, fragments [][]byte)) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.json"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var c capture
		require.NoError(t, json.Unmarshal(text, &c))
		name, folder := filepath.Base(filepath.Dir(file)), filepath.Dir(file)
		if c.Expected["payload_sha1"] != nil {
			t.Run(name, func(t *testing.T) { f(t, "", readDatagrams(t, folder, c.Files)) })
		}
		for _, m := range c.Messages {
			if m.Transport == "split" {
				t.Run(name+"/"+m.Kind, func(t *testing.T) { f(t, m.Format, readDatagrams(t, folder, m.Files)) })
			}
		}
	}
}

// TestConversationBelieves: it takes messages in any order, solicited or not, and
// numbers the datagrams that made them up.
func TestConversationBelieves(t *testing.T) {
	c := new(proto.Conversation)
	split := cutter{dialect: proto.DialectSource, id: 4, size: 20}.cut(rulesPayload(3))
	require.Len(t, split, 2)
	receive := func(d []byte) proto.Message {
		t.Helper()
		m, ok := c.Receive(d)
		require.True(t, ok)
		return m
	}
	silent := func(d []byte) {
		t.Helper()
		_, ok := c.Receive(d)
		require.False(t, ok)
	}
	m := receive(canned["players"])
	k, ok := m.Kind()
	require.True(t, ok)
	require.Equal(t, proto.KindPlayers, k)
	silent(split[1])
	silent(split[1])
	m = receive([]byte("\xFF\xFF\xFF\xFFlbanned\x00"))
	require.Equal(t, proto.TypePrint, m.Type)
	require.NoError(t, m.Err)
	_, ok = m.Kind()
	require.False(t, ok)
	m = receive(split[0])
	require.Equal(t, []int{1, 2, 4}, m.Datagrams)
	require.Equal(t, proto.DialectSource, m.Dialect)
	silent(split[0]) // a straggler is no new message
	require.Empty(t, c.Unfinished())
	m = receive(canned["info"])
	require.Equal(t, []int{6}, m.Datagrams)
	require.Equal(t, proto.DialectUnknown, m.Dialect)
}

// TestConversationChallenge: requests carry the last token that was heard or set.
func TestConversationChallenge(t *testing.T) {
	c := new(proto.Conversation)
	_, known := c.Challenge()
	require.False(t, known)
	require.Equal(t, proto.KindInfo.AppendRequest(nil, proto.NoChallenge), c.AppendRequest(nil, proto.KindInfo))
	require.Equal(t, proto.KindPlayers.AppendRequest(nil, proto.NoChallenge), c.AppendRequest(nil, proto.KindPlayers))
	m, ok := c.Receive([]byte("\xFF\xFF\xFF\xFFA\x29\xF9\xD5\x3C"))
	require.True(t, ok)
	require.Equal(t, proto.TypeChallenge, m.Type)
	require.Equal(t, proto.Challenge(0x3CD5F929), m.Challenge)
	require.Equal(t, proto.KindInfo.AppendRequest(nil, 0x3CD5F929), c.AppendRequest(nil, proto.KindInfo))
	require.Equal(t, proto.KindPlayers.AppendRequest(nil, 0x3CD5F929), c.AppendRequest(nil, proto.KindPlayers))
	require.Equal(t, proto.KindRules.AppendRequest(nil, 0x3CD5F929), c.AppendRequest(nil, proto.KindRules))
	require.Equal(t, proto.KindPing.AppendRequest(nil, proto.NoChallenge), c.AppendRequest(nil, proto.KindPing))
	c.SetChallenge(5)
	require.Equal(t, proto.KindRules.AppendRequest([]byte("x"), 5), c.AppendRequest([]byte("x"), proto.KindRules))

	m, ok = c.Receive([]byte("\xFF\xFF\xFF\xFFA\x29"))
	require.True(t, ok)
	require.ErrorIs(t, m.Err, proto.ErrShort)
	token, _ := c.Challenge()
	require.Equal(t, proto.Challenge(5), token)
}

// TestConversationNoise: a datagram that is no message is said to be none, and the
// next is heard.
func TestConversationNoise(t *testing.T) {
	c := new(proto.Conversation)
	for _, noise := range [][]byte{nil, {1}, {0xFF, 0xFF, 0xFF, 0xFF}, make([]byte, 64), []byte("\x08\x08\x01\x12\x19Invalid/unknown MsgID 255"), {0xFE, 0xFF, 0xFF, 0xFF, 0}} {
		m, ok := c.Receive(noise)
		require.True(t, ok)
		require.Error(t, m.Err)
		require.Empty(t, m.Body)
	}
	m, _ := c.Receive([]byte{1})
	require.ErrorIs(t, m.Err, proto.ErrShort)
	m, _ = c.Receive(make([]byte, 64))
	require.ErrorIs(t, m.Err, proto.ErrType)
	m, ok := c.Receive(canned["info"])
	require.True(t, ok)
	require.NoError(t, m.Err)
}

// TestConversationUnfinished: what is missing can be asked for and given up.
func TestConversationUnfinished(t *testing.T) {
	c := new(proto.Conversation)
	first := cutter{dialect: proto.DialectGoldSource, id: 1, size: 20}.cut(rulesPayload(6))
	second := cutter{dialect: proto.DialectSource, id: 2, size: 20}.cut(rulesPayload(6))
	for _, d := range [][]byte{first[0], first[2], second[1]} {
		_, ok := c.Receive(d)
		require.False(t, ok)
	}
	list := c.Unfinished()
	require.Len(t, list, 2)
	require.Equal(t, proto.TypeRules, list[0].Type)
	require.Equal(t, proto.DialectGoldSource, list[0].Dialect)
	require.Equal(t, []int{0, 1}, list[0].Datagrams)
	require.Equal(t, &proto.FragmentsError{Got: 2, Total: len(first)}, list[0].Err)
	require.Zero(t, list[1].Type)
	require.Equal(t, proto.DialectUnknown, list[1].Dialect)
	require.Equal(t, []int{2}, list[1].Datagrams)
	require.EqualError(t, list[1].Err, "no first fragment among the 1 received")

	require.False(t, c.Invalidate(77, false))
	require.True(t, c.Invalidate(1, false))
	require.False(t, c.Invalidate(1, false))
	require.Len(t, c.Unfinished(), 1)
	require.True(t, c.Invalidate(0, true))
	require.Empty(t, c.Unfinished())
	sets, held := c.Held()
	require.Zero(t, sets+held)

	// Given up, the same id may begin anew. What is complete can't be given up.
	requireNumbers(t, c, first, 3)
	require.False(t, c.Invalidate(1, false))
	require.False(t, c.Invalidate(0, true))
}

// TestConversationForgets: ids that made way for newer ones leave no numbers behind.
func TestConversationForgets(t *testing.T) {
	c := new(proto.Conversation)
	half := func(id uint32) []byte {
		return cutter{dialect: proto.DialectSource, id: id, size: 20}.cut(rulesPayload(3))[0]
	}
	for id := range uint32(10) {
		c.Receive(half(id))
	}
	list := c.Unfinished()
	require.Len(t, list, 3)
	require.Equal(t, []int{7}, list[0].Datagrams)
	requireNumbers(t, c, cutter{dialect: proto.DialectSource, id: 0, size: 20}.cut(rulesPayload(3)), 10)
}

// requireNumbers expects that the fragments, the first of which is the n-th datagram, make a
// message of themselves alone.
func requireNumbers(t *testing.T, c *proto.Conversation, fragments [][]byte, n int) {
	t.Helper()
	var want []int
	for i, d := range fragments {
		want = append(want, n+i)
		m, ok := c.Receive(d)
		require.Equal(t, i == len(fragments)-1, ok)
		if ok {
			require.NoError(t, m.Err)
			require.Equal(t, want, m.Datagrams)
		}
	}
}

// FuzzConversation feeds it any list of datagrams, each behind two bytes of
// length. Whatever they are, no datagram is counted twice, messages have bodies or
// errors, memory stays within its limit and is given back.
func FuzzConversation(f *testing.F) {
	pack := func(datagrams ...[]byte) (b []byte) {
		for _, d := range datagrams {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(d))), d...)
		}
		return b
	}
	f.Add(pack(canned["info"], canned["players"], canned["rules"], canned["old-info"]))
	f.Add(pack(cutter{dialect: proto.DialectSource, id: 1, size: 30}.cut(rulesPayload(8))...))
	f.Add(pack(cutter{dialect: proto.DialectGoldSource, id: 1, size: 30}.cut(rulesPayload(8))...))
	f.Add(pack(cutter{dialect: proto.DialectSourceNoSize, id: 1, size: 30, packed: true}.cut(rulesPayload(8))...))
	f.Add(pack(cutter{dialect: proto.DialectSource, id: 1, size: 30}.cut(rulesPayload(8)[4:])...))
	f.Add(pack(bomb(100)...))
	f.Add(pack([]byte("\xFE\xFF\xFF\xFF\x01\x00\x00\x00\x00\x00"), []byte("\xFF\xFF\xFF\xFFA\x29\xF9\xD5\x3C"), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := new(proto.Conversation)
		n := 0
		heard := map[int]bool{}
		for len(b) >= 2 {
			size := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
			d := slices.Clone(b[2 : 2+size])
			b = b[2+size:]
			m, ok := c.Receive(d)
			n++
			if !ok {
				continue
			}
			require.True(t, m.Err != nil || len(m.Body) > 0 && m.Body[0] == m.Type)
			require.NotEmpty(t, m.Datagrams)
			require.Equal(t, n-1, m.Datagrams[len(m.Datagrams)-1])
			require.True(t, slices.IsSorted(m.Datagrams))
			for _, i := range m.Datagrams {
				require.False(t, heard[i], "datagram %d is in two messages", i)
				heard[i] = true
			}
			c.AppendRequest(nil, proto.Kind(n%proto.NumKinds))
		}
		for _, m := range c.Unfinished() {
			require.Error(t, m.Err)
			for _, i := range m.Datagrams {
				require.False(t, heard[i])
				heard[i] = true
			}
		}
		sets, held := c.Held()
		require.LessOrEqual(t, sets, 3)
		require.LessOrEqual(t, held, 3*256<<10)
		c.Invalidate(0, true)
		_, held = c.Held()
		require.Zero(t, held)
	})
}
