package main

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
)

// parseHexdump returns the bytes that a text shows in hexadecimal: the output of xxd,
// hexdump -C or od, Wireshark's "Copy as Hex Dump" or its hex stream. An offset of 0
// begins another packet. It returns nil if text is something else.
func parseHexdump(text []byte) (packets [][]byte) {
	text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\xEF\xBB\xBF"))
	if b, err := hex.DecodeString(string(bytes.Join(bytes.Fields(text), nil))); err == nil && len(b) > 0 && !hasOffsets(text) {
		return [][]byte{b}
	}
	var packet []byte
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		offset, digits, ok := hexLine(line)
		if !ok {
			return nil
		}
		if offset == 0 && len(packet) > 0 {
			packets = append(packets, packet)
			packet = nil
		}
		b, err := hex.DecodeString(digits)
		if err != nil || offset != len(packet) {
			return nil
		}
		packet = append(packet, b...)
	}
	if len(packet) > 0 {
		packets = append(packets, packet)
	}
	return packets
}

// hasOffsets reports whether the first two lines begin with 0 and with the number of
// bytes of the first.
func hasOffsets(text []byte) bool {
	first, _, _ := strings.Cut(string(text), "\n")
	offset, digits, ok := hexLine(strings.TrimRight(first, " \t\r"))
	return ok && offset == 0 && digits != ""
}

// hexLine takes a line apart: the offset, the digits, and the text of which there is
// often a third column.
func hexLine(line string) (offset int, digits string, ok bool) {
	line = strings.TrimLeft(line, " ")
	n := 0
	for n < len(line) && isHex(line[n]) {
		n++
	}
	if n < 4 || n > 8 || n == len(line) && n < 6 { // a last line has the offset alone
		return 0, "", false
	}
	at, err := strconv.ParseUint(line[:n], 16, 32)
	if err != nil {
		return 0, "", false
	}
	rest, xxd := strings.CutPrefix(line[n:], ":")
	if !xxd && rest != "" && rest[0] != ' ' && rest[0] != '\t' {
		return 0, "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	rest, _, _ = strings.Cut(rest, "|") // hexdump -C
	if xxd {
		rest, _, _ = strings.Cut(rest, "  ")
	} else {
		rest, _, _ = strings.Cut(rest, "   ") // there may be two blanks after eight bytes
	}
	digits = strings.ReplaceAll(rest, " ", "")
	if full := 2 * 16; !xxd && len(digits) > full {
		digits = digits[:full] // the text column comes two blanks behind a full line
	}
	return int(at), digits, true
}

func isHex(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 5 }
