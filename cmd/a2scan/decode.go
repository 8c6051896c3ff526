package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

func decodeCommand() *command {
	return &command{
		name:     "decode",
		synopsis: "FILE… | -",
		short:    "decode captured replies, offline",
		long: `Each FILE is one UDP payload as it was captured, in order of arrival from one server. Every reply that
		they make up is printed as one JSON object, in order of completion. A reply that cannot be decoded has its
		error set; that is a finding and not a failure.

		With - instead, records of a scan with --raw are read from standard input, one server a line, and their
		datagrams are decoded anew.`,
		examples: []string{
			"a2scan decode 00-info.bin 01-players.bin | jq .",
			"a2scan decode - < scan.ndjson | jq -c 'select(.error)'",
		},
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				out := bufio.NewWriterSize(a.stdout, 64<<10)
				var err error
				switch {
				case len(args) == 0:
					return withHint(usagef("no files to decode"), "a2scan decode FILE…, or - for records on standard input")
				case len(args) == 1 && args[0] == "-":
					err = a.decodeRecords(out)
				default:
					err = a.decodeFiles(out, args)
				}
				return errors.Join(err, out.Flush())
			}
		},
	}
}

func (a *app) decodeFiles(out io.Writer, names []string) error {
	d := newDecoder(names, "")
	for _, name := range names {
		if name == "-" {
			return usagef("- stands alone: it reads records, not payloads")
		}
		payload, err := readPayload(name)
		if err == nil {
			err = d.receive(out, payload)
		}
		if err != nil {
			return err
		}
	}
	return d.finish(out)
}

// readPayload reads a file that can have been a datagram.
func readPayload(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPayload+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxPayload {
		return nil, withHint(fmt.Errorf("%s is longer than any UDP payload", clean(name)), "one payload a file; for the records of a scan: a2scan decode - < FILE")
	}
	return b, nil
}

// maxPayload is the most that a UDP datagram can carry: 65,535 bytes less its
// header of 8. (IPv4 takes another 20, IPv6 does not.)
const maxPayload = 65535 - 8

// maxRecord bounds a line of records. The largest honest one, three answers of
// 64 KiB in base64 with their decoded fields and escapes, is far below it.
const maxRecord = 64 << 20

func (a *app) decodeRecords(out io.Writer) error {
	lines := bufio.NewScanner(a.stdin)
	lines.Buffer(make([]byte, 64<<10), maxRecord)
	var bare, wrong int
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		var rec struct {
			Seq  json.Number     `json:"seq"`
			IP   json.RawMessage `json:"ip"`
			Port json.Number     `json:"port"`
			Raw  []struct {
				Dir string `json:"dir"`
				B64 string `json:"b64"`
			} `json:"raw"`
		}
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			wrong++
			a.ui.sayf("line %d is not a record: %s", n, clean(err.Error()))
			continue
		}
		if rec.Raw == nil {
			bare++
			continue
		}
		from, err := json.Marshal(struct {
			Seq  json.Number     `json:"seq,omitempty"`
			IP   json.RawMessage `json:"ip,omitempty"`
			Port json.Number     `json:"port,omitempty"`
		}{rec.Seq, rec.IP, rec.Port})
		if err != nil {
			return err
		}
		var names []string
		var payloads [][]byte
		for i, r := range rec.Raw {
			if r.Dir != "rx" {
				continue
			}
			b, err := base64.StdEncoding.DecodeString(r.B64)
			if err != nil {
				wrong++
				a.ui.sayf("line %d: raw[%d] is not base64", n, i)
				continue
			}
			names = append(names, fmt.Sprintf("raw[%d]", i))
			payloads = append(payloads, b)
		}
		d := newDecoder(names, string(from))
		for _, b := range payloads {
			if err := d.receive(out, b); err != nil {
				return err
			}
		}
		if err := d.finish(out); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than any record", n+1)
	}
	if lines.Err() != nil {
		return lines.Err()
	}
	if bare > 0 {
		a.ui.sayf("%d of %d records carry no datagrams", bare, n)
		a.ui.hintf("scan with --raw to keep them")
	}
	if wrong > 0 {
		return fmt.Errorf("%d lines could not be read", wrong)
	}
	return nil
}

// A decoder prints the replies of one server.
type decoder struct {
	conv  *proto.Conversation
	names []string // of the datagrams, by their number
	split []bool   // by the same: it is a fragment
	from  string   // a JSON object that says whose they are, or empty

	info    proto.Info
	players proto.PlayerList
	rules   proto.RuleList
	game    a3sb.Game // as the last INFO said; rules are read by it
	line    []byte
}

func newDecoder(names []string, from string) *decoder {
	return &decoder{conv: proto.NewConversation(), names: names, from: from}
}

func (d *decoder) receive(out io.Writer, datagram []byte) error {
	h, _, ok := proto.ParseHeader(datagram)
	d.split = append(d.split, ok && h.Split)
	m, whole := d.conv.Receive(datagram)
	if !whole {
		return nil
	}
	return d.print(out, &m)
}

// finish prints the replies that miss fragments.
func (d *decoder) finish(out io.Writer) error {
	for _, m := range d.conv.Unfinished() {
		if err := d.print(out, &m); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) print(out io.Writer, m *proto.Message) error {
	kind, err := d.decode(m)
	b := append(d.line[:0], `{"kind":`...)
	if kind == "" {
		b = append(b, "null"...)
	} else {
		b = appendJSON(b, kind)
	}
	transport := "single"
	if d.split[m.Datagrams[0]] {
		transport = "split"
	}
	b = append(b, `,"transport":"`+transport+`","files":[`...)
	for i, n := range m.Datagrams {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, d.names[n])
	}
	b = append(b, `],"error":`...)
	if err == nil {
		b = append(b, "null"...)
	} else {
		b = appendJSON(b, err.Error())
	}
	if d.from != "" {
		b = append(b, `,"from":`+d.from...)
	}
	b = d.appendSection(b, m, kind, err)
	b = append(b, "}\n"...)
	d.line = b
	_, werr := out.Write(b)
	return werr
}

// decode decodes what m holds and returns the name of its kind, empty where
// that is not known.
func (d *decoder) decode(m *proto.Message) (kind string, err error) {
	k, ok := m.Kind()
	switch {
	case m.Type == proto.TypeChallenge:
		return "challenge", m.Err
	case ok:
		kind = k.String()
	case m.Err == nil:
		return "", fmt.Errorf("a message of type %02x answers no query", m.Type)
	}
	if m.Err != nil {
		return kind, m.Err
	}
	switch k {
	case proto.KindInfo:
		if err = d.info.Decode(m.Body); err == nil {
			d.game = a3sb.GameOf(&d.info)
		}
	case proto.KindPlayers:
		err = d.players.Decode(m.Body)
	case proto.KindRules:
		err = d.rules.Decode(m.Body)
	}
	return kind, err
}

// appendSection appends the member that is named like the kind. A reply that
// did not decode has no fields, only its status.
func (d *decoder) appendSection(b []byte, m *proto.Message, kind string, err error) []byte {
	sec := output.Section{RTT: output.NoRTT}
	if err != nil {
		sec.Status, sec.Error = output.ProtocolError, err.Error()
		var missing *proto.FragmentsError
		if errors.As(err, &missing) {
			sec.Status = output.Incomplete
		}
	}
	switch kind {
	case "info":
		s := output.InfoSection{Section: sec}
		if err == nil {
			s.Data = &d.info
		}
		return output.AppendInfoJSON(append(b, `,"info":`...), &s)
	case "players":
		s := output.PlayersSection{Section: sec}
		if err == nil {
			s.Data = &d.players
		}
		return output.AppendPlayersJSON(append(b, `,"players":`...), &s)
	case "rules":
		s := output.RulesSection{Section: sec}
		if err == nil {
			if block, rest, err := a3sb.Decode(d.rules.List, d.game); err == nil && block != nil {
				s.A3SB, d.rules.List = block, rest
			}
			s.Data = &d.rules
		}
		return output.AppendRulesJSON(append(b, `,"rules":`...), &s)
	case "challenge":
		if err != nil {
			return append(b, `,"challenge":null`...)
		}
		// The token as it stands on the wire: its four bytes have no other meaning.
		wire := binary.LittleEndian.AppendUint32(nil, uint32(m.Challenge))
		return append(b, `,"challenge":{"token":"`+hex.EncodeToString(wire)+`"}`...)
	}
	return b
}

// appendJSON appends s as a JSON string.
func appendJSON(b []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string cannot fail
	return append(b, q...)
}
