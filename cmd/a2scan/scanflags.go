package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// askOptions are the flags that say how servers are asked. All commands that
// ask have them.
type askOptions struct {
	cfg      scanner.Config
	sourceIP netip.Addr
	port     int
	rcvbuf   int
	sndbuf   int
}

// scanOptions are the flags of scan.
type scanOptions struct {
	ask askOptions

	configFiles []string
	inputFiles  []string
	ports       targets.Ports
	blocklists  []string
	allowlists  []string
	exclude     string
	noDedup     bool
	shuffle     bool
	shards      int
	shard       int

	outputFile   string
	resume       bool
	earlier      *resumption // what the output file holds already, nil: nothing
	copyTo       *memorySink // of the records, for who looks at them afterwards; nil: none
	compress     dataset.Compression
	metadataFile string
	statusFile   string
	dryRun       bool
	failIfNone   bool
	minSuccess   uint64

	cpuProfile, memProfile string
}

func newAskOptions() askOptions {
	return askOptions{cfg: scanner.DefaultConfig(), rcvbuf: 8 << 20, sndbuf: 4 << 20}
}

func newScanOptions() *scanOptions {
	return &scanOptions{
		ask:        newAskOptions(),
		ports:      targets.OnePort(targets.DefaultPort),
		outputFile: "-",
		shards:     1,
	}
}

func (o *scanOptions) register(fs *flagSet) {
	fs.group("Targets", func() {
		fs.list(&o.inputFiles, "input-file", "f", "FILE", "read targets from this file, one per line (default -, standard input, if there is no TARGET)")
		fs.ports(&o.ports, "target-ports", "p", "ports and ranges for targets that name none")
		fs.list(&o.blocklists, "blocklist-file", "b", "FILE", "never ask the addresses in this file: prefixes and ranges, one a line")
		fs.list(&o.allowlists, "allowlist-file", "w", "FILE", "ask only the addresses in this file")
		fs.words(&o.exclude, "exclude", "", "LIST", "never ask these addresses, prefixes and ranges")
		fs.toggle(&o.noDedup, "no-dedup", "", "ask a target again where the list names it again; saves 7 bytes a target")
		fs.toggle(&o.shuffle, "shuffle", "", "ask in random order")
		fs.seed(&o.ask.cfg.Seed, "seed", "e", "N", "what every random choice follows from (default random, and reported)")
		fs.count(&o.shards, "shards", "", "N", "cut the targets into as many disjoint parts")
		fs.count(&o.shard, "shard", "", "I", "and scan this one of them, from 0")
		fs.toggle(&o.dryRun, "dry-run", "d", "print the targets in the order in which they would be asked, and stop")
	})
	fs.group("Questions", func() { o.ask.registerQuestions(fs) })
	fs.group("Output", func() {
		fs.text(&o.outputFile, "output-file", "o", "FILE", "write records to this file; .zst and .gz compress")
		fs.toggle(&o.resume, "resume", "", "go on with the scan whose records the output file holds")
		add(fs, &o.compress, "compress", "", "HOW", "auto (by the file's ending), none, zstd or gzip", parseCompression, dataset.Compression.String)
		addMore(fs, &o.ask.cfg.Filter, "filter", "", "LIST", "write only records of these statuses, such as success,partial"+againText, parseFilter, formatFilter, uniteFilters)
		fs.toggle(&o.ask.cfg.Raw, "raw", "", "keep each datagram in the record, base64")
		fs.text(&o.metadataFile, "metadata-file", "m", "FILE", "write the summary of the run to this file (default .meta.json behind the output file's name)")
		fs.text(&o.statusFile, "status-updates-file", "u", "FILE", "write a line of JSON a second to this file")
	})
	fs.group("Speed", func() { o.ask.registerSpeed(fs) })
	fs.group("Patience", func() { o.ask.registerPatience(fs) })
	fs.group("Ending early, cleanly", func() {
		fs.count64(&o.ask.cfg.MaxTargets, "max-targets", "n", "N", "after so many targets")
		fs.count64(&o.ask.cfg.MaxResults, "max-results", "N", "N", "after so many records of status success")
		fs.duration(&o.ask.cfg.MaxRuntime, "max-runtime", "", "D", "after this time")
	})
	fs.group("Exit status", func() {
		fs.toggle(&o.failIfNone, "fail-if-none", "", "exit with status 1 if no target has status success")
		fs.count64(&o.minSuccess, "min-success", "", "N", "exit with status 1 if fewer than N targets have status success")
	})
	fs.group("Socket", func() { o.ask.registerSocket(fs) })
	fs.group("This program", func() {
		fs.list(&o.configFiles, "config", "", "FILE", "read flags from this file, one NAME = VALUE per line; the command line wins")
		registerVerbosity(fs)
		fs.text(&o.cpuProfile, "cpuprofile", "", "FILE", "write a CPU profile")
		fs.text(&o.memProfile, "memprofile", "", "FILE", "write a heap profile at the end")
	})
}

func (o *askOptions) registerQuestions(fs *flagSet) {
	registerKinds(fs, &o.cfg.Kinds)
	fs.toggle(&o.cfg.Sequential, "sequential", "", "one question of a server at a time")
}

func (o *askOptions) registerSpeed(fs *flagSet) {
	fs.rate(&o.cfg.Rate, "rate", "r", "N", "packets a second in all, retries included; 0: as fast as replies come")
	fs.rate(&o.cfg.Bandwidth, "bandwidth", "B", "N", "bits a second out: 500K, 10M, 1G")
	fs.rate(&o.cfg.PerIPRate, "per-ip-rate", "", "N", "packets a second to one IP address; 0: no limit")
	fs.count(&o.cfg.MaxInFlight, "max-in-flight", "c", "N", "targets open at once")
}

func (o *askOptions) registerPatience(fs *flagSet) {
	fs.duration(&o.cfg.Timeout, "timeout", "", "D", "wait so long for the answer to the first try")
	fs.count(&o.cfg.Retries, "retries", "", "N", "further tries on silence, for each question")
	fs.duration(&o.cfg.TargetTimeout, "target-timeout", "t", "D", "a target's whole time")
	add(fs, &o.cfg.ICMP, "icmp", "", "MODE", "an unreachable port ends a target (on), is ignored (off) or costs one try (retry)", parseICMP, formatICMP)
}

func (o *askOptions) registerSocket(fs *flagSet) {
	add(fs, &o.sourceIP, "source-ip", "S", "ADDRESS", "send from this address", parseAddr, formatAddr)
	fs.count(&o.port, "source-port", "", "PORT", "send from this port")
	fs.size(&o.rcvbuf, "rcvbuf", "", "BYTES", "receive buffer to ask for: 512K, 16M")
	fs.size(&o.sndbuf, "sndbuf", "", "BYTES", "send buffer to ask for")
	fs.count(&o.cfg.Batch, "batch", "", "N", "packets a system call")
}

// local returns what the socket is bound to.
func (o *askOptions) local() netip.AddrPort { return netip.AddrPortFrom(o.sourceIP, uint16(o.port)) }

func (o *askOptions) validate() error {
	errs := []error{o.cfg.Validate()}
	if o.port > 65535 {
		errs = append(errs, fmt.Errorf("--source-port %d is not a port; use 1 to 65535", o.port))
	}
	return errors.Join(errs...)
}

// validate returns all that is wrong with the flags, joined, before any file is opened.
func (o *scanOptions) validate() error {
	errs := []error{o.ask.validate()}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.shards < 1, "--shards %d is out of range; use 1 or more", o.shards)
	bad(o.shards >= 1 && o.shard >= o.shards, "--shard %d is out of range; with --shards %d use 0 to %d", o.shard, o.shards, o.shards-1)
	bad(new(targets.AddrSet).AddList(o.exclude) != nil, "--exclude: %w", new(targets.AddrSet).AddList(o.exclude))

	bad(o.resume && o.outputFile == "-", "--resume needs an --output-file that is a file: it goes on from the records in it")
	bad(o.resume && o.dryRun, "--resume and --dry-run exclude each other: one changes the output file, the other must not")
	return errors.Join(errs...)
}

// checkSuccess returns an error if fewer targets succeeded than --fail-if-none and
// --min-success ask for.
func (o *scanOptions) checkSuccess(succeeded uint64) error {
	switch {
	case succeeded < o.minSuccess:
		return fmt.Errorf("%s, fewer than --min-success %s", plural(succeeded, "target succeeded", "targets succeeded"), thousands(o.minSuccess))
	case o.failIfNone && succeeded == 0:
		return errors.New("no target succeeded (--fail-if-none)")
	}
	return nil
}

// normalize brings what can be said in many ways into one. Standard output that is opened by
// a name would be written from its beginning, whatever it is redirected to.
func (o *scanOptions) normalize() {
	if isStandard(o.outputFile, "stdout", 1) {
		o.outputFile = "-"
	}
}

// listNames returns the files of targets; "-" is standard input.
func (o *scanOptions) listNames(args []string) []string {
	if len(o.inputFiles) == 0 && len(args) == 0 {
		return []string{"-"}
	}
	return o.inputFiles
}

// metadataPath returns where the metadata goes: "-" is standard error, "" nowhere.
func (o *scanOptions) metadataPath() string {
	switch {
	case o.metadataFile == "" && o.outputFile != "-" && !dataset.IsOpenName(o.outputFile) && !isDevice(o.outputFile):
		return o.outputFile + ".meta.json"
	case isStandard(o.metadataFile, "stderr", 2):
		return "-" // a line among our messages: the two must not be written over each other
	}
	return o.metadataFile
}

// isDevice reports whether a file is one that others do not stand beside: /dev/null.
func isDevice(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeDevice != 0
}

// isStandard reports whether path is one of the names of a standard stream, of which the
// system has that number.
func isStandard(path, name string, number int) bool {
	fd := strconv.Itoa(number)
	switch filepath.ToSlash(path) {
	case "/dev/" + name, "/dev/fd/" + fd, "/proc/self/fd/" + fd:
		return true
	}
	return false
}

// registerVerbosity registers the flags that the ui is set from.
func registerVerbosity(fs *flagSet) {
	fs.toggle(new(bool), "quiet", "q", "no progress line and no remarks")
	fs.toggle(new(bool), "verbose", "v", "more remarks")
}

// setVerbosity takes over what registerVerbosity registered.
func (u *ui) setVerbosity(fs *flagSet) {
	u.quiet, _ = fs.GetBool("quiet")
	u.verbose, _ = fs.GetBool("verbose")
}

var kindNames = []string{"info", "players", "rules"}

func registerKinds(fs *flagSet, p *proto.Kinds) {
	addMore(fs, p, "query", "", "LIST", "what to query: info, players, rules"+againText, parseKinds, formatKinds, func(have, more proto.Kinds) proto.Kinds { return have | more })
}

func parseKinds(s string) (proto.Kinds, error) {
	var k proto.Kinds
	err := parseList(s, kindNames, func(i int) { k |= proto.Kind(i).Bit() })
	return k, err
}

func formatKinds(k proto.Kinds) string {
	var names []string
	for i, n := range kindNames {
		if k.Has(proto.Kind(i)) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

func statusNames() []string {
	var names []string
	for s := range output.Status(output.NumStatuses) {
		names = append(names, s.String())
	}
	return names
}

func parseFilter(s string) (scanner.StatusSet, error) {
	var set scanner.StatusSet
	err := parseList(s, statusNames(), func(i int) { set = set.Add(output.Status(i)) })
	return set, err
}

func uniteFilters(have, more scanner.StatusSet) scanner.StatusSet { return have | more }

func formatFilter(set scanner.StatusSet) string {
	if set == 0 {
		return ""
	}
	var names []string
	for i, n := range statusNames() {
		if set.Has(output.Status(i)) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

var icmpNames = []string{"on", "off", "retry"}

func parseICMP(s string) (scanner.ICMPMode, error) {
	for i, n := range icmpNames {
		if s == n {
			return scanner.ICMPMode(i), nil
		}
	}
	return 0, fmt.Errorf("not one of %s", strings.Join(icmpNames, ", "))
}

func formatICMP(m scanner.ICMPMode) string { return icmpNames[m] }

func parseCompression(s string) (dataset.Compression, error) {
	c, err := dataset.ParseCompression(s)
	if err != nil {
		err = errors.New("not one of auto, none, zstd, gzip")
	}
	return c, err
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, errors.New("not an IP address")
	}
	return a, nil
}

func formatAddr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
