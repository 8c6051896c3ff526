package prototest

import (
	"bytes"
	"math/bits"
	"slices"
)

// The standard library reads bzip2 but does not write it. This is the smallest
// writer that makes streams every reader takes: blocks of up to 100 kB, one
// Huffman code a block (sent twice: readers insist on two). It is meant for
// replies of a few kilobytes and prefers being short to being fast.

const (
	bzipBlock = 100_000 - 19 // bytes after the first run-length coding, as bzip2 -1 limits them
	bzipGroup = 50           // symbols between two selectors
	bzipRunA  = 0
	bzipRunB  = 1
)

// AppendBZip2 appends src as one bzip2 stream.
func AppendBZip2(dst, src []byte) []byte { return appendBZip2(dst, src, 0) }

// AppendBZip2Blocks appends src as one bzip2 stream as no honest server writes it: in
// blocks of size bytes, each with the tables of a block in which every byte occurs.
// Readers take it, and work for each block as for a long one.
func AppendBZip2Blocks(dst, src []byte, size int) []byte { return appendBZip2(dst, src, size) }

// appendBZip2 makes blocks of the maximum size if size is 0.
func appendBZip2(dst, src []byte, size int) []byte {
	w := bitWriter{dst: append(dst, 'B', 'Z', 'h', '1')}
	var stream uint32
	for len(src) > 0 {
		most := len(src)
		if size > 0 {
			most = min(size, most)
		}
		block, used := bzipRuns(src[:most])
		crc := bzipCRC(src[:used])
		src = src[used:]
		stream = bits.RotateLeft32(stream, 1) ^ crc
		w.write(0x314159265359, 48) // π: a block begins
		w.write(uint64(crc), 32)
		w.write(0, 1) // not randomised
		bzipEncodeBlock(&w, block, size > 0)
	}
	w.write(0x177245385090, 48) // √π: the end
	w.write(uint64(stream), 32)
	return w.flush()
}

// bzipRuns is the first run-length coding: four equal bytes are followed by the number of
// further ones (0 to 251). It returns the coded bytes and how many of src they encode.
func bzipRuns(src []byte) (coded []byte, used int) {
	for used < len(src) && len(coded) < bzipBlock-5 {
		run := 1
		for run < 255 && used+run < len(src) && src[used+run] == src[used] {
			run++
		}
		for range min(run, 4) {
			coded = append(coded, src[used])
		}
		if run >= 4 {
			coded = append(coded, byte(run-4))
		}
		used += run
	}
	return coded, used
}

// bzipEncodeBlock writes the part of a block behind its CRC. With every, each byte has a
// place in its tables, even if it does not occur.
func bzipEncodeBlock(w *bitWriter, block []byte, every bool) {
	last, origin := burrowsWheeler(block)
	w.write(uint64(origin), 24)

	// Which bytes occur: a map of 16 ranges, then one of each range in use.
	var used [256]bool
	for _, b := range block {
		used[b] = true
	}
	for b := range used {
		used[b] = used[b] || every
	}
	var alphabet []byte
	var ranges uint64
	for b, u := range used {
		if u {
			alphabet = append(alphabet, byte(b))
			ranges |= 1 << (15 - b/16)
		}
	}
	w.write(ranges, 16)
	for r := range 16 {
		if ranges&(1<<(15-r)) == 0 {
			continue
		}
		var set uint64
		for b := range 16 {
			if used[r*16+b] {
				set |= 1 << (15 - b)
			}
		}
		w.write(set, 16)
	}

	symbols := moveToFront(last, alphabet)
	count := make([]int, len(alphabet)+2)
	for _, s := range symbols {
		count[s]++
	}
	var lengths []int
	if every { // a tree for each would take seconds to make
		lengths = append(slices.Repeat([]int{8}, 254), 9, 9, 9, 9)
	} else {
		lengths = huffmanLengths(count, 17) // bzip2 writes at most 17; readers accept 20
	}

	groups := (len(symbols) + bzipGroup - 1) / bzipGroup
	w.write(2, 3)
	w.write(uint64(groups), 15)
	for range groups {
		w.write(0, 1) // always the first code
	}
	for range 2 {
		at := lengths[0]
		w.write(uint64(at), 5)
		for _, l := range lengths {
			for ; at < l; at++ {
				w.write(0b10, 2)
			}
			for ; at > l; at-- {
				w.write(0b11, 2)
			}
			w.write(0, 1)
		}
	}
	codes := canonicalCodes(lengths)
	for _, s := range symbols {
		w.write(uint64(codes[s]), uint(lengths[s]))
	}
}

// burrowsWheeler sorts all rotations of block and returns their last bytes and the place of
// block itself among them. Ranks are doubled until they differ: n log² n at worst, even for
// repetitive data.
func burrowsWheeler(block []byte) (last []byte, origin int) {
	n := len(block)
	order := make([]int, n)
	rank := make([]int, n)
	next := make([]int, n)
	for i, b := range block {
		order[i], rank[i] = i, int(b)
	}
	for width := 0; ; width = max(1, 2*width) {
		second := func(i int) int {
			if width == 0 {
				return 0
			}
			return rank[(i+width)%n]
		}
		compare := func(a, b int) int {
			if rank[a] != rank[b] {
				return rank[a] - rank[b]
			}
			return second(a) - second(b)
		}
		slices.SortFunc(order, compare)
		next[order[0]] = 0
		for i := 1; i < n; i++ {
			next[order[i]] = next[order[i-1]]
			if compare(order[i-1], order[i]) != 0 {
				next[order[i]]++
			}
		}
		rank, next = next, rank
		if rank[order[n-1]] == n-1 || width >= n {
			break
		}
	}
	last = make([]byte, n)
	for i, at := range order {
		last[i] = block[(at+n-1)%n]
		if at == 0 {
			origin = i
		}
	}
	return last, origin
}

// moveToFront turns bytes into their place in a list that moves each one used
// to the front, and runs of place 0 into numbers of the two digits A and B. The
// last symbol is the end.
func moveToFront(last, alphabet []byte) []uint16 {
	list := bytes.Clone(alphabet)
	var symbols []uint16
	zeros := 0
	flush := func() {
		for ; zeros > 0; zeros = (zeros - 1) / 2 { // digits of value 1 and 2, least first
			if zeros%2 == 1 {
				symbols = append(symbols, bzipRunA)
			} else {
				symbols = append(symbols, bzipRunB)
			}
		}
	}
	for _, b := range last {
		at := bytes.IndexByte(list, b)
		if at == 0 {
			zeros++
			continue
		}
		flush()
		copy(list[1:at+1], list[:at])
		list[0] = b
		symbols = append(symbols, uint16(at+1))
	}
	flush()
	return append(symbols, uint16(len(alphabet)+1))
}

// huffmanLengths returns code lengths for symbols that occur so often, none
// longer than limit. Symbols that never occur get a code too: every one must
// have a length. Counts are halved until the tree is low enough.
func huffmanLengths(count []int, limit int) []int {
	type node struct{ weight, parent int }
	lengths := make([]int, len(count))
	weights := make([]int, len(count))
	for i, c := range count {
		weights[i] = max(c, 1)
	}
	for {
		nodes := make([]node, 0, 2*len(weights))
		var open []int
		for i, w := range weights {
			nodes = append(nodes, node{w, -1})
			open = append(open, i)
		}
		for len(open) > 1 {
			slices.SortStableFunc(open, func(a, b int) int { return nodes[b].weight - nodes[a].weight })
			a, b := open[len(open)-1], open[len(open)-2]
			nodes = append(nodes, node{nodes[a].weight + nodes[b].weight, -1})
			nodes[a].parent, nodes[b].parent = len(nodes)-1, len(nodes)-1
			open = append(open[:len(open)-2], len(nodes)-1)
		}
		longest := 0
		for i := range lengths {
			lengths[i] = 0
			for n := i; nodes[n].parent >= 0; n = nodes[n].parent {
				lengths[i]++
			}
			longest = max(longest, lengths[i])
		}
		if longest <= limit {
			return lengths
		}
		for i := range weights {
			weights[i] = weights[i]/2 + 1
		}
	}
}

// canonicalCodes numbers codes of these lengths: shorter ones first, then by symbol.
func canonicalCodes(lengths []int) []uint32 {
	codes := make([]uint32, len(lengths))
	var code uint32
	for l := 1; l <= 20; l++ {
		for s, sl := range lengths {
			if sl == l {
				codes[s] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}

// bzipCRC is the CRC-32 of the usual polynomial with the highest bit first,
// which hash/crc32 does not have.
func bzipCRC(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			top := crc >> 31
			crc = crc<<1 ^ top*0x04C11DB7
		}
	}
	return ^crc
}

// A bitWriter appends bits, the highest first.
type bitWriter struct {
	dst  []byte
	bits uint64
	n    uint
}

// write appends the lower n bits of v, n ≤ 48.
func (w *bitWriter) write(v uint64, n uint) {
	w.bits = w.bits<<n | v
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		w.dst = append(w.dst, byte(w.bits>>w.n))
	}
}

// flush fills the last byte with zeros.
func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.bits<<(8-w.n)))
	}
	return w.dst
}
