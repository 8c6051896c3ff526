//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/prototest"
)

// A plan is the work of one round, drawn from the seed.
type plan struct {
	world   prototest.World
	prefix  netip.Prefix
	closed  bool // a port that refuses is asked too
	raw     bool // --raw
	want    proto.Kinds
	ending  string // of the output file
	shards  int
	flags   []string // all others, but for ports and files
	actions [][]action

	patience time.Duration // how long an undisturbed run may take at most
	within   time.Duration // the most time of a target, apart from hiccups; 0: not checked
}

// An action is done to a running scan, some time after it began.
type action struct {
	what  what
	after time.Duration
	pause time.Duration // of a stop
	cut   int           // bytes, of a cut
}

type what int

const (
	kill what = iota
	interrupt
	interruptTwice
	stop       // and continue after the pause
	killAndCut // and take the end of the file away
	numActions
)

var actionNames = [...]string{"kill", "interrupt", "interrupt-twice", "stop", "kill-and-cut"}

// newPlan returns the plan of a round.
func newPlan(seed uint64, round int) *plan {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	p := &plan{want: proto.WantInfo, shards: 1, patience: 2 * time.Minute}
	p.world = prototest.World{Seed: r.Uint64(), Shares: randomShares(r)}
	bits := 20 + r.IntN(7) // 4,096 to 64 servers
	p.prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(64 + r.IntN(64)), 0, 0}), bits)
	if oneIn(r, 2) {
		p.want = proto.Kinds(1 + r.IntN(7))
	}
	p.ending = pick(r, ".ndjson", ".ndjson.zst", ".ndjson.gz")
	if oneIn(r, 4) {
		p.shards = 2 + r.IntN(2)
	}

	add := func(format string, args ...any) { p.flags = append(p.flags, fmt.Sprintf(format, args...)) }
	var kinds []string
	for k, name := range []string{"info", "players", "rules"} {
		if p.want.Has(proto.Kind(k)) {
			kinds = append(kinds, name)
		}
	}
	add("--query=%s", strings.Join(kinds, ","))
	add("--seed=%d", r.Uint64N(1<<53))
	// Never so fast that two processes on one core could not keep up.
	add("--rate=%v", pick(r, 0, 1500+r.IntN(4000), 6000))
	add("--per-ip-rate=%v", pick(r, 0, 0, 50))
	// Few at once are tried too, as many as let silent servers end in time.
	add("--max-in-flight=%d", pick(r, 10+1<<(32-bits)/8, 1000, 10000))
	add("--batch=%d", pick(r, 1, 7, 64, 256))
	// Timeouts for a machine that does other things too: every server that is not silent
	// must be found.
	add("--timeout=%dms", 300+r.IntN(300))
	add("--retries=%d", 3)
	add("--target-timeout=%s", "8s")
	for _, flag := range []string{"--sequential", "--raw", "--shuffle"} {
		if oneIn(r, 3) {
			add("%s", flag)
			p.raw = p.raw || flag == "--raw"
		}
	}
	switch r.IntN(3) {
	case 0:
		p.closed = true
	case 1:
		p.closed = true
		add("--icmp=retry")
	case 2:
		add("--icmp=%s", pick(r, "on", "off"))
	}
	if bits := p.prefix.Bits(); bits < 22 && oneIn(r, 8) {
		add("--bandwidth=%s", pick(r, "4M", "20M"))
	}
	for range p.shards {
		var list []action
		for range r.IntN(4) {
			a := action{what: what(r.IntN(int(numActions))), after: time.Duration(r.ExpFloat64() * float64(400*time.Millisecond))}
			switch a.what {
			case stop:
				a.pause = 500*time.Millisecond + time.Duration(r.Int64N(int64(time.Second)))
			case killAndCut:
				a.cut = int(r.ExpFloat64() * 20_000)
			}
			list = append(list, a)
		}
		p.actions = append(p.actions, list)
	}
	return p
}

// newHostilePlan returns a round of a run with the worst servers: 131,072 of them, of which
// two in three have an answer to give. The scan is left alone; its time and its memory are
// checked. The rate leaves two cores, which the farm needs too, enough time.
func newHostilePlan(seed uint64, round int) *plan {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	const targetTimeout = 5 * time.Second
	p := &plan{
		want:   proto.WantInfo | proto.WantPlayers | proto.WantRules,
		prefix: netip.MustParsePrefix("127.64.0.0/15"),
		ending: ".ndjson.zst",
		shards: 1, actions: make([][]action, 1),
		patience: 10 * time.Minute,
		within:   targetTimeout + lateness,
	}
	p.world = prototest.World{Seed: r.Uint64(), Shares: prototest.Shares{
		Challenge: 50, GoldSource: 10, Ship: 5, Split: 30, BZip2: 50, Duplicate: 20, Reorder: 20, Silent: 5,
		Garbage: 10, ChallengeLoop: 10, Endless: 10, WrongType: 10, Truncate: 10, AskTwice: 5, StrictLength: 10, Loss: 2,
		DelayMin: time.Millisecond, DelayMax: 50 * time.Millisecond,
	}}
	p.raw = round%2 == 1
	p.flags = []string{
		"--query=info,players,rules", fmt.Sprintf("--seed=%d", r.Uint64N(1<<53)), "--rate=10000", "--per-ip-rate=0",
		"--timeout=600ms", "--retries=2", fmt.Sprintf("--target-timeout=%v", targetTimeout),
	}
	if p.raw {
		p.flags = append(p.flags, "--raw")
	}
	return p
}

// lateness is how much longer than its --target-timeout a target may last: deadlines
// are kept in units of 4 ms, and a turn of the loop may be behind.
const lateness = 50 * time.Millisecond

// randomShares returns servers of some of the kinds that there are.
func randomShares(r *rand.Rand) prototest.Shares {
	some := func(most float64) float64 {
		if oneIn(r, 2) {
			return 0
		}
		return float64(int(r.Float64() * most))
	}
	s := prototest.Shares{
		Challenge: some(100), GoldSource: some(40), Ship: some(20), Split: some(50), BZip2: some(30),
		Duplicate: some(30), Reorder: some(40),
		Silent: some(5), Garbage: some(10), ChallengeLoop: some(10), Endless: some(5), WrongType: some(10), Truncate: some(10), AskTwice: some(10), StrictLength: some(20),
	}
	if oneIn(r, 4) {
		s.Loss = float64(1 + r.IntN(20))
	}
	s.DelayMin = time.Duration(r.IntN(20)) * time.Millisecond
	s.DelayMax = s.DelayMin + time.Duration(r.IntN(150))*time.Millisecond
	return s
}

func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// args returns the command line of a run of one shard.
func (p *plan) args(out string, port, closed uint16, shard int) []string {
	args := append([]string{"scan", "--resume", "-o", out}, p.flags...)
	ports := strconv.Itoa(int(port))
	if p.closed {
		ports += "," + strconv.Itoa(int(closed))
	}
	args = append(args, "-p", ports)
	if p.shards > 1 {
		args = append(args, "--shards", strconv.Itoa(p.shards), "--shard", strconv.Itoa(shard))
	}
	return append(args, p.prefix.String())
}

// size returns how many targets there are.
func (p *plan) size() int {
	n := 1 << (32 - p.prefix.Bits())
	if p.closed {
		n *= 2
	}
	return n
}

// String describes the plan in a line.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d targets, %d shards, %s, %s", p.size(), p.shards, p.ending, strings.Join(p.flags, " "))
	for _, list := range p.actions {
		for _, a := range list {
			fmt.Fprintf(&b, "; %s after %v", actionNames[a.what], a.after.Round(time.Millisecond))
		}
	}
	return b.String()
}
