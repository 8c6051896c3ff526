package scanner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// spendAll takes what b allows from now to end, asking again when b says so but
// late by what late returns, and returns when packets went. Each has payload bytes.
func spendAll(t testing.TB, b *budget, now, end proto.Time, payload int, late func() time.Duration) []proto.Time {
	var sent []proto.Time
	for now < end {
		n := b.available(now, 64)
		b.spend(now, n, n*payload)
		for range n {
			sent = append(sent, now)
		}
		next := b.next(now)
		if n == 64 && next == now { // a batch is full: the next is a turn later
			now = now.Add(10 * time.Microsecond)
			continue
		}
		if next <= now {
			t.Fatalf("the loop would spin at %v", time.Duration(now))
		}
		now = next.Add(late())
	}
	return sent
}

func punctual() time.Duration { return 0 }

// requireWindows checks that no window holds more than burst and what accrued in it.
func requireWindows(t testing.TB, sent []proto.Time, perSecond, burst float64) {
	least := 0.0
	for k, at := range sent {
		accrued := time.Duration(at).Seconds() * perSecond
		least = min(least, float64(k)-accrued)
		if n := float64(k+1) - accrued - least; n > burst*1.000001+1e-3 { // require is slow a million times
			t.Fatalf("%.3f packets above what accrued, more than the burst of %v, at %v", n, burst, time.Duration(at))
		}
	}
}

func TestBudgetRates(t *testing.T) {
	for _, rate := range []float64{minPacketsPerSec, 0.1, 1, 2, 10, 100, 1999, 2000, 10_000, 123_456, 1e6} {
		b := newBudget(rate, 0)
		span := proto.Time(max(2/rate, min(20/rate, 20), 0.5) * 1e9)
		sent := spendAll(t, &b, 0, span, 25, punctual)
		burst := max(2, rate*burstTime.Seconds())
		requireWindows(t, sent, rate, burst)
		want := rate * time.Duration(span).Seconds()
		// The first goes at once; the last ones may be kept back at the end.
		require.InDelta(t, want+0.5, float64(len(sent)), 1+rate*1.1*grantTime.Seconds(), "rate %v", rate)
	}
}

// A loop that is always late by a random time still gets the rate, as long as it is
// not late by more than the burst.
func TestBudgetOversleep(t *testing.T) {
	for _, rate := range []float64{1, 50, 2000, 100_000, 1e6} {
		b := newBudget(rate, 0)
		x := uint64(1)
		late := func() time.Duration {
			x = x*6364136223846793005 + 1442695040888963407
			return time.Duration(x>>33) % (3 * time.Millisecond)
		}
		span := proto.Time(max(5/rate, 1) * 1e9)
		sent := spendAll(t, &b, 0, span, 25, late)
		requireWindows(t, sent, rate, max(2, rate*burstTime.Seconds()))
		want := rate * time.Duration(span).Seconds()
		require.GreaterOrEqual(t, float64(len(sent)), want*0.98-1, "rate %v", rate)
	}
}

// A machine that slept sends one burst and then its rate: it does not catch up.
func TestBudgetSuspend(t *testing.T) {
	for _, rate := range []float64{1, 2000, 1e6} {
		b := newBudget(rate, 0)
		spendAll(t, &b, 0, proto.Time(time.Second), 25, punctual)
		const woken = proto.Time(time.Hour)
		sent := spendAll(t, &b, woken, woken+proto.Time(10*time.Millisecond), 25, punctual)
		require.LessOrEqual(t, float64(len(sent)), max(2, rate*burstTime.Seconds())+rate*0.01+1e-6, "rate %v", rate)
		require.GreaterOrEqual(t, len(sent), 2)
	}
}

// A scan begins with one packet, not with a burst.
func TestBudgetStartsAllButEmpty(t *testing.T) {
	for _, rate := range []float64{1, 2000, 1e6} {
		b := newBudget(rate, 0)
		require.Equal(t, 1, b.available(0, 1000), "rate %v", rate)
	}
	b := newBudget(0, 8e6)
	require.Equal(t, 1, b.available(0, 1000))
}

// Bandwidth counts headers: at 1 Mb/s requests of 25 bytes are 53 on the wire.
func TestBudgetBandwidth(t *testing.T) {
	for _, bits := range []float64{1000, 64_000, 1e6, 1e9} {
		b := newBudget(0, bits)
		span := proto.Time(max(2, 5*8*requestSize/bits) * 1e9)
		if bits > 1e8 {
			span = proto.Time(200 * time.Millisecond)
		}
		sent := spendAll(t, &b, 0, span, 25, punctual)
		const onWire = 8 * (25 + frameOverhead)
		requireWindows(t, sent, bits/onWire, max(2*1500, bits/8*burstTime.Seconds())*8/onWire)
		want := bits / onWire * time.Duration(span).Seconds()
		require.InEpsilon(t, want, float64(len(sent)), 0.01+1.5/want, "%v b/s", bits)
	}
}

// With both limits the tighter one holds.
func TestBudgetBoth(t *testing.T) {
	const onWire = 8 * (25 + frameOverhead)
	for _, tight := range []struct{ rate, bits float64 }{{1000, 1e9}, {1e6, 1000 * onWire}} {
		b := newBudget(tight.rate, tight.bits)
		sent := spendAll(t, &b, 0, proto.Time(2*time.Second), 25, punctual)
		require.InEpsilon(t, 2000, float64(len(sent)), 0.02)
	}
}

func TestBudgetUnlimited(t *testing.T) {
	b := newBudget(0, 0)
	require.Equal(t, 64, b.available(0, 64))
	b.spend(0, 64, 6400)
	require.Equal(t, 64, b.available(0, 64))
	require.Equal(t, proto.Time(7), b.next(7))
	require.Zero(t, b.available(0, 0))
}

func TestBudgetAllocatesNothing(t *testing.T) {
	b := newBudget(1e5, 1e9)
	var now proto.Time
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		n := b.available(now, 64)
		b.spend(now, n, n*25)
		now = b.next(now)
	}))
}
