package main

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

func TestNeighbourPorts(t *testing.T) {
	require.Equal(t, []uint16{27016, 27017, 27014, 27030, 27165, 28017}, neighbourPorts(27015))
	require.Equal(t, []uint16{2303, 2304, 2301, 2317, 27015, 27016, 27165, 28017}, neighbourPorts(2302))
	require.Equal(t, []uint16{65534, 27015, 27016, 27165, 28017}, neighbourPorts(65535))
	require.Equal(t, []uint16{2, 3, 16, 27015, 27016, 27165, 28017}, neighbourPorts(1))
}

// Each neighbour gets one packet, and one that has a challenge gets the usual ones.
func TestNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := muxtest.New(1)
		port := net.Listen(muxtest.Options{})
		defer port.Close()
		at := func(host string, n uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(host), n) }
		sent := map[mux.Key]int{}
		net.Tap = func(_ time.Time, _, to mux.Key, _ []byte) { sent[to]++ }
		challenge := prototest.AppendChallenge(nil, 7)
		info := prototest.AppendInfo(nil, &proto.Info{Protocol: 17, Name: []byte("x")})
		answers := func(replies ...[]byte) muxtest.Host {
			return muxtest.Host{Handler: func(_ time.Time, _ mux.Key, _ []byte, reply func(mux.Key, []byte, time.Duration)) {
				reply(mux.Key{}, replies[0], time.Millisecond)
				replies = replies[min(1, len(replies)-1):]
			}}
		}
		net.SetHost(mux.KeyFrom(at("192.0.2.7", 2303)), answers(challenge, info))
		net.SetHost(mux.KeyFrom(at("192.0.2.7", 27016)), answers(challenge))
		net.SetHost(mux.KeyFrom(at("192.0.2.8", 2302)), answers(info))
		silent := []silentTarget{{at("192.0.2.7", 2302), "gs.example"}, {at("192.0.2.8", 2301), "192.0.2.8"}, {at("192.0.2.9", 2301), "192.0.2.9"}}
		start := time.Now()
		found, err := neighbours(t.Context(), port, silent, func(at netip.AddrPort, given uint16) bool {
			require.Contains(t, []uint16{2302, 2301}, given)
			return at.Port() == 28017
		})
		require.NoError(t, err)
		require.Equal(t, []string{"gs.example:2303", "gs.example:27016", "192.0.2.8:2302"}, found)
		require.Less(t, time.Since(start), 3*time.Second)
		require.Len(t, sent, 3*7, "none of 28017")
		for to, n := range sent {
			switch to {
			case mux.KeyFrom(at("192.0.2.7", 2303)):
				require.Equal(t, 2, n)
			case mux.KeyFrom(at("192.0.2.7", 27016)): // silence after a token has one attempt more
				require.LessOrEqual(t, n, 4)
			default:
				require.Equal(t, 1, n, "%v", to.AddrPort())
			}
		}
	})
}
