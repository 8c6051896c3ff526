package weblist

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// A row is one server of a response. JSON is the whole object on one line. All bytes are
// valid until the next row is read.
type row struct {
	JSON []byte
	Addr netip.AddrPort

	name, gameMap, version []byte
	players, maxPlayers    int
	secure, dedicated      bool

	buf []byte // of JSON
}

// longestRow bounds the memory that a response can take.
const longestRow = 1 << 20

// errNoList is a body that is not a list of servers.
var errNoList = &errTemporary{reason: "the answer is not a list of servers (JSON)"}

// readRows reads a response, {"response":{"servers":[…]}}, and calls each for every row
// as it arrives. The row is valid until each returns. An answer without servers is an
// empty list. The error is each's, or says what is wrong with the answer.
func readRows(r io.Reader, each func(*row) error) error {
	g := &guard{r: r}
	d := json.NewDecoder(g)
	// wrong says why the body cannot be read: what it lacks, or what the transport says.
	wrong := func(err error) error {
		switch {
		case errors.Is(err, errLong):
			return &errTemporary{reason: err.Error()}
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return &errTemporary{reason: "the answer was cut off"}
		}
		return errNoList
	}
	if t, err := d.Token(); err != nil {
		if errors.Is(err, io.EOF) {
			return &errTemporary{reason: "the answer is empty"}
		}
		return wrong(err)
	} else if t != json.Delim('{') {
		return errNoList
	}
	err := members(d, g, func(key string) error {
		if key != "response" {
			return skip(d, g)
		}
		t, err := d.Token()
		if t != json.Delim('{') {
			if t == nil && err == nil {
				return nil
			}
			return errors.Join(err, errNoList)
		}
		return members(d, g, func(key string) error {
			if key != "servers" {
				return skip(d, g)
			}
			t, err := d.Token()
			if t != json.Delim('[') {
				if t == nil && err == nil {
					return nil
				}
				return errors.Join(err, errNoList)
			}
			var one row
			var raw json.RawMessage
			for d.More() {
				g.n = 0
				if err := d.Decode(&raw); err != nil {
					return err
				}
				one.read(raw)
				if err := each(&one); err != nil {
					return &stopped{err}
				}
			}
			_, err = d.Token()
			return err
		})
	})
	var end *stopped
	switch {
	case err == nil:
		return nil
	case errors.As(err, &end):
		return end.err
	}
	return wrong(err)
}

// stopped is an error of the function that takes rows.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

// members calls value for each member of an object whose { was read.
func members(d *json.Decoder, g *guard, value func(key string) error) error {
	for d.More() {
		g.n = 0
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return errNoList
		}
		if err := value(key); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// skip passes over a value, however long.
func skip(d *json.Decoder, g *guard) error {
	for depth := 0; ; {
		g.n = 0
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// read takes raw, valid JSON, for the row. Members of another type than they should have
// are left out.
func (r *row) read(raw []byte) {
	*r = row{buf: r.buf}
	r.JSON = onOneLine(r.buf, raw)
	if cap(r.JSON) > cap(r.buf) && len(raw) > 0 && &r.JSON[0] != &raw[0] {
		r.buf = r.JSON
	}
	eachMember(raw, func(key, value []byte) {
		switch string(key) {
		case "addr":
			r.Addr = parseAddr(stringOf(value))
		case "name":
			r.name = stringOf(value)
		case "map":
			r.gameMap = stringOf(value)
		case "version":
			r.version = stringOf(value)
		case "players":
			r.players = numberOf(value)
		case "max_players":
			r.maxPlayers = numberOf(value)
		case "secure":
			r.secure = string(value) == "true"
		case "dedicated":
			r.dedicated = string(value) == "true"
		}
	})
}

// parseAddr returns the address and port that s is, or one that is not valid.
func parseAddr(s []byte) netip.AddrPort {
	a, err := netip.ParseAddrPort(string(s))
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// A guard ends the reading of a value that is longer than any row.
type guard struct {
	r io.Reader
	n int // bytes since the last value
}

var errLong = fmt.Errorf("the answer has a row of more than %d bytes", longestRow)

func (g *guard) Read(b []byte) (int, error) {
	if g.n > longestRow {
		return 0, errLong
	}
	n, err := g.r.Read(b)
	g.n += n
	return n, err
}
