package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/a2scan/a2scan/internal/jsontext"
	"github.com/a2scan/a2scan/internal/pcap"
	"github.com/a2scan/a2scan/internal/reply"
	"github.com/a2scan/a2scan/output"
	"github.com/a2scan/a2scan/output/dataset"
	"github.com/a2scan/a2scan/proto"
)

func decodeCommand() *command {
	return &command{
		name:     "decode",
		synopsis: "FILE… | -",
		short:    "decode captured replies, offline",
		long: `Each FILE is one captured UDP payload, as bytes, as a hex dump (xxd, hexdump -C, Wireshark's Copy as Hex
		Dump) or as a string with escapes, as Python and C print it (b'\xff\xff…'); the files are in order of arrival
		from one server. Or it is a pcap or pcapng file, whose replies are decoded per server. Every complete reply is
		printed as one JSON object, in order of completion. A reply that cannot be decoded has its error set; the exit
		status stays 0.

		With - standard input has the records of a scan with --raw, one server per line, whose datagrams are decoded
		again, or any of the forms above.`,
		examples: []string{
			"a2scan decode 00-info.bin 01-players.bin | jq -a .",
			"a2scan decode capture.pcapng | jq -ac '[.from, .kind, .error]'",
			"a2scan decode - < scan.ndjson | jq -ac 'select(.error)'",
			"xxd payload.bin | a2scan decode - | jq -a .info",
		},
		new: func(*flagSet) func(*app, []string) error {
			return func(a *app, args []string) error {
				if err := checkRead(a.stdin, a.stdout, "FILE", args...); err != nil {
					return err
				}
				out := bufio.NewWriterSize(a.stdout, 64<<10)
				var err error
				switch {
				case len(args) == 0:
					return withHint(usagef("no files to decode"), "a2scan decode FILE…, or - for records on standard input")
				case len(args) == 1 && args[0] == "-":
					err = a.decodeStdin(out)
				default:
					err = a.decodeFiles(out, args)
				}
				return errors.Join(err, out.Flush())
			}
		},
	}
}

func (a *app) decodeFiles(out io.Writer, names []string) error {
	var list []datagram // of the server whose payloads the files hold
	var flows []*flow   // of captures
	var unread []error
	for _, name := range names {
		if name == "-" {
			return usagef("- cannot be combined with files")
		}
		payloads, captured, err := openPayloads(name)
		if err != nil {
			unread = append(unread, err) // the other files may be whole
		}
		list = append(list, payloads...)
		flows = append(flows, captured...)
	}
	return errors.Join(append(unread, decodeAll(out, list, flows))...)
}

// decodeAll decodes the datagrams of one server and those of captures.
func decodeAll(out io.Writer, list []datagram, flows []*flow) error {
	errs := []error{decodeDatagrams(out, "", list)}
	for _, f := range flows {
		from := fmt.Appendf(nil, `{"ip":"%s","port":%d}`, f.server.Addr(), f.server.Port())
		errs = append(errs, decodeDatagrams(out, string(from), f.list))
	}
	return errors.Join(errs...)
}

// maxText bounds a file that shows payloads in hexadecimal.
const maxText = 16 << 20

// openPayloads reads a file: see readPayloads.
func openPayloads(name string) ([]datagram, []*flow, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return readPayloads(name, bufio.NewReader(f))
}

// readPayloads reads one payload, payloads as text, or a capture.
func readPayloads(name string, r *bufio.Reader) ([]datagram, []*flow, error) {
	head, _ := r.Peek(4)
	if pcap.Is(head) {
		flows, err := readCapture(name, r)
		return nil, flows, err
	}
	if program := compressedBy(head); program != "" {
		return nil, nil, withHint(fmt.Errorf("%s is compressed", clean(name)), "%s -dc %s | a2scan decode -", program, quoteWords([]string{name}))
	}
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, nil, err
	}
	packets := parseHexdump(b)
	if packets == nil {
		packets = parseEscaped(b)
	}
	if packets != nil && len(b) <= maxText {
		var list []datagram
		for i, p := range packets {
			shown := name
			if len(packets) > 1 {
				shown = fmt.Sprintf("%s#%d", name, i+1)
			}
			list = append(list, datagram{shown, payloadIn(p)})
		}
		return list, nil, nil
	}
	if len(b) > maxPayload {
		return nil, nil, withHint(fmt.Errorf("%s is longer than any UDP payload", clean(name)), "one payload per file; for the records of a scan: a2scan decode - < FILE")
	}
	return []datagram{{name, b}}, nil, nil
}

// maxPayload is the most that a UDP datagram can carry: 65,535 bytes less its
// header of 8. (IPv4 takes another 20, IPv6 does not.)
const maxPayload = 65535 - 8

// compressedBy returns the program that compressed a file that begins with head, or "".
func compressedBy(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x1F\x8B")):
		return "gzip"
	case bytes.HasPrefix(head, []byte("\x28\xB5\x2F\xFD")):
		return "zstd"
	}
	return ""
}

// decodeStdin decodes standard input: records, or what a file may hold.
func (a *app) decodeStdin(out io.Writer) error {
	r := bufio.NewReaderSize(a.stdin, 64<<10)
	first, _ := r.Peek(1)
	if len(first) == 0 || first[0] == '{' {
		return a.decodeRecords(out, r)
	}
	head, _ := r.Peek(4)
	switch program := compressedBy(head); {
	case program == "gzip" && pcap.Is(unzipped(r)):
		return withHint(errors.New("standard input is a compressed capture"), "gzip -dc FILE | a2scan decode -")
	case program != "":
		return a.decodeRecords(out, r)
	case pcap.Is(head):
		list, flows, err := readPayloads("-", r)
		return errors.Join(err, decodeAll(out, list, flows))
	}
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return err
	}
	if isReply(b) || parseHexdump(b) != nil || parseEscaped(b) != nil {
		list, flows, err := readPayloads("-", bufio.NewReader(bytes.NewReader(b)))
		return errors.Join(err, decodeAll(out, list, flows))
	}
	return a.decodeRecords(out, io.MultiReader(bytes.NewReader(b), r))
}

// unzipped returns the beginning of the gzip data that r has read already.
func unzipped(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	head := make([]byte, 4)
	n, _ := io.ReadFull(z, head)
	return head[:n]
}

// decodeRecords decodes the raw datagrams of records, compressed or not.
func (a *app) decodeRecords(out io.Writer, r io.Reader) error {
	var bare, wrong uint64
	for rec, err := range dataset.ReadFrom("standard input", r) {
		var line *dataset.LineError
		switch {
		case err == nil:
		case errors.As(err, &line) && line.Line > 0:
			wrong++
			a.ui.sayf("line %d is not a record: %s", line.Line, clean(line.Err.Error()))
			continue
		default:
			return err
		}
		if rec.Raw == nil {
			bare++
			continue
		}
		if err := decodeRaw(out, rec); err != nil {
			return err
		}
	}
	if bare > 0 {
		a.ui.sayf("%s no datagrams", plural(bare, "record carries", "records carry"))
		a.ui.hintf("scan with --raw to keep them")
	}
	if wrong > 0 {
		return fmt.Errorf("%s not read", plural(wrong, "line was", "lines were"))
	}
	return nil
}

// decodeRaw prints the replies in the datagrams of r, each with the key "from"
// that has the target's seq, ip and port.
func decodeRaw(out io.Writer, r *output.Record) error {
	from := fmt.Appendf(nil, `{"seq":%d,"ip":null,"port":`, r.Seq)
	if a := r.Addr.Addr(); a.IsValid() {
		// A zone is the one part that a string can need escapes for.
		ip, err := jsontext.AppendValue(nil, a.String())
		if err != nil {
			return err
		}
		from = fmt.Appendf(nil, `{"seq":%d,"ip":%s,"port":`, r.Seq, ip)
	}
	if r.Addr.Port() != 0 || r.Addr.IsValid() {
		from = fmt.Appendf(from, "%d}", r.Addr.Port())
	} else {
		from = append(from, "null}"...)
	}
	var list []datagram
	for i, g := range r.Raw {
		if !g.Sent {
			list = append(list, datagram{fmt.Sprintf("raw[%d]", i), g.Data})
		}
	}
	return decodeDatagrams(out, string(from), list)
}

// A datagram is one that was received, and what it is called.
type datagram struct {
	name string
	data []byte
}

// A decoder prints the replies of one server.
type decoder struct {
	datagrams []datagram
	from      string // a JSON object that says whose they are, or empty

	info    proto.Info
	players proto.PlayerList
	rules   proto.RuleList
	line    []byte

	found     *proto.Info // see infoFound
	foundOnce bool
}

// decodeDatagrams prints the replies that the datagrams of one server make up, in order
// of completion, and then those that miss fragments.
func decodeDatagrams(out io.Writer, from string, list []datagram) error {
	d := &decoder{datagrams: list, from: from}
	conv := new(proto.Conversation)
	for _, g := range list {
		m, whole := conv.Receive(g.data)
		if !whole {
			continue
		}
		if err := d.print(out, &m); err != nil {
			return err
		}
	}
	for _, m := range conv.Unfinished() {
		if err := d.print(out, &m); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) print(out io.Writer, m *proto.Message) error {
	r := d.reply(m)
	d.line = r.AppendJSON(d.line[:0])
	if d.from != "" {
		d.line = append(d.line[:len(d.line)-len("}\n")], `,"from":`+d.from+"}\n"...)
	}
	_, err := out.Write(d.line)
	return err
}

// reply decodes m. A reply that does not decode has no fields but its status.
func (d *decoder) reply(m *proto.Message) *output.Reply {
	r := &output.Reply{Split: m.Split}
	for _, n := range m.Datagrams {
		r.Files = append(r.Files, d.datagrams[n].name)
	}
	kind, known := m.Kind()
	err := m.Err
	switch {
	case m.Type == proto.TypeChallenge:
		r.Kind, r.Challenge = "challenge", uint32(m.Challenge)
	case known && kind == proto.KindPing:
		r.Kind = "ping"
		if err == nil {
			text, _, _ := bytes.Cut(m.Body[1:], []byte{0})
			r.Ping = string(text)
		}
	case known:
		err = d.section(r, kind, m)
	case err == nil:
		err = fmt.Errorf("a message of type %02x answers no query", m.Type)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// section fills the section of kind in r and returns the problem with it.
func (d *decoder) section(r *output.Reply, kind proto.Kind, m *proto.Message) error {
	err := m.Err
	if err == nil {
		err = d.decode(kind, m.Body)
	}
	sec := output.Section{RTT: output.NoRTT}
	var missing *proto.FragmentsError
	switch {
	case errors.As(err, &missing):
		sec.Status, sec.Error = output.Incomplete, err.Error()
	case err != nil:
		sec.Status, sec.Error = output.ProtocolError, err.Error()
	}
	r.Kind = kind.String()
	switch kind {
	case proto.KindInfo:
		r.Info = &output.Info{Section: sec}
		if err == nil {
			reply.Info(r.Info, &d.info)
		}
	case proto.KindPlayers:
		r.Players = &output.Players{Section: sec}
		if err == nil {
			reply.Players(r.Players, &d.players, nil)
		}
	case proto.KindRules:
		r.Rules = &output.Rules{Section: sec}
		if err == nil {
			reply.Rules(r.Rules, &d.rules, d.infoFound(), nil)
		}
	}
	return err
}

// infoFound returns the INFO among the datagrams, or nil. It may come behind the reply
// that is decoded with it. Of several it is the one that a scan would have taken: the
// first one, but one in the newer format rather than one in the old ones.
func (d *decoder) infoFound() *proto.Info {
	if d.foundOnce {
		return d.found
	}
	d.foundOnce = true
	conv := new(proto.Conversation)
	for _, g := range d.datagrams {
		m, whole := conv.Receive(g.data)
		if !whole || m.Err != nil {
			continue
		}
		var info proto.Info
		if kind, known := m.Kind(); !known || kind != proto.KindInfo || info.Decode(bytes.Clone(m.Body)) != nil {
			continue
		}
		newer := m.Type == proto.TypeInfo
		if newer || d.found == nil {
			d.found = &info
		}
		if newer {
			break
		}
	}
	return d.found
}

func (d *decoder) decode(kind proto.Kind, body []byte) error {
	switch kind {
	case proto.KindInfo:
		return d.info.Decode(body)
	case proto.KindPlayers:
		err := d.players.Decode(body)
		if d.players.Ship { // INFO may name another game
			err = d.players.DecodeAfter(body, d.infoFound())
		}
		return err
	default:
		return d.rules.Decode(body)
	}
}
