package prototest

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"

	"github.com/a2scan/a2scan/proto"
	"github.com/a2scan/a2scan/proto/a3sb"
)

// A Replay serves captured replies: each folder of captures is one server at an address of
// its own. A folder contains expected.json, which lists messages, and the datagrams of
// these messages. The answer to a query is every datagram of every message of its kind, in
// the order of arrival. PLAYER and RULES need a challenge first. Queries without a captured
// message get no answer.
type Replay struct {
	folders []Folder
	at      map[Endpoint]*Folder
}

// A Folder is one captured server.
type Folder struct {
	Name  string   // its path among the captures
	At    Endpoint // its address
	Kinds proto.Kinds

	datagrams [3][][]byte
	challenge []byte // if only a challenge was captured
	truth     Truth
}

// NewReplay reads all folders below the root of captures and gives them the
// addresses from first on, one each, on that port. Folders whose expected.json
// lists no messages are left out.
func NewReplay(captures fs.FS, first netip.Addr, port uint16) (*Replay, error) {
	r := &Replay{at: make(map[Endpoint]*Folder)}
	addr := first
	err := fs.WalkDir(captures, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) != "expected.json" {
			return err
		}
		f := Folder{Name: path.Dir(name), At: EndpointFrom(netip.AddrPortFrom(addr, port))}
		if err := f.read(captures); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if f.Kinds != 0 || f.challenge != nil {
			r.folders = append(r.folders, f)
			addr = addr.Next()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(r.folders) == 0 {
		return nil, errors.New("no captures: no folder has an expected.json with messages")
	}
	for i := range r.folders {
		r.at[r.folders[i].At] = &r.folders[i]
	}
	return r, nil
}

// Folders returns the captured servers. They are only to be read.
func (r *Replay) Folders() []Folder { return r.folders }

// Answer makes the folder at that endpoint answer one request. It implements [Service].
func (r *Replay) Answer(out *Replies, now proto.Time, client, server Endpoint, req []byte) {
	out.reset()
	q, ok := parseRequest(req)
	f := r.at[server]
	if !ok || f == nil || q.kind == proto.KindPing {
		return
	}
	if f.challenge != nil {
		if !q.hasToken || q.token != proto.Challenge(le.Uint32(f.challenge[5:])) {
			out.add(f.challenge, 0)
		}
		return
	}
	if len(f.datagrams[q.kind]) == 0 {
		return
	}
	if q.kind != proto.KindInfo || q.legacy {
		s := Server{id: server.hash(0)}
		if token, ok := s.checkToken(now, client, q); !ok {
			out.sendChallenge(token, 0)
			return
		}
	}
	for _, b := range f.datagrams[q.kind] {
		out.add(b, 0)
	}
}

// Truth returns the values that expected.json has for the folder at e.
func (r *Replay) Truth(e Endpoint, want proto.Kinds) (Truth, bool) {
	f := r.at[e]
	if f == nil {
		return Truth{}, false
	}
	t := f.truth
	t.Server = Server{At: e}
	t.Want = want
	for k := range proto.Kind(3) {
		switch {
		case !want.Has(k):
		case f.Kinds.Has(k):
			t.Sections[k] = Success
			if want.Has(proto.KindInfo) && !f.Kinds.Has(proto.KindInfo) {
				t.Sections[k] |= Timeout // who hears nothing to INFO need not ask on
			}
		default:
			t.Sections[k] = Timeout | Incomplete
		}
	}
	return t, true
}

// read fills f with the folder of its name.
func (f *Folder) read(captures fs.FS) error {
	text, err := fs.ReadFile(captures, path.Join(f.Name, "expected.json"))
	if err != nil {
		return err
	}
	var expected struct{ Messages []capturedMessage }
	if err := json.Unmarshal(text, &expected); err != nil {
		return err
	}
	for _, m := range expected.Messages {
		var datagrams [][]byte
		for _, name := range m.Files {
			b, err := fs.ReadFile(captures, path.Join(f.Name, name))
			if err != nil {
				return err
			}
			datagrams = append(datagrams, b)
		}
		if err := f.add(&m, datagrams); err != nil {
			return fmt.Errorf("%s: %w", m.Kind, err)
		}
	}
	if f.Kinds != 0 {
		f.challenge = nil
	}
	return f.readBlock()
}

// add takes one message.
func (f *Folder) add(m *capturedMessage, datagrams [][]byte) error {
	var k proto.Kind
	switch m.Kind {
	case "info", "info-goldsource":
		k = proto.KindInfo
		var d capturedInfo
		if err := json.Unmarshal(m.Decoded, &d); err != nil {
			return err
		}
		truth := d.truth()
		if m.Kind == "info" { // the better one
			f.truth.Info = append([]InfoTruth{truth}, f.truth.Info...)
		} else {
			f.truth.Info = append(f.truth.Info, truth)
		}
	case "players":
		k = proto.KindPlayers
		var d capturedPlayers
		if err := json.Unmarshal(m.Decoded, &d); err != nil {
			return err
		}
		f.truth.Players = append(f.truth.Players, d.truth())
	case "rules":
		k = proto.KindRules
		var d capturedRules
		if err := json.Unmarshal(m.Decoded, &d); err != nil {
			return err
		}
		f.truth.Rules = d.truth()
	case "challenge":
		if len(datagrams) != 1 || len(datagrams[0]) < 9 {
			return errors.New("not one datagram of nine bytes")
		}
		f.challenge = datagrams[0]
		return nil
	default:
		return errors.New("unknown kind")
	}
	f.Kinds |= k.Bit()
	f.datagrams[k] = append(f.datagrams[k], datagrams...)
	return nil
}

// readBlock takes the server-browser block out of the rules.
func (f *Folder) readBlock() error {
	var info *proto.Info
	if len(f.truth.Info) > 0 {
		info = &f.truth.Info[0].Info
	}
	var err error
	f.truth.A3SB, f.truth.Rules.List, err = a3sb.Decode(f.truth.Rules.List, info)
	return err
}

// The types below are expected.json's.

type capturedMessage struct {
	Files   []string
	Kind    string
	Decoded json.RawMessage
}

// capturedText is a string, or {"hex": …} if it is not UTF-8.
type capturedText []byte

func (t *capturedText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = capturedText(s)
		return err
	}
	var object struct{ Hex string }
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	raw, err := hex.DecodeString(object.Hex)
	*t = raw
	return err
}

// first returns the byte of a text of one, 0 for none.
func (t capturedText) first() byte {
	if len(t) == 0 {
		return 0
	}
	return t[0]
}

type capturedInfo struct {
	Format                                    string
	Address, Name, Map, Folder, Game, Version capturedText
	Protocol                                  uint8
	AppID16                                   uint16
	Players                                   uint8
	MaxPlayers                                uint8 `json:"max_players"`
	Bots                                      *uint8
	ServerType                                capturedText `json:"server_type"`
	Environment                               capturedText
	Visibility, VAC                           uint8
	Ship                                      *proto.Ship
	EDF                                       *uint8
	GamePort                                  uint16       `json:"game_port"`
	SteamID                                   uint64       `json:"steamid,string"`
	TVPort                                    uint16       `json:"tv_port"`
	TVName                                    capturedText `json:"tv_name"`
	Keywords                                  capturedText
	GameID                                    uint64 `json:"gameid,string"`
	IsMod                                     uint8  `json:"is_mod"`
	Mod                                       *struct {
		Link, Download, Empty capturedText
		Version, Size         uint32
		Type, DLL             uint8
	}
}

func (d *capturedInfo) truth() InfoTruth {
	i := proto.Info{
		Protocol: d.Protocol, Address: d.Address, Name: d.Name, Map: d.Map, Folder: d.Folder, Game: d.Game, Version: d.Version,
		AppID16: d.AppID16, Players: d.Players, MaxPlayers: d.MaxPlayers,
		ServerType: d.ServerType.first(), OS: d.Environment.first(), Visibility: d.Visibility, VAC: d.VAC, VACKnown: true,
		GamePort: d.GamePort, SteamID: d.SteamID, SpectatorPort: d.TVPort, SpectatorName: d.TVName, Keywords: d.Keywords, GameID: d.GameID,
		IsMod: d.IsMod,
	}
	if d.Format == "goldsource" {
		i.Format = proto.FormatGoldSource
	}
	if d.Bots != nil {
		i.Bots, i.BotsKnown = *d.Bots, true
	}
	if d.Ship != nil {
		i.HasShip, i.Ship = true, *d.Ship
	}
	if d.EDF != nil {
		i.HasEDF, i.EDF = true, *d.EDF
	}
	if d.Mod != nil {
		i.HasMod = true
		i.Mod = proto.Mod{Link: d.Mod.Link, DownloadLink: d.Mod.Download, HLVersion: d.Mod.Empty,
			Version: d.Mod.Version, Size: d.Mod.Size, Type: d.Mod.Type, DLL: d.Mod.DLL}
	}
	// A VAC byte that is a digit is the first letter of the version, on servers
	// that leave the byte out; expected.json shows the layout as it is on paper.
	if i.VAC >= '0' && i.VAC <= '9' {
		i.Version = append([]byte{i.VAC}, i.Version...)
		i.VAC, i.VACKnown = 0, false
	}
	t := InfoTruth{Info: i}
	t.ActualPlayers, t.ActualMaxPlayers, t.HasActual = i.ActualPlayers()
	return t
}

type capturedPlayers struct {
	Count   uint8
	Players []struct {
		Index         uint8
		Name          capturedText
		Score         int32
		Duration      float32
		Deaths, Money *int32
	}
}

func (d *capturedPlayers) truth() proto.PlayerList {
	l := proto.PlayerList{Count: d.Count, Truncated: len(d.Players) < int(d.Count)}
	for _, p := range d.Players {
		e := proto.Player{Index: p.Index, Name: p.Name, Score: p.Score, Duration: p.Duration}
		if p.Deaths != nil && p.Money != nil {
			l.Ship = true
			e.Deaths, e.Money = *p.Deaths, *p.Money
		}
		l.List = append(l.List, e)
	}
	return l
}

type capturedRules struct {
	Count uint16
	Rules [][2]capturedText
}

func (d *capturedRules) truth() proto.RuleList {
	l := proto.RuleList{Count: d.Count, Truncated: len(d.Rules) < int(d.Count)}
	for _, r := range d.Rules {
		l.List = append(l.List, proto.Rule{Name: r[0], Value: r[1]})
	}
	return l
}
