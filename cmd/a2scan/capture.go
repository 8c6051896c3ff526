package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/a2scan/a2scan/internal/pcap"
)

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
	packets, err := pcap.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", clean(name), err)
	}
	type key struct{ server, client netip.AddrPort }
	flows := map[key]*flow{}
	var order []*flow
	size := 0
	for n := 1; ; n++ {
		data, link, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return order, nil
		}
		if err != nil {
			return order, fmt.Errorf("%s: packet %d: %w", clean(name), n, err)
		}
		from, to, payload := pcap.UDP(link, data)
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
	for _, link := range []pcap.Link{pcap.Ethernet, pcap.Raw} {
		if _, _, payload := pcap.UDP(link, b); isReply(payload) {
			return payload
		}
	}
	return b
}
