package targets

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (p Ports) list() []uint16 {
	out := make([]uint16, p.Len())
	for i := range out {
		out[i] = p.At(i)
	}
	return out
}

func TestPorts(t *testing.T) {
	for _, test := range []struct {
		text string
		want []uint16
		back string
	}{
		{"27015", []uint16{27015}, "27015"},
		{"27015,27020-27022", []uint16{27015, 27020, 27021, 27022}, "27015,27020-27022"},
		{"3,1,2", []uint16{3, 1, 2}, "3,1-2"},
		{"1,1,1-2,1-3", []uint16{1, 2, 3}, "1-3"},
		{"5-5", []uint16{5}, "5"},
		{"2-3,1-5", []uint16{2, 3, 1, 4, 5}, "2-3,1,4-5"},
		{"63-65,64-129,1", append(slices.Collect(func(yield func(uint16) bool) {
			for p := uint16(63); p < 130; p++ {
				yield(p)
			}
		}), 1), "63-129,1"},
		{"65535", []uint16{65535}, "65535"},
		{"65535,65534-65535", []uint16{65535, 65534}, "65535,65534"},
	} {
		p, err := parsePorts(test.text)
		require.NoError(t, err, test.text)
		require.Equal(t, test.want, p.list(), test.text)
		require.Equal(t, test.back, p.String())
		again, err := parsePorts(p.String())
		require.NoError(t, err)
		require.True(t, p.same(again))
		for _, port := range test.want {
			require.True(t, p.Has(port))
		}
	}
	p, err := parsePorts("1-65535," + strings.Repeat("1-65535,", 5000) + "7")
	require.NoError(t, err)
	require.Equal(t, 65535, p.Len())
	require.Equal(t, "1-65535", p.String())
	require.False(t, p.Has(0))
	for _, text := range []string{"", ",", "0", "1,", "65536", "2-1", "1-", "-1", "a", "1 ", "0x10", "1_0", "99999999999999999999"} {
		_, err := parsePorts(text)
		require.Error(t, err, "%q", text)
	}
}

func TestPortArithmeticAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() Ports {
		var p Ports
		var seen portBits
		for range rng.IntN(6) {
			first := 65535 - rng.IntN(200)
			p.addNew(&seen, uint16(first), uint16(min(first+rng.IntN(70), 65535)))
		}
		return p
	}
	for range 150 {
		p, q := random(), random()
		var minus, plus []uint16
		for _, port := range p.list() {
			if !slices.Contains(q.list(), port) {
				minus = append(minus, port)
			}
		}
		plus = p.list()
		for _, port := range q.list() {
			if !slices.Contains(p.list(), port) {
				plus = append(plus, port)
			}
		}
		require.ElementsMatch(t, minus, p.minus(q).list())
		require.ElementsMatch(t, plus, p.plus(q).list())
		for port := uint16(65300); port != 0; port++ {
			require.Equal(t, slices.Contains(p.list(), port), p.Has(port))
		}
	}
}
