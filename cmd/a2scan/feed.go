package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"sync"
)

// listFlags are the flags of commands whose targets can come from a list of servers.
type listFlags struct {
	steam           steamOptions
	master          masterOptions
	keep            bool
	requireComplete bool

	feed *listFeed // nil: none is open
}

func (o *listFlags) register(fs *flagSet) {
	o.steam, o.master = *newSteamOptions(), *newMasterOptions()
	fs.text(&o.steam.expr, "steam", "", "EXPR", "targets from the Steam Web API; see a2scan help steam for EXPR")
	fs.text(&o.master.host, "master", "", "HOST[:PORT]", "targets from a master server; see a2scan help master")
	fs.text(&o.master.where, "where", "", "EXPR", "with --master: select servers")
	fs.toggle(&o.keep, "keep-source", "", "keep what the list says of the server in the record; with -f, the JSON object of the line")
	fs.toggle(&o.requireComplete, "require-complete", "", "exit with status 1 if the list may lack servers")
	o.steam.register(fs)
	o.master.register(fs)
}

// given reports whether targets come from a list of servers.
func (o *listFlags) given() bool {
	return o.steam.expr != "" || len(o.steam.at) > 0 || o.master.host != ""
}

// validate returns what is wrong with the flags together.
func (o *listFlags) validate() error {
	if o.master.where != "" && o.master.host == "" {
		return withHint(errors.New("--where selects servers of --master"), "--steam takes EXPR itself")
	}
	return nil
}

// open returns the list that the flags describe. Errors are wrong usage.
func (o *listFlags) open(a *app) (*listSource, error) {
	steam := o.steam.expr != "" || len(o.steam.at) > 0
	switch {
	case steam && o.master.host != "":
		return nil, usagef("--steam and --master cannot be combined")
	case steam:
		return a.steamSource(&o.steam)
	}
	o.master.noSplit = o.steam.noSplit
	return a.masterSource(&o.master)
}

// A listFeed is a list of servers that is being fetched, as a file of rows. The scan
// reads it while it is still coming.
type listFeed struct {
	name   string
	r      *io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}

	// Valid once done is closed.
	sum listSummary
	err error
}

var errEmptyList = withHint(errors.New("the list of servers is empty"), "check the filter; a2scan steam --games lists names of games")

// errScanEnded ends the fetching of a list whose scan takes no more targets.
var errScanEnded = errors.New("the scan ended first")

// openFeed begins to fetch the list of the flags, and returns when the first server has
// come: a list that cannot be fetched is an error before any output is changed.
func (a *app) openFeed(o *listFlags) (*listFeed, error) {
	s, err := o.open(a)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	f := &listFeed{name: s.name, r: r, cancel: cancel, done: make(chan struct{})}
	first := make(chan struct{})
	begin := sync.OnceFunc(func() { close(first) })
	go func() {
		defer close(f.done)
		var line []byte
		f.sum, f.err = s.fetch(ctx, func(_ netip.AddrPort, row []byte) error {
			begin()
			line = append(append(line[:0], row...), '\n')
			if _, err := w.Write(line); err != nil {
				return errScanEnded
			}
			return nil
		})
		w.Close() // all that came is scanned, however the fetching ended
	}()
	select {
	case <-first:
	case <-f.done:
		if f.sum.Servers == 0 {
			cancel()
			a.reportList(&f.sum)
			return nil, cmp.Or(f.err, errEmptyList)
		}
	}
	o.feed = f
	return f, nil
}

// Close ends the fetching.
func (f *listFeed) Close() error {
	f.cancel()
	err := f.r.CloseWithError(errScanEnded)
	<-f.done
	return err
}

// end reports how the fetching ended, at the end of the scan. The error is for the exit
// status.
func (o *listFlags) end(ui *ui, stopped bool) error {
	if o.feed == nil {
		return nil
	}
	_ = o.feed.Close()
	f := o.feed
	if f.err != nil && !stopped && !errors.Is(f.err, errScanEnded) {
		ui.error(f.err)
	}
	(&app{ui: ui}).reportList(&f.sum)
	if o.requireComplete && !f.sum.Complete {
		return errIncomplete
	}
	return nil
}

// json returns the object about the list for the metadata; nil if there was none.
func (o *listFlags) json() json.RawMessage {
	if o.feed == nil {
		return nil
	}
	select {
	case <-o.feed.done:
	default:
		return nil // the scan has not begun
	}
	b, err := json.Marshal(&o.feed.sum)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}
