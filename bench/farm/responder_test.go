package farm

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A loadPort is a socket with no kernel behind it: every Recv is a full batch
// of INFO requests to addresses that follow each other. Send takes what it is
// told to take.
type loadPort struct {
	left, next int
	request    []byte
	room       func(n int) (int, error) // nil: for all
	sent       int
}

func (p *loadPort) Recv(b *mux.Batch, wait time.Duration) error {
	b.Reset()
	if p.left == 0 {
		return net.ErrClosed
	}
	peer := mux.KeyFrom(netip.MustParseAddrPort("127.0.0.1:40000"))
	for range min(p.left, b.Cap()) {
		local := mux.Key{Lo: 0xFFFF_7F00_0000 | uint64(p.next&0xFFFFFF)}
		b.CommitFrom(local, peer, p.request)
		p.next++
		p.left--
	}
	return nil
}

func (p *loadPort) Send(b *mux.Batch) (int, error) {
	n, err := b.Len(), error(nil)
	if p.room != nil {
		n, err = p.room(n)
	}
	p.sent += n
	return n, err
}

func (p *loadPort) Wake()                     {}
func (p *loadPort) Stats() mux.PortStats      { return mux.PortStats{} }
func (p *loadPort) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("0.0.0.0:27015") }
func (p *loadPort) Close() error              { return nil }

func load(w *prototest.World) (*responder, *loadPort) {
	p := &loadPort{request: proto.AppendInfoRequest(nil, proto.NoChallenge)}
	r := &responder{farm: &Farm{listen: netip.MustParsePrefix("127.0.0.0/8"), start: time.Now()},
		service: w, replies: prototest.NewReplies(1)}
	r.init(p)
	return r, p
}

func TestRespondingDoesNotAllocate(t *testing.T) {
	w := &prototest.World{Seed: 1, Shares: prototest.Shares{Challenge: 50, Loss: 1, Duplicate: 5, DelayMax: 3 * time.Millisecond}}
	r, p := load(w)
	serve := func() {
		p.left = 64 * 50
		require.ErrorIs(t, r.run(), net.ErrClosed)
	}
	serve()
	perRequest := testing.AllocsPerRun(20, serve) / (64 * 50)
	require.Less(t, perRequest, 0.01, "only buffers that are not warm yet, and require's own")
}

func TestResponderWithoutRoom(t *testing.T) {
	// The first packet is refused for its own sake, then there is no room twice,
	// then for ten at a time.
	calls := 0
	r, p := load(&prototest.World{})
	p.left = 64
	p.room = func(n int) (int, error) {
		calls++
		switch calls {
		case 1:
			return 0, &mux.PeerError{Err: net.ErrWriteToConnected}
		case 2, 3:
			return 0, nil
		}
		return min(n, 10), nil
	}
	require.ErrorIs(t, r.run(), net.ErrClosed)
	require.Equal(t, 63, p.sent)
	c := r.farm.tally.counters()
	require.Equal(t, uint64(63), c.Replies)
	require.Equal(t, uint64(1), c.Dropped)

	// Never any room: the replies are dropped, and the farm goes on.
	r, p = load(&prototest.World{})
	p.left = 70
	p.room = func(int) (int, error) { return 0, nil }
	require.ErrorIs(t, r.run(), net.ErrClosed)
	c = r.farm.tally.counters()
	require.Equal(t, uint64(70), c.Dropped)
	require.Zero(t, c.Replies)

	// The socket is gone.
	r, p = load(&prototest.World{})
	p.left = 1
	p.room = func(int) (int, error) { return 0, net.ErrWriteToConnected }
	require.ErrorIs(t, r.run(), net.ErrWriteToConnected)
}

// BenchmarkResponder is the farm's own cost of a request, the kernel's not counted.
func BenchmarkResponder(b *testing.B) {
	for _, tc := range []struct {
		name   string
		shares prototest.Shares
	}{
		{"info", prototest.Shares{}},
		{"challenge", prototest.Shares{Challenge: 100}},
		{"delayed", prototest.Shares{Challenge: 100, DelayMin: time.Nanosecond, DelayMax: 2}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r, p := load(&prototest.World{Shares: tc.shares})
			p.left = b.N
			b.ReportAllocs()
			_ = r.run()
		})
	}
}
