package proto

import (
	"encoding/binary"
	"slices"
)

// A Conversation is one server's side of the wire without any clock: datagrams
// in, messages out, and requests to send. It believes whatever the datagrams
// say, in whatever order, and asks nothing of its own accord: what a decoder of captured
// traffic and a program with its own timers need. A scanner uses Client and Query.
//
// The zero Conversation knows no challenge and is ready to use. It is not safe for
// concurrent use.
type Conversation struct {
	asm       *assembler // made for the first fragment
	owner     setOwner
	challenge Challenge
	known     bool // challenge is one
	n         int  // datagrams received
	parts     map[uint32][]int
}

// conversationBytes is the memory for unfinished replies of one server.
const conversationBytes = 2 << 20

// A Message is one whole thing that a server said.
type Message struct {
	// Type is the byte that names the message: TypeInfo, TypeChallenge, ….
	Type byte
	// Body is the message from its type byte on, assembled and decompressed. It
	// is valid until the next call of Receive.
	Body []byte
	// Split says that it came in fragments, or is one. Dialect is their layout,
	// DialectUnknown until fragment 0 has come.
	Split   bool
	Dialect Dialect
	// Datagrams numbers the received datagrams, from 0, that made it up, in
	// order of arrival.
	Datagrams []int
	// Challenge is the token of a TypeChallenge message.
	Challenge Challenge
	// Err is set where the datagrams can't be made a message; Type and Body say
	// what is known of it.
	Err error
}

// Kind returns which request the message answers; false for challenges and
// messages that answer none.
func (m *Message) Kind() (Kind, bool) { return kindOfReply(m.Type) }

// Receive takes the next datagram. It returns false while a split reply is not
// complete, and for duplicates of fragments. b is only read during the call,
// but Message.Body may alias it.
func (c *Conversation) Receive(b []byte) (Message, bool) {
	n := c.n
	c.n++
	if len(b) >= 5 && b[0] == 0xFE && b[1]&b[2]&b[3] == 0xFF {
		return c.fragment(n, b)
	}
	m := Message{Datagrams: []int{n}}
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != 0xFFFFFFFF {
		m.Err = &DecodeError{Kind: NumKinds, Field: "header", Err: ErrShort}
		if len(b) >= 5 {
			m.Err = &DecodeError{Kind: NumKinds, Field: "header", Err: ErrType}
		}
		return m, true
	}
	c.open(&m, b[4:])
	return m, true
}

func (c *Conversation) fragment(n int, b []byte) (Message, bool) {
	if c.asm == nil {
		c.asm, c.owner.serial, c.parts = newAssembler(conversationBytes), 1, map[uint32][]int{}
	}
	result, set := c.asm.add(&c.owner, b)
	var id uint32
	if len(b) >= splitPrefix {
		id = binary.LittleEndian.Uint32(b[4:])
	}
	switch result {
	case fragmentMalformed:
		return Message{Split: true, Datagrams: []int{n}, Err: errFragment}, true
	case fragmentDropped:
		return Message{Split: true, Datagrams: []int{n}, Err: errNoMemory}, true
	case fragmentDuplicate:
		if c.asm.sets[set].phase != taken {
			c.parts[id] = append(c.parts[id], n)
		}
		return Message{}, false
	}
	if c.asm.sets[set].count == 1 {
		c.forget(id)
	}
	c.parts[id] = append(c.parts[id], n)
	if result != fragmentLast {
		return Message{}, false
	}
	m := Message{Split: true, Datagrams: c.parts[id], Dialect: c.asm.sets[set].dialect}
	delete(c.parts, id)
	body, err := c.asm.take(set)
	if err != nil {
		m.Err = err
		return m, true
	}
	c.open(&m, body)
	return m, true
}

// forget drops the numbers of the datagrams that id named before, and of those
// whose set made way for a newer one.
func (c *Conversation) forget(id uint32) {
	for old := range c.parts {
		if old == id || c.asm.find(&c.owner, old) == 0 {
			delete(c.parts, old)
		}
	}
}

// open reads what needs no decoder.
func (c *Conversation) open(m *Message, body []byte) {
	m.Type, m.Body = body[0], body
	if m.Type != TypeChallenge {
		return
	}
	t, ok := parseChallenge(body)
	if !ok {
		m.Err = &DecodeError{Kind: NumKinds, Field: "challenge", Offset: len(body), Err: ErrShort}
		return
	}
	m.Challenge = t
	c.SetChallenge(m.Challenge)
}

// Challenge returns the last challenge that was received or set, and whether there is one.
func (c *Conversation) Challenge() (Challenge, bool) {
	if !c.known {
		return NoChallenge, false
	}
	return c.challenge, true
}

// SetChallenge sets the token that the next requests carry; NoChallenge: none.
func (c *Conversation) SetChallenge(t Challenge) { c.challenge, c.known = t, t != NoChallenge }

// AppendRequest appends the request for k with the challenge that is known.
func (c *Conversation) AppendRequest(dst []byte, k Kind) []byte {
	t, _ := c.Challenge()
	return k.AppendRequest(dst, t)
}

// sets returns a copy of the sets of fragments that c may own.
func (c *Conversation) sets() []uint16 {
	if c.asm == nil {
		return nil
	}
	return slices.Clone(c.owner.sets[:])
}

// Invalidate forgets the unfinished split reply of that id, or all of them
// with all set, and reports whether there was one.
func (c *Conversation) Invalidate(id uint32, all bool) bool {
	found := false
	for _, n := range c.sets() {
		if !c.asm.owns(&c.owner, n) || c.asm.sets[n].phase == taken {
			continue
		}
		if set := c.asm.sets[n].id; all || set == id {
			c.asm.close(&c.owner, n)
			delete(c.parts, set)
			found = true
		}
	}
	return found
}

// Unfinished returns the split replies that miss fragments, oldest first, each
// with the datagrams that it has and an error that counts them.
func (c *Conversation) Unfinished() []Message {
	var list []Message
	for _, n := range c.sets() {
		if !c.asm.owns(&c.owner, n) || c.asm.sets[n].phase == taken {
			continue
		}
		s := &c.asm.sets[n]
		m := Message{Split: true, Dialect: s.dialect, Datagrams: c.parts[s.id], Err: &FragmentsError{Got: int(s.count), Total: int(s.total)}}
		if k, ok := c.asm.kindOf(n); ok {
			m.Type = [NumKinds]byte{TypeInfo, TypePlayers, TypeRules, TypePing}[k]
		}
		list = append(list, m)
	}
	return list
}
