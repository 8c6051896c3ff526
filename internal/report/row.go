package report

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/a2scan/a2scan/output"
)

// A row is the part of a record that the report needs. Rows are sorted on disk, so
// they are kept small: 100 to 200 bytes.
type row struct {
	addr   netip.AddrPort // zero: the record has no address
	micros int64          // its timestamp
	status output.Status
	rtt    int64 // microseconds; -1: null
	err    string
	tag    string

	sections [3]uint8 // statuses of info, players, rules; notAsked if null
	listed   int      // entries of the PLAYER list; -1: no list

	// The rest is zero unless info succeeded.
	info                         bool
	appID                        uint32
	players, maxPlayers, bots    int // as players_actual and max_players_actual say, if they are known
	environment, serverType      uint8
	vac, visibility              uint8
	name, game, mapName, version string
	reasons                      reasons
	nameHash                     uint64 // of the whole name, which is kept only in part
}

const notAsked = 0xFF

// keptName bounds the bytes of a name that are kept for the page.
const keptName = 400

var nameSeed = maphash.MakeSeed()

// words are the values of members that have few.
var (
	environments = words{"linux", "windows", "mac", "unknown"}
	serverTypes  = words{"dedicated", "listen", "proxy", "unknown"}
	visibilities = words{"public", "private", "unknown"}
	vacs         = words{"true", "false", "unknown"}
)

type words []string

// index returns the place of word, or of the last word, which is "unknown".
func (w words) index(word string) uint8 {
	for i, s := range w {
		if s == word {
			return uint8(i)
		}
	}
	return uint8(len(w) - 1)
}

// set makes r the row of rec.
func (r *row) set(rec *output.Record) {
	*r = row{addr: rec.Addr, micros: rec.Time.UnixMicro(), status: rec.Status, rtt: -1, listed: -1, tag: valid(rec.Tag)}
	if rec.RTT >= 0 {
		r.rtt = (rec.RTT + time.Microsecond/2).Microseconds()
	}
	if rec.Status != output.Success {
		r.err = valid(rec.Error)
	}
	r.sections = [3]uint8{notAsked, notAsked, notAsked}
	if p := rec.Players; p != nil {
		r.sections[1] = uint8(p.Status)
		if p.Status == output.Success {
			r.listed = len(p.List)
		}
	}
	if rec.Rules != nil {
		r.sections[2] = uint8(rec.Rules.Status)
	}
	i := rec.Info
	if i == nil {
		return
	}
	r.sections[0] = uint8(i.Status)
	if i.Status != output.Success {
		return
	}
	r.info = true
	r.appID = i.AppID
	r.players, r.maxPlayers, r.bots = i.Players, i.MaxPlayers, i.Bots
	if i.Has(output.InfoPlayersActual) {
		r.players = i.PlayersActual
	}
	if i.Has(output.InfoMaxPlayersActual) {
		r.maxPlayers = i.MaxPlayersActual
	}
	r.environment = environments.index(i.Environment)
	r.serverType = serverTypes.index(i.ServerType)
	r.visibility = visibilities.index(i.Visibility)
	r.vac = vacs.index("unknown")
	if i.Has(output.InfoVAC) {
		r.vac = vacs.index(strconv.FormatBool(i.VAC))
	}
	r.game, r.mapName, r.version = valid(i.Game), valid(i.Map), valid(i.Version)
	r.nameHash = maphash.String(nameSeed, i.Name)
	r.name = valid(i.Name[:min(len(i.Name), keptName)])
	r.reasons = suspicions(rec, r)
}

// valid returns s as a record shows it: with U+FFFD for each byte that is not UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// appendKey appends the key by which rows are sorted: all records of an address are
// neighbours, and so are all addresses of a host. The last of them is the latest.
func (r *row) appendKey(dst []byte, rec *output.Record) []byte {
	ip := rec.Addr.Addr().Unmap()
	switch {
	case ip.Is4():
		a := ip.As4()
		dst = append(append(dst, 4), a[:]...)
		dst = binary.BigEndian.AppendUint16(dst, rec.Addr.Port())
	case ip.Is6():
		a := ip.As16()
		dst = append(append(dst, 6), a[:]...)
		// A link-local address is another one on another interface.
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(ip.Zone())))
		dst = append(dst, ip.Zone()...)
		dst = binary.BigEndian.AppendUint16(dst, rec.Addr.Port())
	default:
		dst = append(dst, 0xFF) // no address: the record goes by its input
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(rec.Input)))
		dst = append(dst, rec.Input...)
		if rec.Input == "" {
			dst = binary.BigEndian.AppendUint64(dst, rec.Seq)
		}
	}
	return binary.BigEndian.AppendUint64(dst, uint64(r.micros)^1<<63)
}

// target returns the part of a key that says whose record it is.
func target(key []byte) []byte { return key[:len(key)-8] }

// host returns the part of a key that says which host it is of, nil for none.
func host(key []byte) []byte {
	if key[0] == 0xFF {
		return nil
	}
	return key[:len(key)-8-2]
}

// append appends r in a form that decode reads.
func (r *row) append(dst []byte) []byte {
	addr, _ := r.addr.MarshalBinary() // never fails
	dst = appendString(dst, string(addr))
	dst = binary.AppendVarint(dst, r.micros)
	dst = append(dst, uint8(r.status), r.sections[0], r.sections[1], r.sections[2])
	dst = binary.AppendVarint(dst, r.rtt)
	dst = appendString(dst, r.err)
	dst = appendString(dst, r.tag)
	dst = binary.AppendVarint(dst, int64(r.listed))
	if !r.info {
		return append(dst, 0)
	}
	dst = append(dst, 1, r.environment, r.serverType, r.vac, r.visibility, uint8(r.reasons))
	dst = binary.AppendUvarint(dst, uint64(r.appID))
	dst = binary.AppendVarint(dst, int64(r.players))
	dst = binary.AppendVarint(dst, int64(r.maxPlayers))
	dst = binary.AppendVarint(dst, int64(r.bots))
	dst = binary.LittleEndian.AppendUint64(dst, r.nameHash)
	dst = appendString(dst, r.name)
	dst = appendString(dst, r.game)
	dst = appendString(dst, r.mapName)
	return appendString(dst, r.version)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

var errRow = errors.New("a temporary file of the report was changed by another program")

// decode reads a row that append wrote.
func (r *row) decode(b []byte) error {
	in := rowReader{b: b}
	*r = row{}
	if err := r.addr.UnmarshalBinary([]byte(in.text())); err != nil {
		return errRow
	}
	r.micros = in.number()
	r.status = output.Status(in.byte())
	for i := range r.sections {
		r.sections[i] = in.byte()
	}
	r.rtt = in.number()
	r.err = in.text()
	r.tag = in.text()
	r.listed = int(in.number())
	if r.info = in.byte() == 1; r.info {
		r.environment, r.serverType, r.vac, r.visibility = in.byte(), in.byte(), in.byte(), in.byte()
		r.reasons = reasons(in.byte())
		r.appID = uint32(in.unsigned())
		r.players, r.maxPlayers, r.bots = int(in.number()), int(in.number()), int(in.number())
		r.nameHash = binary.LittleEndian.Uint64(in.take(8))
		r.name, r.game, r.mapName, r.version = in.text(), in.text(), in.text(), in.text()
	}
	if in.bad || len(in.b) > 0 {
		return errRow
	}
	return nil
}

// A rowReader reads the parts of a row. After a part that is cut it returns zeros.
type rowReader struct {
	b   []byte
	bad bool
}

func (in *rowReader) take(n uint64) []byte {
	if n > uint64(len(in.b)) {
		in.bad, in.b = true, nil
		return make([]byte, min(n, 8))
	}
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

func (in *rowReader) byte() uint8 { return in.take(1)[0] }

func (in *rowReader) unsigned() uint64 {
	v, n := binary.Uvarint(in.b)
	in.take(uint64(max(n, 0)))
	in.bad = in.bad || n <= 0
	return v
}

func (in *rowReader) number() int64 {
	v := in.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}

func (in *rowReader) text() string { return string(in.take(in.unsigned())) }
