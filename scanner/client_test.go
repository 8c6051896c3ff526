package scanner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/mux/muxtest"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// withClient runs f in virtual time with a Client over a network of its own.
func withClient(t *testing.T, cfg ClientConfig, f func(s *scan, c *Client)) {
	t.Helper()
	virtual(t, func(s *scan) {
		cfg.Port, cfg.Rate, cfg.PerIPRate = s.spy, -1, -1
		c, err := NewClient(cfg)
		require.NoError(s.t, err)
		defer func() { require.NoError(s.t, c.Close()) }()
		f(s, c)
	})
}

// host is a server that answers each type of request with the given datagrams, after 10 ms.
func host(answers map[byte][][]byte) muxtest.Host {
	return muxtest.Host{Handler: func(_ time.Time, _ mux.Key, data []byte, reply func(mux.Key, []byte, time.Duration)) {
		for _, b := range answers[data[4]] {
			reply(mux.Key{}, b, 10*time.Millisecond)
		}
	}}
}

const (
	clientServer = "192.0.2.80:27015"
	otherServer  = "192.0.2.81:27015"
)

func keyOf(addr string) mux.Key { return mux.KeyFrom(netip.MustParseAddrPort(addr)) }

func whole() muxtest.Host {
	return host(map[byte][][]byte{'T': {infoReply("name")}, 'U': {playersReply("a", "b")}, 'V': {rulesReply("k", "v")}})
}

func TestClientAsksEach(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.net.SetHost(keyOf(clientServer), whole())
		info, err := c.Info(s.t.Context(), clientServer)
		require.NoError(s.t, err)
		require.Equal(s.t, "name", info.Name)
		players, err := c.Players(s.t.Context(), clientServer)
		require.NoError(s.t, err)
		require.Len(s.t, players.List, 2)
		rules, err := c.Rules(s.t.Context(), clientServer)
		require.NoError(s.t, err)
		require.Equal(s.t, "v", rules.List[0].Value)

		reply, err := c.Query(s.t.Context(), "192.0.2.80", allKinds) // and the usual port
		require.NoError(s.t, err)
		require.Equal(s.t, netip.MustParseAddrPort(clientServer), reply.Addr)
		require.Equal(s.t, "name", reply.Info.Name)
		require.Equal(s.t, "b", reply.Players.List[1].Name)
		require.Len(s.t, reply.Rules.List, 1)
		require.Nil(s.t, reply.Rules.A3SB)
		require.Equal(s.t, 10*time.Millisecond, reply.RTT)
		require.Equal(s.t, output.Success, reply.Rules.Status)
		require.Equal(s.t, "name", info.Name, "what was returned is the caller's")
	})
}

// A Client returns true values.
func TestClientAgainstWorld(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		shares := prototest.Shares{Challenge: 50, GoldSource: 10, Split: 20, BZip2: 10, Ship: 5, Duplicate: 10, Reorder: 10, DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond}
		s.serve(shares)
		w := &prototest.World{Seed: 1, Shares: shares}
		for i := range uint64(150) {
			ap := simAddr(i)
			reply, err := c.Query(s.t.Context(), ap.String(), allKinds)
			require.NoError(s.t, err, "%v", ap)
			truth, _ := w.Truth(prototest.EndpointFrom(ap), allKinds)
			require.Equal(s.t, string(truth.Info[0].Name), reply.Info.Name, "%v", ap)
			require.Len(s.t, reply.Players.List, len(truth.Players[0].List))
			require.Len(s.t, reply.Rules.List, len(truth.Rules.List))
			require.Equal(s.t, truth.A3SB == nil, reply.Rules.A3SB == nil)
		}
	})
}

// challenging is whole, for those who echo its challenge.
func challenging() muxtest.Host {
	whole := whole().Handler
	return muxtest.Host{Handler: func(now time.Time, from mux.Key, data []byte, reply func(mux.Key, []byte, time.Duration)) {
		if !bytes.HasSuffix(data, []byte{77, 0, 0, 0}) {
			reply(mux.Key{}, challengeReply(77), 10*time.Millisecond)
			return
		}
		whole(now, from, data, reply)
	}}
}

// The errors of a Client describe the failure, for programs and for people.
func TestClientErrors(t *testing.T) {
	garbage := host(map[byte][][]byte{'T': {[]byte("HTTP/1.1 400")}})
	half := host(map[byte][][]byte{'T': fragments(1, 40, infoReply("name"))[:1]})
	for name, c := range map[string]struct {
		host   muxtest.Host
		status output.Status
		words  string
		took   time.Duration
	}{
		"silence":          {muxtest.Host{}, output.Timeout, "no answer after 3 attempts", 7 * time.Second},
		"refused":          {muxtest.Host{Unreachable: mux.PortUnreachable}, output.Refused, "port unreachable", 0},
		"unreachable":      {muxtest.Host{Unreachable: mux.Prohibited}, output.Unreachable, "host or network unreachable", 0},
		"not sent":         {muxtest.Host{SendErr: syscall.ENETUNREACH}, output.SendError, "send: " + syscall.ENETUNREACH.Error(), 0},
		"not an answer":    {garbage, output.ProtocolError, "the reply does not parse", 7 * time.Second},
		"a refusal":        {host(map[byte][][]byte{'T': {[]byte("\xFF\xFF\xFF\xFFlno\x00")}}), output.ProtocolError, `the server refused to answer: "no"`, 0},
		"challenge only":   {host(map[byte][][]byte{'T': {challengeReply(1)}}), output.Incomplete, "challenged, never answered, after 4 attempts", 10 * time.Second},
		"half of a reply":  {half, output.Incomplete, "1 of 2 fragments received", 10 * time.Second},
		"only other kinds": {host(map[byte][][]byte{'T': {rulesReply()}}), output.Incomplete, "only replies to other queries, after 3 attempts", 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withClient(t, ClientConfig{}, func(s *scan, cl *Client) {
				s.net.SetHost(keyOf(clientServer), c.host)
				info, err := cl.Info(s.t.Context(), clientServer)
				require.Nil(s.t, info)
				require.EqualError(s.t, err, clientServer+": "+c.words)
				var qe *QueryError
				require.ErrorAs(s.t, err, &qe)
				require.Equal(s.t, c.status, qe.Status)
				require.Equal(s.t, clientServer, qe.Addr.String())
				require.Equal(s.t, name == "silence", qe.Timeout())
				require.InDelta(s.t, c.took, s.elapsed(), float64(1200*time.Millisecond))
				_, err = cl.Players(s.t.Context(), clientServer)
				require.Error(s.t, err)
				_, err = cl.Rules(s.t.Context(), clientServer)
				require.ErrorAs(s.t, err, &qe)
			})
		})
	}
}

// Where some of several queries is answered there is a Reply, and the error of the
// first that was not.
func TestClientPartial(t *testing.T) {
	withClient(t, ClientConfig{Retries: -1}, func(s *scan, c *Client) {
		s.net.SetHost(keyOf(clientServer), host(map[byte][][]byte{'T': {infoReply("name")}}))
		reply, err := c.Query(s.t.Context(), clientServer, allKinds)
		require.EqualError(s.t, err, "192.0.2.80:27015: players: no answer after 1 attempt")
		require.Equal(s.t, output.Partial, reply.Status)
		require.Equal(s.t, "name", reply.Info.Name)
		require.Equal(s.t, output.Timeout, reply.Players.Status)
		require.Equal(s.t, output.Timeout, reply.Rules.Status)
		require.Equal(s.t, 10*time.Millisecond, reply.RTT)
	})
}

func TestClientContext(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.silence()
		ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := c.Info(ctx, clientServer)
		require.ErrorIs(s.t, err, context.DeadlineExceeded)
		require.Equal(s.t, 300*time.Millisecond, s.elapsed())

		// One that is done already sends nothing.
		n := len(s.sends)
		_, err = c.Info(ctx, clientServer)
		require.ErrorIs(s.t, err, context.DeadlineExceeded)
		require.Len(s.t, s.sends, n)

		// Answers that came before are returned.
		s.net.SetHost(keyOf(clientServer), host(map[byte][][]byte{'T': {infoReply("name")}}))
		ctx, cancel = context.WithCancel(s.t.Context())
		time.AfterFunc(200*time.Millisecond, cancel)
		reply, err := c.Query(ctx, clientServer, allKinds)
		require.ErrorIs(s.t, err, context.Canceled)
		require.Equal(s.t, output.Aborted, reply.Players.Status)
		require.Equal(s.t, "name", reply.Info.Name)

		// The Client is as good as new.
		info, err := c.Info(s.t.Context(), clientServer)
		require.NoError(s.t, err)
		require.Equal(s.t, "name", info.Name)
	})
}

// Calls for one server take turns, in their order; one that is cancelled while it
// waits gives up its place.
func TestClientTakesTurns(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.net.SetHost(keyOf(clientServer), whole())
		s.net.SetHost(keyOf(otherServer), whole())
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 6 {
			ctx, cancel := context.WithCancel(s.t.Context())
			if i == 3 {
				time.AfterFunc(25*time.Millisecond, cancel)
			}
			all.Go(func() {
				defer cancel()
				_, err := c.Info(ctx, clientServer)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				if i == 3 {
					require.ErrorIs(s.t, err, context.Canceled)
				} else {
					require.NoError(s.t, err)
				}
			})
			synctest.Wait() // the order of the calls is that of the loop
		}
		all.Go(func() {
			_, err := c.Info(s.t.Context(), otherServer)
			require.NoError(s.t, err)
			require.Equal(s.t, 10*time.Millisecond, s.elapsed(), "others do not wait")
		})
		all.Wait()
		require.Equal(s.t, []int{0, 1, 3, 2, 4, 5}, order)
		require.Equal(s.t, 50*time.Millisecond, s.elapsed(), "five times ten milliseconds")
	})
}

// The same where the first call ends because the system would not send: the next begins,
// and ends likewise.
func TestClientTakesTurnsAtFailing(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.net.SetHost(keyOf(clientServer), muxtest.Host{SendErr: syscall.EPERM})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := c.Info(s.t.Context(), clientServer)
				require.ErrorContains(s.t, err, syscall.EPERM.Error())
			})
		}
		all.Wait()
		require.Less(s.t, s.elapsed(), 100*time.Millisecond)
	})
}

// A Client obeys its limits.
func TestClientRates(t *testing.T) {
	virtual(t, func(s *scan) {
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: 100, PerIPRate: 5})
		require.NoError(s.t, err)
		defer c.Close()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				_, err := c.Info(s.t.Context(), fmt.Sprintf("192.0.2.%d:%d", i%5, 1000+i))
				require.NoError(s.t, err)
			})
		}
		all.Wait()
		require.InDelta(s.t, 16./5, s.elapsed().Seconds(), 0.3, "20 to each address, four of them at once")
	})
	virtual(t, func(s *scan) {
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: 100})
		require.NoError(s.t, err)
		defer c.Close()
		var all sync.WaitGroup
		for i := range uint64(200) {
			all.Go(func() {
				_, err := c.Info(s.t.Context(), simAddr(i).String())
				require.NoError(s.t, err)
			})
		}
		all.Wait()
		require.InDelta(s.t, 2, s.elapsed().Seconds(), 0.2)
	})
}

// A call that is cancelled while it waits for its address, or for another call for the same
// server, is never sent.
func TestClientCancelledBeforeItBegan(t *testing.T) {
	virtual(t, func(s *scan) {
		s.silence()
		c, err := NewClient(ClientConfig{Port: s.spy, PerIPRate: 0.1, Retries: -1})
		require.NoError(s.t, err)
		defer c.Close()
		ctx, cancel := context.WithTimeout(s.t.Context(), 100*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				_, err := c.Info(ctx, fmt.Sprintf("192.0.2.1:%d", 1+i/2))
				require.ErrorIs(s.t, err, context.DeadlineExceeded)
			})
			synctest.Wait()
		}
		all.Wait()
		require.Equal(s.t, 100*time.Millisecond, s.elapsed())
		time.Sleep(10 * time.Minute)
		require.Len(s.t, s.sends, 1)
		s.net.SetEverywhere(func(mux.Key) muxtest.Host { return whole() })
		info, err := c.Info(s.t.Context(), "192.0.2.1:1")
		require.NoError(s.t, err)
		require.Equal(s.t, "name", info.Name)
	})
}

func TestClientManyAtOnce(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.serve(prototest.Shares{Challenge: 50, Split: 20, DelayMin: time.Millisecond, DelayMax: 300 * time.Millisecond})
		var all sync.WaitGroup
		var answered atomic.Int64
		for i := range uint64(200) {
			all.Go(func() {
				for k := proto.KindInfo; k <= proto.KindRules; k++ {
					reply, err := c.Query(s.t.Context(), simAddr(i%150).String(), k.Bit())
					if err == nil && reply.Status == output.Success {
						answered.Add(1)
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(s.t, 600, answered.Load())
	})
}

// Reserved addresses are refused before anything is sent, whether the caller wrote the
// address or a name resolved to it.
func TestClientAsksHostsAlone(t *testing.T) {
	for _, addr := range []string{"224.0.0.1", "255.255.255.255:27015", "0.0.0.0", "[::]:27015", "0.1.2.3", "240.0.0.1", "169.254.1.1", "[ff02::1]:27015", "::ffff:224.0.0.1"} {
		withClient(t, ClientConfig{}, func(s *scan, c *Client) {
			_, err := c.Info(s.t.Context(), addr)
			var refused *QueryError
			require.ErrorAs(s.t, err, &refused, addr)
			require.Equal(s.t, output.Blocked, refused.Status)
			require.Empty(s.t, s.sends, addr)
		})
	}
	odd := names{"bad.invalid": {netip.MustParseAddr("224.0.0.1")}, "none.invalid": {netip.Addr{}}}
	withClient(t, ClientConfig{Lookup: odd.LookupNetIP}, func(s *scan, c *Client) {
		for name := range odd {
			_, err := c.Info(s.t.Context(), name)
			var refused *QueryError
			require.ErrorAs(s.t, err, &refused, name)
			require.Equal(s.t, output.Blocked, refused.Status)
		}
		require.Empty(s.t, s.sends)
	})
}

// Compressed answers that come together are opened in turns, and none waits for more
// than that.
func TestClientInflatesInTurns(t *testing.T) {
	message := rulesReply("name", "value")
	sp := prototest.Splitter{Dialect: proto.DialectSource, Size: 1200, ID: 3, Packed: prototest.AppendBZip2(nil, message)}
	reply := sp.AppendFragment(nil, message, 0)
	withClient(t, ClientConfig{Timeout: time.Second}, func(s *scan, c *Client) {
		s.net.SetEverywhere(func(mux.Key) muxtest.Host {
			return muxtest.Host{Handler: func(_ time.Time, _ mux.Key, _ []byte, answer func(mux.Key, []byte, time.Duration)) {
				answer(mux.Key{}, reply, 50*time.Millisecond)
			}}
		})
		began := time.Now()
		var all sync.WaitGroup
		for i := range uint64(300) {
			all.Go(func() {
				reply, err := c.Query(s.t.Context(), simAddr(i).String(), proto.WantRules)
				require.NoError(s.t, err)
				require.Len(s.t, reply.Rules.List, 1)
			})
		}
		all.Wait()
		require.Less(s.t, time.Since(began), time.Second, "nothing was asked twice")
	})
}

// A socket without room makes calls wait, not fail, and the loop does not spin.
func TestClientShortSends(t *testing.T) {
	virtual(t, func(s *scan) {
		s.listen(muxtest.Options{Room: 5, RoomEvery: 10 * time.Millisecond})
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: -1, PerIPRate: -1, Timeout: 5 * time.Second})
		require.NoError(s.t, err)
		defer c.Close()
		var all sync.WaitGroup
		for i := range uint64(100) {
			all.Go(func() {
				_, err := c.Info(s.t.Context(), simAddr(i).String())
				require.NoError(s.t, err)
			})
		}
		all.Wait()
		require.NotZero(s.t, s.spy.Stats().SendBlocked)
		require.Less(s.t, s.spy.recvs.Load(), int64(1500))
	})
}

// So it does where there is none for longer than a call's tries, and its whole time, take.
func TestClientNoRoomForLongerThanACall(t *testing.T) {
	virtual(t, func(s *scan) {
		s.serve(prototest.Shares{DelayMin: 20 * time.Millisecond, DelayMax: 20 * time.Millisecond})
		s.listen(muxtest.Options{Room: 7, RoomEvery: 12 * time.Second})
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: -1, PerIPRate: -1, Retries: -1})
		require.NoError(s.t, err)
		defer c.Close()
		var all sync.WaitGroup
		for i := range uint64(40) {
			all.Go(func() {
				r, err := c.Query(s.t.Context(), simAddr(i).String(), proto.WantInfo)
				require.NoError(s.t, err)
				require.Equal(s.t, 20*time.Millisecond, r.RTT)
				require.Equal(s.t, 1, r.Attempts)
			})
			synctest.Wait()
		}
		all.Wait()
		require.Less(s.t, s.elapsed(), 61*time.Second)
		require.Less(s.t, s.spy.recvs.Load(), int64(500))
		require.Len(s.t, s.sends, 40)
		for i, p := range s.sends {
			require.Equal(s.t, mux.KeyFrom(simAddr(uint64(i))), p.to, "in their order")
		}
	})
}

// What waits for room can be called off, and a Client that has it be closed.
func TestClientCancelledWithoutRoom(t *testing.T) {
	virtual(t, func(s *scan) {
		s.listen(muxtest.Options{Room: 1, RoomEvery: time.Hour})
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: -1, PerIPRate: -1})
		require.NoError(s.t, err)
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for i := range uint64(5) {
			ctx := ctx
			if i < 2 {
				ctx = s.t.Context()
			}
			all.Go(func() {
				_, err := c.Info(ctx, simAddr(i).String())
				if i == 0 {
					require.NoError(s.t, err)
				} else if i == 1 {
					require.ErrorIs(s.t, err, net.ErrClosed)
				} else {
					require.ErrorIs(s.t, err, context.DeadlineExceeded)
				}
			})
			synctest.Wait()
		}
		time.Sleep(10 * time.Minute)
		require.NoError(s.t, c.Close())
		all.Wait()
		require.Len(s.t, s.sends, 1)
		require.Less(s.t, s.spy.recvs.Load(), int64(100))
	})
}

// A process that was stopped in the middle of a call, by Control-Z say, continues with it
// where it was, however long that was: the challenge that waits is answered. Its round
// trips are then unknown.
func TestClientStopped(t *testing.T) {
	const delay, stop = 100 * time.Millisecond, 30 * time.Second
	for exchange := range 3 { // a challenge, INFO, PLAYER
		t.Run(strconv.Itoa(exchange), func(t *testing.T) {
			virtual(t, func(s *scan) {
				s.serve(prototest.Shares{Challenge: 100, DelayMin: delay, DelayMax: delay})
				var stopped atomic.Bool
				s.spy.beforeRecv = func(_ *mux.Batch, wait time.Duration) {
					if wait > 0 && s.elapsed() >= time.Duration(exchange)*delay && stopped.CompareAndSwap(false, true) {
						time.Sleep(stop)
					}
				}
				c, err := NewClient(ClientConfig{Port: s.spy, Rate: -1, PerIPRate: -1, Timeout: time.Second, Retries: -1, TargetTimeout: 5 * time.Second, Sequential: true})
				require.NoError(s.t, err)
				defer c.Close()
				r, err := c.Query(s.t.Context(), simAddr(1).String(), proto.WantInfo|proto.WantPlayers)
				require.NoError(s.t, err)
				require.True(s.t, stopped.Load())
				require.NotNil(s.t, r.Info)
				require.NotNil(s.t, r.Players)
				require.Equal(s.t, [2]time.Duration{-1, -1}, [2]time.Duration{r.Info.RTT, r.Players.RTT})
				require.Less(s.t, s.elapsed(), stop+time.Second)
			})
		})
	}
}

func TestClientClose(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.silence()
		var all sync.WaitGroup
		for i := range uint64(20) {
			all.Go(func() {
				_, err := c.Info(s.t.Context(), simAddr(i/2).String())
				require.ErrorIs(s.t, err, net.ErrClosed)
			})
		}
		time.Sleep(100 * time.Millisecond)
		for range 3 {
			all.Go(func() { require.NoError(s.t, c.Close()) })
		}
		all.Wait()
		require.Equal(s.t, 100*time.Millisecond, s.elapsed())
		_, err := c.Info(s.t.Context(), clientServer)
		require.ErrorIs(s.t, err, net.ErrClosed)
		require.ErrorIs(s.t, s.port.Recv(mux.NewBatch(1, 1), 0), net.ErrClosed, "the socket is closed with it")
	})
}

// A Client whose socket is lost says so to all that wait and all that come, and is
// closed as any other.
func TestClientLostSocket(t *testing.T) {
	withClient(t, ClientConfig{}, func(s *scan, c *Client) {
		s.silence()
		lost := errors.New("the interface is gone")
		time.AfterFunc(100*time.Millisecond, func() { s.port.Lose(lost) })
		_, err := c.Info(s.t.Context(), clientServer)
		require.ErrorIs(s.t, err, lost)
		_, err = c.Info(s.t.Context(), clientServer)
		require.ErrorIs(s.t, err, lost)
		require.NoError(s.t, c.Close())
		_, err = c.Info(s.t.Context(), clientServer)
		require.ErrorIs(s.t, err, lost, "it says why, still")
		require.ErrorIs(s.t, s.port.Recv(mux.NewBatch(1, 1), 0), net.ErrClosed, "the socket is not left open")
	})
}

// A process that stalls takes no answer that waits in its socket for silence.
func TestClientStall(t *testing.T) {
	virtual(t, func(s *scan) {
		stalled := false
		s.spy.beforeRecv = func(_ *mux.Batch, wait time.Duration) {
			if !stalled && len(s.sends) == 100 && wait != 0 {
				stalled = true
				time.Sleep(20 * time.Second)
			}
		}
		c, err := NewClient(ClientConfig{Port: s.spy, Rate: -1, PerIPRate: -1})
		require.NoError(s.t, err)
		defer c.Close()
		var all sync.WaitGroup
		for i := range uint64(100) {
			all.Go(func() {
				reply, err := c.Query(s.t.Context(), simAddr(i).String(), proto.WantInfo)
				require.NoError(s.t, err)
				require.Equal(s.t, 1, reply.Attempts)
			})
		}
		all.Wait()
		require.True(s.t, stalled)
	})
}

// A resolver for tests.
type names map[string][]netip.Addr

func (n names) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" {
		return nil, fmt.Errorf("network %q", network)
	}
	if list, ok := n[host]; ok {
		return list, ctx.Err()
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestClientNames(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.80"), netip.MustParseAddr("2001:db8::80")
	resolver := names{
		"both.example":   {v6, v4},
		"six.example":    {v6},
		"four.example":   {v4, netip.MustParseAddr("192.0.2.99")},
		"mapped.example": {netip.AddrFrom16(v4.As16())},
		"empty.example":  {},
	}
	for _, c := range []struct {
		addr   string
		prefer bool // IPv6
		want   string
	}{
		{"both.example", false, "192.0.2.80:27015"},
		{"both.example:27016", true, "[2001:db8::80]:27016"},
		{"six.example", false, "[2001:db8::80]:27015"},
		{"four.example:1", true, "192.0.2.80:1"},
		{"mapped.example", false, "192.0.2.80:27015"},
		{"mapped.example", true, "192.0.2.80:27015"},
		{"192.0.2.80", false, "192.0.2.80:27015"},
		{"192.0.2.80:5", true, "192.0.2.80:5"},
		{"::ffff:192.0.2.80", false, "192.0.2.80:27015"},
		{"[::ffff:192.0.2.80]:7", false, "192.0.2.80:7"},
		{"2001:db8::80", false, "[2001:db8::80]:27015"},
		{"[2001:db8::80]", false, "[2001:db8::80]:27015"},
		{"[2001:db8::80]:9", false, "[2001:db8::80]:9"},
		{"[fe80::80%7]:9", false, "[fe80::80%7]:9"},
	} {
		withClient(t, ClientConfig{Lookup: resolver.LookupNetIP, PreferIPv6: c.prefer}, func(s *scan, cl *Client) {
			s.net.SetHost(keyOf(c.want), whole())
			reply, err := cl.Query(s.t.Context(), c.addr, proto.WantInfo)
			require.NoError(s.t, err, c.addr)
			require.Equal(s.t, c.want, reply.Addr.String())
		})
	}
	withClient(t, ClientConfig{Lookup: resolver.LookupNetIP}, func(s *scan, cl *Client) {
		var dns *net.DNSError
		for _, addr := range []string{"gone.example", "gone.example:1", "empty.example", ""} {
			_, err := cl.Info(s.t.Context(), addr)
			require.ErrorAs(s.t, err, &dns, addr)
			require.True(s.t, dns.IsNotFound)
		}
		for _, addr := range []string{"192.0.2.80:0", "both.example:0", "both.example:", "both.example:65536", "both.example:http", "[::1]:-1"} {
			_, err := cl.Info(s.t.Context(), addr)
			require.ErrorContains(s.t, err, "no valid port", addr)
		}
		_, err := cl.Info(s.t.Context(), "[fe80::1%no-such-interface]:1")
		require.ErrorContains(s.t, err, "no-such-interface")
		_, err = cl.Query(s.t.Context(), clientServer, 0)
		require.ErrorContains(s.t, err, "is not a set of queries")
		_, err = cl.Query(s.t.Context(), clientServer, 1<<7)
		require.ErrorContains(s.t, err, "is not a set of queries")
		require.Empty(s.t, s.sends)
	})
}

func requireTimeout(t testing.TB, err error) {
	t.Helper()
	require.True(t, os.IsTimeout(err), "%v", err)
}

func TestClientConfig(t *testing.T) {
	withClient(t, ClientConfig{Timeout: 100 * time.Millisecond, Retries: 4, TargetTimeout: 650 * time.Millisecond}, func(s *scan, c *Client) {
		s.silence()
		_, err := c.Info(s.t.Context(), clientServer)
		requireTimeout(s.t, err)
		require.InDelta(s.t, 650*time.Millisecond, s.elapsed(), float64(10*time.Millisecond))
		require.Len(s.t, s.sends, 3)
	})
	withClient(t, ClientConfig{Retries: -1}, func(s *scan, c *Client) {
		s.silence()
		_, err := c.Info(s.t.Context(), clientServer)
		requireTimeout(s.t, err)
		require.InDelta(s.t, time.Second, s.elapsed(), float64(10*time.Millisecond))
		require.Len(s.t, s.sends, 1)
	})
	withClient(t, ClientConfig{Sequential: true}, func(s *scan, c *Client) {
		s.net.SetHost(keyOf(clientServer), whole())
		_, err := c.Query(s.t.Context(), clientServer, allKinds)
		require.NoError(s.t, err)
		require.Equal(s.t, 30*time.Millisecond, s.elapsed())
	})
	_, err := NewClient(ClientConfig{Timeout: -1})
	require.Error(t, err)
	_, err = NewClient(ClientConfig{Local: netip.MustParseAddrPort("192.0.2.1:1")})
	require.Error(t, err, "no interface of this machine has it")
}

// A loopbackServer answers for a World at one address and port.
func loopbackServer(t testing.TB, w *prototest.World) string {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	self := prototest.EndpointFrom(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	var served sync.WaitGroup
	served.Go(func() {
		replies := prototest.NewReplies(1)
		buf := make([]byte, 2048)
		for start := time.Now(); ; {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			w.Answer(replies, proto.Time(time.Since(start)), prototest.EndpointFrom(from), self, buf[:n])
			for i := range replies.Len() {
				b, _ := replies.Datagram(i)
				conn.WriteToUDPAddrPort(b, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); served.Wait() })
	return conn.LocalAddr().String()
}

// The zero ClientConfig works over a real socket, for many goroutines at once.
func TestClientOverLoopback(t *testing.T) {
	w := &prototest.World{Seed: 3, Shares: prototest.Shares{Challenge: 50}}
	var servers []string
	for range 10 {
		servers = append(servers, loopbackServer(t, w))
	}
	c, err := NewClient(ClientConfig{PerIPRate: -1})
	require.NoError(t, err)
	var all sync.WaitGroup
	var failures atomic.Int64
	for i := range 200 {
		all.Go(func() {
			addr := servers[i%len(servers)]
			reply, err := c.Query(context.Background(), addr, allKinds)
			truth, _ := w.Truth(prototest.EndpointFrom(netip.MustParseAddrPort(addr)), allKinds)
			switch {
			case err != nil:
				t.Errorf("%s: %v", addr, err)
			case reply.Info.Name != string(truth.Info[0].Name):
				t.Errorf("%s: %q, %q in truth", addr, reply.Info.Name, truth.Info[0].Name)
			default:
				return
			}
			failures.Add(1)
		})
	}
	all.Wait()
	require.Zero(t, failures.Load())
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}

// The system resolves localhost without any network.
func TestClientResolvesLocalhost(t *testing.T) {
	addr := loopbackServer(t, &prototest.World{Seed: 3})
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	c, err := NewClient(ClientConfig{})
	require.NoError(t, err)
	defer c.Close()
	info, err := c.Info(t.Context(), "localhost:"+port)
	require.NoError(t, err)
	require.NotEmpty(t, info.Version)
}
