package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// isCapture reports whether a file that begins with head is a pcap or pcapng file.
func isCapture(head []byte) bool {
	for _, magic := range []string{"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// A flow holds the datagrams that one server sent to one client.
type flow struct {
	server netip.AddrPort
	list   []datagram
}

// maxCaptured bounds the bytes of the replies in a capture, which are held in memory.
const maxCaptured = 1 << 30

// readCapture returns the replies in a pcap or pcapng file by server and client, in
// the order of their first packets. Packets that are no replies to A2S queries are
// skipped. If the file is damaged, the packets before the damage are returned too.
func readCapture(name string, r io.Reader) ([]*flow, error) {
	var packets interface {
		ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
		LinkType() layers.LinkType
	}
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clean(name), err)
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if head[0] == 0x0A {
		packets, err = pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	} else {
		packets, err = pcapgo.NewReader(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clean(name), err)
	}
	type key struct{ server, client netip.AddrPort }
	flows := map[key]*flow{}
	var order []*flow
	size := 0
	for n := 1; ; n++ {
		data, info, err := packets.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return order, nil
		}
		if err != nil {
			return order, fmt.Errorf("%s: packet %d: %w", clean(name), n, err)
		}
		link := packets.LinkType()
		if len(info.AncillaryData) > 0 { // an interface of a pcapng file
			if l, ok := info.AncillaryData[0].(layers.LinkType); ok {
				link = l
			}
		}
		from, to, payload := udpOf(data, link)
		if !isReply(payload) {
			continue
		}
		if size += len(payload); size > maxCaptured {
			return order, fmt.Errorf("%s: packet %d: the file has more than %d bytes of replies", clean(name), n, maxCaptured)
		}
		k := key{from, to}
		f := flows[k]
		if f == nil {
			f = &flow{server: from}
			flows[k] = f
			order = append(order, f)
		}
		f.list = append(f.list, datagram{fmt.Sprintf("%s#%d", name, n), bytes.Clone(payload)})
	}
}

// udpOf returns the ends and the payload of a UDP datagram in a packet, nil if there
// is none.
func udpOf(data []byte, first gopacket.Decoder) (from, to netip.AddrPort, payload []byte) {
	p := gopacket.NewPacket(data, first, gopacket.DecodeOptions{NoCopy: true})
	udp, ok := p.TransportLayer().(*layers.UDP)
	if !ok || p.NetworkLayer() == nil {
		return from, to, nil
	}
	ends := p.NetworkLayer().NetworkFlow()
	src, ok1 := netip.AddrFromSlice(ends.Src().Raw())
	dst, ok2 := netip.AddrFromSlice(ends.Dst().Raw())
	if !ok1 || !ok2 {
		return from, to, nil
	}
	return netip.AddrPortFrom(src, uint16(udp.SrcPort)), netip.AddrPortFrom(dst, uint16(udp.DstPort)), udp.Payload
}

// isReply reports whether a datagram can be a reply: it has a header of the
// protocol and is no request.
func isReply(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	switch string(b[:4]) {
	case "\xFE\xFF\xFF\xFF":
		return true
	case "\xFF\xFF\xFF\xFF":
		return bytes.IndexByte([]byte("TUVWi"), b[4]) < 0
	}
	return false
}

// payloadIn returns the payload of a packet that was copied with its headers, or b
// itself if it is none.
func payloadIn(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\xFF\xFF\xFF\xFF")) || bytes.HasPrefix(b, []byte("\xFE\xFF\xFF\xFF")) {
		return b
	}
	for _, first := range []gopacket.Decoder{layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeIPv6} {
		if _, _, payload := udpOf(b, first); isReply(payload) {
			return payload
		}
	}
	return b
}
