package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner/targets"
)

// The demo's servers are 127.0.1.0 and following if the system answers for all of
// 127.0.0.0/8, otherwise ports of one address.
const (
	demoServers = 100
	demoFirst   = "127.0.1.0"
	demoPorts   = 50
)

func demoCommand() *command {
	return &command{
		name:  "demo",
		short: "scan 100 simulated servers on this machine: try this first",
		long: `Starts simulated servers on loopback, scans them and verifies every record against its server. Nothing
		leaves this machine. Some servers ask for a challenge, some split their replies, some are silent or send
		garbage, and 1% of the datagrams are lost.`,
		examples: []string{
			"a2scan demo",
			"a2scan demo --json | jq -r .status | sort | uniq -c",
			"a2scan demo --query info,players,rules --silent 0 --loss 20 -n 1000 -o demo.ndjson",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newDemoOptions()
			fs.group("Scan", func() {
				fs.text(&o.scan.outputFile, "output-file", "o", "FILE", "write records to this file; .zst and .gz compress")
				fs.toggle(&o.scan.json, "json", "", "write records to a terminal too, not a table")
				fs.count64(&o.scan.ask.cfg.MaxTargets, "max-targets", "n", "N", "number of servers to scan")
				registerKinds(fs, &o.scan.ask.cfg.Kinds)
				fs.rate(&o.scan.ask.cfg.Rate, "rate", "r", "N", "packets per second; 0 = as fast as replies arrive")
				fs.duration(&o.scan.ask.cfg.Timeout, "timeout", "", "D", "timeout of the first attempt; doubles with each retry")
				fs.count(&o.scan.ask.cfg.Retries, "retries", "", "N", "retries after silence, per query")
			})
			fs.group("List", func() {
				fs.toggle(&o.steam, "steam", "", "get the servers from a simulated Steam Web API, as scan --steam does")
			})
			o.farm.register(fs)
			fs.group("General", func() { registerVerbosity(fs) })
			return func(a *app, args []string) error {
				if len(args) > 0 {
					return withHint(usagef("demo takes no targets"), "to scan other servers: a2scan scan TARGET…")
				}
				a.ui.setVerbosity(fs)
				return a.demo(fs, o)
			}
		},
	}
}

type demoOptions struct {
	scan  *scanOptions
	farm  *farmOptions
	steam bool
}

func newDemoOptions() *demoOptions {
	o := &demoOptions{scan: newScanOptions(), farm: newFarmOptions()}
	cfg := &o.scan.ask.cfg
	cfg.MaxTargets = demoServers
	cfg.PerIPRate = 0 // simulated servers with one address are independent of each other
	// A silent server costs 0.25 + 0.5 + 1 seconds.
	cfg.Timeout = 250 * time.Millisecond
	s := &o.farm.world.Shares
	s.Challenge, s.Silent, s.GoldSource, s.Split, s.BZip2, s.Ship = 60, 8, 10, 20, 5, 2
	s.Garbage, s.ChallengeLoop, s.Duplicate, s.Reorder, s.Loss = 2, 1, 3, 5, 1
	o.farm.delay = span{10 * time.Millisecond, 60 * time.Millisecond}
	return o
}

func (a *app) demo(fs *flagSet, o *demoOptions) error {
	o.scan.normalize()
	if err := errors.Join(o.farm.validate(), o.scan.validate()); err != nil {
		return &usageError{err}
	}
	if o.scan.ask.cfg.MaxTargets == 0 {
		return usagef("--max-targets 0: the number of simulated servers has no limit; use 1 or more")
	}
	o.scan.chooseTable(a, fs)
	if err := checkFiles(o.scan.files(a, []string{demoFirst})...); err != nil {
		return err
	}
	f, err := startDemoFarm(fs, o)
	if err != nil {
		return err
	}
	defer f.Close()

	ports := f.Ports()
	o.scan.ports = portsOf(ports)
	o.scan.ask.cfg.Seed = o.farm.world.Seed
	a.ui.notef("simulated servers on %s, %s; no packet leaves loopback", formatListen(f.Listen()), portsInWords(o.scan.ports))

	records := &memorySink{}
	o.scan.copyTo = records
	o.farm.lists.listed = int(min(o.scan.ask.cfg.MaxTargets, 1<<24))
	lists, err := openDirectory(o.farm, f, o.steam)
	if err != nil {
		return err
	}
	defer lists.Close()
	args := []string{demoTarget(f.Listen(), o.scan.ask.cfg.MaxTargets)}
	if o.steam {
		a.ui.notef("a simulated Web API lists them at http://%s", lists.api)
		args = nil
		o.scan.source.steam = *newSteamOptions()
		o.scan.source.steam.expr, o.scan.source.steam.key, o.scan.source.steam.apiURL = `\napp\4294967295`, "demo", "http://"+lists.api.String()
	}
	if err := a.scanTargets(fs, o.scan, args); err != nil {
		return err
	}
	return a.judge(o, ports, records)
}

// startDemoFarm starts the farm on the ports of the flags, or on free ports if there is
// no such flag and the default port is taken.
func startDemoFarm(fs *flagSet, o *demoOptions) (*farm.Farm, error) {
	c := o.farm.config()
	if c.Listen.IsSingleIP() && !fs.Changed("ports") {
		for port := uint16(farm.DefaultPort + 1); port < farm.DefaultPort+demoPorts; port++ {
			c.Ports = append(c.Ports, port)
		}
	}
	f, err := farm.Start(context.Background(), c)
	if errors.Is(err, syscall.EADDRINUSE) && !fs.Changed("ports") {
		clear(c.Ports) // 0 is any free one
		f, err = farm.Start(context.Background(), c)
	}
	return f, err
}

func portsOf(list []uint16) targets.Ports {
	var text bytes.Buffer
	for i, p := range list {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprint(&text, p)
	}
	ports, err := parseWord[targets.Ports](text.String())
	if err != nil {
		panic(err) // they are ports that the system returned
	}
	return ports
}

// demoTarget returns a range with n of the served addresses. It begins at demoFirst if
// that is served.
func demoTarget(listen netip.Prefix, n uint64) string {
	first := netip.MustParseAddr(demoFirst)
	if !listen.Contains(first) {
		first = listen.Addr()
	}
	last := first
	for n = min(n, 1<<24); n > 1 && listen.Contains(last.Next()); n-- {
		last = last.Next()
	}
	if first == last {
		return first.String()
	}
	return first.String() + "-" + last.String()
}

// judge compares the records with their servers and prints the result and the next step.
func (a *app) judge(o *demoOptions, ports []uint16, records *memorySink) error {
	lines := func(yield func([]byte, error) bool) {
		for line := range bytes.Lines(records.lines) {
			if !yield(bytes.TrimSuffix(line, []byte{'\n'}), nil) {
				return
			}
		}
	}
	report, err := farm.Verify(&o.farm.world, lines, farm.VerifyOptions{Ports: ports, Want: o.scan.ask.cfg.Kinds})
	if err != nil {
		return err
	}
	if !report.OK() {
		lines := []error{errors.New("verified: records differ from their servers")}
		for line := range strings.Lines(report.String()) {
			lines = append(lines, errors.New(strings.TrimSuffix(line, "\n")))
		}
		return errors.Join(lines...)
	}
	a.ui.notef("verified: %s of %s match their servers", thousands(report.Records), plural(report.Records, "record", "records"))
	a.ui.noteHintf("one server: a2scan query HOST; a list: a2scan scan -f FILE")
	return nil
}

// A teeSink copies the lines of one sink into another.
type teeSink struct {
	dataset.Sink
	copy *memorySink
}

func (t teeSink) WriteLines(p []byte) error {
	if err := t.Sink.WriteLines(p); err != nil {
		return err
	}
	return t.copy.WriteLines(p)
}

// A memorySink keeps the lines of records in memory.
type memorySink struct{ lines []byte }

func (m *memorySink) WriteLines(p []byte) error { m.lines = append(m.lines, p...); return nil }
func (m *memorySink) Sync() (int64, error)      { return int64(len(m.lines)), nil }
func (m *memorySink) Close() error              { return nil }
