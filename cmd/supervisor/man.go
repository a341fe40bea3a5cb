package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// manual is the manual page supervisor(1), in the language of man(7), made of
// the commands' own help.
func manual(app *cli.App) string {
	m := &manPage{}
	m.line(".TH SUPERVISOR 1 \"\" %s \"Bulkhead\"", manQuote("Bulkhead "+app.Version))
	m.section("NAME")
	m.text(app.Name + " - " + app.Usage)
	m.section("SYNOPSIS")
	m.line(".B supervisor\n.I COMMAND\n[\\fIARGUMENT\\fR]...\n[\\fIFLAG\\fR]...")
	m.section("DESCRIPTION")
	m.text("Bulkhead runs JavaScript functions that other people wrote, each tenant's in a sandbox process of its own. " +
		"supervisor serve is the server; the other commands work without one, or ask the one that --server or BULKHEAD_SERVER names, or that runs on this machine. " +
		"Flags may come before and after arguments. Every command takes --help and --json; supervisor help TOPIC shows pages of the documentation.")
	m.section("COMMANDS")
	for _, c := range app.Commands {
		m.command(app.Name, c)
	}
	m.section("EXIT STATUS")
	codes := map[int][]string{}
	for _, o := range outcome.All() {
		codes[o.ExitCode()] = append(codes[o.ExitCode()], cmp.Or(o.Title(), "Success"))
	}
	for exit := range len(codes) {
		if titles := codes[exit]; len(titles) > 0 {
			m.item(fmt.Sprintf("\\fB%d\\fR", exit), strings.Join(titles, "; "))
		}
	}
	m.section("ENVIRONMENT")
	for _, v := range variables(app) {
		m.item("\\fB"+manEscape(v[0])+"\\fR", v[1])
	}
	m.section("FILES")
	m.item("\\fI/etc/bulkhead/bulkhead.yaml\\fR", "the configuration of the service; supervisor help configuration explains every key")
	m.item("\\fI/run/bulkhead/admin.sock\\fR", "the service's admin socket, which commands find by themselves")
	m.section("SEE ALSO")
	m.text("supervisor help topics, supervisor help exit-codes, supervisor help operations")
	return m.b.String()
}

// variables lists the variables that commands read, with what they mean.
func variables(app *cli.App) (list [][2]string) {
	list = [][2]string{
		{"BULKHEAD_TOKEN", "the token to send to the supervisor"},
		{"NO_COLOR", "if not empty, nothing is coloured"},
		{"PAGER", "the program that shows help on a terminal; empty for none"},
	}
	seen := map[string]bool{}
	for commands := app.Commands; len(commands) > 0; commands = commands[1:] {
		for _, f := range commands[0].Flags {
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok {
				continue
			}
			for _, name := range doc.GetEnvVars() {
				if !seen[name] {
					list = append(list, [2]string{name, "the flag --" + f.Names()[0] + ": " + strings.ReplaceAll(doc.GetUsage(), "`", "")})
				}
				seen[name] = true
			}
		}
		commands = append(slices.Clone(commands), commands[0].Subcommands...)
	}
	slices.SortFunc(list, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return list
}

type manPage struct{ b strings.Builder }

func (m *manPage) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }
func (m *manPage) section(name string)             { m.line(".SH %s", manQuote(name)) }

// text writes a paragraph.
func (m *manPage) text(s string) { m.line(".PP\n%s", manLines(s)) }

// item writes a term, which is roff, and what it means.
func (m *manPage) item(term, s string) { m.line(".TP\n%s\n%s", term, manLines(s)) }

func (m *manPage) command(path string, c *cli.Command) {
	if c.Hidden {
		return
	}
	path += " " + c.Name
	if len(c.Subcommands) > 0 {
		for _, sub := range c.Subcommands {
			m.command(path, sub)
		}
		return
	}
	m.line(".SS %s", manQuote(strings.TrimSpace(path+" "+c.ArgsUsage)))
	m.line("%s", manLines(strings.ToUpper(c.Usage[:1])+c.Usage[1:]+"."))
	if c.Description != "" {
		m.line(".PP\n.nf\n%s\n.fi", manLines(c.Description))
	}
	for _, f := range c.Flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if visible, is := f.(cli.VisibleFlag); !ok || is && !visible.IsVisible() {
			continue
		}
		var names []string
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			names = append(names, "\\fB"+manEscape(dashes+name)+"\\fR")
		}
		term := strings.Join(names, ", ")
		usage := doc.GetUsage()
		if doc.TakesValue() {
			value := "VALUE"
			if parts := strings.SplitN(usage, "`", 3); len(parts) == 3 {
				value = parts[1]
			}
			term += " \\fI" + manEscape(value) + "\\fR"
			if text := cmp.Or(doc.GetDefaultText(), doc.GetValue()); text != "" && text != "[]" && !strings.Contains(usage, "(default") {
				usage += " (default: " + strings.Trim(text, `"`) + ")"
			}
		}
		m.item(term, strings.ReplaceAll(usage, "`", ""))
	}
}

// manEscape keeps roff from taking a text for anything else.
func manEscape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// manLines is manEscape for lines, of which none becomes a request.
func manLines(s string) string {
	lines := strings.Split(manEscape(s), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, " ") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func manQuote(s string) string {
	return `"` + strings.ReplaceAll(manEscape(s), `"`, `\(dq`) + `"`
}
