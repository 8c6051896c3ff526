package scanner

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/a2scan/a2scan/mux"
	"github.com/a2scan/a2scan/output"
)

// stateHead is the first line of a state: the last whole round, and the line of its event,
// which is written after the state.
type stateHead struct {
	Schema int    `json:"schema"`
	Watch  string `json:"watch"`
	Round  uint64 `json:"round"`
	Fields string `json:"fields"`
	Event  string `json:"event"`
}

// stateServer is the line of a server that has answered once.
type stateServer struct {
	Addr   netip.AddrPort `json:"addr"`
	Phase  string         `json:"phase"` // up or gone
	Silent uint16         `json:"silent"`
	Time   int64          `json:"time"` // microseconds since 1970
	State  []byte         `json:"state"`
}

const stateWord = "state" // of stateHead.Watch

// WriteState writes the state of all servers, for Resume. Call it in OnRound, with the
// Round's Event.
func (w *Watcher) WriteState(to io.Writer, event []byte) error {
	b, err := json.Marshal(&stateHead{output.SchemaVersion, stateWord, w.known.round, w.cfg.Fields.String(), string(event)})
	if err != nil {
		panic(err) // numbers and texts
	}
	out := bufio.NewWriterSize(to, 64<<10)
	out.Write(append(b, '\n'))
	for i := range w.known.servers {
		s := &w.known.servers[i]
		if s.phase == unseen {
			continue
		}
		b = append(b[:0], `{"addr":"`...)
		b = s.key.AddrPort().AppendTo(b)
		if s.phase == gone {
			b = append(b, `","phase":"gone","silent":`...)
		} else {
			b = append(b, `","phase":"up","silent":`...)
		}
		b = strconv.AppendUint(b, uint64(s.silent), 10)
		b = append(b, `,"time":`...)
		b = strconv.AppendInt(b, s.time, 10)
		b = append(b, `,"state":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(s.state))
		b = append(b, "\"}\n"...)
		out.Write(b)
	}
	return out.Flush() // which returns the first error
}

// Resume makes the Watcher go on from a state that WriteState wrote, or from the beginning
// if state is empty. events calls its argument with each line of the file of events, in
// order: those that are newer than the state are applied, so that no change is reported
// twice. nil: the events went to a pipe. Call it before Run.
func (w *Watcher) Resume(state io.Reader, events func(each func(line []byte) error) error) error {
	pending, err := w.loadState(state)
	if err != nil || events == nil {
		return err
	}
	last := w.known.round
	err = events(func(line []byte) error {
		round, kind, err := w.replay(line, last)
		if kind == output.RoundEnded && round >= last {
			pending, w.known.round = nil, round // it is later than the state if that was lost
		}
		return err
	})
	w.pending = pending
	return err
}

// maxStateLine is the longest line of a state: a server's texts come in one datagram each.
const maxStateLine = 1 << 20

// loadState reads a state and returns the line of the event that follows it.
func (w *Watcher) loadState(state io.Reader) (pending []byte, err error) {
	lines := bufio.NewScanner(state)
	lines.Buffer(nil, maxStateLine)
	if !lines.Scan() {
		return nil, lines.Err()
	}
	var head stateHead
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Watch != stateWord || head.Schema != output.SchemaVersion {
		return nil, errors.New("line 1 is not the beginning of a state of watch")
	}
	w.known.round = head.Round
	same := head.Fields == w.cfg.Fields.String()
	for n := 2; lines.Scan(); n++ {
		var v stateServer
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil || !v.Addr.IsValid() || v.Phase != "up" && v.Phase != "gone" {
			return nil, fmt.Errorf("line %d is not a server of a state of watch", n)
		}
		s := server{key: mux.KeyFrom(v.Addr), phase: up, silent: v.Silent, time: v.Time}
		if v.Phase == "gone" {
			s.phase = gone
		}
		if same { // values of other fields cannot be compared
			s.state = string(v.State)
		}
		if _, twice := w.known.index[s.key]; !twice {
			w.known.index[s.key] = uint32(len(w.known.servers))
			w.known.servers = append(w.known.servers, s)
		}
	}
	return []byte(head.Event), lines.Err()
}

// replay applies an event that is newer than round last.
func (w *Watcher) replay(line []byte, last uint64) (uint64, output.EventKind, error) {
	var e struct {
		Event  output.EventKind `json:"event"`
		Time   time.Time        `json:"time"`
		Round  uint64           `json:"round"`
		IP     netip.Addr       `json:"ip"`
		Port   uint16           `json:"port"`
		Record json.RawMessage  `json:"record"`
	}
	// Most events of a long file are old, so the number of the round is found first.
	if round, ok := roundOf(line); ok && (round < last || round == last && !bytes.HasPrefix(line, roundPrefix)) {
		return round, "", nil
	}
	if err := json.Unmarshal(line, &e); err != nil || e.Event == "" {
		return 0, "", errors.New("it holds a line that is not an event")
	}
	if e.Round <= last || e.Event == output.RoundEnded {
		return e.Round, e.Event, nil
	}
	var r *output.Record
	if len(e.Record) > 0 && !bytes.Equal(e.Record, []byte("null")) {
		r = new(output.Record)
		if err := output.Unmarshal(e.Record, r); err != nil {
			return 0, "", fmt.Errorf("it holds an event with a damaged record: %w", err)
		}
	}
	w.known.replay(e.Event, mux.KeyFrom(netip.AddrPortFrom(e.IP, e.Port)), e.Time, r)
	return e.Round, e.Event, nil
}

// roundPrefix is how the event of a round begins.
var roundPrefix = []byte(`{"schema":1,"event":"round",`)

// roundOf returns the round of an event as AppendJSON wrote it.
func roundOf(line []byte) (round uint64, ok bool) {
	const key = `,"round":`
	i := bytes.Index(line[:min(len(line), 120)], []byte(key))
	if i < 0 {
		return 0, false
	}
	for _, c := range line[i+len(key):] {
		if c < '0' || c > '9' {
			break
		}
		round, ok = round*10+uint64(c-'0'), true
	}
	return round, ok
}
