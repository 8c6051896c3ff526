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

// The demonstration's servers are 127.0.1.0 and following, where the system
// answers for all of 127/8, or else as many ports of one address.
const (
	demoServers = 100
	demoFirst   = "127.0.1.0"
	demoPorts   = 50
)

func demoCommand() *command {
	return &command{
		name:  "demo",
		short: "scan a hundred simulated servers: the first thing to run",
		long: `Starts a farm of simulated servers on loopback, scans it and prints the records. Nothing leaves this
		machine. Some servers ask for a challenge first, some split their replies, some are silent or send rubbish,
		and one datagram in a hundred is lost; in the end every record is compared with what its server is.`,
		examples: []string{
			"a2scan demo",
			"a2scan demo | jq -r '[.ip,.status,.info.name,.info.map] | @tsv'",
			"a2scan demo --query info,players,rules --silent 0 --loss 20 -n 1000 -o demo.ndjson",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newDemoOptions()
			fs.group("Scan", func() {
				fs.text(&o.scan.outputFile, "output-file", "o", "FILE", "write records to this file; .zst and .gz compress")
				fs.count64(&o.scan.ask.cfg.MaxTargets, "max-targets", "n", "N", "servers to scan")
				registerKinds(fs, &o.scan.ask.cfg.Kinds)
				fs.rate(&o.scan.ask.cfg.Rate, "rate", "r", "N", "packets a second in all; 0: as fast as replies come")
				fs.duration(&o.scan.ask.cfg.Timeout, "timeout", "", "D", "wait so long for the answer to the first try")
				fs.count(&o.scan.ask.cfg.Retries, "retries", "", "N", "further tries on silence")
			})
			o.farm.register(fs)
			fs.group("This program", func() { registerVerbosity(fs) })
			return func(a *app, args []string) error {
				if len(args) > 0 {
					return withHint(usagef("demo takes no targets"), "a2scan scan asks servers of your own")
				}
				a.ui.setVerbosity(fs)
				return a.demo(fs, o)
			}
		},
	}
}

type demoOptions struct {
	scan *scanOptions
	farm *farmOptions
}

func newDemoOptions() *demoOptions {
	o := &demoOptions{scan: newScanOptions(), farm: newFarmOptions()}
	cfg := &o.scan.ask.cfg
	cfg.MaxTargets = demoServers
	cfg.PerIPRate = 0 // the servers behind one address are strangers to each other
	// Silence ends after 0.25 + 0.5 + 1 seconds: somebody is watching.
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
		return usagef("--max-targets 0: there is no end of simulated servers; say how many are to be scanned")
	}
	// Its targets are none of the user's.
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
	a.ui.notef("a farm of simulated servers on %s, %s; nothing leaves this machine", formatListen(f.Listen()), portsInWords(o.scan.ports))

	records := &memorySink{}
	o.scan.copyTo = records
	target := demoTarget(f.Listen(), o.scan.ask.cfg.MaxTargets)
	if err := a.scanTargets(fs, o.scan, []string{target}); err != nil {
		return err
	}
	return a.judge(o, ports, records)
}

// startDemoFarm starts the farm on the ports that were asked for, or else on
// any that are free.
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
	ports, err := targets.ParsePorts(text.String())
	if err != nil {
		panic(err) // the system gave us those
	}
	return ports
}

// demoTarget returns as much of what the farm serves as holds n servers, from
// demoFirst on where that is served.
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

// judge says whether the records are the truth, and what to do next.
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
		lines := []error{errors.New("the records are not the truth")}
		for line := range strings.Lines(report.String()) {
			lines = append(lines, errors.New(strings.TrimSuffix(line, "\n")))
		}
		return errors.Join(lines...)
	}
	a.ui.notef("each record was compared with its server: %s of %s are the truth", thousands(report.Records), thousands(report.Records))
	a.ui.noteHintf("ask a real one: a2scan query HOST[:PORT]; many of them: a2scan help scan")
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
