package proto

// Access of outer tests to the package's functions and memory.

type Header = header

var (
	ParseHeader               = parseHeader
	KindOfReply               = kindOfReply
	ParseChallenge            = parseChallenge
	AppendGetChallengeRequest = appendGetChallengeRequest
)

// OpenSets returns how many sets of fragments c's assembler keeps.
func (c *Client) OpenSets() int { return c.asm.openSets() }

// InflateLeft returns the rest of this turn's inflation budget.
func (c *Client) InflateLeft() int { return c.inflate }

// Held returns how many sets, and how many bytes, c keeps of unfinished replies.
func (c *Conversation) Held() (sets, bytes int) {
	if c.asm == nil {
		return 0, 0
	}
	return c.asm.openSets(), c.asm.arena.Used()
}

func (a *assembler) openSets() (n int) {
	for i := a.sets[0].next; i != 0; i = a.sets[i].next {
		n++
	}
	return n
}

// Transmit appends the next request of q to dst and sends it at now.
func (c *Client) Transmit(dst []byte, q *Query, now Time) []byte {
	dst = c.AppendTransmit(dst, q)
	c.Sent(q, now)
	return dst
}

// Waiting reports whether kind k waits for the answer to a request.
func (q *Query) Waiting(k Kind) bool { return k < numAsked && q.tracks[k].state == waiting }
