package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"strconv"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/scanner"
	"github.com/a2scan/a2scan/scanner/targets"
)

// Whether a number means the same target as in the earlier run is seen from the target's
// record: where it was asked. The metadata, which tells more, may be that of another file
// by now. All records are compared before anything is asked.
// A list that can be read again is gone through once for that alone, up to the last
// target that is done. Of standard input or a pipe the targets between those that
// are done are held back meanwhile.

// askedAt returns where the target of a record was asked: the host, where it was
// written as a name, and the address and port.
func askedAt(line []byte) (host string, at mux.Key, err error) {
	ip, rest, ok := cutValue(line, `,"ip":`)
	port, rest, ok2 := cutValue(rest, `,"port":`)
	input, _, ok3 := cutValue(rest, `,"input":`)
	if !ok || !ok2 || !ok3 {
		return "", at, errors.New("ip, port and input do not stand where they belong")
	}
	var ap netip.AddrPort
	if string(port) != "null" {
		n, err := strconv.ParseUint(string(port), 10, 16)
		if err != nil {
			return "", at, fmt.Errorf("port %q", port)
		}
		ap = netip.AddrPortFrom(netip.Addr{}, uint16(n))
	}
	if string(ip) != "null" {
		a, err := netip.ParseAddr(string(bytes.Trim(ip, `"`)))
		if err != nil {
			return "", at, fmt.Errorf("ip %q", ip)
		}
		ap = netip.AddrPortFrom(a.WithZone(""), ap.Port())
		at = mux.KeyFrom(ap)
		// Of most the input is the address and port themselves.
		if string(bytes.Trim(input, `"`)) == ap.String() {
			return "", at, nil
		}
	}
	at.Port = ap.Port()
	var word string
	if err := json.Unmarshal(input, &word); err != nil {
		return "", at, fmt.Errorf("input %q", input)
	}
	return targets.HostOf(word), at, nil
}

// cutValue returns what stands behind key and ends before the next comma that is
// not inside of a string, and the rest of the line from there on.
func cutValue(line []byte, key string) (value, rest []byte, ok bool) {
	_, rest, ok = bytes.Cut(line, []byte(key))
	quoted := false
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return rest[:i], rest[i:], ok
			}
		}
	}
	return nil, nil, false
}

// skipped is targets.Config.Skipped: it compares a target with its record.
func (r *resumption) skipped(seq uint64, host string, at mux.Key) error {
	same := r.prints.is(seq, r.prints.of(host, at))
	if !same && host != "" { // its name had no address, and its record no port
		same = r.prints.is(seq, r.prints.of(host, mux.Key{}))
	}
	if !same {
		is := host + ":" + strconv.Itoa(int(at.Port))
		if host == "" {
			is = at.AddrPort().String()
		}
		return r.refuse(fmt.Errorf("target %d was %s, and is %s now", seq, r.describeTarget(seq), clean(is)))
	}
	if r.seen++; r.seen == r.done.Len() && r.allSeen != nil {
		r.allSeen()
	}
	return nil
}

// describeTarget returns in words where the record of a target says that it was
// asked.
func (r *resumption) describeTarget(seq uint64) string {
	records, err := dataset.OpenReader(r.path)
	if err != nil {
		return "another"
	}
	defer records.Close()
	for {
		line, err := records.Next()
		if err != nil {
			return "another"
		}
		if n, ok := output.Seq(line); !ok || n != seq {
			continue
		}
		host, at, err := askedAt(line)
		switch {
		case err != nil:
			return "another"
		case host == "":
			return at.AddrPort().String()
		case at.Port == 0:
			return clean(host)
		}
		return clean(host) + ":" + strconv.Itoa(int(at.Port))
	}
}

// notInList is the error where the list has ended before all that is done was seen.
func (r *resumption) notInList() error {
	n := r.done.Len() - r.seen
	if n == 0 {
		return nil
	}
	return r.refuse(fmt.Errorf("%s in the list", plural(n, "target that has a record is not", "targets that have a record are not")))
}

// compareTargets completes cfg for a scan that goes on. A list that can be read
// again is compared now, others as their targets are taken: cfg.Skipped is then set.
func (a *app) compareTargets(r *resumption, cfg *targets.Config, o *scanOptions) error {
	cfg.DoneSeqs, cfg.Skipped = &r.done, r.skipped
	last, some := r.done.Max()
	if !some {
		cfg.Skipped, r.prints = nil, nil
		return nil
	}
	if last > maxWalk { // of a shuffled range: its targets are compared as they are taken
		return nil
	}
	for _, name := range o.listNames(cfg.Args) {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.Mode().IsRegular() {
			return nil
		}
	}
	if _, err := a.goThrough(r, *cfg, o, last); err != nil {
		return err
	}
	cfg.Skipped, r.prints = nil, nil
	return nil
}

// confirmFinished says that there is nothing left to do. Where that could not be seen from
// the metadata alone, since a list or block list came from a stream, what comes now is
// compared first: as many targets where all of the list was asked, and those that have a
// record where they were. Nothing is asked or changed.
func (a *app) confirmFinished(r *resumption, o *scanOptions, args []string) error {
	last, some := r.done.Max()
	all := r.was.EndReason == dataset.EndComplete && o.ask.cfg.MaxTargets == 0
	if all {
		last = math.MaxUint64
	}
	if len(r.streams) > 0 && (all || some) {
		cfg, err := a.targetConfig(o, args)
		if err != nil {
			return err
		}
		c, err := a.goThrough(r, cfg, o, last)
		if err != nil {
			return err
		}
		if was, is := r.was.Input.Targets, c.Targets+c.Skipped; all && was != is {
			return r.refuse(fmt.Errorf("the list had %s, and has %s now", plural(was, "target", "targets"), thousands(is)))
		}
	}
	a.ui.notef("that was all: the scan has ended as %s, and there is nothing left to do", r.was.EndReason)
	return o.checkSuccess(r.statuses[output.Success])
}

// goThrough opens the list of cfg to compare its targets up to number last, or all there
// are, with the records, and returns what it has counted. All that is done must be there.
func (a *app) goThrough(r *resumption, cfg targets.Config, o *scanOptions, last uint64) (targets.Counts, error) {
	cfg.DoneSeqs, cfg.Skipped = &r.done, r.skipped
	cfg.Shuffle, cfg.Log = false, nil
	list, closeList, err := a.openList(cfg, o)
	if err != nil {
		return targets.Counts{}, err
	}
	defer closeList()
	if err := list.Verify(context.Background(), last); err != nil {
		return targets.Counts{}, err
	}
	return list.Counts(), r.notInList()
}

// maxWalk is how far a list is gone through before anything is asked, at 20 ns a target.
const maxWalk = 1 << 26

// maxHeld bounds the targets that are held back: 64 MiB of them. An earlier run had
// its --max-in-flight open at once, or 65,536 with --shuffle; only with --filter are
// there more between those that are done.
const maxHeld = 1 << 20

// A heldList is a list whose targets wait until all that are done were compared.
type heldList struct {
	*targets.List
	earlier *resumption
	held    []targets.Target
}

// holdTargets reads list until all that are done were compared, or until most
// targets are held back.
func (a *app) holdTargets(r *resumption, list *targets.List, most int) (scanner.Source, error) {
	h := &heldList{List: list, earlier: r}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.allSeen = cancel // and do not wait for what comes behind
	batch := make([]targets.Target, 256)
	for r.seen < r.done.Len() {
		if len(h.held) >= most {
			r.remark(a, "%s before the last that is done are not: the rest of the list is compared as it is read", thousands(uint64(len(h.held))))
			break
		}
		n, err := list.Next(ctx, batch)
		h.held = append(h.held, batch[:n]...)
		if errors.Is(err, io.EOF) {
			if err := h.ended(); err != nil {
				return nil, err
			}
			break
		}
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	r.allSeen = nil
	if r.seen == r.done.Len() {
		r.prints = nil
	}
	return h, nil
}

// ended returns what is wrong with a list that ends here.
func (h *heldList) ended() error {
	if h.Limited() { // there may be more that are done
		return nil
	}
	return h.earlier.notInList()
}

// Next returns those that were held back, and then the list's.
func (h *heldList) Next(ctx context.Context, dst []targets.Target) (int, error) {
	if len(h.held) > 0 {
		n := copy(dst, h.held)
		if h.held = h.held[n:]; len(h.held) == 0 {
			h.held = nil
		}
		return n, nil
	}
	n, err := h.List.Next(ctx, dst)
	if errors.Is(err, io.EOF) {
		if wrong := h.ended(); wrong != nil {
			err = wrong
		}
	}
	if wrong := new(*usageError); errors.As(err, wrong) {
		err = errors.New((*wrong).Error()) // too late to have done nothing
	}
	return n, err
}
