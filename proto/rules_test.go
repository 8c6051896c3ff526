package proto_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

func decodeRules(t *testing.T, b []byte) *proto.RuleList {
	t.Helper()
	l := &proto.RuleList{List: make([]proto.Rule, 3), Truncated: true}
	require.NoError(t, l.Decode(b))
	return l
}

func rules(n int) []proto.Rule {
	l := make([]proto.Rule, n)
	for i := range l {
		l[i] = proto.Rule{Name: fmt.Appendf(nil, "mp_rule_%d", i), Value: fmt.Append(nil, i*i)}
	}
	return l
}

// TestRules_3_4 includes counts of more than a byte: one reader took only the
// first byte of the count, and everything after it for names.
func TestRules_3_4(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 1000} {
		want := &proto.RuleList{Count: uint16(n), List: rules(n)}
		got := decodeRules(t, encodeRules(want))
		require.EqualValues(t, n, got.Count)
		require.Equal(t, want.List, got.List)
		require.False(t, got.Truncated)
		require.Empty(t, got.Trailing)
	}
}

func TestRulesOddPairsAreKept_3_4(t *testing.T) {
	want := &proto.RuleList{Count: 5, List: []proto.Rule{
		{Name: []byte{}, Value: []byte("no name")},
		{Name: []byte("twice"), Value: []byte("1")},
		{Name: []byte("twice"), Value: []byte("2")},
		{Name: []byte("empty"), Value: []byte{}},
		{Name: []byte{1, 7}, Value: []byte{2, 1, 2, 0xFF}},
	}}
	require.Equal(t, want.List, decodeRules(t, encodeRules(want)).List)
}

// TestRulesTruncated_3_4: servers of 2007 cut at the MTU, in the middle of a string.
func TestRulesTruncated_3_4(t *testing.T) {
	full := &proto.RuleList{Count: 4, List: rules(4)}
	b := encodeRules(full)
	for n := 3; n < len(b); n++ {
		got := decodeRules(t, b[:n])
		require.True(t, got.Truncated, "%d bytes", n)
		require.Equal(t, full.List[:len(got.List)], append([]proto.Rule{}, got.List...))
		require.Equal(t, b[:n], encodeRules(got))
	}
}

// TestRulesTrailingBytes: the count has 16 bits and does not wrap; bytes behind its last
// pair are no rules.
func TestRulesTrailingBytes(t *testing.T) {
	b := encodeRules(&proto.RuleList{Count: 2, List: rules(2), Trailing: make([]byte, 8)})
	got := decodeRules(t, b)
	require.Len(t, got.List, 2)
	require.Len(t, got.Trailing, 8)
	require.False(t, got.Truncated)
}

func TestRulesErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":          "rules: type: short payload at byte 0",
		"E\x01":     "rules: count: short payload at byte 1",
		"I\x00\x00": "rules: type: not a reply of this kind at byte 0",
	} {
		l := proto.RuleList{List: rules(2)}
		require.EqualError(t, l.Decode([]byte(in)), want)
		require.Empty(t, l.List)
		require.True(t, l.Truncated)
	}
}

func TestRulesDecodeAllocatesNothing(t *testing.T) {
	b := encodeRules(&proto.RuleList{Count: 100, List: rules(100)})
	var l proto.RuleList
	require.NoError(t, l.Decode(b))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := l.Decode(b); err != nil {
			panic(err)
		}
	}))
}

func FuzzRules(f *testing.F) {
	for _, seed := range seeds(f, "rules") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var l proto.RuleList
		if err := l.Decode(b); err != nil {
			var de *proto.DecodeError
			require.ErrorAs(t, err, &de)
			require.True(t, len(b) < 3 || b[0] != proto.TypeRules, "nothing else is an error")
			return
		}
		require.Equal(t, b, encodeRules(&l), "a byte was lost")
		require.LessOrEqual(t, len(l.List), int(l.Count))
		require.Equal(t, len(l.List) < int(l.Count), l.Truncated)
	})
}

func BenchmarkRulesDecode100(b *testing.B) {
	buf := encodeRules(&proto.RuleList{Count: 100, List: rules(100)})
	var l proto.RuleList
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
