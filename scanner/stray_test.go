package scanner

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
)

// Datagrams from another port of a silent target, or if it is the only one from another
// address, are reported in its record.
func TestStrays(t *testing.T) {
	cfg := rigConfig(proto.WantInfo)
	cfg.Retries = 0
	other := rigKey(1)
	other.Port = 27020
	r := newRig(t, cfg, rigTargets(3)...)
	r.reply(other, infoReply("x"), infoReply("x"), infoReply("x"))
	r.reply(rigKey(9), infoReply("x")) // of no target
	r.reply(rigKey(2), infoReply("x"))
	r.finish()
	require.Equal(t, "no answer after 1 attempt", r.record(0).Error)
	require.Equal(t, "no answer after 1 attempt; 3 datagrams came from 192.0.2.1:27020, not from the address asked", r.record(1).Error)
	require.Equal(t, output.Timeout, r.record(1).Status)
	require.Empty(t, r.record(2).Error)

	r = newRig(t, cfg, rigTargets(1)...)
	r.reply(rigKey(9), infoReply("x"))
	r.finish()
	require.Equal(t, "no answer after 1 attempt; 1 datagram came from 192.0.2.9:27015, not from the address asked", r.record(0).Error)

	r = newRig(t, cfg, rigTargets(1)...)
	r.reply(rigKey(9), infoReply("x"))
	r.turn(mux.Packet{Peer: rigKey(0), Data: infoReply("x")})
	require.Empty(t, r.record(0).Error)
	r.finish()
}
