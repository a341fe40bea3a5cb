package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// version is set by the linker.
var version = ""

func main() {
	// serve takes its signals itself, to drain; here the first one ends what
	// waits, and the default action is back for the second.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args, newTerminal(os.Stdin, os.Stdout, os.Stderr)))
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, t *terminal) int {
	app := newApp(t)
	if len(args) > 2 && args[1] == completing {
		printCompleted(ctx, t, app, args[2:])
		return 0
	}
	err := app.RunContext(ctx, reorder(app, args))
	if err == nil {
		return 0
	}
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if exit := cli.ExitCoder(nil); errors.As(err, &exit) { // the library's own: no such help topic
		err = &usageError{message: err.Error(), hint: "see supervisor --help"}
	}
	if parts := strings.Split(err.Error(), `"`); len(parts) == 3 && strings.HasPrefix(parts[0], "Required flag") { // the library's type is its own
		e := &usageError{message: "missing --" + strings.ReplaceAll(parts[1], ", ", ", --"), hint: "see supervisor --help"}
		if leaf := readLine(app, args[1:]).leaf; leaf != nil {
			e.hint = "see " + leaf.HelpName + " --help"
		}
		err = e
	}
	if isJournal() {
		t.err = journalErrors{t.err}
	}
	t.fail(err)
	return exitCode(err)
}

// exitCode is what a command ends with that failed with err.
func exitCode(err error) int {
	var u *usageError
	if errors.As(err, &u) {
		return outcome.Invalid.ExitCode()
	}
	return outcome.Of(err).ExitCode()
}

func newApp(t *terminal) *cli.App {
	app := &cli.App{
		Name:        "supervisor",
		Usage:       "run other people's JavaScript functions, each tenant's in a sandbox process of its own",
		Version:     versionString(),
		HideVersion: true, // the flag is ours
		// A value may hold commas.
		DisableSliceFlagSeparator: true,
		Writer:                    t.out,
		ErrWriter:                 t.err,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              onUsageError,
		Flags:                     []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}, cli.HelpFlag},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				t.version()
				return nil
			}
			if !c.Args().Present() {
				return cli.ShowAppHelp(c)
			}
			return unknownCommand(c.App.Commands, c.Args().First())
		},
		Commands: []*cli.Command{
			serveCommand(t), runCommand(t), initCommand(t), devCommand(t), testCommand(t),
			deployCommand(t), invokeCommand(t), listCommand(t), deleteCommand(t),
			versionsCommand(t), diffCommand(t), rollbackCommand(t), aliasCommand(t), splitCommand(t), tenantCommand(t), policyCommand(t), apisCommand(t),
			secretCommand(t), envCommand(t), tokenCommand(t), auditCommand(t), backupCommand(t), restoreCommand(t), checkCommand(t), logsCommand(t), usageCommand(t), recordCommand(t), recordingsCommand(t), replayCommand(t), topCommand(t), psCommand(t), doctorCommand(t), demoCommand(t), versionCommand(t), completionCommand(t), helpCommand(t),
		},
	}
	app.CustomAppHelpTemplate = cli.AppHelpTemplate + "\nTOPICS:\n   supervisor help TOPIC explains, for example: policies, limits, tokens, versions, replay, exit-codes, configuration.\n   supervisor help topics lists them all.\n"
	for _, c := range app.Commands {
		prepare(t, c)
	}
	return app
}

// prepare gives a command, and those below it, what all have in common.
func prepare(t *terminal, c *cli.Command) {
	c.OnUsageError = onUsageError
	for _, sub := range c.Subcommands {
		prepare(t, sub)
	}
	if len(c.Subcommands) > 0 {
		c.Action = func(ctx *cli.Context) error {
			if !ctx.Args().Present() {
				return cli.ShowSubcommandHelp(ctx)
			}
			return unknownCommand(ctx.Command.Subcommands, ctx.Args().First())
		}
		return
	}
	c.HideHelpCommand = true // a tenant may be called help
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true
		}
	}
	if slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "server") }) {
		c.Flags = append(c.Flags, tokenFlag())
	}
	c.Flags = append(c.Flags, jsonFlag())
	c.Before = func(ctx *cli.Context) error {
		t.json, t.command = ctx.Bool("json"), ctx.Command.HelpName
		return nil
	}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print one JSON document", DisableDefaultText: true}
}

// exitStatus ends a command that has said all there is to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a command line that cannot be understood: one line and a hint.
type usageError struct{ message, hint string }

func (e *usageError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + " (" + e.hint + ")"
}

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	e := &usageError{message: strings.TrimSuffix(err.Error(), "\n"), hint: "see " + c.Command.HelpName + " --help"}
	if c.Command.HelpName == "" {
		e.hint = "see supervisor --help"
	}
	if name, found := strings.CutPrefix(e.message, "flag provided but not defined: -"); found {
		e.message = "unknown flag --" + strings.TrimLeft(name, "-")
		if s := cli.SuggestFlag(c.Command.Flags, strings.TrimLeft(name, "-"), false); s != "" {
			e.hint = "did you mean " + s + "?"
		}
	}
	return e
}

func unknownCommand(commands []*cli.Command, name string) error {
	e := &usageError{message: fmt.Sprintf("unknown command %q", name), hint: "see supervisor --help"}
	if s := cli.SuggestCommand(commands, name); s != "" {
		e.hint = strings.ToLower(s[:1]) + s[1:]
	}
	return e
}

// onServer is the action of a command that talks to a supervisor: run gets the
// arguments that the command's ArgsUsage names.
func onServer(run func(c *cli.Context, api *client.Client, args []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := arguments(c, strings.Fields(c.Command.ArgsUsage)...)
		if err != nil {
			return err
		}
		api, err := dial(c)
		if err != nil {
			return err
		}
		defer api.Close()
		return suggest(c.Context, api, run(c, api, args))
	}
}

// arguments returns exactly the arguments that usage names: "FILE", "[TENANT]"
// for one that may be left out, which is empty then, and "FILE..." at the end
// for one or more.
func arguments(c *cli.Context, usage ...string) ([]string, error) {
	least, most := 0, len(usage)
	for _, u := range usage {
		if !strings.HasPrefix(u, "[") {
			least++
		}
		if strings.Contains(u, "...") {
			most = math.MaxInt
		}
	}
	given := c.Args().Slice()
	if len(given) < least {
		missing := usage[len(given):]
		for len(missing) > 1 && strings.HasPrefix(missing[0], "[") {
			missing = missing[1:]
		}
		return nil, &usageError{message: "missing " + strings.TrimSuffix(missing[0], "..."), hint: "usage: " + c.Command.HelpName + " " + strings.Join(usage, " ")}
	}
	if len(given) > most {
		return nil, &usageError{message: fmt.Sprintf("unexpected argument %q", given[most]), hint: "see " + c.Command.HelpName + " --help"}
	}
	for i, g := range given {
		if g == "" {
			return nil, usagef("%s is empty", strings.Trim(usage[min(i, len(usage)-1)], "[]."))
		}
	}
	if most == len(usage) {
		given = append(given, make([]string, most-len(given))...)
	}
	return given, nil
}

// splitName reads "TENANT/FUNCTION".
func splitName(s string) (tenant, function string, err error) {
	tenant, function, found := strings.Cut(s, "/")
	if !found || tenant == "" || function == "" || strings.Contains(function, "/") {
		return "", "", &usageError{message: fmt.Sprintf("%q is not TENANT/FUNCTION", s), hint: "write it like acme/resize"}
	}
	return tenant, function, nil
}

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// readSource reads a file, or standard input for "-".
func readSource(t *terminal, path string) ([]byte, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(io.LimitReader(t.in, maxInput+1))
	} else {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			data, err = io.ReadAll(io.LimitReader(f, maxInput+1))
			f.Close()
		}
	}
	if err != nil {
		return nil, usagef("cannot read %s: %v", path, plain(err))
	}
	if len(data) > maxInput {
		return nil, usagef("%s is larger than %d bytes", path, maxInput)
	}
	return data, nil
}

// maxInput bounds what is read of a file before anybody checks it further.
const maxInput = 16 << 20

// plain drops the path that an *fs.PathError repeats.
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
