package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"github.com/a2scan/a2scan/bench/farm"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto/prototest"
	"github.com/a2scan/a2scan/scanner/targets"
)

func farmCommand() *command {
	return &command{
		name:     "farm",
		synopsis: "[TARGET…]",
		short:    "simulate game servers on loopback, until interrupted",
		long: `Every served address and port is a server. Its replies depend only on its address, the seed and the shares,
		so any process can compute them.

		With --verify no farm is started. Instead, the records of a scan are compared with the servers that a farm
		with the same flags has; the exit status is 1 if they differ. If TARGETs are given, each must have a record.`,
		examples: []string{
			"a2scan farm --challenge 60 --split 20 --loss 2 &",
			"a2scan scan --query info,players,rules 127.1.0.0/20 -o out.ndjson",
			"a2scan farm --challenge 60 --split 20 --loss 2 --verify out.ndjson 127.1.0.0/20",
		},
		new: func(fs *flagSet) func(*app, []string) error {
			o := newFarmOptions()
			o.register(fs)
			var verify, replay string
			var lossy bool
			fs.group("Verification and replay", func() {
				fs.text(&verify, "verify", "", "FILE", "compare the records in this file (- is standard input) with their servers, and exit")
				fs.toggle(&lossy, "lossy", "", "with --verify: accept silence, for scans that were faster than the farm")
				fs.text(&replay, "replay", "", "FOLDER", "serve captured replies: each subfolder has its own address, from 127.0.1.1 on")
			})
			fs.group("General", func() { registerVerbosity(fs) })
			return func(a *app, args []string) error {
				a.ui.setVerbosity(fs)
				if err := o.validate(); err != nil {
					return &usageError{err}
				}
				switch {
				case verify != "":
					return a.verify(o, verify, replay, lossy, args)
				case len(args) > 0:
					return withHint(usagef("a farm takes no targets"), "--listen and --ports choose its addresses; targets are for --verify")
				}
				return a.farm(o, replay)
			}
		},
	}
}

func (a *app) farm(o *farmOptions, replay string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := a.watchSignals(cancel, cancel)
	var f *farm.Farm
	var err error
	if replay != "" {
		var r *prototest.Replay
		if f, r, err = farm.StartReplay(ctx, o.config(), replay); err == nil {
			for _, folder := range r.Folders() {
				a.ui.detailf("%s is %s", folder.At, clean(folder.Name))
			}
		}
	} else {
		f, err = farm.Start(ctx, o.config())
	}
	if err != nil {
		return errors.Join(err, w.stop())
	}
	lists, err := openDirectory(o, f, false)
	if err != nil {
		return errors.Join(err, f.Close(), w.stop())
	}
	defer lists.Close()
	a.ui.notef("serving %s, %s; interrupt to end", formatListen(f.Listen()), portsInWords(o.ports))
	if what := lists.String(); what != "" {
		a.ui.notef("%s listed by: %s", plural(uint64(o.lists.listed), "server is", "servers are"), what)
	}
	err = f.Wait()
	a.ui.notef("%s", f.Summary())
	stopped := w.stop()
	if err != nil {
		return err
	}
	return stopped
}

func portsInWords(p targets.Ports) string {
	switch list := p.String(); {
	case p.Len() == 1:
		return "port " + list
	case len(list) > 40:
		return fmt.Sprintf("%d ports", p.Len())
	default:
		return "ports " + list
	}
}

// verify compares records with their servers and prints the result.
func (a *app) verify(o *farmOptions, file, replay string, lossy bool, args []string) error {
	if err := checkRead(a.stdin, a.stdout, "--verify", file); err != nil {
		return err
	}
	opts := farm.VerifyOptions{Lossy: lossy, Ports: o.config().Ports}
	var truth prototest.TruthTeller = &o.world
	if replay != "" {
		r, err := farm.OpenReplay(replay, o.ports.At(0))
		if err != nil {
			return err
		}
		truth = r
	}
	if len(args) > 0 {
		must, err := expand(args, o.ports)
		if err != nil {
			return err
		}
		opts.Targets = must
	}
	report, err := farm.Verify(truth, dataset.Lines(file), opts)
	if err == nil || report.Records > 0 { // if nothing could be read there is no result
		if _, werr := fmt.Fprint(a.stdout, report); werr != nil {
			return werr
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("cannot read records: %w", err)
	case !report.OK():
		return fmt.Errorf("verified: %s between records and servers", plural(report.Total, "difference", "differences"))
	}
	return nil
}

// expand returns the addresses and ports of targets.
func expand(args []string, ports targets.Ports) (iter.Seq[netip.AddrPort], error) {
	var wrong []error
	list, err := targets.NewList(targets.Config{
		Args:  args,
		Ports: ports,
		Dedup: true,
		Log:   func(_ string, _ int, msg string) { wrong = append(wrong, errors.New(clean(msg))) },
	})
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return nil, &usageError{errors.Join(wrong...)}
	}
	return func(yield func(netip.AddrPort) bool) {
		defer list.Close()
		batch := make([]targets.Target, 256)
		for {
			n, err := list.Next(context.Background(), batch)
			for _, t := range batch[:n] {
				if t.Refusal == targets.Accepted && !yield(t.Key.AddrPort()) {
					return
				}
			}
			if err != nil { // io.EOF: reading arguments cannot fail
				return
			}
		}
	}, nil
}
