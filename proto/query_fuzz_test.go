package proto_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/proto"
)

// FuzzQuery makes a script of inputs out of bytes and watches what no input may
// ever break:
//
//   - the query ends, and what it says of itself agrees at every step;
//   - no kind is sent more often than Retries+2 attempts with their challenges allow, and once more;
//   - after HandleTimeout(now) the deadline is after now, unless inflation is pending;
//   - an answer is delivered once, and stands;
//   - once done it holds no memory, and nothing changes it;
//   - a request that was written and not sent changes nothing.
func FuzzQuery(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x07, 2, 5, 0, 0, 0, 0})
	// send, challenge, send all, three answers
	f.Add([]byte{0x07, 2, 5, 0, 0, 0, 0, opSend, opChallenge, 1, opSend, opSend, opSend, opReply, 0, opReply, 3, opReply, 4})
	// send, 'm', 'I', reject
	f.Add([]byte{0x01, 0, 1, 0, 0, 0, 0, opSend, opWait, 5, opReply, 1, opReply, 0, opReject, 0, opTimeout})
	// send, deferred, turn
	f.Add([]byte{0x06, 1, 2, 0x04, 1, 0, 0, opSend, opSend, opSplit, 7, 7, opSplit, 15, 7, opTimeout, opTurn, opTimeout})
	// a loop of challenges and silences
	f.Add(append([]byte{0x05, 1, 2, 0, 0, 0, 0}, slices.Repeat([]byte{opSend, opChallenge, 1, opSend, opWait, 200, opTimeout, opChallenge, 2}, 8)...))
	// fragments of many ids, duplicated, in a small arena
	f.Add(append([]byte{0x06, 1, 2, 0x04, 0, 2, 0}, slices.Repeat([]byte{opSend, opSplit, 1, 1, opSplit, 9, 2, opSplit, 1, 1, opSplit, 17, 4, opWait, 30}, 6)...))
	f.Add([]byte{0x04, 0, 1, 0, 0, 0, 0, opSend, opRaw, 6, 0xFE, 0xFF, 0xFF, 0xFF, 1, 2, opUnreachable, 0, opWait, 255, opTimeout, opRaw, 1, 1, opUnreachable, 3})
	// requests taken back: the first, answers to challenges, repetitions
	f.Add([]byte{0x07, 2, 5, 0, 0, 0, 0, opPeek, 1, opSend, opChallenge, 1, opPeek, 2, opPeek, 3, opSend, opWait, 200, opTimeout, opPeek, 1, opReply, 0, opSend, opSend})
	f.Add([]byte{0x06, 1, 2, 2, 0, 0, 0, opPeek, 0, opSend, opWait, 200, opTimeout, opPeek, 9, opChallenge, 3, opPeek, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		p := newPlay(t, script)
		for p.step() {
		}
		p.finish()
	})
}

const (
	opSend = iota
	opWait
	opTimeout
	opChallenge
	opReply
	opSplit
	opRaw
	opUnreachable
	opReject
	opTurn
	opAbort
	opPeek
	opDeny
	numOps
)

// pingReply answers a query that no Query asks.
var pingReply = []byte("\xFF\xFF\xFF\xFFj\x00")

// A play is one script of FuzzQuery on its way.
type play struct {
	t      *testing.T
	script []byte
	cfg    proto.Config
	want   proto.Kinds
	c      *proto.Client
	q      proto.Query
	now    proto.Time
	out    proto.Output
	sends  [proto.NumKinds]int
	stands [proto.NumKinds]bool // answered, and not rejected since
	last   proto.Kind           // answered by the step before
	fresh  bool                 // last is set
}

func newPlay(t *testing.T, script []byte) *play {
	p := &play{t: t, script: script}
	p.want = proto.Kinds(p.byte()) & 0x7
	if p.want == 0 {
		p.want = proto.WantInfo
	}
	p.cfg.Retries = int(p.byte() % 4)
	p.cfg.MaxChallenges = 1 + int(p.byte()%5)
	mode := p.byte()
	p.cfg.Sequential = mode&1 != 0
	p.cfg.GetChallenge = mode&2 != 0
	p.cfg.InflateBudget = 1 + int(p.byte())<<10
	p.cfg.ReassemblyBytes = 1 + int(p.byte())<<10
	p.cfg.FragmentGap = time.Duration(1+p.byte()) * 10 * time.Millisecond
	c, err := proto.NewClient(p.cfg)
	require.NoError(t, err)
	p.c = c
	c.Begin(&p.q, p.want)
	if mode&4 != 0 {
		c.SetChallenge(&p.q, proto.Challenge(mode>>4))
	}
	p.out.Send = p.q.WantsSend()
	require.True(t, p.out.Send)
	return p
}

func (p *play) byte() byte {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return b
}

// step plays one input. It returns false at the end of the script.
func (p *play) step() bool {
	if len(p.script) == 0 {
		return false
	}
	wasDone, before := p.out.Done, p.q
	op := p.byte() % numOps
	fresh, better := p.fresh, p.out.Verdict == proto.Upgrade
	p.fresh = false
	switch op {
	case opSend:
		p.send()
		return true
	case opWait:
		p.now = p.now.Add(time.Duration(p.byte()) * 7_654_321 * time.Nanosecond)
		return true
	case opTurn:
		p.c.BeginTurn()
		return true
	case opTimeout:
		p.timeout()
	case opChallenge:
		p.datagram(binary.LittleEndian.AppendUint32(slices.Clone(canned["challenge"]), uint32(p.byte())))
	case opReply:
		p.datagram([][]byte{canned["info"], canned["old-info"], pingReply, canned["players"], canned["rules"]}[p.byte()%5])
	case opDeny:
		p.datagram([]byte{0xFF, 0xFF, 0xFF, 0xFF, [...]byte{proto.TypePrint, proto.TypeReject}[p.byte()%2], 'n', 'o', 0})
	case opSplit:
		p.datagram(splitOf(p.byte(), p.byte()))
	case opRaw:
		n := min(int(p.byte())%64, len(p.script))
		p.datagram(p.script[:n:n])
		p.script = p.script[n:]
	case opUnreachable:
		x := p.byte()
		p.took(p.c.HandleUnreachable(&p.q, x&1 != 0, x&2 != 0))
	case opReject:
		if !fresh || p.out.Done {
			return true
		}
		p.stands[p.last] = better // the answer before the upgrade stands
		p.took(p.c.Reject(&p.q, p.last, p.now))
		return true
	case opAbort:
		p.took(p.c.Abort(&p.q, proto.ReasonAborted))
	case opPeek:
		p.peek()
	}
	if wasDone {
		require.Equal(p.t, before, p.q, "it was done")
		require.True(p.t, p.out.Done)
	}
	return true
}

// splitOf returns the only or one of two fragments of one of a few replies.
func splitOf(which, how byte) []byte {
	c := cutter{
		dialect: proto.DialectGoldSource + proto.Dialect(which%3),
		id:      uint32(which / 64),
		size:    1 << 12,
	}
	payload := [][]byte{canned["players"], canned["rules"], canned["info"], rulesPayload(40)}[which/3%4]
	if how&4 != 0 && c.dialect != proto.DialectGoldSource {
		c.packed = true
		c.sum = uint32(how>>3) & 1
	} else if how&2 != 0 {
		c.size = (len(payload) + 1) / 2
	}
	d := c.cut(payload)
	d = append(d, bomb(uint32(how)<<8)...)
	return d[int(how)%len(d)]
}

func (p *play) datagram(b []byte) {
	p.took(p.c.HandleDatagram(&p.q, p.now, b))
}

func (p *play) send() {
	if !p.q.WantsSend() {
		return
	}
	before := p.q
	p.c.Transmit(nil, &p.q, p.now)
	for k := range proto.Kind(proto.NumKinds) {
		if before.Waiting(k) != p.q.Waiting(k) {
			p.sends[k]++
			break
		}
	}
	p.check()
}

// peek writes the next request without sending it.
func (p *play) peek() {
	if !p.q.WantsSend() {
		return
	}
	before := p.q
	b := p.c.AppendTransmit(nil, &p.q)
	require.Equal(p.t, b, p.c.AppendTransmit(nil, &p.q))
	require.Equal(p.t, before, p.q, "a request that is not sent changes nothing")
}

func (p *play) timeout() {
	p.took(p.c.HandleTimeout(&p.q, p.now))
	// A compressed reply may wait. With budget it does not.
	for range 4 {
		p.c.BeginTurn()
		p.took(p.c.Inflate(&p.q, p.now))
		p.took(p.c.HandleTimeout(&p.q, p.now))
	}
	require.False(p.t, p.q.Deferred())
	at, open := p.c.Deadline(&p.q)
	require.True(p.t, !open || at > p.now, "the deadline stays in the past")
}

// took checks what one input caused.
func (p *play) took(out proto.Output) {
	p.t.Helper()
	wasDone := p.out.Done
	p.out = out
	carries := out.Verdict == proto.Answer || out.Verdict == proto.Upgrade
	require.Equal(p.t, carries || out.Verdict == proto.Denied, len(out.Body) > 0)
	if carries {
		require.False(p.t, wasDone, "an answer after the end")
		require.True(p.t, p.want.Has(out.Kind), "an answer that nobody asked for")
		require.Equal(p.t, out.Verdict == proto.Upgrade, p.stands[out.Kind], "an answer comes once")
		p.stands[out.Kind], p.last, p.fresh = true, out.Kind, true
	}
	p.check()
}

// check compares what the query says of itself.
func (p *play) check() {
	t := p.t
	t.Helper()
	open := false
	for k := range proto.Kind(proto.NumKinds) {
		r := p.q.Result(k)
		require.LessOrEqual(t, p.sends[k], (p.cfg.Retries+2)*(1+p.cfg.MaxChallenges)+1, "%v", k)
		require.LessOrEqual(t, r.Attempts, p.cfg.Retries+2)
		require.LessOrEqual(t, r.Rounds, p.cfg.MaxChallenges*max(r.Attempts, 1))
		require.LessOrEqual(t, r.Attempts, p.sends[k])
		if p.out.Done { // before, an answer that came too early may wait for a better one
			require.Equal(t, p.stands[k], r.Answered, "%v: an answer stands", k)
		}
		require.True(t, p.stands[k] || !r.Answered, "%v: answered without an answer", k)
		require.False(t, r.Answered && r.Reason != proto.NoReason)
		require.True(t, r.Total == 0 || r.Got <= r.Total)
		require.True(t, r.Got == 0 || r.Reason == proto.ReasonFragments)
		if !p.want.Has(k) {
			require.Equal(t, proto.Result{RTT: -1}, r)
		} else if !r.Answered && r.Reason == proto.NoReason {
			open = true
		}
	}
	if p.out.Done {
		require.False(t, open)
		require.False(t, p.q.WantsSend())
		require.Zero(t, p.c.ReassemblyUsed(), "it is done")
		require.Zero(t, p.c.OpenSets(), "it is done")
		_, due := p.c.Deadline(&p.q)
		require.False(t, due)
	}
	require.LessOrEqual(t, p.c.OpenSets(), 3)
	require.LessOrEqual(t, p.c.ReassemblyUsed(), max(p.cfg.ReassemblyBytes, 256))
}

// finish lets the server be silent from now on. The query must come to its end.
func (p *play) finish() {
	if _, started := p.q.Started(); !started && !p.out.Done {
		p.send()
	}
	for n := 0; !p.out.Done; n++ {
		require.Less(p.t, n, 100, "it does not end")
		p.c.BeginTurn()
		for p.q.WantsSend() {
			p.send()
		}
		if at, open := p.c.Deadline(&p.q); open {
			p.now = max(p.now, at)
		}
		p.timeout()
	}
	start, started := p.q.Started()
	require.True(p.t, !started || p.now >= start)
}
