package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// What users are promised in numbers stands here in numbers, so that a constant
// that changes is noticed: other tests follow the constants.
func TestT3_BurstInNumbers(t *testing.T) {
	for rate, burst := range map[float64]int{1: 2, 400: 2, 2000: 10, 10_000: 50, 1e6: 5000} {
		b := newBudget(rate, 0)
		b.spend(0, b.available(0, 1), 25)
		// After an hour of nothing so many go at once, and no more.
		require.Equal(t, burst, b.available(proto.Time(time.Hour), 1<<20), "rate %v", rate)
	}
}
