package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/a2scan/a2scan/internal/osfile"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// askOptions are the flags that control how servers are queried. Every command that sends
// queries has them.
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

	source listFlags // the targets come from a list of servers too

	configFiles []string
	inputFiles  []string
	ports       targets.Ports
	blocklists  []string
	allowlists  []string
	exclude     string
	noDedup     bool
	shuffle     bool
	shards      int
	shard       shardChoice
	yes         bool
	resolve     bool

	outputFile   string
	json         bool
	table        bool // records are shown as a table on standard output
	resume       bool
	copyTo       *memorySink // receives a copy of the records; nil: none
	compress     dataset.Compression
	metadataFile string
	statusFile   string
	notes        string          // carried into the metadata
	userMetadata json.RawMessage // likewise
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
		ports:      onePort(targets.DefaultPort),
		outputFile: "-",
		shards:     1,
	}
}

func (o *scanOptions) register(fs *flagSet) {
	fs.group("Targets", func() {
		o.registerTargets(fs)
		fs.toggle(&o.noDedup, "no-dedup", "", "keep duplicate targets; saves 7 bytes of memory per target")
		fs.toggle(&o.shuffle, "shuffle", "", "scan in random order")
		fs.toggle(&o.dryRun, "dry-run", "d", "print the targets in scan order and exit; nothing is sent")
		fs.toggle(&o.resolve, "resolve", "", "with --dry-run: look host names up and print their addresses")
	})
	fs.group("Targets from a list of servers", func() { o.source.register(fs) })
	fs.group("What to query", func() { o.ask.registerQueries(fs) })
	fs.group("Output", func() {
		fs.text(&o.outputFile, "output-file", "o", "FILE", "write records to this file; .zst and .gz compress")
		fs.toggle(&o.json, "json", "", "write records to a terminal too, not a table")
		fs.toggle(&o.resume, "resume", "", "resume the scan in the output file")
		add(fs, &o.compress, "compress", "", "MODE", "auto (by the file name), none, zstd or gzip", parseCompression, dataset.Compression.String)
		fs.choices["compress"] = []string{"auto", "none", "zstd", "gzip"}
		addMore(fs, &o.ask.cfg.Filter, "filter", "", "LIST", "write only records with these statuses, such as success,partial", parseFilter, formatFilter, uniteFilters)
		fs.choices["filter"] = statusNames()
		fs.toggle(&o.ask.cfg.Raw, "raw", "", "keep every datagram in the record, in base64")
		fs.text(&o.metadataFile, "metadata-file", "m", "FILE", "write the counts of the run to this file (default FILE.meta.json for -o FILE)")
		fs.text(&o.statusFile, "status-updates-file", "u", "FILE", "write a JSON line with the progress to this file every second")
		fs.text(&o.notes, "notes", "", "TEXT", "store this text in the metadata as user_notes")
		add(fs, &o.userMetadata, "user-metadata", "", "JSON", "store this JSON value in the metadata as user_metadata", parseJSON, func(m json.RawMessage) string { return string(m) })
	})
	fs.group("Speed", func() { o.ask.registerSpeed(fs) })
	fs.group("Timeouts and retries", func() { o.ask.registerTimeouts(fs) })
	fs.group("Stopping early", func() {
		fs.count64(&o.ask.cfg.MaxTargets, "max-targets", "n", "N", "stop after N targets")
		fs.count64(&o.ask.cfg.MaxResults, "max-results", "N", "N", "stop after N records with status success")
		fs.duration(&o.ask.cfg.MaxRuntime, "max-runtime", "", "D", "stop after this time")
	})
	fs.group("Exit status", func() {
		fs.toggle(&o.failIfNone, "fail-if-none", "", "exit with status 1 if no target has status success")
		fs.count64(&o.minSuccess, "min-success", "", "N", "exit with status 1 if fewer than N targets have status success")
	})
	fs.group("Network socket", func() { o.ask.registerSocket(fs) })
	fs.group("General", func() {
		fs.list(&o.configFiles, "config", "", "FILE", "read flags from this file, one NAME = VALUE per line; the command line wins")
		registerVerbosity(fs)
		fs.text(&o.cpuProfile, "cpuprofile", "", "FILE", "write a CPU profile")
		fs.text(&o.memProfile, "memprofile", "", "FILE", "write a heap profile at the end")
	})
}

// registerTargets registers the flags of targets that scan and watch share.
func (o *scanOptions) registerTargets(fs *flagSet) {
	fs.list(&o.inputFiles, "input-file", "f", "FILE", "read targets from this file, one per line; - is standard input (default - if there is no TARGET)")
	fs.ports(&o.ports, "target-ports", "p", "ports for targets that name none")
	o.ask.registerOffsets(fs)
	fs.list(&o.blocklists, "blocklist-file", "b", "FILE", "skip the addresses in this file: prefixes and ranges, one per line")
	fs.list(&o.allowlists, "allowlist-file", "w", "FILE", "scan only the addresses in this file")
	fs.words(&o.exclude, "exclude", "", "LIST", "skip these addresses, prefixes and ranges")
	fs.seed(&o.ask.cfg.Seed, "seed", "e", "N", "random seed (default random; printed at the end)")
	fs.count(&o.shards, "shards", "", "N", "split the targets into N disjoint shards")
	add(fs, &o.shard, "shard", "", "I", "scan shard I, counted from 0; auto = the task number of a Slurm array, Kubernetes Indexed Job, AWS Batch array or Cloud Run job", parseShard, formatShard)
	fs.toggle(&o.yes, "yes", "", "allow prefixes and ranges to stand for more than 2^24 targets")
}

func (o *askOptions) registerQueries(fs *flagSet) {
	registerKinds(fs, &o.cfg.Kinds)
	fs.toggle(&o.cfg.Sequential, "sequential", "", "send one query at a time to each server")
}

func (o *askOptions) registerSpeed(fs *flagSet) {
	fs.rate(&o.cfg.Rate, "rate", "r", "N", "packets per second, retries included; 0 = as fast as replies arrive")
	fs.rate(&o.cfg.Bandwidth, "bandwidth", "B", "N", "bits per second sent, such as 500K, 10M, 1G")
	fs.rate(&o.cfg.PerIPRate, "per-ip-rate", "", "N", "packets per second to one IP address; 0 = no limit")
	fs.count(&o.cfg.MaxInFlight, "max-in-flight", "c", "N", "targets in flight at once")
}

func (o *askOptions) registerTimeouts(fs *flagSet) {
	fs.duration(&o.cfg.Timeout, "timeout", "", "D", "timeout of the first attempt; doubles with each retry")
	fs.count(&o.cfg.Retries, "retries", "", "N", "retries after silence, per query")
	fs.duration(&o.cfg.TargetTimeout, "target-timeout", "t", "D", "time limit for each target")
	add(fs, &o.cfg.ICMP, "icmp", "", "MODE", "an ICMP port unreachable ends the target (on), is ignored (off) or costs one attempt (retry)", parseICMP, formatICMP)
	fs.choices["icmp"] = icmpNames
}

func (o *askOptions) registerSocket(fs *flagSet) {
	add(fs, &o.sourceIP, "source-ip", "S", "ADDRESS", "send from this address", parseAddr, formatAddr)
	fs.count(&o.port, "source-port", "", "PORT", "send from this port")
	fs.size(&o.rcvbuf, "rcvbuf", "", "BYTES", "receive buffer to request, such as 512K, 16M")
	fs.size(&o.sndbuf, "sndbuf", "", "BYTES", "send buffer to request")
	fs.count(&o.cfg.Batch, "batch", "", "N", "packets per system call")
}

// local returns the address that the socket is bound to.
func (o *askOptions) local() netip.AddrPort { return netip.AddrPortFrom(o.sourceIP, uint16(o.port)) }

func (o *askOptions) validate() error {
	errs := []error{nameFlags(o.cfg.Validate())}
	if o.port > 65535 {
		errs = append(errs, fmt.Errorf("--source-port %d is not a port; use 1 to 65535", o.port))
	}
	return errors.Join(errs...)
}

// flagOfField are the flags that set the fields of a scanner.Config.
var flagOfField = map[string]string{
	"Kinds": "--query", "Rate": "--rate", "Bandwidth": "--bandwidth", "PerIPRate": "--per-ip-rate",
	"MaxInFlight": "--max-in-flight", "Timeout": "--timeout", "Retries": "--retries", "TargetTimeout": "--target-timeout",
	"Batch": "--batch", "MaxRuntime": "--max-runtime", "PortOffsets": "--port-offsets",
}

// nameFlags names the flags instead of the fields in the errors of a scanner.Config.
func nameFlags(err error) error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var errs []error
	for _, err := range list.Unwrap() {
		var e *scanner.FieldError
		if errors.As(err, &e) {
			err = fmt.Errorf("%s %s", flagOfField[e.Field], e.Reason)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// validate returns every error in the flags, joined. It opens no file.
func (o *scanOptions) validate() error {
	errs := []error{o.ask.validate(), o.source.validate()}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.shards < 1, "--shards %d is out of range; use 1 or more", o.shards)
	bad(o.shards >= 1 && o.shard.index >= o.shards, "--shard %d is out of range; with --shards %d use 0 to %d", o.shard.index, o.shards, o.shards-1)
	bad(o.resolve && !o.dryRun, "--resolve is for --dry-run; a scan always looks host names up")
	bad(new(targets.AddrSet).AddList(o.exclude) != nil, "--exclude: %w", new(targets.AddrSet).AddList(o.exclude))

	errs = append(errs, checkEnding("--output-file", o.outputFile))
	bad(o.resume && o.noDedup, "--resume and --no-dedup exclude each other: --resume skips targets that have a record")
	bad(o.resume && len(o.ask.cfg.Filter) > 0, "--resume and --filter exclude each other: targets without a record would be asked again")
	bad(o.resume && o.outputFile == "-", "--resume needs --output-file FILE: it resumes from the records in it")
	bad(o.resume && o.dryRun, "--resume and --dry-run exclude each other")
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

// normalize replaces other names of standard output with "-". Opened by such a name, a
// file that it is redirected to would be written from its beginning.
func (o *scanOptions) normalize() {
	if isStandard(o.outputFile, "stdout", 1) {
		o.outputFile = "-"
	}
}

// chooseTable decides whether the records are shown as a table: if standard output is a
// terminal, and neither --json nor -o asks for records there.
func (o *scanOptions) chooseTable(a *app, fs *flagSet) {
	explicit := o.compress != dataset.CompressNone && o.compress != dataset.CompressAuto
	o.table = a.screen.present && o.outputFile == "-" && !o.json && !explicit && !fs.Changed("output-file")
}

// listNames returns the files of targets; "-" is standard input.
func (o *scanOptions) listNames(args []string) []string {
	if len(o.inputFiles) == 0 && len(args) == 0 && !o.source.given() {
		return []string{"-"}
	}
	return o.inputFiles
}

// metadataPath returns the file of the metadata: "-" is standard error, "" none.
func (o *scanOptions) metadataPath() string {
	switch {
	case o.metadataFile == "" && o.outputFile != "-" && !osfile.IsOpenName(o.outputFile) && !isDevice(o.outputFile):
		return o.outputFile + ".meta.json"
	case isStandard(o.metadataFile, "stderr", 2):
		return "-" // it is written as a line among our messages, not over them
	}
	return o.metadataFile
}

// isDevice reports whether a file is a device, such as /dev/null: no other file is
// written next to it.
func isDevice(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeDevice != 0
}

// isStandard reports whether path is a name of the standard stream with that file
// descriptor.
func isStandard(path, name string, number int) bool {
	fd := strconv.Itoa(number)
	switch filepath.ToSlash(path) {
	case "/dev/" + name, "/dev/fd/" + fd, "/proc/self/fd/" + fd:
		return true
	}
	return false
}

// registerVerbosity registers the flags that control messages.
func registerVerbosity(fs *flagSet) {
	fs.toggle(new(bool), "quiet", "q", "print errors only: no progress, no summary")
	fs.toggle(new(bool), "verbose", "v", "print more messages")
	when := "auto"
	fs.choice(&when, "color", "", "WHEN", "use colours: auto (on terminals, without NO_COLOR), always or never", "auto", "always", "never")
}

// setVerbosity applies the flags of registerVerbosity to messages.
func (u *ui) setVerbosity(fs *flagSet) {
	u.quiet, _ = fs.GetBool("quiet")
	u.verbose, _ = fs.GetBool("verbose")
}

// setColor applies --color, if the command has it.
func (a *app) setColor(fs *flagSet) {
	if f := fs.Lookup("color"); f != nil {
		a.screen.setColor(f.Value.String())
		a.ui.terminal.setColor(f.Value.String())
	}
}

var kindNames = []string{"info", "players", "rules"}

func registerKinds(fs *flagSet, p *proto.Kinds) {
	addMore(fs, p, "query", "", "LIST", "what to query: info, players, rules", parseKinds, formatKinds, func(have, more proto.Kinds) proto.Kinds { return have | more })
	fs.choices["query"] = kindNames
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

func parseFilter(s string) (list []output.Status, err error) {
	err = parseList(s, statusNames(), func(i int) { list = append(list, output.Status(i)) })
	return list, err
}

func uniteFilters(have, more []output.Status) []output.Status {
	all := slices.Concat(have, more)
	slices.Sort(all)
	return slices.Compact(all)
}

func formatFilter(list []output.Status) string {
	var names []string
	for _, s := range list {
		names = append(names, s.String())
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

// parseJSON checks a JSON value and removes the blanks between its words.
func parseJSON(s string) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		return nil, errors.New("not a JSON value")
	}
	return b.Bytes(), nil
}

func parseCompression(s string) (dataset.Compression, error) {
	var c dataset.Compression
	if c.UnmarshalText([]byte(s)) != nil {
		return c, errors.New("not one of auto, none, zstd, gzip")
	}
	return c, nil
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
