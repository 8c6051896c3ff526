package pcap

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

// serialized returns the layers as bytes.
func serialized(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, list...))
	return bytes.Clone(b.Bytes())
}

// packets returns one packet of each kind that has a datagram, as Ethernet frames.
func packets(t testing.TB) map[string][]byte {
	v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{192, 0, 2, 7}, DstIP: net.IP{192, 0, 2, 1}}
	options := *v4
	options.Options = []layers.IPv4Option{{OptionType: 1, OptionLength: 1}, {OptionType: 0, OptionLength: 1}}
	v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("2001:db8::7"), DstIP: net.ParseIP("2001:db8::1")}
	udp := &layers.UDP{SrcPort: 27015, DstPort: 50000}
	ether := func(typ layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: typ}
	}
	data := gopacket.Payload("a reply")
	extended := serialized(t, ether(layers.EthernetTypeIPv6), v6, udp, data)
	extended[14+6] = protoDestination // its next header is UDP, and it has 8 bytes
	extended = append(extended[:14+40:14+40], append([]byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}, extended[14+40:]...)...)
	binary.BigEndian.PutUint16(extended[14+4:], uint16(len(extended)-14-40))
	return map[string][]byte{
		"IPv4":       serialized(t, ether(layers.EthernetTypeIPv4), v4, udp, data),
		"options":    serialized(t, ether(layers.EthernetTypeIPv4), &options, udp, data),
		"IPv6":       serialized(t, ether(layers.EthernetTypeIPv6), v6, udp, data),
		"extensions": extended,
		"VLAN":       serialized(t, ether(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}, v4, udp, data),
		"PPPoE":      serialized(t, ether(layers.EthernetTypePPPoESession), &layers.PPPoE{Version: 1, Type: 1}, &layers.PPP{PPPType: layers.PPPTypeIPv4}, v4, udp, data),
	}
}

// oracle is UDP by gopacket.
func oracle(b []byte, first gopacket.Decoder) (from, to netip.AddrPort, payload []byte) {
	p := gopacket.NewPacket(b, first, gopacket.Default)
	udp, ok := p.TransportLayer().(*layers.UDP)
	if !ok || p.NetworkLayer() == nil {
		return from, to, nil
	}
	ends := p.NetworkLayer().NetworkFlow()
	src, _ := netip.AddrFromSlice(ends.Src().Raw())
	dst, _ := netip.AddrFromSlice(ends.Dst().Raw())
	return netip.AddrPortFrom(src, uint16(udp.SrcPort)), netip.AddrPortFrom(dst, uint16(udp.DstPort)), udp.Payload
}

func TestUDP(t *testing.T) {
	for name, b := range packets(t) {
		wantFrom, wantTo, want := oracle(b, layers.LayerTypeEthernet)
		require.Equal(t, "a reply", string(want), name)
		from, to, payload := UDP(Ethernet, append(b, "padding"...))
		require.Equal(t, "a reply", string(payload), name)
		require.Equal(t, wantFrom, from, name)
		require.Equal(t, wantTo, to, name)
		for n := range b { // a capture that was cut has as much of the payload
			_, _, payload := UDP(Ethernet, b[:n])
			require.True(t, bytes.HasPrefix(want, payload), name)
		}
	}
	ip := packets(t)["IPv4"][14:]
	for link, head := range map[Link]string{
		Raw: "", rawBSD: "", rawOther: "", IPv4: "", Null: "\x02\x00\x00\x00", Loop: "\x00\x00\x00\x02",
		SLL:  "\x00\x00\x00\x01\x00\x06abcdef\x00\x00\x08\x00",
		SLL2: "\x08\x00\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06abcdefgh",
	} {
		_, _, payload := UDP(link, append([]byte(head), ip...))
		require.Equal(t, "a reply", string(payload), link)
	}
	for name, change := range map[string]func(b []byte){
		"fragment":       func(b []byte) { b[14+6] |= 0x20 },
		"later fragment": func(b []byte) { b[14+7] = 5 },
		"TCP":            func(b []byte) { b[14+9] = 6 },
		"ARP":            func(b []byte) { b[13] = 6 },
		"short header":   func(b []byte) { b[14] = 0x44 },
		"version 5":      func(b []byte) { b[14] = 0x55 },
	} {
		b := packets(t)["IPv4"]
		change(b)
		_, _, payload := UDP(Ethernet, b)
		require.Nil(t, payload, name)
	}
	_, _, payload := UDP(147, packets(t)["IPv4"])
	require.Nil(t, payload)
}

// readAll returns the packets of a file until its end or an error.
func readAll(b []byte) (list [][]byte, links []Link, err error) {
	r, err := NewReader(bytes.NewReader(b))
	for err == nil {
		var p []byte
		var link Link
		if p, link, err = r.Next(); err == nil {
			list, links = append(list, bytes.Clone(p)), append(links, link)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return list, links, err
}

var threePackets = [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three"), 20_000)}

func info(b []byte) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: time.Unix(1.8e9, 0), CaptureLength: len(b), Length: len(b)}
}

func pcapFile(t testing.TB, nano bool) []byte {
	var buf bytes.Buffer
	w := pcapgo.NewWriter(&buf)
	if nano {
		w = pcapgo.NewWriterNanos(&buf)
	}
	require.NoError(t, w.WriteFileHeader(1<<18, layers.LinkTypeLinuxSLL))
	for _, p := range threePackets {
		require.NoError(t, w.WritePacket(info(p), p))
	}
	return buf.Bytes()
}

func TestPcap(t *testing.T) {
	for _, nano := range []bool{false, true} {
		b := pcapFile(t, nano)
		require.True(t, Is(b))
		list, links, err := readAll(b)
		require.NoError(t, err)
		require.Equal(t, threePackets, list)
		require.Equal(t, []Link{SLL, SLL, SLL}, links)
		for _, n := range []int{0, 3, 23, 30, len(b) - 1} {
			list, _, err := readAll(b[:n])
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, len(list) > 0, n == len(b)-1)
		}
	}
	big := binary.BigEndian.AppendUint32(nil, magicNano)
	big = append(big, make([]byte, 19)...)
	big = append(big, 101)
	big = append(big, "\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x63one"...)
	list, links, err := readAll(big)
	require.NoError(t, err)
	require.Equal(t, threePackets[:1], list)
	require.Equal(t, []Link{Raw}, links)
	require.False(t, Is([]byte("text")))
	_, _, err = readAll([]byte("some text"))
	require.Error(t, err)
}

func pcapngFile(t testing.TB) []byte {
	var buf bytes.Buffer
	w, err := pcapgo.NewNgWriter(&buf, layers.LinkTypeEthernet)
	require.NoError(t, err)
	other, err := w.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeRaw})
	require.NoError(t, err)
	for i, p := range threePackets {
		ci := info(p)
		if i == 1 {
			ci.InterfaceIndex = other
		}
		require.NoError(t, w.WritePacket(ci, p))
	}
	require.NoError(t, w.Flush())
	return buf.Bytes()
}

func TestPcapng(t *testing.T) {
	b := pcapngFile(t)
	require.True(t, Is(b))
	list, links, err := readAll(append(b, b...)) // files may be joined
	require.NoError(t, err)
	require.Equal(t, append(threePackets, threePackets...), list)
	require.Equal(t, []Link{Ethernet, Raw, Ethernet, Ethernet, Raw, Ethernet}, links)
	for n := range 200 {
		_, _, err := readAll(b[:n])
		_ = err // it must end
	}

	// The other blocks, in big endian.
	block := func(kind uint32, body string) string {
		n := binary.BigEndian.AppendUint32(nil, uint32(12+len(body)))
		return string(binary.BigEndian.AppendUint32(nil, kind)) + string(n) + body + string(n)
	}
	section := block(magicSection, "\x1A\x2B\x3C\x4D\x00\x01\x00\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")
	file := section + block(blockInterface, "\x00\x65\x00\x00\x00\x00\x00\x02") +
		block(5, "statistics..") + block(blockSimple, "\x00\x00\x00\x09on\x00\x00") +
		block(blockObsolete, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x03one\x00")
	list, links, err = readAll([]byte(file))
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("on"), []byte("one")}, list)
	require.Equal(t, []Link{Raw, Raw}, links)
	for name, file := range map[string]string{
		"no interface":   section + block(blockSimple, "\x00\x00\x00\x02on\x00\x00"),
		"long packet":    section + block(blockInterface, "\x00\x65\x00\x00\x00\x00\x00\x00") + block(blockSimple, "\x00\x00\x00\x09on\x00\x00"),
		"short block":    section + block(blockPacket, "\x00\x00\x00\x00"),
		"no byte order":  block(magicSection, "\x1A\x2B\x3C\x4E\x00\x01\x00\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
		"strange length": section + "\x00\x00\x00\x05\x00\x00\x00\x0E",
	} {
		list, _, err := readAll([]byte(file))
		require.Error(t, err, name)
		require.Empty(t, list, name)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(pcapFile(f, false)[:100])
	f.Add(pcapngFile(f)[:300])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		total := 0
		for err == nil {
			var p []byte
			p, _, err = r.Next()
			total += len(p)
		}
		require.LessOrEqual(t, total, len(b))
	})
}

func FuzzUDP(f *testing.F) {
	for _, b := range packets(f) {
		f.Add(uint16(Ethernet), b)
		f.Add(uint16(Raw), b[14:])
	}
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		from, to, payload := UDP(Link(link), b)
		if payload != nil {
			require.True(t, from.IsValid() && to.IsValid())
			require.True(t, bytes.HasSuffix(b, payload) || bytes.Contains(b, payload))
		}
	})
}
