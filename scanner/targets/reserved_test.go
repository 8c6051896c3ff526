package targets

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/ipaddr"
)

// Prefixes lose exactly the addresses that CheckUnicast refuses.
func TestUnasked(t *testing.T) {
	check := func(a address) {
		err := ipaddr.CheckUnicast(a.key(0).Addr())
		require.Equal(t, err != nil, unasked.contains(a), "%v", a)
		if err != nil {
			require.Equal(t, err.Error(), unaskedReason(a, 0))
		} else {
			require.Empty(t, unaskedReason(a, 0))
		}
	}
	for _, iv := range unasked.ivs {
		for n := range uint64(3) {
			check(iv.first.plus(n))
			check(iv.first.minus(n))
			check(iv.last.plus(n))
			check(iv.last.minus(n))
		}
	}
	for n := range uint32(1 << 16) {
		check(address4(n << 16))
		check(address4(n<<16 | 0xffff))
		check(address{uint64(n) << 48, 1})
	}
	require.Empty(t, unaskedReason(address{0xfe80 << 48, 1}, 2), "the interface is known")
}
