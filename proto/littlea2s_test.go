package proto_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// littleA2S are the names that the documentation of little-a2s 0.6 has.
var littleA2S = strings.Fields(`
	A2S A2SGoldsource AsyncA2S AsyncA2SGoldsource from_addr from_ipv4 from_ipv6 prefer_ipv4 timeout buffer_size
	A2SClientProtocol A2SGoldsourceClientProtocol challenge receive_datagram events_received packets_to_send
	info players rules invalidate_response MultiPartResponse
	Event ClientEvent ClientEventChallenge ClientEventGoldsourceInfo ClientEventInfo ClientEventPlayers ClientEventRules
	Environment ExtraInfo GoldsourceMod GoldsourceModDLL GoldsourceModType Player ServerType VAC Visibility
	Header HeaderType SimpleHeader MultiHeader Compression MultiGoldsourceHeader
	Packet ClientPacket ClientPacketInfo ClientPacketPlayers ClientPacketRules
	Readable Reader filter_type first last Error PayloadError
	Arma3Rules Arma3DLC Arma3Difficulty Arma3Mod
	read read_byte read_char read_null read_short read_ushort read_long read_ulong read_float read_uint64
	read_null_string read_null_utf8 read_until read_varchar1 read_varchar2 read_varchar4 read_varchar8`)

// TestLittleA2SPage holds docs/little-a2s.md to its word: no name of little-a2s
// is unmapped, and every Go name, test and script on the page exists.
func TestLittleA2SPage(t *testing.T) {
	text, err := os.ReadFile("../docs/little-a2s.md")
	require.NoError(t, err)
	mapped := map[string]bool{}
	var right []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			for _, word := range regexp.MustCompile(`\w+`).FindAllString(m[1], -1) {
				mapped[word] = true
			}
		}
		for _, cell := range cells[2:] {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				right = append(right, m[1])
			}
		}
	}
	for _, name := range littleA2S {
		require.True(t, mapped[name], "%s is not mapped", name)
	}

	names := map[string]bool{}
	for dir, pkg := range map[string]string{".": "proto", "a3sb": "a3sb", "../scanner": "scanner", "../mux": "mux"} {
		declared(t, dir, pkg, names)
	}
	checked := 0
	qualified := regexp.MustCompile(`^(proto|a3sb|scanner|mux)\.[A-Z][\w.]*$`)
	for _, word := range right {
		switch {
		case qualified.MatchString(word), regexp.MustCompile(`^(Test|Fuzz|Example)[A-Z]\w*$`).MatchString(word):
			require.True(t, names[word], "%s does not exist", word)
		case strings.HasSuffix(word, ".txtar"):
			require.FileExists(t, filepath.Join("../testdata/conversations", word))
		default:
			continue
		}
		checked++
	}
	require.Greater(t, checked, 120)
}

// declared adds the declarations of the package in dir: exported names, methods and fields
// with the package's name, and tests without.
func declared(t *testing.T, dir, pkg string, names map[string]bool) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch {
				case strings.HasSuffix(name, "_test.go"):
					names[d.Name.Name] = true
				case d.Recv == nil:
					names[pkg+"."+d.Name.Name] = true
				default:
					of := d.Recv.List[0].Type
					if p, ok := of.(*ast.StarExpr); ok {
						of = p.X
					}
					if id, ok := of.(*ast.Ident); ok {
						names[pkg+"."+id.Name+"."+d.Name.Name] = true
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							names[pkg+"."+id.Name] = true
						}
					case *ast.TypeSpec:
						names[pkg+"."+spec.Name.Name] = true
						if s, ok := spec.Type.(*ast.StructType); ok {
							for _, f := range s.Fields.List {
								for _, id := range slices.DeleteFunc(f.Names, func(id *ast.Ident) bool { return !id.IsExported() }) {
									names[pkg+"."+spec.Name.Name+"."+id.Name] = true
								}
							}
						}
					}
				}
			}
		}
	}
}
