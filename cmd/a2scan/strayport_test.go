package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server that replies from another port is named, with the port.
func TestQueryAnsweredFromElsewhere(t *testing.T) {
	t.Parallel()
	asked, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { asked.Close() })
	other, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { other.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			_, from, err := asked.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = other.WriteTo([]byte("\xff\xff\xff\xffA\x01\x02\x03\x04"), from)
		}
	}()
	status, stderr := inProcess("query", "--query", "info", "--timeout", "300ms", "--retries", "1", asked.LocalAddr().String())
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "a2scan: 2 datagrams came from "+other.LocalAddr().String()+", not from the address asked\n"+
		"a2scan: hint: a2scan query "+other.LocalAddr().String()+"\n")
}
