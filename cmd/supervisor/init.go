package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

// templatePolicies are the templates, each with the policy that it needs.
var templatePolicies = map[string]string{"transform": "compute", "webhook": "webhook", "http": "data", "agent": "data"}

func initCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "make a new function, with a test", ArgsUsage: "[DIR]",
		Description: "Makes DIR (default: this folder) with a function, its test, " + projectName + ", and types for an editor. It overwrites nothing.\n" +
			"  transform  one record becomes another; needs no platform API\n" +
			"  webhook    takes a webhook and calls another service, with a secret\n" +
			"  http       answers HTTP requests, as a Workers module does\n" +
			"  agent      tools for an AI agent, which keep notes\n" +
			"  supervisor init hello --ts && supervisor dev hello",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "ts", Usage: "in TypeScript"},
			&cli.StringFlag{Name: "template", Usage: "transform, webhook, http or agent", Value: "transform"},
			&cli.StringFlag{Name: "name", Usage: "the function's `NAME`", DefaultText: "the folder's"},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "[DIR]")
			if err != nil {
				return err
			}
			n, err := newFunctionOf(c, args[0])
			if err != nil {
				return err
			}
			files, err := n.files()
			if err != nil {
				return err
			}
			if err := writeNew(n.dir, files); err != nil {
				return err
			}
			return n.told(t, files)
		},
	}
}

// newFunction is what the templates know.
type newFunction struct {
	dir, shown            string
	Name, Var, Template   string
	Policy                string
	TS                    bool
	Ext, ImportExt, Event string
}

var startsLower = regexp.MustCompile(`-+([a-z0-9])`)

func newFunctionOf(c *cli.Context, dir string) (*newFunction, error) {
	n := &newFunction{dir: orText(dir, "."), shown: dir, Template: c.String("template"), TS: c.Bool("ts"), Ext: "js", ImportExt: ".js"}
	var known bool
	if n.Policy, known = templatePolicies[n.Template]; !known {
		return nil, usagef("--template: there is no %q; there are transform, webhook, http and agent", n.Template)
	}
	if n.TS {
		n.Ext, n.ImportExt = "ts", ""
	}
	n.Name = c.String("name")
	if n.Name == "" {
		abs, err := filepath.Abs(n.dir)
		if err != nil {
			return nil, usagef("%s: %v", n.dir, err)
		}
		n.Name = functionName(filepath.Base(abs) + ".")
	} else if !projectFunctionName.MatchString(n.Name) {
		return nil, usagef("--name: %q is no function's name: 1 to 63 of a-z, 0-9 and -, and not - at its start", n.Name)
	}
	n.Var = startsLower.ReplaceAllStringFunc(n.Name, func(s string) string { return strings.ToUpper(s[len(s)-1:]) })
	if n.Var = strings.Trim(n.Var, "-"); !identifier.MatchString(n.Var) || slices.Contains(reservedNames, n.Var) {
		n.Var = "handler"
	}
	n.Event = map[string]string{
		"transform": `{"id":"a1","items":[{"sku":"tea","price":4.2,"count":3}]}`,
		"webhook":   `{"type":"order.created","id":"a1"}`,
		"http":      `{"method":"GET","url":"https://example.com/?name=Ada"}`,
		"agent":     `{"tool":"remember","input":{"name":"tea","text":"green"}}`,
	}[n.Template]
	return n, nil
}

// reservedNames cannot be a function's name in JavaScript, or would hide what
// the templates use.
var reservedNames = strings.Fields(`await break case catch class const continue debugger default delete do else enum export extends
	false finally for function if implements import in instanceof interface let new null package private protected public return
	static super switch this throw true try typeof var void while with yield arguments eval
	fetch kv db storage queue secrets env invoke log test it describe expect stub beforeEach tools order hook app`)

// newFile is a file to write.
type newFile struct{ name, text string }

func (n *newFunction) files() (files []newFile, err error) {
	for _, f := range []struct{ template, name string }{
		{n.Template, n.Name + "." + n.Ext}, {n.Template + ".test", n.Name + ".test." + n.Ext}, {projectName, projectName},
	} {
		parsed, err := template.New(f.template+".tmpl").Delims("[[", "]]").ParseFS(templateFiles, "templates/"+f.template+".tmpl")
		if err != nil {
			return nil, fmt.Errorf("the template %s: %w", f.template, err)
		}
		var text strings.Builder
		if err := parsed.Execute(&text, n); err != nil {
			return nil, fmt.Errorf("the template %s: %w", f.template, err)
		}
		files = append(files, newFile{f.name, strings.ReplaceAll(text.String(), "\n\n\n", "\n\n")})
	}
	conf := "tsconfig.json"
	if !n.TS {
		conf = "jsconfig.json"
	}
	return append(files, newFile{conf, editorConfig(n.TS)}, newFile{"bulkhead.d.ts", typeDeclarations(nil)},
		newFile{".gitignore", devFolder + "/\nnode_modules/\n.env\n"}), nil
}

// editorConfig makes an editor complete and check what functions find.
func editorConfig(ts bool) string {
	more := `"strict": true`
	if !ts {
		more = `"checkJs": false`
	}
	return `{
  "compilerOptions": {
    "target": "es2023",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2023", "webworker", "webworker.iterable"],
    "types": [],
    "resolveJsonModule": true,
    "skipLibCheck": true,
    "noEmit": true,
    ` + more + `
  }
}
`
}

// writeNew writes files of which none may be there.
func writeNew(dir string, files []newFile) error {
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil && f.name != ".gitignore" {
			there = append(there, f.name)
		}
	}
	if len(there) > 0 {
		return &usageError{message: fmt.Sprintf("%s has %s already; nothing was written", dir, strings.Join(there, ", ")), hint: "name another folder"}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usagef("cannot make %s: %v", dir, plain(err))
	}
	for _, f := range files {
		out, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) && f.name == ".gitignore" {
			continue // it is the user's
		}
		if err == nil {
			_, err = out.WriteString(f.text)
			if closed := out.Close(); err == nil {
				err = closed
			}
		}
		if err != nil {
			return usagef("cannot write %s: %v", filepath.Join(dir, f.name), plain(err))
		}
	}
	return nil
}

// told says what was made, and what to do next.
func (n *newFunction) told(t *terminal, files []newFile) error {
	names := []string{}
	for _, f := range files {
		names = append(names, filepath.Join(n.dir, f.name))
	}
	if t.json {
		return t.document(map[string]any{"function": n.Name, "files": names})
	}
	t.printf("made %s", strings.Join(names, ", "))
	in := ""
	if n.shown != "" {
		in = " " + n.shown
	}
	t.printf("\nnext:\n  supervisor test%s\n  supervisor dev%s", in, in)
	if n.Template != "http" {
		t.printf("  supervisor run %s --policy %s --event '%s'", filepath.Join(n.dir, n.Name+"."+n.Ext), n.Policy, n.Event)
	}
	return nil
}
