package output

import (
	"bytes"
	"encoding/json"
)

// Outline returns what tells whose record a line is and what came of it, in the order
// in which AppendJSON writes it: a line of AppendJSON as it is, and of one that somebody
// else has written anew, with its members in another order or with blanks between them,
// these members alone. It returns false where the line is no record.
func Outline(line []byte) ([]byte, bool) {
	if inOrder(line) {
		return line, true
	}
	type section struct {
		Status   Status `json:"status"`
		Attempts int    `json:"attempts"`
	}
	r := struct {
		Schema  int             `json:"schema"`
		Seq     *uint64         `json:"seq"`
		IP      json.RawMessage `json:"ip"`
		Port    json.RawMessage `json:"port"`
		Input   json.RawMessage `json:"input"`
		Tag     json.RawMessage `json:"tag"`
		Status  *Status         `json:"status"`
		Error   json.RawMessage `json:"error"`
		Info    *section        `json:"info"`
		Players *section        `json:"players"`
		Rules   *section        `json:"rules"`
	}{}
	if json.Unmarshal(line, &r) != nil || r.Seq == nil || r.Status == nil {
		return nil, false
	}
	b, err := json.Marshal(&r)
	return b, err == nil
}

// inOrder reports whether the members of an outline stand in line as AppendJSON writes
// them. Quotes inside of strings are escaped, so that no server can say what is looked for.
func inOrder(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, seqPrefix)
	if !ok {
		return false
	}
	for _, key := range [...]string{`,"ip":`, `,"port":`, `,"input":`} {
		rest = afterScalar(rest)
		if rest, ok = bytes.CutPrefix(rest, []byte(key)); !ok {
			return false
		}
	}
	_, rest, ok = bytes.Cut(afterScalar(rest), []byte(`,"tag":`)) // behind input_b64
	if !ok {
		return false
	}
	if rest = afterScalar(rest); bytes.HasPrefix(rest, []byte(`,"tag_b64":`)) {
		rest = afterScalar(rest[len(`,"tag_b64":`):])
	}
	if !bytes.HasPrefix(rest, []byte(`,"status":"`)) {
		return false
	}
	for _, section := range [...]string{`,"info":`, `,"players":`, `,"rules":`} {
		// INFO has a member players of its own, a number or null.
		if !bytes.Contains(rest, []byte(section+`{"status":"`)) && !bytes.Contains(rest, []byte(section+`null`)) {
			return false
		}
	}
	return true
}

// afterScalar returns what follows a string, a number or a word at the beginning of b.
func afterScalar(b []byte) []byte {
	i := 0
	if i < len(b) && b[0] == '"' {
		for i = 1; i < len(b) && b[i] != '"'; i++ {
			if b[i] == '\\' {
				i++
			}
		}
		return b[min(i+1, len(b)):]
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' {
		i++
	}
	return b[i:]
}
