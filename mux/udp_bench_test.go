package mux_test

import (
	"net"
	"testing"

	"github.com/a2scan/a2scan/mux"
	"github.com/stretchr/testify/require"
)

// payload is of a query's size with a challenge.
var payload = make([]byte, 29)

// BenchmarkPort sends a batch over loopback and receives it again: the time is
// that of both, a packet.
func BenchmarkPort(b *testing.B) {
	for _, c := range []struct {
		name        string
		batch, room int
	}{{"batch=1", 1, 2048}, {"batch=8", 8, 2048}, {"batch=64", 64, 2048}, {"batch=64,room=65535", 64, mux.MaxDatagram}} {
		b.Run(c.name, func(b *testing.B) {
			batch := c.batch
			from, to := listen(b, mux.Options{Local: loopback}), listen(b, mux.Options{Local: loopback, Rcvbuf: 1 << 20})
			out, in := mux.NewBatch(batch, 64), mux.NewBatch(batch, c.room)
			peer := mux.KeyFrom(to.LocalAddr())
			b.ReportAllocs()
			packets := 0
			for b.Loop() {
				out.Reset()
				for range batch {
					out.Commit(peer, append(out.Next(), payload...))
				}
				if n, err := from.Send(out); n != batch || err != nil {
					b.Fatal(n, err)
				}
				for got := 0; got < batch; got += in.Len() {
					if err := to.Recv(in, -1); err != nil {
						b.Fatal(err)
					}
				}
				packets += batch
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
		})
	}
}

// BenchmarkPackageNet is what a Port saves.
func BenchmarkPackageNet(b *testing.B) {
	from, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	require.NoError(b, err)
	defer from.Close()
	to, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	require.NoError(b, err)
	defer to.Close()
	peer := to.LocalAddr().(*net.UDPAddr).AddrPort()
	buf := make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := from.WriteToUDPAddrPort(payload, peer); err != nil {
			b.Fatal(err)
		}
		if _, _, err := to.ReadFromUDPAddrPort(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
}

// BenchmarkPortIdle is a look at an empty socket, the price of looking before
// waiting.
func BenchmarkPortIdle(b *testing.B) {
	p := listen(b, mux.Options{Local: loopback})
	in := mux.NewBatch(64, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Recv(in, 0); err != nil || in.Len() > 0 {
			b.Fatal(in.Len(), err)
		}
	}
}
