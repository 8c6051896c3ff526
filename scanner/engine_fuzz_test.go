package scanner

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/internal/arena"
	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner/targets"
)

// FuzzEngine lets bytes say what happens to a scan: which datagrams come, from whom,
// what ICMP and the system say, how much time passes, how much the socket takes at once. Whatever they say, all
// invariants hold after each step, nothing is sent beyond what the tries and challenges
// of a target allow, and each target that was taken in ends with exactly one coherent record.
func FuzzEngine(f *testing.F) {
	message := func(op, target byte, b []byte) []byte { return append([]byte{op, target, byte(len(b))}, b...) }
	join := func(list ...[]byte) []byte {
		var all []byte
		for _, b := range list {
			all = append(all, b...)
		}
		return all
	}
	f.Add([]byte{7, 3, 1, 10}, join(message(0, 0, challengeReply(1)), message(0, 0, infoReply("x")), message(0, 0, playersReply("a")), message(0, 0, rulesReply("k", "v"))))
	f.Add([]byte{1, 0, 0, 0}, join(message(0, 0, goldSourceReply("m")), []byte{1, 0, 1, 20}, message(0, 0, infoReply("I"))))
	parts := fragments(1, 10, rulesReply("a", "b"))
	f.Add([]byte{4, 8, 2, 1}, join(message(0, 1, parts[1]), []byte{1, 0, 1, 255}, message(0, 1, parts[0]), message(0, 2, parts[0])))
	f.Add([]byte{7, 31, 0, 5}, join([]byte{2, 0, 1, 1, 3, 1, 0}, message(0, 3, challengeReply(2)), message(0, 3, challengeReply(3)), []byte{1, 0, 1, 250, 4, 0, 0}))
	for room := byte(1); room < 4; room++ {
		for _, mode := range []byte{2, 16, 32, 64, 2 | 32 | 64} {
			f.Add([]byte{7, mode, 2 | room<<2, 7}, join(message(0, 0, challengeReply(1)), message(0, 1, challengeReply(2)), message(0, 9, challengeReply(3)), []byte{1, 0, 3, 255, 255, 9}, message(0, 1, infoReply("x")), []byte{3, 0, 0, 2, 3, 1, 7}, []byte{1, 0, 3, 255, 255, 255}, []byte{7, 0, 78}))
		}
	}
	for _, closed := range []byte{8, 8 | 48, 8 | 48 | 128} { // searches for ports
		f.Add([]byte{7 | closed, 0, 0, 7}, join([]byte{2, 0, 0, 2, 8, 0, 1, 1, 1, 255, 2, 201, 0}, message(0, 201, infoReply("x")), []byte{1, 1, 3, 255, 255, 255}))
		f.Add([]byte{1 | closed, 2 | 64, 1, 2}, join([]byte{2, 0, 0, 2, 1, 0}, message(0, 210, challengeReply(4)), []byte{3, 0, 0, 7, 0, 78}))
	}
	f.Fuzz(func(t *testing.T, config, script []byte) {
		if len(config) < 4 {
			return
		}
		cfg := rigConfig(proto.Kinds(config[0]) & allKinds)
		if cfg.Kinds == 0 {
			cfg.Kinds = allKinds
		}
		mode := config[1]
		cfg.Sequential = mode&1 != 0
		cfg.Raw = mode&2 != 0
		cfg.ICMP = ICMPMode(mode >> 2 % 3)
		if mode&16 != 0 {
			cfg.Rate = 20
		} else if mode&32 != 0 {
			cfg.Rate = 0
		}
		if mode&64 != 0 {
			cfg.PerIPRate = 2
		}
		cfg.Retries = int(config[2] % 4)
		room := int(config[2] >> 2 % 4)
		cfg.MaxInFlight = 1 + int(config[3]%8)
		cfg.MaxResults = uint64(mode >> 7 * 3)
		cfg.TargetTimeout = 5 * time.Second
		if config[0]&8 != 0 {
			cfg.PortOffsets = []int{1, -1, 2, 40_000}[:1+config[0]>>4%4]
		}
		list := rigTargets(10)
		list[8].Key = list[0].Key // a twin
		list[9].Key.Hi, list[9].Key.Lo = list[1].Key.Hi, list[1].Key.Lo
		list[9].Key.Port++
		r := newRigOf(t, cfg, func(e *engine) {
			if config[3] > 200 {
				e.store = arena.New(1024)
			}
			if config[0]&128 != 0 {
				e.isTarget = func(k mux.Key) bool {
					return slices.ContainsFunc(list, func(t targets.Target) bool { return t.Key == k })
				}
			}
		}, list...)
		r.room = room
		for ops := 0; ops < 100 && len(script) >= 3 && !r.e.Finished(); ops++ {
			op, target, n := script[0]%8, script[1], min(int(script[2]), len(script)-3)
			b := script[3 : 3+n]
			script = script[3+n:]
			k := list[int(target)%len(list)].Key
			if target > 200 {
				k.Port ^= 1 // a stranger, or the next port of the target
			}
			switch op {
			case 0:
				r.reply(k, b)
			case 1:
				d := 4 * time.Millisecond
				for _, c := range b {
					d += time.Duration(c) * 2 * time.Millisecond
				}
				r.advance(min(d, time.Second))
			case 2:
				r.icmp(k, mux.Unreachable(1+n%5))
			case 3:
				r.refuse = syscall.EPERM
				r.turn()
			case 4:
				r.e.Hold(n%2 == 1)
				r.turn()
			case 5:
				r.turn(mux.Packet{Peer: k, Data: b, Truncated: true})
			case 6:
				r.reply(k, b, b, challengeReply(proto.Challenge(n)))
			case 7:
				switch n {
				case 77:
					r.e.Stop()
				case 78:
					r.e.Abort(r.now)
				}
				r.turn()
			}
			if r.e.ReachedMaxResults() {
				r.e.Abort(r.now)
				r.fill()
			}
		}
		r.e.Hold(false)
		for spins := 0; !r.e.Finished(); {
			at, ok := r.e.Deadline(r.now, false)
			require.True(t, ok, "not finished, and waits for nothing")
			if at > r.now {
				r.now, spins = at, 0
			} else {
				r.now = r.now.Add(time.Microsecond)
				spins++
				require.Less(t, spins, 1000, "the loop would spin: %+v", r.e.Stats())
			}
			r.turn()
			if r.e.ReachedMaxResults() {
				r.e.Abort(r.now)
				r.fill()
			}
		}
		(&sim{t: t, e: r.e}).requireEmpty()

		st := r.e.Stats()
		require.EqualValues(t, len(r.records), st.Done+st.Aborted)
		if !r.e.stopped {
			require.Len(t, r.records, len(list))
		}
		if cfg.MaxResults > 0 {
			require.LessOrEqual(t, st.Statuses[output.Success], cfg.MaxResults)
		}
		require.EqualValues(t, len(r.sent), st.Sent)
		for seq, rec := range r.records {
			// Each kind: the attempts, one of them after silence to a token, with five challenges
			// each, and one request more if fragments came.
			// Each port of a target has them.
			ports := 1 + len(cfg.PortOffsets)
			require.LessOrEqual(t, rec.PacketsSent, ports*3*((cfg.Retries+2)*6+1), "target %d", seq)
			require.LessOrEqual(t, rec.Attempts, ports*(cfg.Retries+2))
			given := rec.Addr
			if rec.PortGiven != 0 {
				require.Contains(t, cfg.PortOffsets, int(rec.Addr.Port())-int(rec.PortGiven))
				require.NotContains(t, []output.Status{output.Timeout, output.Refused, output.Unreachable, output.Aborted, output.SendError}, rec.Status)
				if r.e.isTarget != nil {
					require.False(t, r.e.isTarget(mux.KeyFrom(rec.Addr)))
				}
				given = netip.AddrPortFrom(rec.Addr.Addr(), rec.PortGiven)
			}
			require.Equal(t, list[seq].Key.AddrPort(), given)
			require.LessOrEqual(t, ms(rec.Duration), 5000.0+10)
		}
	})
}
