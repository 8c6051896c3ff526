package mux

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func openNet(t testing.TB) *netPort {
	t.Helper()
	p, err := listenNet(Options{Local: netip.MustParseAddrPort("127.0.0.1:0")})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func TestNoWildcard(t *testing.T) {
	_, err := listenNet(Options{Wildcard: true})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "Linux on amd64 or arm64")

	p := openNet(t)
	b := NewBatch(1, 1)
	b.CommitFrom(nth(1), KeyFrom(p.LocalAddr()), nil)
	n, err := p.Send(b)
	require.Zero(t, n)
	var refused *PeerError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// What the reader has no buffer for waits in the system.
func TestMoreThanReadAhead(t *testing.T) {
	a, b := openNet(t), openNet(t)
	const sent = readAhead + 30
	out := NewBatch(sent, 4)
	for i := range sent {
		out.Commit(KeyFrom(b.LocalAddr()), binary.BigEndian.AppendUint32(out.Next(), uint32(i)))
	}
	n, err := a.Send(out)
	require.NoError(t, err)
	require.Equal(t, sent, n)
	in := NewBatch(16, 16)
	for got := uint32(0); got < sent; {
		require.NoError(t, b.Recv(in, 5*time.Second))
		require.NotZero(t, in.Len())
		for i := range in.Len() {
			require.Equal(t, got, binary.BigEndian.Uint32(in.Packet(i).Data))
			got++
		}
	}
}

// Close ends the reader, also one that waits for a buffer because nobody calls
// Recv.
func TestReaderEnds(t *testing.T) {
	p := openNet(t)
	out := NewBatch(readAhead+1, 1)
	for range out.Cap() {
		out.Commit(KeyFrom(p.LocalAddr()), nil)
	}
	_, err := p.Send(out)
	require.NoError(t, err)
	for deadline := time.Now().Add(5 * time.Second); len(p.full) < readAhead; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
	}
	require.NoError(t, p.Close())
	select {
	case <-p.gone:
	default:
		t.Fatal("the reader outlives its Port")
	}
}

// A socket that is lost ends Recv with an error, and what was read before is
// not lost.
func TestLostSocket(t *testing.T) {
	p := openNet(t)
	out := NewBatch(1, 1)
	out.Commit(KeyFrom(p.LocalAddr()), []byte("x"))
	_, err := p.Send(out)
	require.NoError(t, err)
	for deadline := time.Now().Add(5 * time.Second); len(p.full) == 0; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
	}
	require.NoError(t, p.conn.Close()) // by no fault of the Port's
	<-p.gone
	in := NewBatch(1, 1)
	require.NoError(t, p.Recv(in, time.Second))
	require.Equal(t, 1, in.Len())
	require.ErrorIs(t, p.Recv(in, time.Second), net.ErrClosed)
	require.ErrorIs(t, p.Recv(in, 0), net.ErrClosed)
	require.NoError(t, p.Close(), "which can still be closed")
}

func TestPauseWithoutRoom(t *testing.T) {
	p := openNet(t)
	p.short = true // as after a Send that found none
	start := time.Now()
	require.NoError(t, p.Recv(NewBatch(1, 1), -1))
	require.GreaterOrEqual(t, time.Since(start), sendPause)
	require.False(t, p.short, "said once")
}

func TestNoRoom(t *testing.T) {
	full := syscall.ENOBUFS
	if runtime.GOOS == "windows" {
		full = 10055 // WSAENOBUFS
	}
	require.True(t, noRoom(&net.OpError{Err: full}))
	require.False(t, noRoom(&net.OpError{Err: syscall.EINVAL}))
}

func TestGrowUntilGranted(t *testing.T) {
	var asked []int
	askFor(1<<20, func(n int) error {
		asked = append(asked, n)
		if n > 300<<10 {
			return errors.New("too much")
		}
		return nil
	})
	require.Equal(t, []int{1 << 20, 1 << 19, 1 << 18}, asked)
}

// A batch that is short because the reader had no turn says that more may wait, if not of
// the one datagram that the reader has in its hands.
func TestShortBatchBeforeTheReader(t *testing.T) {
	p, from := openNet(t), openNet(t)
	out := NewBatch(64, 8)
	const rounds = 4
	b := NewBatch(16, 64)
	for range 50 {
		for range rounds {
			out.Reset()
			for out.Len() < out.Cap() {
				out.Commit(KeyFrom(p.LocalAddr()), []byte("x"))
			}
			n, err := from.Send(out)
			require.NoError(t, err)
			require.Equal(t, out.Len(), n)
		}
		got, said := 0, false
		for got < rounds*out.Cap() {
			require.NoError(t, p.Recv(b, 0))
			if got += b.Len(); !b.More() && !said {
				require.GreaterOrEqual(t, got, rounds*out.Cap()-1, "the rest waits in the socket")
				said = true
			}
			runtime.Gosched()
		}
	}
}
