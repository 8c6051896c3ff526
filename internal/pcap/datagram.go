package pcap

import (
	"encoding/binary"
	"net/netip"
)

// A Link is the type of the first header of a packet: a LINKTYPE of
// https://www.tcpdump.org/linktypes.html.
type Link uint16

// The links that UDP understands.
const (
	Null     Link = 0 // BSD loopback
	Ethernet Link = 1
	rawBSD   Link = 12
	rawOther Link = 14
	Raw      Link = 101 // IPv4 or IPv6
	Loop     Link = 108 // OpenBSD loopback
	SLL      Link = 113 // Linux, any device
	IPv4     Link = 228
	IPv6     Link = 229
	SLL2     Link = 276
)

// EtherTypes.
const (
	typeIPv4  = 0x0800
	typeIPv6  = 0x86DD
	typeVLAN  = 0x8100
	typeQinQ  = 0x88A8
	typePPPoE = 0x8864
)

// UDP returns the ends and the payload of the UDP datagram in a packet. It returns no
// payload if there is none, or only a fragment.
func UDP(link Link, b []byte) (from, to netip.AddrPort, payload []byte) {
	switch link {
	case Ethernet:
		if len(b) >= 14 {
			return etherUDP(binary.BigEndian.Uint16(b[12:]), b[14:])
		}
	case SLL:
		if len(b) >= 16 {
			return etherUDP(binary.BigEndian.Uint16(b[14:]), b[16:])
		}
	case SLL2:
		if len(b) >= 20 {
			return etherUDP(binary.BigEndian.Uint16(b), b[20:])
		}
	case Null, Loop: // the number of the family, in either order, which differs between systems
		if len(b) >= 4 {
			return ipUDP(b[4:])
		}
	case Raw, rawBSD, rawOther, IPv4, IPv6:
		return ipUDP(b)
	}
	return from, to, nil
}

// etherUDP is UDP behind a header that names the type of the next.
func etherUDP(typ uint16, b []byte) (from, to netip.AddrPort, payload []byte) {
	for typ == typeVLAN || typ == typeQinQ {
		if len(b) < 4 {
			return from, to, nil
		}
		typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch typ {
	case typePPPoE:
		if len(b) < 8 {
			return from, to, nil
		}
		return ipUDP(b[8:])
	case typeIPv4, typeIPv6:
		return ipUDP(b)
	}
	return from, to, nil
}

// The numbers of protocols and of IPv6 extension headers.
const (
	protoUDP         = 17
	protoHopByHop    = 0
	protoRouting     = 43
	protoFragment    = 44
	protoDestination = 60
)

// ipUDP is UDP from the IP header on.
func ipUDP(b []byte) (from, to netip.AddrPort, payload []byte) {
	if len(b) == 0 {
		return from, to, nil
	}
	var src, dst netip.Addr
	proto := byte(0)
	switch b[0] >> 4 {
	case 4:
		head := int(b[0]&15) * 4
		if head < 20 || len(b) < head {
			return from, to, nil
		}
		if binary.BigEndian.Uint16(b[6:])&0x3FFF != 0 { // more fragments, or not the first
			return from, to, nil
		}
		src, _ = netip.AddrFromSlice(b[12:16])
		dst, _ = netip.AddrFromSlice(b[16:20])
		proto = b[9]
		if n := int(binary.BigEndian.Uint16(b[2:])); n >= head { // 0 with segmentation offload
			b = b[:min(n, len(b))] // Ethernet pads short packets
		}
		b = b[head:]
	case 6:
		if len(b) < 40 {
			return from, to, nil
		}
		src, _ = netip.AddrFromSlice(b[8:24])
		dst, _ = netip.AddrFromSlice(b[24:40])
		proto = b[6]
		n := int(binary.BigEndian.Uint16(b[4:]))
		b = b[40:]
		if n > 0 {
			b = b[:min(n, len(b))]
		}
		for proto == protoHopByHop || proto == protoRouting || proto == protoDestination || proto == protoFragment {
			if len(b) < 8 {
				return from, to, nil
			}
			size := 8
			if proto != protoFragment {
				size += 8 * int(b[1])
			} else if binary.BigEndian.Uint16(b[2:])&0xFFF9 != 0 { // as for IPv4
				return from, to, nil
			}
			if len(b) < size {
				return from, to, nil
			}
			proto, b = b[0], b[size:]
		}
	}
	if proto != protoUDP || !src.IsValid() || len(b) < 8 {
		return from, to, nil
	}
	from = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	to = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || n > len(b) { // the capture was cut, or 0 as in a jumbogram
		n = len(b)
	}
	return from, to, b[8:n:n]
}
