package report

// A timeline counts records over time. It widens its bins as needed, so that there
// are never more than maxBins.
type timeline struct {
	width       int64 // seconds
	bins        map[int64]*[2]uint64
	first, last int64 // of bins
}

const maxBins = 240

func newTimeline() *timeline { return &timeline{width: 1, bins: map[int64]*[2]uint64{}} }

// add counts a record: answered or not.
func (t *timeline) add(second int64, answered bool) {
	bin := t.bin(floorDiv(second, t.width))
	if answered {
		bin[0]++
	} else {
		bin[1]++
	}
	for t.last-t.first >= maxBins {
		t.widen()
	}
}

func (t *timeline) bin(i int64) *[2]uint64 {
	b := t.bins[i]
	if b == nil {
		b = new([2]uint64)
		if len(t.bins) == 0 {
			t.first, t.last = i, i
		}
		t.first, t.last = min(t.first, i), max(t.last, i)
		t.bins[i] = b
	}
	return b
}

// widen doubles the width of the bins.
func (t *timeline) widen() {
	old := t.bins
	t.bins = map[int64]*[2]uint64{}
	t.width *= 2
	for i, n := range old {
		b := t.bin(floorDiv(i, 2))
		b[0] += n[0]
		b[1] += n[1]
	}
}

// floorDiv returns the largest integer that is at most a/b.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// A Timeline is the number of records over time, in bins of equal width.
type Timeline struct {
	Start    int64    `json:"start"` // Unix seconds
	Width    int64    `json:"width"` // seconds
	Answered []uint64 `json:"answered"`
	Silent   []uint64 `json:"silent"`
}

func (t *timeline) result() Timeline {
	out := Timeline{Width: t.width, Answered: []uint64{}, Silent: []uint64{}}
	if len(t.bins) == 0 {
		return out
	}
	out.Start = t.first * t.width
	for i := t.first; i <= t.last; i++ {
		n := t.bins[i]
		if n == nil {
			n = new([2]uint64)
		}
		out.Answered = append(out.Answered, n[0])
		out.Silent = append(out.Silent, n[1])
	}
	return out
}
