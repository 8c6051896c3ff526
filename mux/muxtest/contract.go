package muxtest

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/stretchr/testify/require"
)

// A Clause is one demand of the contract of mux.Port.
type Clause struct {
	Name string
	// Check fails t if one of the two Ports, which reach each other and lose
	// nothing, does not fulfil it. It may close them.
	Check func(t *testing.T, a, b mux.Port)
}

// Contract has the demands on every mux.Port.
var Contract = []Clause{
	{"datagrams arrive whole, in order, with their sender", checkExchange},
	{"a batch may be longer than what is there", checkShortBatch},
	{"what does not fit a batch waits for the next", checkSmallBatch},
	{"an empty datagram is one", checkEmptyDatagram},
	{"a datagram longer than the buffer says so", checkTruncated},
	{"sending nothing is fine", checkSendNothing},
	{"Recv with no wait returns at once", checkNoWait},
	{"Recv waits as long as it may, not shorter", checkWait},
	{"a datagram ends the wait", checkArrivalEndsWait},
	{"Wake ends the wait", checkWakeWaiting},
	{"a Wake that nobody waited for counts for the next wait", checkWakeBefore},
	{"no Wake is lost", checkWakeRace},
	{"Close ends the wait, and everything after it is ErrClosed", checkClose},
	{"Wake and Close may meet", checkWakeClose},
}

// Receive returns copies of the next n packets of p and fails t if they do not come.
func Receive(t testing.TB, p mux.Port, n int) []mux.Packet {
	t.Helper()
	var got []mux.Packet
	b := mux.NewBatch(min(n, mux.MaxBatch), mux.MaxDatagram)
	for deadline := time.Now().Add(30 * time.Second); len(got) < n; {
		require.True(t, time.Now().Before(deadline), "%d packets of %d came", len(got), n)
		require.NoError(t, p.Recv(b, time.Second))
		for i := range b.Len() {
			q := *b.Packet(i)
			if q.Data != nil {
				q.Data = clone(q.Data)
			}
			got = append(got, q)
		}
	}
	return got
}

// Send sends all of b from p and fails t if that is refused.
func Send(t testing.TB, p mux.Port, b *mux.Batch) {
	t.Helper()
	in := mux.NewBatch(1, 1)
	for b.Len() > 0 {
		n, err := p.Send(b)
		require.NoError(t, err)
		if b.DropFront(n); b.Len() > 0 {
			require.NoError(t, p.Recv(in, time.Second))
			require.Zero(t, in.Len(), "nobody sends to the sender")
		}
	}
}

// numbered fills b with datagrams to peer, each of them its number and padding.
func numbered(b *mux.Batch, peer mux.Key) {
	b.Reset()
	for i := range b.Cap() {
		data := binary.BigEndian.AppendUint32(b.Next(), uint32(i))
		b.Commit(peer, append(data, make([]byte, i%7)...))
	}
}

func one(peer mux.Key, data string) *mux.Batch {
	b := mux.NewBatch(1, 2048)
	b.Commit(peer, []byte(data))
	return b
}

func key(p mux.Port) mux.Key { return mux.KeyFrom(p.LocalAddr()) }

func checkExchange(t *testing.T, a, b mux.Port) {
	for _, n := range []int{1, 2, 63, 64, 65, 200} {
		out := mux.NewBatch(n, 16)
		for _, dir := range [][2]mux.Port{{a, b}, {b, a}} {
			numbered(out, key(dir[1]))
			Send(t, dir[0], out)
			for i, q := range Receive(t, dir[1], n) {
				require.Equal(t, key(dir[0]), q.Peer)
				require.Len(t, q.Data, 4+i%7)
				require.EqualValues(t, i, binary.BigEndian.Uint32(q.Data))
				require.Equal(t, mux.Reachable, q.Unreachable)
				require.False(t, q.Truncated)
				require.Zero(t, q.Local)
			}
		}
	}
}

func checkShortBatch(t *testing.T, a, b mux.Port) {
	Send(t, a, one(key(b), "x"))
	in := mux.NewBatch(64, 64)
	require.NoError(t, b.Recv(in, time.Second))
	require.Equal(t, 1, in.Len())
	require.NoError(t, b.Recv(in, 0))
	require.Zero(t, in.Len(), "Recv replaces what the batch held")
}

func checkSmallBatch(t *testing.T, a, b mux.Port) {
	out := mux.NewBatch(10, 16)
	numbered(out, key(b))
	Send(t, a, out)
	in := mux.NewBatch(3, 16)
	for got := uint32(0); got < 10; {
		require.NoError(t, b.Recv(in, time.Second))
		require.NotZero(t, in.Len())
		for i := range in.Len() {
			require.Equal(t, got, binary.BigEndian.Uint32(in.Packet(i).Data))
			got++
		}
	}
}

func checkEmptyDatagram(t *testing.T, a, b mux.Port) {
	Send(t, a, one(key(b), ""))
	q := Receive(t, b, 1)[0]
	require.NotNil(t, q.Data)
	require.Empty(t, q.Data)
	require.Equal(t, key(a), q.Peer)
}

func checkTruncated(t *testing.T, a, b mux.Port) {
	Send(t, a, one(key(b), "12345678"))
	Send(t, a, one(key(b), "123456789"))
	in := mux.NewBatch(1, 8)
	for i := range 2 {
		require.NoError(t, b.Recv(in, time.Second))
		require.Equal(t, 1, in.Len())
		require.Equal(t, "12345678", string(in.Packet(0).Data))
		require.Equal(t, i == 1, in.Packet(0).Truncated)
	}
	require.EqualValues(t, 1, b.Stats().Truncated)
}

func checkSendNothing(t *testing.T, a, _ mux.Port) {
	n, err := a.Send(mux.NewBatch(4, 4))
	require.NoError(t, err)
	require.Zero(t, n)
}

func checkNoWait(t *testing.T, a, _ mux.Port) {
	in := mux.NewBatch(4, 64)
	fastest := time.Hour // the machine may pause in others
	for range 100 {
		start := time.Now()
		require.NoError(t, a.Recv(in, 0))
		fastest = min(fastest, time.Since(start))
		require.Zero(t, in.Len())
	}
	require.Less(t, fastest, 10*time.Millisecond)
}

func checkWait(t *testing.T, a, _ mux.Port) {
	in := mux.NewBatch(4, 64)
	for _, wait := range []time.Duration{time.Microsecond, 3 * time.Millisecond, 20 * time.Millisecond} {
		start := time.Now()
		require.NoError(t, a.Recv(in, wait))
		require.Zero(t, in.Len())
		require.GreaterOrEqual(t, time.Since(start), wait)
	}
}

func checkArrivalEndsWait(t *testing.T, a, b mux.Port) {
	for _, wait := range []time.Duration{-1, time.Minute} {
		sent := make(chan error, 1)
		go func() {
			time.Sleep(2 * time.Millisecond)
			_, err := a.Send(one(key(b), "x"))
			sent <- err
		}()
		in := mux.NewBatch(4, 64)
		start := time.Now()
		require.NoError(t, b.Recv(in, wait))
		require.Equal(t, 1, in.Len())
		require.Less(t, time.Since(start), 30*time.Second)
		require.NoError(t, <-sent)
	}
}

func checkWakeWaiting(t *testing.T, a, _ mux.Port) {
	for _, wait := range []time.Duration{-1, time.Minute} {
		go func() {
			time.Sleep(2 * time.Millisecond)
			a.Wake()
		}()
		in := mux.NewBatch(4, 64)
		start := time.Now()
		require.NoError(t, a.Recv(in, wait))
		require.Zero(t, in.Len())
		require.Less(t, time.Since(start), 30*time.Second)
		checkForgotten(t, a)
	}
}

// checkForgotten: however often it was called, a Wake is soon forgotten, and
// waits are waits again.
func checkForgotten(t *testing.T, a mux.Port) {
	t.Helper()
	in := mux.NewBatch(4, 64)
	start := time.Now()
	for range 3 {
		require.NoError(t, a.Recv(in, 5*time.Millisecond))
	}
	require.GreaterOrEqual(t, time.Since(start), 5*time.Millisecond)
}

func checkWakeBefore(t *testing.T, a, _ mux.Port) {
	in := mux.NewBatch(4, 64)
	a.Wake()
	a.Wake()
	require.NoError(t, a.Recv(in, 0), "which does not wait, and so leaves it to the next")
	start := time.Now()
	require.NoError(t, a.Recv(in, time.Minute))
	require.Less(t, time.Since(start), 30*time.Second)
	checkForgotten(t, a)
}

// checkWakeRace hands numbers over, each with a Wake, to a loop that sleeps
// whenever it has seen the last one: a Wake that is lost leaves it asleep.
func checkWakeRace(t *testing.T, a, _ mux.Port) {
	const rounds = 2000
	work, done := make(chan int, 1), make(chan int)
	go func() {
		for i := range rounds {
			work <- i
			a.Wake()
			<-done
		}
	}()
	in := mux.NewBatch(1, 64)
	for next := 0; next < rounds; {
		start := time.Now()
		require.NoError(t, a.Recv(in, time.Minute))
		require.Less(t, time.Since(start), 30*time.Second, "round %d", next)
		select {
		case i := <-work:
			require.Equal(t, next, i)
			next++
			done <- i
		default: // an old Wake
		}
	}
}

func checkClose(t *testing.T, a, b mux.Port) {
	failed := make(chan error, 1)
	go func() {
		in := mux.NewBatch(4, 64)
		failed <- a.Recv(in, -1)
	}()
	time.Sleep(2 * time.Millisecond)
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-failed, net.ErrClosed)

	require.NoError(t, a.Close(), "again")
	require.ErrorIs(t, a.Recv(mux.NewBatch(1, 1), 0), net.ErrClosed)
	require.ErrorIs(t, a.Recv(mux.NewBatch(1, 1), time.Minute), net.ErrClosed)
	n, err := a.Send(one(key(b), "x"))
	require.Zero(t, n)
	require.ErrorIs(t, err, net.ErrClosed)
	a.Wake()
	a.Stats()
	require.True(t, a.LocalAddr().IsValid())
}

func checkWakeClose(t *testing.T, a, b mux.Port) {
	for _, p := range []mux.Port{a, b} {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 200 {
					p.Wake()
				}
			})
		}
		all.Go(func() {
			in := mux.NewBatch(1, 64)
			for p.Recv(in, time.Millisecond) == nil {
			}
		})
		time.Sleep(time.Millisecond)
		all.Go(func() { p.Close() })
		require.NoError(t, p.Close())
		all.Wait()
	}
}
