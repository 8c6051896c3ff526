package scanner

import (
	"context"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
)

// A bin is a socket that takes everything, or refuses it, and has nothing.
type bin struct {
	mux.Port
	sent   int
	refuse bool
}

func (b *bin) Send(batch *mux.Batch) (int, error) {
	if b.refuse && batch.Len() > 0 {
		return 0, &mux.PeerError{Err: syscall.EPERM}
	}
	b.sent += batch.Len()
	return batch.Len(), nil
}

func (*bin) Wake() {}

// FuzzClient lets bytes say what a Client hears while four calls are under way, two
// of them to one server. Each call ends once, with bodies that decode, and then
// nothing is held any more.
func FuzzClient(f *testing.F) {
	message := func(op, target byte, b []byte) []byte { return append([]byte{op, target, byte(len(b))}, b...) }
	join := func(list ...[]byte) (all []byte) {
		for _, b := range list {
			all = append(all, b...)
		}
		return all
	}
	parts := fragments(1, 10, rulesReply("a", "b"))
	f.Add(uint8(7), join(message(0, 0, challengeReply(1)), message(0, 0, infoReply("x")), message(0, 0, playersReply("a")), message(0, 0, rulesReply("k", "v"))))
	f.Add(uint8(4), join(message(0, 1, challengeReply(2)), message(0, 1, parts[1]), message(0, 1, parts[0]), message(0, 9, parts[0])))
	f.Add(uint8(1), join(message(0, 0, goldSourceReply("m")), message(0, 0, infoReply("I")), []byte{2, 1, 0, 1, 0, 1, 200, 3, 2, 0}))
	f.Add(uint8(2), join([]byte{4, 0, 0, 1, 0, 1, 250, 1, 0, 1, 250, 5, 0, 0}, message(0, 2, []byte("\xFF\xFF\xFF\xFFD"))))
	f.Fuzz(func(t *testing.T, kinds uint8, script []byte) {
		pc, err := proto.NewClient(proto.Config{Retries: 1, ReassemblyBytes: 8 << 10})
		require.NoError(t, err)
		port := &bin{}
		l := &clientLoop{
			c: &Client{port: port}, pc: pc, open: map[mux.Key][]*call{}, tokens: map[mux.Key]proto.Challenge{},
			wheel: newWheel(0, 0), due: make([]uint32, 0, expireStep), tx: mux.NewBatch(2, maxRequest),
		}
		want := proto.Kinds(kinds) & allKinds
		if want == 0 {
			want = allKinds
		}
		var calls []*call
		for _, addr := range []string{clientServer, otherServer, clientServer, "192.0.2.82:1"} {
			calls = append(calls, &call{key: keyOf(addr), kinds: want, done: make(chan struct{})})
		}
		l.c.calls = append(l.c.calls, calls...)
		require.False(t, l.commands())
		now := proto.Time(time.Second)
		turn := func() {
			l.expire(now, now)
			require.NoError(t, l.transmit(now))
			for _, list := range l.open {
				require.NotEmpty(t, list)
				require.Same(t, list[0], l.flights[list[0].id])
			}
			pc.BeginTurn()
		}
		turn()
		for ops := 0; ops < 100 && len(script) >= 3; ops++ {
			op, target, n := script[0]%6, script[1], min(int(script[2]), len(script)-3)
			p := &mux.Packet{Peer: calls[int(target)%len(calls)].key}
			if target > 200 {
				p.Peer.Port ^= 1 // a stranger
			}
			switch op {
			case 0:
				p.Data = script[3 : 3+n]
				script = script[n:]
				l.handle(now, p)
			case 1:
				now = now.Add(time.Duration(n) * 10 * time.Millisecond)
			case 2:
				p.Unreachable = mux.Unreachable(1 + n%5)
				l.handle(now, p)
			case 3:
				l.c.cancels = append(l.c.cancels, calls[int(target)%len(calls)])
				require.False(t, l.commands())
			case 4:
				port.refuse = n%2 == 1
			}
			script = script[3:]
			turn()
		}
		port.refuse = false
		for turns := 0; len(l.open) > 0; turns++ {
			require.Less(t, turns, 1000, "it does not end")
			at, ok := l.wheel.next()
			require.True(t, ok, "calls are open and wait for nothing")
			now = max(now, at)
			turn()
		}
		require.Zero(t, pc.ReassemblyUsed())
		for _, w := range l.flights {
			require.Nil(t, w)
		}
		for _, w := range calls {
			select {
			case <-w.done:
			default:
				require.Fail(t, "a call has not ended")
			}
			started := false
			for k := range proto.Kind(proto.NumKinds) {
				answered := w.q.Result(k).Answered
				require.Equal(t, answered, w.bodies[k] != nil, "%v", k)
				started = started || answered
			}
			r, err := w.reply(w.key.AddrPort(), context.Canceled)
			require.Equal(t, started, r != nil)
			if r == nil {
				require.Error(t, err)
				continue
			}
			require.True(t, r.Info != nil || !w.q.Result(proto.KindInfo).Answered)
		}
		require.LessOrEqual(t, port.sent, 4*proto.NumKinds*(1+3+5))
	})
}

func TestResolvePlaces(t *testing.T) {
	for _, row := range []struct{ name, addr, want string }{
		{"a zone that is a number", "[fe80::1%07]:2", "[fe80::1%7]:2"},
		{"fuzz 2026-11-26: zone 0 is no zone", "fe80::1%0", "[fe80::1]:27015"},
		{"a zone that means nothing", "[::1%7]:2", "[::1]:2"},
		{"IPv4 in disguise has none", "::ffff:192.0.2.1%3", "192.0.2.1:27015"},
	} {
		got, err := new(Client).resolve(t.Context(), row.addr)
		require.NoError(t, err, row.name)
		require.Equal(t, row.want, got.String(), row.name)
	}
}

// FuzzResolve names a server in any way. An address needs no resolver and comes out
// as netip reads it.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"192.0.2.1:27015", "192.0.2.1", "[2001:db8::1]:1", "2001:db8::1", "[::ffff:1.2.3.4]", "[fe80::1%7]:2", "example.com:0", "example.com", "[", ":1", "a:b:c", "1.2.3.4:65536", "[::1]x"} {
		f.Add(s)
	}
	answer := netip.MustParseAddr("192.0.2.77")
	f.Fuzz(func(t *testing.T, addr string) {
		asked := ""
		c := &Client{cfg: ClientConfig{Resolver: resolverFunc(func(_ context.Context, _, host string) ([]netip.Addr, error) {
			asked = host
			return []netip.Addr{answer}, nil
		})}}
		got, err := c.resolve(t.Context(), addr)
		if err != nil {
			return
		}
		require.True(t, got.IsValid())
		require.NotZero(t, got.Port())
		want, err := netip.ParseAddrPort(addr)
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(addr)
			want = netip.AddrPortFrom(a, defaultPort)
		}
		if err == nil && want.Addr().Zone() == "" {
			require.Empty(t, asked)
			require.Equal(t, netip.AddrPortFrom(want.Addr().Unmap(), want.Port()), got)
		}
		if asked != "" {
			require.Equal(t, answer, got.Addr())
		}
		require.Equal(t, got, mux.KeyFrom(got).AddrPort(), "it can be a key")
	})
}

// A resolverFunc answers names.
type resolverFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (r resolverFunc) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return r(ctx, network, host)
}
