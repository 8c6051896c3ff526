package farm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// DefaultPort is the port at which game servers answer by default.
const DefaultPort = 27015

// A Config describes the servers and addresses of a farm. The zero value of a field is its
// default.
type Config struct {
	// Listen is the addresses that are served: one, or a prefix of loopback
	// addresses. DefaultListen.
	Listen netip.Prefix
	// Ports are served on each of them: 27015. A 0 is any free port.
	Ports []uint16
	// Service is who answers: a World of seed 0 whose servers answer everything.
	Service prototest.Service
	// Seed is that of the dice: loss, split ids, order. Each port has its own.
	Seed uint64

	Rcvbuf, Sndbuf int // bytes to ask for: 8 and 4 MiB
}

// DefaultListen returns all of 127/8 if the system delivers it to one socket and lets that
// choose its source address, else 127.0.0.1.
func DefaultListen() netip.Prefix {
	if wildcards() {
		return netip.MustParsePrefix("127.0.0.0/8")
	}
	return netip.MustParsePrefix("127.0.0.1/32")
}

// wildcards reports whether this system can have many addresses behind a socket.
var wildcards = sync.OnceValue(func() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	p, err := mux.Listen(mux.Options{Local: netip.MustParseAddrPort("0.0.0.0:0"), Wildcard: true})
	if err != nil {
		return false
	}
	p.Close()
	return true
})

// ParseListen reads an address or prefix of loopback addresses, which are all
// that a farm will serve: a simulated server answers anybody, and with more
// bytes than it was asked with.
func ParseListen(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(s); err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix", s)
		}
		p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	if !p.Addr().IsLoopback() || p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 128 {
		return netip.Prefix{}, fmt.Errorf("%s is not loopback; a farm serves 127.0.0.0/8, a part of it, or ::1", s)
	}
	return p, nil
}

// A Farm is servers that answer. Its methods may be called from any goroutine.
type Farm struct {
	listen netip.Prefix
	ports  []uint16
	start  time.Time
	tally  tally
	socks  []*responder
	group  sync.WaitGroup
	stop   context.CancelFunc

	mu   sync.Mutex
	err  error
	once sync.Once
}

// Start binds all sockets and serves until ctx ends or Close is called. When it returns the
// farm is ready: it answers every request from then on.
func Start(ctx context.Context, c Config) (*Farm, error) {
	f, err := bind(c)
	if err != nil {
		return nil, err
	}
	if c.Service == nil {
		c.Service = &prototest.World{}
	}
	f.serve(ctx, c.Service)
	return f, nil
}

// StartReplay serves every folder of captures below folder at an address of its own,
// from 127.0.1.1 on, at the first of c's ports. c.Service is ignored.
func StartReplay(ctx context.Context, c Config, folder string) (*Farm, *prototest.Replay, error) {
	c.Ports = c.Ports[:min(len(c.Ports), 1)]
	f, err := bind(c)
	if err != nil {
		return nil, nil, err
	}
	replay, err := OpenReplay(folder, f.ports[0])
	if err != nil {
		f.closeAll()
		return nil, nil, err
	}
	f.serve(ctx, replay)
	return f, replay, nil
}

// OpenReplay reads the captures that StartReplay serves at that port. An error names
// folder, and the file in it that is wrong.
func OpenReplay(folder string, port uint16) (*prototest.Replay, error) {
	info, err := os.Stat(folder)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	var r *prototest.Replay
	if err == nil {
		r, err = prototest.NewReplay(os.DirFS(folder), netip.MustParseAddr("127.0.1.1"), port)
	}
	if path := new(*fs.PathError); errors.As(err, path) {
		err = (*path).Err // of a path inside of the folder, or the folder's own
		if (*path).Path != "." && (*path).Path != folder {
			err = fmt.Errorf("%s: %w", (*path).Path, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot replay %s: %w", folder, err)
	}
	return r, nil
}

// bind opens the sockets of a farm.
func bind(c Config) (*Farm, error) {
	if c.Listen == (netip.Prefix{}) {
		c.Listen = DefaultListen()
	}
	var err error
	if c.Listen, err = ParseListen(c.Listen.String()); err != nil {
		return nil, err
	}
	if len(c.Ports) == 0 {
		c.Ports = []uint16{DefaultPort}
	}
	if c.Rcvbuf == 0 {
		c.Rcvbuf = 8 << 20
	}
	if c.Sndbuf == 0 {
		c.Sndbuf = 4 << 20
	}
	f := &Farm{listen: c.Listen, start: time.Now()}
	for i, port := range c.Ports {
		if err := f.open(&c, port, c.Seed+uint64(i)); err != nil {
			f.closeAll()
			return nil, err
		}
	}
	return f, nil
}

// serve starts the goroutines.
func (f *Farm) serve(ctx context.Context, service prototest.Service) {
	ctx, f.stop = context.WithCancel(ctx)
	for _, r := range f.socks {
		r.service = service
		f.group.Add(1)
		go func() {
			defer f.group.Done()
			if err := r.run(); err != nil && !errors.Is(err, net.ErrClosed) {
				f.fail(err)
			}
		}()
	}
	context.AfterFunc(ctx, f.closeAll)
}

// open binds one socket.
func (f *Farm) open(c *Config, port uint16, seed uint64) error {
	o := mux.Options{Rcvbuf: c.Rcvbuf, Sndbuf: c.Sndbuf, NoICMP: true}
	r := &responder{farm: f, replies: prototest.NewReplies(seed)}
	if c.Listen.IsSingleIP() {
		o.Local = netip.AddrPortFrom(c.Listen.Addr(), port)
		r.only = mux.KeyFrom(netip.AddrPortFrom(c.Listen.Addr(), 0))
	} else {
		o.Local = netip.AddrPortFrom(netip.IPv4Unspecified(), port)
		o.Wildcard = true
	}
	p, err := mux.Listen(o)
	if err != nil {
		return err
	}
	r.init(p)
	f.socks = append(f.socks, r)
	f.ports = append(f.ports, r.served)
	return nil
}

// Listen returns the addresses that the farm serves.
func (f *Farm) Listen() netip.Prefix { return f.listen }

// Ports returns the ports that the farm serves, free ones by their number.
func (f *Farm) Ports() []uint16 { return slices.Clone(f.ports) }

// Close stops the farm. Replies that wait for their time are lost, as those of
// a server that is switched off.
func (f *Farm) Close() error {
	f.stop()
	f.closeAll()
	return f.Wait()
}

// Wait waits for the end of the farm. It returns nil after Close or the end of
// its context, and otherwise how a socket was lost.
func (f *Farm) Wait() error {
	f.group.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// fail ends the farm for a reason.
func (f *Farm) fail(err error) {
	f.mu.Lock()
	f.err = errors.Join(f.err, err)
	f.mu.Unlock()
	f.stop()
}

func (f *Farm) closeAll() {
	f.once.Do(func() {
		for _, r := range f.socks {
			r.port.Close()
		}
	})
}

// now is the farm's clock: the time since it started.
func (f *Farm) now() proto.Time { return proto.Time(time.Since(f.start)) }

// Counters returns the counts so far.
func (f *Farm) Counters() Counters {
	c := f.tally.counters()
	for _, r := range f.socks {
		c.SocketDrops += r.drops.Load()
	}
	return c
}

// Summary describes the farm's counts in a line or two.
func (f *Farm) Summary() string {
	c := f.Counters()
	second, ten := c.Busiest()
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests and %d replies in %.1f s; %.0f requests a second, at most %d, and %d in 10 ms",
		c.Requests, c.Replies, time.Duration(f.now()).Seconds(), c.Rate(), second, ten)
	if c.SocketDrops+c.Dropped > 0 {
		fmt.Fprintf(&b, "\nlost here: %d requests that were not read in time, %d replies that could not be sent", c.SocketDrops, c.Dropped)
	}
	return b.String()
}
