package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder lets flags come before or after arguments, and before or after the
// command: urfave/cli stops looking for flags at the first argument. After
// "--" nothing is a flag.
func reorder(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	out := []string{args[0]}
	var flags, positional []string
	commands, leaf := app.Commands, (*cli.Command)(nil)
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			positional = append(positional, rest...)
			rest = nil
		case strings.HasPrefix(arg, "-") && arg != "-":
			flags = append(flags, arg)
			if takesValue(app, leaf, arg) && len(rest) > 0 {
				flags = append(flags, rest[0])
				rest = rest[1:]
			}
		case len(commands) > 0 && len(positional) == 0:
			found := find(commands, arg)
			if found == nil {
				positional = append(positional, arg)
				continue
			}
			out = append(out, arg)
			leaf, commands = found, found.Subcommands
		default:
			positional = append(positional, arg)
		}
	}
	out = append(out, flags...)
	if len(positional) == 0 {
		return out
	}
	if leaf != nil && len(leaf.Subcommands) == 0 {
		out = append(out, "--")
	}
	return append(out, positional...)
}

func find(commands []*cli.Command, name string) *cli.Command {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(name) })
	if i < 0 {
		return nil
	}
	return commands[i]
}

// takesValue reports whether the flag's value is the next argument. Before the
// command is known, all commands are asked.
func takesValue(app *cli.App, leaf *cli.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	commands := app.Commands
	if leaf != nil {
		commands = []*cli.Command{leaf}
	}
	for len(commands) > 0 {
		c := commands[0]
		commands = append(commands[1:len(commands):len(commands)], c.Subcommands...)
		for _, f := range c.Flags {
			if slices.Contains(f.Names(), name) {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
