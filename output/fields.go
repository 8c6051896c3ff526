package output

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fields are the fields of a record whose changes are events. The zero Fields are name,
// map, folder, game, app_id, version, max_players, visibility, vac, game_port and steam_id.
type Fields struct{ list []field }

// fields returns the fields of f, the default ones for the zero value.
func (f Fields) fields() []field {
	if f.list == nil {
		return defaultFields.list
	}
	return f.list
}

var defaultFields = func() (f Fields) {
	names := "name,map,folder,game,app_id,version,max_players,visibility,vac,game_port,steam_id"
	if err := f.UnmarshalText([]byte(names)); err != nil {
		panic(err)
	}
	return f
}()

// rulePrefix precedes the name of a rule in the name of a field.
const rulePrefix = "rules."

// A field reads one value of a record. It appends a Value's encoding to dst, nothing
// for null. known is false if the record does not tell: its section has no answer.
type field struct {
	name  string
	value func(dst []byte, r *Record) (_ []byte, known bool)
}

// UnmarshalText sets f to the fields named in a list with commas: keys of INFO, and
// rules.NAME for the value of a rule.
func (f *Fields) UnmarshalText(list []byte) error {
	var named []field
	for name := range strings.SplitSeq(string(list), ",") {
		name = strings.TrimSpace(name)
		var value func(dst []byte, r *Record) ([]byte, bool)
		if rule, ok := strings.CutPrefix(name, rulePrefix); ok && rule != "" {
			value = ruleField(rule)
		} else if value = infoFields[name]; value == nil {
			return fmt.Errorf("%q is no field; the fields are %s, and rules.NAME", name, strings.Join(fieldNames(), ", "))
		}
		if !slices.ContainsFunc(named, func(g field) bool { return g.name == name }) {
			named = append(named, field{name, value})
		}
	}
	f.list = named
	return nil
}

// fieldNames returns the names that UnmarshalText knows, without rules.
func fieldNames() []string {
	var names []string
	for name := range infoFields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// infoFields are the keys of INFO that can be compared.
var infoFields = map[string]func(dst []byte, r *Record) ([]byte, bool){
	"format":             infoText(InfoFormat, func(i *Info) string { return i.Format }),
	"protocol":           infoInt(InfoProtocol, func(i *Info) uint64 { return uint64(i.Protocol) }),
	"name":               infoText(InfoName, func(i *Info) string { return i.Name }),
	"map":                infoText(InfoMap, func(i *Info) string { return i.Map }),
	"folder":             infoText(InfoFolder, func(i *Info) string { return i.Folder }),
	"game":               infoText(InfoGame, func(i *Info) string { return i.Game }),
	"app_id":             infoInt(InfoAppID, func(i *Info) uint64 { return uint64(i.AppID) }),
	"players":            infoInt(InfoPlayers, func(i *Info) uint64 { return uint64(i.Players) }),
	"max_players":        infoInt(InfoMaxPlayers, func(i *Info) uint64 { return uint64(i.MaxPlayers) }),
	"bots":               infoInt(InfoBots, func(i *Info) uint64 { return uint64(i.Bots) }),
	"server_type":        infoText(InfoServerType, func(i *Info) string { return i.ServerType }),
	"environment":        infoText(InfoEnvironment, func(i *Info) string { return i.Environment }),
	"visibility":         infoText(InfoVisibility, func(i *Info) string { return i.Visibility }),
	"vac":                infoJSON(InfoVAC, func(dst []byte, i *Info) []byte { return strconv.AppendBool(dst, i.VAC) }),
	"version":            infoText(InfoVersion, func(i *Info) string { return i.Version }),
	"edf":                infoInt(InfoEDF, func(i *Info) uint64 { return uint64(i.EDF) }),
	"game_port":          infoInt(InfoGamePort, func(i *Info) uint64 { return uint64(i.GamePort) }),
	"steam_id":           infoText(InfoSteamID, func(i *Info) string { return strconv.FormatUint(i.SteamID, 10) }),
	"spectator_port":     infoInt(InfoSpectatorPort, func(i *Info) uint64 { return uint64(i.SpectatorPort) }),
	"spectator_name":     infoText(InfoSpectatorName, func(i *Info) string { return i.SpectatorName }),
	"keywords":           infoText(InfoKeywords, func(i *Info) string { return i.Keywords }),
	"game_id":            infoText(InfoGameID, func(i *Info) string { return strconv.FormatUint(i.GameID, 10) }),
	"address":            infoText(InfoAddress, func(i *Info) string { return i.Address }),
	"players_actual":     infoInt(InfoPlayersActual, func(i *Info) uint64 { return uint64(i.PlayersActual) }),
	"max_players_actual": infoInt(InfoMaxPlayersActual, func(i *Info) uint64 { return uint64(i.MaxPlayersActual) }),
}

func infoText(f InfoFields, get func(*Info) string) func([]byte, *Record) ([]byte, bool) {
	return infoValue(f, func(dst []byte, i *Info) []byte { return append(append(dst, 't'), get(i)...) })
}

func infoInt(f InfoFields, get func(*Info) uint64) func([]byte, *Record) ([]byte, bool) {
	return infoJSON(f, func(dst []byte, i *Info) []byte { return strconv.AppendUint(dst, get(i), 10) })
}

func infoJSON(f InfoFields, json func([]byte, *Info) []byte) func([]byte, *Record) ([]byte, bool) {
	return infoValue(f, func(dst []byte, i *Info) []byte { return json(append(dst, 'j'), i) })
}

func infoValue(f InfoFields, encode func([]byte, *Info) []byte) func([]byte, *Record) ([]byte, bool) {
	return func(dst []byte, r *Record) ([]byte, bool) {
		switch {
		case r.Info == nil || r.Info.Status != Success:
			return dst, false
		case !r.Info.Has(f):
			return dst, true
		}
		return encode(dst, r.Info), true
	}
}

// ruleField reads the first rule of that name.
func ruleField(name string) func([]byte, *Record) ([]byte, bool) {
	return func(dst []byte, r *Record) ([]byte, bool) {
		if r.Rules == nil || r.Rules.Status != Success {
			return dst, false
		}
		for i := range r.Rules.List {
			if rule := &r.Rules.List[i]; rule.Name == name {
				return append(append(dst, 't'), rule.Value...), true
			}
		}
		return dst, true
	}
}

// Answered reports whether the server gave a whole answer to at least one query.
func (r *Record) Answered() bool { return r.Status == Success || r.Status == Partial }

// AppendState appends the values of r that count, for a later call of Changes. It is
// the memory that a comparison needs of a record.
func (f Fields) AppendState(dst []byte, r *Record) []byte {
	var buf [256]byte
	for _, field := range f.fields() {
		value, known := field.value(buf[:0], r)
		dst = appendStateValue(dst, value, known)
	}
	return dst
}

// appendStateValue appends the length plus one and the value; 0 if it is not known.
func appendStateValue(dst, value []byte, known bool) []byte {
	if !known {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(value))+1)
	return append(dst, value...)
}

var errState = errors.New("the state is of other fields, or is cut")

// validValue reports whether a field may have written v: nothing, a text, or a number
// or word of JSON.
func validValue(v string) bool {
	return v == "" || v[0] == 't' || v[0] == 'j' && json.Valid([]byte(v[1:]))
}

// nextStateValue splits the first value off a state.
func nextStateValue(state []byte) (value string, known bool, rest []byte, err error) {
	n, size := binary.Uvarint(state)
	if size <= 0 || n > 0 && n-1 > uint64(len(state)-size) {
		return "", false, nil, errState
	}
	state = state[size:]
	if n == 0 {
		return "", false, state, nil
	}
	return string(state[:n-1]), true, state[n-1:], nil
}

// Changes returns the fields whose values differ between two states, nil if none do.
// A field that one of them does not know is no change.
func (f Fields) Changes(old, new []byte) ([]Change, error) {
	var changes []Change
	for _, field := range f.fields() {
		a, knownA, restA, err := nextStateValue(old)
		if err != nil {
			return nil, err
		}
		b, knownB, restB, err := nextStateValue(new)
		if err != nil {
			return nil, err
		}
		old, new = restA, restB
		if knownA && knownB && a != b {
			if !validValue(a) || !validValue(b) {
				return nil, errState
			}
			changes = append(changes, Change{field.name, Value{a}, Value{b}})
		}
	}
	if len(old) > 0 || len(new) > 0 {
		return nil, errState
	}
	return changes, nil
}

// MergeState appends the state that is known after both: the values of new, and those of
// old that new does not know. An old state of other fields is ignored.
func (f Fields) MergeState(dst, old, new []byte) []byte {
	from := len(dst)
	whole := new
	for range f.fields() {
		a, knownA, restA, err := nextStateValue(old)
		if err != nil {
			return append(dst[:from], whole...)
		}
		b, knownB, restB, err := nextStateValue(new)
		if err != nil {
			return append(dst[:from], whole...)
		}
		old, new = restA, restB
		if knownB {
			dst = appendStateValue(dst, []byte(b), true)
		} else {
			dst = appendStateValue(dst, []byte(a), knownA)
		}
	}
	return dst
}

// String returns the names of the fields, as UnmarshalText takes them.
func (f Fields) String() string {
	var names []string
	for _, field := range f.fields() {
		names = append(names, field.name)
	}
	return strings.Join(names, ",")
}
