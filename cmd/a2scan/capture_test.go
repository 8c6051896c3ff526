package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

const capturedInfo = "\xFF\xFF\xFF\xFFI\x11a name that is long\x00map\x00dir\x00game\x00\x0a\x00\x03\x20\x01dl\x00\x011.0\x00"

// wireshark returns b as Wireshark's Copy as Hex Dump does.
func wireshark(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); i += 16 {
		line := b[i:min(i+16, len(b))]
		fmt.Fprintf(&s, "%04x   %-47s  %s\n", i, fmt.Sprintf("% x", line), strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '.'
			}
			return r
		}, string(line)))
	}
	return s.String()
}

func TestParseHexdump(t *testing.T) {
	b := []byte(capturedInfo)
	xxd := "00000000: ffff ffff 4911 6120 6e61 6d65 2074 6861  ....I.a name tha\n" +
		"00000010: 7420 6973 206c 6f6e 6700 6d61 7000 6469  t is long.map.di\n" +
		"00000020: 7200 6761 6d65 000a 0003 2001 646c 0001  r.game.... .dl..\n" +
		"00000030: 312e 3000                                1.0.\n"
	for name, text := range map[string]string{
		"xxd":        xxd,
		"xxd, CRLF":  strings.ReplaceAll(xxd, "\n", "\r\n"),
		"xxd -p":     hex.EncodeToString(b[:30]) + "\n" + hex.EncodeToString(b[30:]) + "\n",
		"hexdump -C": hex.Dump(b) + "00000034\n",
		"od -A x":    od(b),
		"Wireshark":  wireshark(b),
		"hex stream": strings.ToUpper(hex.EncodeToString(b)),
		"bytes":      fmt.Sprintf("% x", b),
	} {
		require.Equal(t, [][]byte{b}, parseHexdump([]byte(text)), "%s:\n%s", name, text)
	}
	// Some bytes look like digits in the text column too.
	for n := 1; n < 40; n++ {
		digits := []byte(strings.Repeat("a1 ", 20))[:n]
		require.Equal(t, [][]byte{digits}, parseHexdump([]byte(wireshark(digits))))
		require.Equal(t, [][]byte{digits}, parseHexdump([]byte(hex.Dump(digits))))
	}
	require.Equal(t, [][]byte{b, b[:20]}, parseHexdump([]byte(wireshark(b)+"\n"+wireshark(b[:20]))))
	for _, text := range []string{"", "words", "0000: xyz", "00000000: ff\n00000005: ff\n", capturedInfo, "ff f", "00000010: ff"} {
		require.Nil(t, parseHexdump([]byte(text)), text)
	}
	if path, err := exec.LookPath("xxd"); err == nil {
		cmd := exec.Command(path)
		cmd.Stdin = strings.NewReader(capturedInfo)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, [][]byte{b}, parseHexdump(out))
	}
}

func FuzzParseHexdump(f *testing.F) {
	f.Add([]byte(wireshark([]byte(capturedInfo))))
	f.Add([]byte(hex.Dump([]byte(capturedInfo))))
	f.Add([]byte("00000000: ff|\n0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range parseHexdump(b) {
			require.NotEmpty(t, p)
			payloadIn(p)
		}
		if len(b) > 0 {
			require.Equal(t, [][]byte{b}, parseHexdump([]byte(hex.Dump(b))))
			require.Equal(t, [][]byte{b}, parseHexdump([]byte(wireshark(b))))
		}
	})
}

// ethernet returns a packet with a UDP datagram.
func ethernet(t testing.TB, from, to string, payload string) []byte {
	t.Helper()
	src, err := net.ResolveUDPAddr("udp", from)
	require.NoError(t, err)
	dst, err := net.ResolveUDPAddr("udp", to)
	require.NoError(t, err)
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port), DstPort: layers.UDPPort(dst.Port)}
	var ip gopacket.SerializableLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.IP.To4(), DstIP: dst.IP.To4()}
	if src.IP.To4() == nil {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src.IP, DstIP: dst.IP}
	}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip.(gopacket.NetworkLayer)))
	b := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(payload)))
	return b.Bytes()
}

// capturedPackets are those of two servers and a name server.
func capturedPackets(t testing.TB) [][]byte {
	client, a, b := "192.0.2.1:50000", "192.0.2.7:27015", "[2001:db8::7]:27016"
	fragment := func(i byte, data string) string {
		return "\xFE\xFF\xFF\xFF\x07\x00\x00\x00\x02" + string(i) + "\xE0\x04" + data
	}
	return [][]byte{
		ethernet(t, client, a, "\xFF\xFF\xFF\xFFTSource Engine Query\x00"),
		ethernet(t, "192.0.2.53:53", client, "an answer of the DNS"),
		ethernet(t, a, client, "\xFF\xFF\xFF\xFFA\x01\x02\x03\x04"),
		ethernet(t, b, "[2001:db8::1]:50000", capturedInfo),
		ethernet(t, a, client, fragment(1, "limit\x0030\x00")),
		ethernet(t, a, client, fragment(0, "\xFF\xFF\xFF\xFFE\x01\x00mp_")),
		{1, 2, 3},
	}
}

func pcapFile(t testing.TB, ng bool, packets [][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	info := func(b []byte) gopacket.CaptureInfo {
		return gopacket.CaptureInfo{Timestamp: time.Unix(1.8e9, 0), CaptureLength: len(b), Length: len(b)}
	}
	if ng {
		w, err := pcapgo.NewNgWriter(&buf, layers.LinkTypeEthernet)
		require.NoError(t, err)
		for _, p := range packets {
			require.NoError(t, w.WritePacket(info(p), p))
		}
		require.NoError(t, w.Flush())
		return buf.Bytes()
	}
	w := pcapgo.NewWriter(&buf)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	for _, p := range packets {
		require.NoError(t, w.WritePacket(info(p), p))
	}
	return buf.Bytes()
}

// decode of a pcap or pcapng file decodes the replies of each server by themselves.
func TestDecodeCapture(t *testing.T) {
	for name, ng := range map[string]bool{"x.pcap": false, "x.pcapng": true} {
		path := filepath.Join(t.TempDir(), name)
		file := pcapFile(t, ng, capturedPackets(t))
		require.NoError(t, os.WriteFile(path, file, 0o600))
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run([]string{"decode", path}, nil, &stdout, &stderr), stderr.String())
		require.Empty(t, stderr.String())
		var got []string
		for line := range bytes.Lines(stdout.Bytes()) {
			var reply struct {
				Kind  string
				Files []string
				Error *string
				From  json.RawMessage
			}
			require.NoError(t, json.Unmarshal(line, &reply))
			require.Nil(t, reply.Error)
			var numbers []string
			for _, f := range reply.Files {
				numbers = append(numbers, strings.TrimPrefix(f, path))
			}
			got = append(got, fmt.Sprint(reply.Kind, numbers, string(reply.From)))
		}
		require.Equal(t, []string{
			`challenge[#3]{"ip":"192.0.2.7","port":27015}`, `rules[#5 #6]{"ip":"192.0.2.7","port":27015}`,
			`info[#4]{"ip":"2001:db8::7","port":27016}`,
		}, got)

		// What is whole of a file that was cut is decoded, and the rest reported.
		require.NoError(t, os.WriteFile(path, file[:len(file)-10], 0o600))
		stdout.Reset()
		require.Equal(t, exitFail, run([]string{"decode", path}, nil, &stdout, &stderr))
		require.Equal(t, 3, strings.Count(stdout.String(), "\n"))
		require.Contains(t, stderr.String(), "packet 7")
	}
}

// decode takes hexadecimal text, also of a packet with its headers.
func TestDecodeHexdump(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"payload": hex.Dump([]byte(capturedInfo)),
		"packet":  wireshark(ethernet(t, "192.0.2.7:27015", "192.0.2.1:50000", capturedInfo)),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run([]string{"decode", path}, nil, &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), `"name":"a name that is long"`, name)
	}
}

func FuzzReadCapture(f *testing.F) {
	f.Add(pcapFile(f, false, capturedPackets(f)))
	f.Add(pcapFile(f, true, capturedPackets(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		flows, err := readCapture("x", bytes.NewReader(b))
		_ = err
		for _, fl := range flows {
			require.NotEmpty(t, fl.list)
			require.True(t, fl.server.IsValid())
		}
	})
}

// od shows b as od -A x -t x1 does: offsets of six digits, and the last one alone.
func od(b []byte) string {
	var text strings.Builder
	for at := 0; at < len(b); at += 16 {
		fmt.Fprintf(&text, "%06x % x\n", at, b[at:min(at+16, len(b))])
	}
	fmt.Fprintf(&text, "%06x\n", len(b))
	return text.String()
}
