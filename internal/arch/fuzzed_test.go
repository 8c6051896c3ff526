package arch

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// entries are the doors at which foreign bytes come in, whatever their names: what
// servers, master servers and the kernel send, and the files that a user gives us.
// A fuzz target of their package calls each of them itself, or by the functions of
// its test files.
var entries = []string{
	// datagrams of servers
	"proto.ParseHeader", "proto.ParseChallenge",
	"proto.Info.Decode", "proto.PlayerList.Decode", "proto.RuleList.Decode",
	"proto.Conversation.Receive", "proto.Client.HandleDatagram",
	"proto/a3sb.Decode", "proto/a3sb.decode",
	"proto/master.Session.HandleDatagram", "proto/master.Parse",
	// what scans and clients make of them
	"scanner.engine.HandlePacket", "scanner.clientLoop.handle", "scanner.call.reply",
	"output.AppendJSON", "output.Unmarshal",
	// the kernel's words about them
	"mux.findControl", "mux.localKey", "mux.parseExtendedErr", "mux.message.key",
	// requests, for those who play a server
	"proto/prototest.World.Answer", "proto/prototest.Replay.Answer",
	// lists of targets, block lists, names
	"scanner/targets.parseLine", "scanner/targets.parsePlain", "scanner/targets.fields", "scanner/targets.lines.next",
	"scanner/targets.AddrSet.AddFile", "scanner/targets.AddrSet.AddList", "scanner/targets.ParsePorts",
	"scanner.Client.resolve",
	// datasets, metadata, what is resumed from them
	"output/dataset.NewReader", "output/dataset.Reader.Next", "output/dataset.Recover", "output/dataset.Rewrite", "output/dataset.ReadMetadata", "output.Seq", "output/dataset.ParseCompression",
	"cmd/a2scan.resumption.take", "cmd/a2scan.askedAt", "cmd/a2scan.app.openEarlier", "cmd/a2scan.app.decodeRecords", "cmd/a2scan.decodeDatagrams", "cmd/a2scan.app.printRecords",
	"bench/farm.Verify", "bench/run.foundAt", "bench/run.ReadReport",
	// lists of servers over HTTP
	"internal/weblist.readRows", "internal/weblist.readWords",
	// settings, and captures that are replayed
	"cmd/a2scan.flagSet.applyConfig", "bench/farm.ParseListen", "proto/prototest.NewReplay",
	// what is shown of all this
	"cmd/a2scan.clean", "cmd/a2scan.cell", "cmd/a2scan.tableSink.WriteLines",
}

// exempt are the functions that TestFuzzed lets pass though they look like readers
// of foreign bytes, each with its reason.
var exempt = map[string]string{
	"bench/bare":            "a folder of a harness: what it hears comes from our own farm",
	"bench/memory":          "reads what the kernel says of our own processes",
	"bench/mutants":         "reads our own code",
	"bench/soak":            "likewise, and what it reads was written by our own scan",
	"mux/muxtest":           "a folder of tests",
	"proto/internal/vector": "a folder of tests: it reads the vectors of this repository",

	"bench/run.Here":                 "reads what the kernel says of the machine",
	"bench/run.firstLine":            "likewise",
	"bench/run.colonPairs":           "likewise",
	"bench/run.parseBusy":            "likewise",
	"bench/run.Work":                 "at the other end of the pipe is this program",
	"bench/run.bench.work":           "likewise",
	"bench/run.startFarm":            "likewise",
	"bench/run.places.addr":          "counts on from an address of our own",
	"bench/run.Report.WriteMarkdown": "opens the document for replacePart, which is fuzzed",
	"bench/run.CheckMarkdown":        "likewise",

	"bench/farm.termsOf":      "reads filters of this program",
	"bench/farm.API.list":     "reads requests of this program",
	"bench/farm.API.listAt":   "likewise",
	"bench/farm.Listed.has":   "likewise",
	"bench/farm.Master.pages": "reads requests of this program",

	"cmd/a2scan.app.decodeFiles":    "opens files for decodeDatagrams, which is fuzzed",
	"cmd/a2scan.readPayload":        "likewise",
	"cmd/a2scan.app.openInput":      "opens files for targets.List",
	"cmd/a2scan.readAddrSet":        "opens files for AddrSet.AddFile",
	"cmd/a2scan.app.verify":         "opens a dataset for farm.Verify",
	"cmd/a2scan.flagSet.readConfig": "opens a file for applyConfig, which is fuzzed",
	"cmd/a2scan.toggle.Set":         "called by pflag for applyConfig, which is fuzzed",
	"cmd/a2scan.randomSeed":         "makes a number of the system's random bytes",

	"mux.ScopeID":        "reads a number, or asks the system for an interface of that name",
	"mux.meminfo":        "reads counters of the kernel's",
	"mux.udpPort.unpack": "hands control messages to findControl and localKey, which are fuzzed",

	"output.Status.UnmarshalText":                "called by encoding/json for ReadMetadata, which is fuzzed",
	"output.StatusCounts.UnmarshalJSON":          "likewise",
	"output.Timestamp.UnmarshalJSON":             "likewise",
	"proto/master.ParseRegion":                   "looks a word of the command line up in a table",
	"proto/prototest.capturedText.UnmarshalJSON": "called by encoding/json for NewReplay, which is fuzzed",
}

// readings are the methods that a function's callee may call on what it is given:
// who makes a value of the type is taken to call them.
var readings = []string{"Read", "next"}

// readerName matches the names of functions that take apart what others wrote.
var readerName = regexp.MustCompile(`^(?i:parse|decode|assemble|unescape|read|load|recover|receive|handle|verify|unmarshal|inflate|detect)`)

// readerCall matches what such functions call, whatever they are called themselves.
var readerCall = regexp.MustCompile(`^(encoding/json\.(Unmarshal|NewDecoder|Valid)|strconv\.(Parse\w+|Atoi)|net/netip\.Parse\w+|net\.(Parse\w+|SplitHostPort)` +
	`|time\.Parse\w*|bufio\.NewScanner|\(encoding/binary\.\w+\)\.Uint\d+|\(\*encoding/(hex|base64)\.\w+\)\.\w*Decode\w*|encoding/hex\.Decode\w*` +
	`|compress/\w+\.NewReader|github\.com/klauspost/compress/\w+\.NewReader|os\.(ReadFile|Open)|io\.ReadAll)$`)

// TestFuzzed: each door of entries is called by a fuzz target, and what looks like
// another, told by its name and its parameters or by what it calls, can be reached
// from one. What is called is told by the types and not by the names alone.
func TestFuzzed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the doors are those of Linux, where there are most")
	}
	graphs := graphsOf(t)
	shorts := map[string]bool{} // all functions there are, whatever system they are for
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				shorts[s.dir+"."+receiverOf(f)+f.Name.Name] = true
			}
		}
	}
	for _, entry := range entries {
		require.True(t, shorts[entry], "%s is gone; take it out of the list, or give its new name", entry)
		dir := entry[:strings.Index(entry, ".")]
		g := graphs[dir]
		if g.funcs[entry] != nil && !g.fuzzed(true)[entry] {
			t.Errorf("%s takes foreign bytes, and no fuzz target of its package calls it", entry)
		}
	}
	n := 0
	for _, dir := range slices.Sorted(maps.Keys(graphs)) {
		if strings.HasPrefix(dir, "internal/") || exempt[dir] != "" {
			continue
		}
		g := graphs[dir]
		reached := g.fuzzed(false)
		for _, name := range slices.Sorted(maps.Keys(g.funcs)) {
			f := g.funcs[name]
			if f.test || !f.reads() {
				continue
			}
			n++
			if !reached[name] && exempt[name] == "" {
				t.Errorf("%s looks like a reader of foreign bytes, and no fuzz target of its package comes to it", name)
			}
		}
	}
	for name := range exempt {
		folder := graphs[name] != nil
		require.True(t, shorts[name] || folder, "%s is exempt and gone", name)
		dir, _, _ := strings.Cut(name, ".")
		if f := graphs[dir].funcs[name]; !folder && f != nil && (!f.reads() || graphs[dir].fuzzed(false)[name]) {
			t.Errorf("%s needs no exemption", name)
		}
	}
	t.Logf("%d doors, %d functions that look like readers", len(entries), n)
}

// A graph is the functions of a folder, its tests included, and what they call.
// Functions go by names such as proto.Info.Decode.
type graph struct {
	funcs map[string]*function
}

type function struct {
	decl  *ast.FuncDecl
	test  bool            // it stands in a test file
	uses  map[string]bool // by the names above, or as go/types spells those of other modules: true where it is called
	loose map[string]bool // bare names of methods that could not be told, or that an interface has
}

// reads reports whether f looks like a reader of foreign bytes.
func (f *function) reads() bool {
	if readerName.MatchString(f.decl.Name.Name) && takesBytes(f.decl) {
		return true
	}
	for name := range f.uses {
		if readerCall.MatchString(name) {
			return true
		}
	}
	return false
}

// fuzzed returns the functions that fuzz targets call: directly or by functions of
// test files, or, where it need not be seen that closely, by any functions, those
// whose names are handed on included.
func (g *graph) fuzzed(closely bool) map[string]bool {
	reached := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		f := g.funcs[name]
		if f == nil || reached[name] {
			return
		}
		reached[name] = true
		if closely && !f.test {
			return
		}
		for used, called := range f.uses {
			if called || !closely {
				visit(used)
			}
		}
		for bare := range f.loose {
			for other := range g.funcs {
				if strings.HasSuffix(other, "."+bare) {
					visit(other)
				}
			}
		}
	}
	for name, f := range g.funcs {
		if f.test && f.decl.Recv == nil && strings.HasPrefix(f.decl.Name.Name, "Fuzz") {
			visit(name)
		}
	}
	return reached
}

// graphsOf returns the graph of each folder with Go files.
func graphsOf(t *testing.T) map[string]*graph {
	t.Helper()
	own := list(t, nil, "./...")
	wanted := map[string]bool{"./...": true}
	for _, p := range own {
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			wanted[path] = true
		}
	}
	exports := map[string]string{}
	for _, p := range list(t, nil, append([]string{"-export", "-deps"}, slices.Sorted(maps.Keys(wanted))...)...) {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	graphs := map[string]*graph{}
	for _, p := range own {
		g := &graph{map[string]*function{}}
		graphs[p.rel()] = g
		for i, names := range [][]string{slices.Concat(p.GoFiles, p.TestGoFiles), p.XTestGoFiles} {
			var files []*ast.File
			for _, name := range names {
				f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
				require.NoError(t, err)
				files = append(files, f)
			}
			info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
			// What a package exports to its outer tests only is not known: hence loose.
			c := types.Config{Importer: imports, Error: func(err error) { require.Equal(t, 1, i, "%v", err) }}
			_, _ = c.Check(p.ImportPath+strings.Repeat("_test", i), fset, files, info)
			for k, file := range files {
				g.add(p.rel(), file, strings.HasSuffix(names[k], "_test.go"), info)
			}
		}
	}
	return graphs
}

// add adds the functions of a file.
func (g *graph) add(dir string, file *ast.File, test bool, info *types.Info) {
	for _, d := range file.Decls {
		decl, ok := d.(*ast.FuncDecl)
		if !ok || decl.Body == nil {
			continue
		}
		f := &function{decl, test, map[string]bool{}, map[string]bool{}}
		called := map[*ast.Ident]bool{}
		ast.Inspect(decl.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				called[callee(call)] = true
			}
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			switch o := info.Uses[id].(type) {
			case *types.TypeName:
				if o.Pkg() != nil && o.Pkg().Path() == module+"/"+dir {
					for _, method := range readings {
						f.uses[dir+"."+o.Name()+"."+method] = true
					}
				}
			case *types.Func:
				if recv := o.Signature().Recv(); recv != nil && types.IsInterface(recv.Type()) {
					f.loose[id.Name] = true
				}
				name := nameOf(o.Origin())
				f.uses[name] = f.uses[name] || called[id]
			case nil:
				if info.Defs[id] == nil {
					f.loose[id.Name] = true
				}
			}
			return true
		})
		g.funcs[dir+"."+receiverOf(decl)+decl.Name.Name] = f
	}
}

// callee returns the name in front of a call's parentheses, or nil.
func callee(call *ast.CallExpr) *ast.Ident {
	fun := call.Fun
	if x, ok := fun.(*ast.IndexExpr); ok {
		fun = x.X
	}
	switch x := fun.(type) {
	case *ast.Ident:
		return x
	case *ast.SelectorExpr:
		return x.Sel
	}
	return nil
}

// nameOf returns a function's name as graphs have it.
func nameOf(o *types.Func) string {
	full := o.FullName()
	path, own := strings.CutPrefix(strings.TrimLeft(full, "(*"), module+"/")
	if !own {
		return full
	}
	return strings.ReplaceAll(path, ")", "")
}

// receiverOf returns the type of f's receiver and a dot, or nothing.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name + "."
		}
		return name == ""
	})
	return name
}

// takesBytes reports whether f has a parameter of bytes or text, or one that they
// are read from.
func takesBytes(f *ast.FuncDecl) bool {
	found := false
	for _, p := range f.Type.Params.List {
		ast.Inspect(p.Type, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				switch id.Name {
				case "byte", "string", "Packet", "Rule", "RuleList", "Reader", "FS":
					found = true
				}
			}
			return !found
		})
	}
	return found
}

// seeded are the targets without a corpus: long runs have found nothing that their
// seeds do not do.
var seeded = []string{"proto/testdata/fuzz/FuzzHeader", "proto/prototest/testdata/fuzz/FuzzParseOutcome"}

// TestCorpora: each fuzz target has inputs of its own in testdata/fuzz, found by
// long runs, and they stay small: go test runs them all.
func TestCorpora(t *testing.T) {
	const mostFiles, mostBytes, mostInAll = 24, 4 << 10, 1 << 20
	targets := map[string]bool{} // folders of corpora
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				targets[s.dir+"/testdata/fuzz/"+f.Name.Name] = true
			}
		}
	}
	all := int64(0)
	for dir := range targets {
		files, err := os.ReadDir(filepath.Join("../..", filepath.FromSlash(dir)))
		if len(files) == 0 && slices.Contains(seeded, dir) {
			continue
		}
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no inputs; .ci/fuzz and then .ci/fuzz-corpus make some", dir)
			continue
		}
		if len(files) > mostFiles {
			t.Errorf("%s: %d files; %d are enough", dir, len(files), mostFiles)
		}
		for _, f := range files {
			info, err := f.Info()
			require.NoError(t, err)
			if info.Size() > mostBytes {
				t.Errorf("%s/%s: %d bytes; the most is %d", dir, f.Name(), info.Size(), mostBytes)
			}
			all += info.Size()
		}
	}
	require.LessOrEqual(t, all, int64(mostInAll))
	found, err := filepath.Glob("../../*/testdata/fuzz/*")
	require.NoError(t, err)
	deeper, err := filepath.Glob("../../*/*/testdata/fuzz/*")
	require.NoError(t, err)
	for _, dir := range append(found, deeper...) {
		rel, err := filepath.Rel("../..", dir)
		require.NoError(t, err)
		if !targets[filepath.ToSlash(rel)] {
			t.Errorf("%s: a corpus of no target", rel)
		}
	}
	t.Logf("%d targets, %d bytes of corpora", len(targets), all)
}
