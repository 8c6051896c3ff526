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

// A closingPort has a full batch of requests, and is closed when they are
// answered.
type closingPort struct{ mux.Port }

var here = netip.MustParseAddrPort("127.0.0.1:27015")

func (closingPort) LocalAddr() netip.AddrPort          { return here }
func (closingPort) Stats() mux.PortStats               { return mux.PortStats{} }
func (closingPort) Send(*mux.Batch) (n int, err error) { return 0, net.ErrClosed }
func (closingPort) Recv(b *mux.Batch, _ time.Duration) error {
	for b.Reset(); b.Len() < b.Cap(); {
		b.Commit(mux.KeyFrom(here), proto.KindInfo.AppendRequest(b.Next(), proto.NoChallenge))
	}
	return nil
}

// A farm that is closed while it answers cannot send the rest of its replies. It once
// continued and overran the full batch.
func TestClosedWhileAnswering(t *testing.T) {
	w := &prototest.World{Shares: prototest.Shares{Duplicate: 100}} // more replies than requests
	f := &Farm{listen: netip.PrefixFrom(here.Addr(), 32), start: time.Now()}
	r := &responder{farm: f, replies: prototest.NewReplies(1), service: w, only: mux.KeyFrom(netip.AddrPortFrom(here.Addr(), 0))}
	r.init(closingPort{})
	require.ErrorIs(t, r.run(), net.ErrClosed)
}
