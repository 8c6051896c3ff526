package a3sb

import (
	"encoding/binary"

	"github.com/a2scan/a2scan/proto"
)

// encode writes a block down again, from the table in the package comment: the
// decoder's oracle.
func encode(b *Block) []byte {
	p := []byte{b.Version, b.Flags}
	p = binary.LittleEndian.AppendUint16(p, b.DLC)
	if b.Difficulty != nil {
		p = binary.LittleEndian.AppendUint16(p, b.Difficulty.Raw)
	}
	for _, h := range b.DLCHashes {
		p = binary.LittleEndian.AppendUint32(p, h)
	}
	p = append(p, byte(len(b.Mods)))
	for _, m := range b.Mods {
		p = binary.LittleEndian.AppendUint32(p, m.Hash)
		p = append(p, m.Head)
		p = append(p, binary.LittleEndian.AppendUint64(nil, m.ID)[:m.Head&0x0F]...)
		p = append(append(p, byte(len(m.Name))), m.Name...)
	}
	p = append(p, byte(len(b.Signatures)))
	for _, s := range b.Signatures {
		p = append(append(p, byte(len(s))), s...)
	}
	if b.HasDescription {
		p = append(append(p, byte(len(b.Description))), b.Description...)
	}
	return append(p, b.Trailing...)
}

// escape escapes a payload as servers do.
func escape(p []byte) []byte {
	var e []byte
	for _, c := range p {
		switch c {
		case 1:
			e = append(e, 1, 1)
		case 0:
			e = append(e, 1, 2)
		case 0xFF:
			e = append(e, 1, 3)
		default:
			e = append(e, c)
		}
	}
	return e
}

// chunked cuts a payload into rules with values of at most size bytes. It cuts
// through escapes too, as servers do.
func chunked(payload []byte, size int) []proto.Rule {
	e := escape(payload)
	n := max(1, (len(e)+size-1)/size)
	var list []proto.Rule
	for i := range n {
		from, to := i*size, min((i+1)*size, len(e))
		list = append(list, proto.Rule{Name: []byte{byte(i + 1), byte(n)}, Value: e[from:to]})
	}
	return list
}
