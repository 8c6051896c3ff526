//go:build linux && !portable && (amd64 || arm64)

package mux

import (
	"encoding/binary"
	"math/bits"
	"syscall"
	"time"
	"unsafe"
)

// mmsghdr is struct mmsghdr of recvmmsg(2): a message and its number of bytes.
type mmsghdr struct {
	hdr syscall.Msghdr
	len uint32
	_   [4]byte
}

// A message is what an mmsghdr points to.
type message struct {
	iov     syscall.Iovec
	control [controlSize]byte
	name    syscall.RawSockaddrInet6 // or RawSockaddrInet4, which is shorter
}

// controlSize has room for the most that the kernel ever attaches: to an entry
// of the error queue SCM_TIMESTAMPNS (16+16), IPV6_PKTINFO (16+20, padded to 40) and
// IPV6_RECVERR (16 of header, 16 of sock_extended_err, 28 of offender, padded to 64); to
// a datagram less.
const controlSize = 32 + 40 + 64 + 8

// batchSys is a Batch as recvmmsg and sendmmsg see it. All pointers are set
// once and for all; a call changes lengths only.
type batchSys struct {
	headers  []mmsghdr
	messages []message
	// dirty counts the headers, from the first on, whose lengths are not as a
	// receiving call wants them.
	dirty int
}

func (b *Batch) initSys() {
	n := b.Cap()
	s := &b.sys
	s.headers = make([]mmsghdr, n)
	s.messages = make([]message, n)
	for i := range n {
		m := &s.messages[i]
		m.iov.Base = &b.slot(i)[0]
		h := &s.headers[i].hdr
		h.Iov, h.Iovlen = &m.iov, 1
		h.Name = (*byte)(unsafe.Pointer(&m.name))
		h.Control = &m.control[0]
	}
	s.dirty = n
}

// toReceive returns the headers of the packets behind b's last one, made ready
// for recvmmsg.
func (b *Batch) toReceive() []mmsghdr {
	s := &b.sys
	for i := range s.dirty {
		h := &s.headers[i].hdr
		s.messages[i].iov.SetLen(b.size)
		h.Namelen = syscall.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	s.dirty = 0
	return s.headers[b.n:]
}

// received notes that the kernel has filled the first n headers that toReceive
// returned.
func (b *Batch) received(n int) { b.sys.dirty = max(b.sys.dirty, b.n+n) }

// toSend returns the headers of b's packets, made ready for sendmmsg on a
// socket of the given family.
func (b *Batch) toSend(inet4 bool) []mmsghdr {
	s := &b.sys
	for i := range b.n {
		p, m, h := &b.packets[i], &s.messages[i], &s.headers[i].hdr
		p.Data = b.place(i, p.Data)
		m.iov.SetLen(len(p.Data))
		h.Namelen = m.setName(p.Peer, inet4)
		h.SetControllen(0)
		if p.Local != (Key{}) {
			h.SetControllen(m.setSource(p.Local, inet4))
		}
	}
	s.dirty = max(s.dirty, b.n)
	return s.headers[:b.n]
}

// setName writes k as a socket address and returns its length.
func (m *message) setName(k Key, inet4 bool) uint32 {
	if inet4 {
		sa := (*syscall.RawSockaddrInet4)(unsafe.Pointer(&m.name))
		*sa = syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: swap16(k.Port)}
		binary.BigEndian.PutUint32(sa.Addr[:], uint32(k.Lo))
		return syscall.SizeofSockaddrInet4
	}
	m.name = syscall.RawSockaddrInet6{Family: syscall.AF_INET6, Port: swap16(k.Port), Scope_id: k.Scope}
	binary.BigEndian.PutUint64(m.name.Addr[:8], k.Hi)
	binary.BigEndian.PutUint64(m.name.Addr[8:], k.Lo)
	return syscall.SizeofSockaddrInet6
}

// key reads the socket address that the kernel wrote.
func (m *message) key() Key {
	switch m.name.Family {
	case syscall.AF_INET:
		sa := (*syscall.RawSockaddrInet4)(unsafe.Pointer(&m.name))
		return Key{Lo: v4Mapped | uint64(binary.BigEndian.Uint32(sa.Addr[:])), Port: swap16(sa.Port)}
	case syscall.AF_INET6:
		return Key{
			Hi:    binary.BigEndian.Uint64(m.name.Addr[:8]),
			Lo:    binary.BigEndian.Uint64(m.name.Addr[8:]),
			Scope: m.name.Scope_id,
			Port:  swap16(m.name.Port),
		}
	}
	return Key{}
}

// setSource writes the control message that makes k's address the source of the
// packet, and returns its length. An AF_INET6 socket wants IPV6_PKTINFO, with a
// mapped address, for IPv4 packets also.
func (m *message) setSource(k Key, inet4 bool) int {
	if inet4 {
		data := putControl(&m.control, syscall.IPPROTO_IP, syscall.IP_PKTINFO, syscall.SizeofInet4Pktinfo)
		clear(data)                                         // ifindex, and addr, which counts on receipt only
		binary.BigEndian.PutUint32(data[4:8], uint32(k.Lo)) // spec_dst
	} else {
		data := putControl(&m.control, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, syscall.SizeofInet6Pktinfo)
		binary.BigEndian.PutUint64(data[0:8], k.Hi)
		binary.BigEndian.PutUint64(data[8:16], k.Lo)
		binary.NativeEndian.PutUint32(data[16:20], k.Scope)
	}
	if inet4 {
		return syscall.CmsgSpace(syscall.SizeofInet4Pktinfo)
	}
	return syscall.CmsgSpace(syscall.SizeofInet6Pktinfo)
}

// localKey reads which address a datagram was sent to from its control
// messages.
func localKey(control []byte, port uint16) Key {
	if data := findControl(control, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO); len(data) >= syscall.SizeofInet6Pktinfo {
		k := Key{Hi: binary.BigEndian.Uint64(data[0:8]), Lo: binary.BigEndian.Uint64(data[8:16]), Port: port}
		if k.Hi>>54 == 0xFE80>>6 { // fe80::/10: the answer must leave by the same interface
			k.Scope = binary.NativeEndian.Uint32(data[16:20])
		}
		return k
	}
	if data := findControl(control, syscall.IPPROTO_IP, syscall.IP_PKTINFO); len(data) >= syscall.SizeofInet4Pktinfo {
		return Key{Lo: v4Mapped | uint64(binary.BigEndian.Uint32(data[8:12])), Port: port}
	}
	return Key{}
}

// arrivalOf returns the time of SCM_TIMESTAMPNS, in nanoseconds since 1970, and 0 if the
// kernel attached none.
func arrivalOf(control []byte) time.Duration {
	data := findControl(control, syscall.SOL_SOCKET, syscall.SCM_TIMESTAMPNS)
	if len(data) < 16 {
		return 0
	}
	sec, nsec := binary.NativeEndian.Uint64(data[0:8]), binary.NativeEndian.Uint64(data[8:16])
	return time.Duration(sec)*time.Second + time.Duration(nsec)
}

// A control message is length u64 (of it all, unpadded), level u32, type u32,
// data; padded to 8.
const controlHeader = syscall.SizeofCmsghdr

// putControl writes the header of a control message and returns its data of n
// bytes.
func putControl(control *[controlSize]byte, level, typ uint32, n int) []byte {
	binary.NativeEndian.PutUint64(control[0:8], uint64(controlHeader+n))
	binary.NativeEndian.PutUint32(control[8:12], level)
	binary.NativeEndian.PutUint32(control[12:16], typ)
	return control[controlHeader : controlHeader+n]
}

// findControl returns the data of the first control message of that level and
// type, or nil.
func findControl(control []byte, level, typ uint32) []byte {
	for len(control) >= controlHeader {
		n := binary.NativeEndian.Uint64(control[0:8])
		if n < controlHeader || n > uint64(len(control)) {
			return nil
		}
		if binary.NativeEndian.Uint32(control[8:12]) == level && binary.NativeEndian.Uint32(control[12:16]) == typ {
			return control[controlHeader:n]
		}
		control = control[min((n+7)&^7, uint64(len(control))):]
	}
	return nil
}

// swap16 turns a port from or into network order; both architectures of this
// file are little-endian.
func swap16(v uint16) uint16 { return bits.ReverseBytes16(v) }
