package bare

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

const servers = 300

func startFarm(t *testing.T, shares prototest.Shares) (port uint16) {
	if farm.DefaultListen().IsSingleIP() {
		t.Skip("this system does not answer for all of 127/8")
	}
	f, err := farm.Start(t.Context(), farm.Config{Ports: []uint16{0}, Service: &prototest.World{Seed: 5, Shares: shares}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f.Ports()[0]
}

func listen(t *testing.T) mux.Port {
	p, err := mux.Listen(mux.Options{Rcvbuf: 8 << 20, Sndbuf: 4 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func ask(t *testing.T, port uint16, kinds proto.Kinds, giveUp time.Duration) Result {
	n := 0
	r, err := Run(Config{
		Port: listen(t), Kinds: kinds, Batch: 64, Window: 64, GiveUp: giveUp,
		Next: func() (mux.Key, bool) {
			n++
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 3, byte(n >> 8), byte(n)}), port)
			return mux.KeyFrom(at), n <= servers
		},
	})
	require.NoError(t, err)
	require.Equal(t, uint64(servers), r.Asked)
	return r
}

// The limit is valid only if it exchanges the scanner's datagrams.
func TestSameDatagramsAsTheScanner(t *testing.T) {
	all := proto.WantInfo | proto.WantPlayers | proto.WantRules
	for _, c := range []struct {
		name   string
		kinds  proto.Kinds
		shares prototest.Shares
	}{
		{"info", proto.WantInfo, prototest.Shares{}},
		{"info with challenge", proto.WantInfo, prototest.Shares{Challenge: 100}},
		{"all with challenge", all, prototest.Shares{Challenge: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := startFarm(t, c.shares)
			limit := ask(t, port, c.kinds, 5*time.Second)
			require.Equal(t, uint64(servers), limit.Answered)

			cfg := scanner.DefaultConfig()
			cfg.Kinds, cfg.Rate, cfg.PerIPRate, cfg.Timeout = c.kinds, 0, 0, 5*time.Second
			last := netip.AddrFrom4([4]byte{127, 3, servers >> 8, servers & 255})
			list, err := targets.NewList(targets.Config{Args: []string{fmt.Sprintf("127.3.0.1-%s:%d", last, port)}})
			require.NoError(t, err)
			sink, err := dataset.Create(os.DevNull, dataset.CompressAuto)
			require.NoError(t, err)
			s, err := scanner.New(cfg, listen(t), list, sink)
			require.NoError(t, err)
			result, err := s.Run(t.Context())
			require.NoError(t, err)

			require.Equal(t, uint64(servers), result.Stats.Statuses[output.Success])
			if c.kinds == proto.WantInfo {
				require.Equal(t, result.Stats.Sent, limit.Sent)
				require.Equal(t, result.Stats.Received, limit.Received)
				return
			}
			// If a server that asks twice sends its second challenge before the last of the
			// three requests has left, the scanner saves that request.
			require.InEpsilon(t, result.Stats.Sent, limit.Sent, 0.03)
			require.InEpsilon(t, result.Stats.Received, limit.Received, 0.03)
		})
	}
}

// Servers that say nothing hold the window up for a moment only.
func TestSilenceEnds(t *testing.T) {
	port := startFarm(t, prototest.Shares{Silent: 100})
	r := ask(t, port, proto.WantInfo, time.Millisecond)
	require.Equal(t, uint64(servers), r.Sent)
	require.Zero(t, r.Answered)
	require.Less(t, r.Duration, 10*time.Second)
}
