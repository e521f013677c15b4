package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whoever reads a code among the findings of a result or a failure looks it up: each has its row, and
// no row is of a code that nothing makes any more.
func TestOperationsHasEveryFinding(t *testing.T) {
	made := map[string]bool{}
	for folder, files := range sources(t, "internal") {
		c := coder{t: t, folder: folder, files: files, makers: map[string]int{"finding.Errorf": 0, "finding.Warningf": 0}}
		c.findHelpers()
		for _, code := range c.codes() {
			made[code] = true
		}
	}
	if len(made) < 40 {
		t.Errorf("found %d codes in the sources, want those of Preflight, Plan and Verify", len(made))
	}
	// InvalidRequest and the other classes of errors are in docs/troubleshooting.md.
	documented := map[string]bool{}
	for _, code := range rows(t, "docs/operations.md", "Code") {
		if code != "InvalidRequest" {
			documented[code] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("codes of findings (-sources +docs/operations.md):\n%s", diff)
	}
}

// code is a finding's code in the first column of a table, not the JSON pointer of a field.
var code = regexp.MustCompile("`([A-Z]\\w+)`")

// rows are the codes in the first columns of a document's tables that have the heading.
func rows(t *testing.T, document, heading string) []string {
	t.Helper()
	var all []string
	inside := false
	for line := range strings.Lines(string(read(t, document))) {
		inside = strings.HasPrefix(line, "| "+heading+" |") || inside && strings.HasPrefix(line, "|")
		if !inside {
			continue
		}
		for _, match := range code.FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			all = append(all, match[1])
		}
	}
	return all
}

// sources are the parsed files of each package below a folder, without tests.
func sources(t *testing.T, below string) map[string][]*ast.File {
	t.Helper()
	found := map[string][]*ast.File{}
	err := filepath.WalkDir(filepath.Join(root, below), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		found[filepath.Dir(path)] = append(found[filepath.Dir(path)], file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// coder reads the codes of the findings that one package makes.
type coder struct {
	t      *testing.T
	folder string
	files  []*ast.File
	// makers are what makes a finding, by name, with the place of the code among the arguments.
	makers map[string]int
}

// findHelpers adds the package's own makers: functions that pass a code on, and other names of those
// of package finding.
func (c coder) findHelpers() {
	for _, file := range c.files {
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if place, makes := c.maker(call.Fun); makes {
						if i := slices.Index(parameters(f), nameOf(call.Args[place])); i >= 0 {
							c.makers[f.Name.Name] = i
						}
					}
				}
				if assigned, ok := n.(*ast.AssignStmt); ok && len(assigned.Lhs) == len(assigned.Rhs) {
					for i, value := range assigned.Rhs {
						if place, makes := c.makers[nameOf(value)]; makes {
							c.makers[nameOf(assigned.Lhs[i])] = place
						}
					}
				}
				return true
			})
		}
	}
}

// maker says whether a function, or a method of whatever it is called on, makes a finding.
func (c coder) maker(function ast.Expr) (place int, makes bool) {
	name := nameOf(function)
	if place, makes = c.makers[name]; makes {
		return place, true
	}
	place, makes = c.makers[name[strings.LastIndex(name, ".")+1:]]
	return place, makes
}

// codes are the codes that the makers are called with. One that cannot be read fails the test.
func (c coder) codes() []string {
	var all []string
	for _, file := range c.files {
		for _, declared := range file.Decls {
			f, _ := declared.(*ast.FuncDecl)
			ast.Inspect(declared, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if place, makes := c.maker(n.Fun); makes && !passes(f, n.Args[place]) {
						all = append(all, c.read(n.Args[place])...)
					}
				case *ast.CompositeLit:
					if name := nameOf(n.Type); name == "Finding" || name == "finding.Finding" {
						all = append(all, c.read(valueOf(n, "Code"))...)
					}
				}
				return true
			})
		}
	}
	return all
}

// read is the code that an expression stands for: a string, or a constant of the package. The class of an error is none.
func (c coder) read(e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			c.t.Fatal(err)
		}
		return []string{text}
	case *ast.CallExpr:
		if name := nameOf(e.Args[0]); nameOf(e.Fun) == "string" && (strings.HasPrefix(name, "fault.") || strings.HasSuffix(name, ".Code")) {
			return nil
		}
	case *ast.Ident:
		if text, ok := c.constants()[e.Name]; ok {
			return []string{text}
		}
		if c.folder == filepath.Join(root, "internal/finding") && e.Name == "code" {
			return nil // in the makers themselves
		}
	}
	c.t.Errorf("%s: a finding's code is neither a text nor a constant of the package, but %s", c.folder, nameOf(e))
	return nil
}

// constants are the package's constants that are texts.
func (c coder) constants() map[string]string {
	found := map[string]string{}
	for _, file := range c.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
				for i, value := range spec.Values {
					if text, ok := value.(*ast.BasicLit); ok && text.Kind == token.STRING {
						found[spec.Names[i].Name], _ = strconv.Unquote(text.Value)
					}
				}
			}
			return true
		})
	}
	return found
}

// passes reports whether a function's argument is what the function was itself called with.
func passes(f *ast.FuncDecl, argument ast.Expr) bool {
	return f != nil && slices.Contains(parameters(f), nameOf(argument))
}

func parameters(f *ast.FuncDecl) []string {
	var names []string
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// nameOf is an identifier, or two with a dot between them.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}

// valueOf is the value of a field in a literal.
func valueOf(literal *ast.CompositeLit, field string) ast.Expr {
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && nameOf(pair.Key) == field {
			return pair.Value
		}
	}
	return nil
}
