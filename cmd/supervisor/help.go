package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/docs"
	"github.com/bulkhead-run/bulkhead/examples"
)

func helpCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "help", Aliases: []string{"h"}, Usage: "explain a command, or a topic", ArgsUsage: "[COMMAND|TOPIC]",
		Description: "A topic is a page of the documentation. `supervisor help topics` lists them. On a terminal it is shown by the program that\n" +
			"the variable PAGER names, or less; an empty PAGER is none.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "man", Usage: "print the manual page supervisor(1)", Hidden: true}},
		Action: func(c *cli.Context) error {
			if c.Bool("man") {
				_, err := io.WriteString(t.out, manual(newApp(t)))
				return err
			}
			text, err := helpOn(c.Context, c.Args().Slice())
			if err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"topic": strings.Join(c.Args().Slice(), " "), "text": text})
			}
			return t.page(c.Context, text)
		},
	}
}

// topic is something that help explains beside commands.
type topic struct {
	name, about string
	page        string // of the documentation; "" for examples/bulkhead.yaml
	section     string // of the page; "" for all of it
}

// topics are all pages, under their names, and what is looked for under others.
func topics() []topic {
	list := []topic{
		{"configuration", "Every key of the configuration of serve", "", ""},
		{"environment", "Environment variables", "cli.md", "Environment"},
		{"exit-codes", "What a command's exit code means", "cli.md", "Exit codes"},
		{"tokens", "Tokens and their scopes", "authentication.md", "Tokens"},
	}
	entries, _ := docs.Pages.ReadDir(".")
	for _, e := range entries {
		text, _ := docs.Pages.ReadFile(e.Name())
		heading, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		list = append(list, topic{strings.TrimSuffix(e.Name(), ".md"), heading, e.Name(), ""})
	}
	slices.SortFunc(list, func(a, b topic) int { return strings.Compare(a.name, b.name) })
	return list
}

func (p topic) text() string {
	if p.page == "" {
		text, _ := examples.Files.ReadFile("bulkhead.yaml")
		return string(text)
	}
	page, _ := docs.Pages.ReadFile(p.page)
	if p.section == "" {
		return string(page)
	}
	_, text, _ := strings.Cut(string(page), "\n## "+p.section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return "# " + p.about + "\n" + text
}

// helpOn explains the command, the topic, or both, that words name.
func helpOn(ctx context.Context, words []string) (string, error) {
	var text bytes.Buffer
	quiet := newApp(&terminal{out: &text, err: io.Discard})
	command, commands := (*cli.Command)(nil), quiet.Commands
	for i, word := range words {
		if word == "topics" && i == 0 {
			for _, p := range topics() {
				fmt.Fprintf(&text, "%-20s  %s\n", p.name, p.about)
			}
			return text.String(), nil
		}
		if command = find(commands, word); command == nil {
			if i > 0 || topicOf(word) == nil {
				return "", noHelp(words[:i], word, commands)
			}
			break
		}
		commands = command.Subcommands
	}
	if command != nil || len(words) == 0 {
		if err := quiet.RunContext(ctx, slices.Concat([]string{quiet.Name}, words, []string{"--help"})); err != nil {
			return "", err
		}
	}
	if len(words) == 1 {
		if p := topicOf(words[0]); p != nil {
			if text.Len() > 0 {
				text.WriteString("\n")
			}
			text.WriteString(p.text())
		}
	}
	return text.String(), nil
}

func topicOf(name string) *topic {
	all := topics()
	if i := slices.IndexFunc(all, func(p topic) bool { return p.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func noHelp(before []string, word string, commands []*cli.Command) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.Names()...)
	}
	if len(before) == 0 {
		for _, p := range topics() {
			names = append(names, p.name)
		}
	}
	e := &usageError{message: fmt.Sprintf("there is no help on %q", strings.Join(append(before, word), " ")), hint: "supervisor help lists the commands, supervisor help topics the topics"}
	if near := nearest(word, names); near != "" {
		e.hint = "did you mean " + near + "? " + e.hint
	}
	return e
}

// page shows a long text: on a terminal through a pager, with its headings made
// out.
func (t *terminal) page(ctx context.Context, text string) error {
	if !t.outTTY {
		_, err := io.WriteString(t.out, text)
		return err
	}
	text = t.headings(text)
	pager, set := os.LookupEnv("PAGER")
	if !set {
		pager = "less"
	}
	if strings.TrimSpace(pager) != "" && os.Getenv("TERM") != "dumb" {
		cmd := exec.CommandContext(ctx, "sh", "-c", pager)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), t.out, io.Discard
		cmd.Env = os.Environ()
		if _, set := os.LookupEnv("LESS"); !set {
			cmd.Env = append(cmd.Env, "LESS=FRX") // one screen is not paged; colours pass
		}
		err := cmd.Run()
		if err == nil || ctx.Err() != nil {
			return nil
		}
		// Most likely there is no such program.
	}
	_, err := io.WriteString(t.out, text)
	return err
}

const bold = "1"

// headings paints the headings of Markdown, and those of commands' help.
func (t *terminal) headings(text string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(text) {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(bare, "```"):
			code = !code
			continue
		case strings.HasPrefix(bare, "!["):
			continue // a picture
		case !code && strings.HasPrefix(bare, "#"), bare != "" && strings.ToUpper(bare) == bare && strings.HasSuffix(bare, ":"):
			line = t.paint(true, bold, strings.TrimLeft(bare, "# ")) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
