package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// completing, before the words of a command line, asks what its last word may
// become. The shells' completion scripts do.
const completing = "__complete"

// completionTime bounds how long the supervisor is asked: somebody waits for a
// key to do something.
const completionTime = 700 * time.Millisecond

// candidate is what a word may become.
type candidate struct{ word, about string }

// plainWord is what may be put into somebody's command line: nothing that a
// shell would act on.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._@/:=+-]+$`)

// printCompleted prints what the last of words may become, one a line, with what
// it is about behind a tab. What goes wrong is nobody's business.
func printCompleted(ctx context.Context, t *terminal, app *cli.App, words []string) {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	line, current := readLine(app, words[:len(words)-1]), words[len(words)-1]
	var b strings.Builder
	for _, c := range line.complete(ctx, app, current) {
		if strings.HasPrefix(c.word, current) && plainWord.MatchString(c.word) {
			about, _, _ := strings.Cut(clean(true, c.about), "\n")
			b.WriteString(strings.TrimRight(c.word+"\t"+strings.ReplaceAll(about, "\t", " "), "\t") + "\n")
		}
	}
	fmt.Fprint(t.out, b.String())
}

// commandLine is what is known of a command line that is being written.
type commandLine struct {
	commands   []*cli.Command // that may come next
	leaf       *cli.Command   // nil before the command is known
	arguments  []string
	flags      map[string]string // the values given
	wants      string            // the flag whose value comes next
	onlyValues bool              // there was a --
}

// readLine reads the words before the one that is being written, as reorder
// does.
func readLine(app *cli.App, words []string) *commandLine {
	l := &commandLine{commands: app.Commands, flags: map[string]string{}}
	for _, word := range words {
		switch {
		case l.wants != "":
			l.flags[l.wants], l.wants = word, ""
		case l.onlyValues:
			l.arguments = append(l.arguments, word)
		case word == "--":
			l.onlyValues = true
		case strings.HasPrefix(word, "-") && word != "-":
			name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if given {
				l.flags[name] = value
			} else if takesValue(app, l.leaf, word) {
				l.wants = name
			}
		default:
			if found := find(l.commands, word); found != nil && len(l.arguments) == 0 {
				l.leaf, l.commands = found, found.Subcommands
			} else {
				l.arguments = append(l.arguments, word)
			}
		}
	}
	return l
}

func (l *commandLine) complete(ctx context.Context, app *cli.App, current string) []candidate {
	switch {
	case l.wants != "":
		return l.flagValues(ctx, app, l.wants, "")
	case strings.HasPrefix(current, "-") && !l.onlyValues:
		if dashed, _, given := strings.Cut(current, "="); given {
			return l.flagValues(ctx, app, strings.TrimLeft(dashed, "-"), dashed+"=")
		}
		return l.flagNames(app)
	case len(l.commands) > 0 && len(l.arguments) == 0:
		return commandNames(l.commands)
	case l.leaf == nil:
		return nil
	}
	usage := strings.Fields(l.leaf.ArgsUsage)
	if len(usage) == 0 {
		return nil
	}
	n := len(l.arguments)
	if n >= len(usage) {
		if n = len(usage) - 1; !strings.Contains(usage[n], "...") {
			return nil
		}
	}
	return l.argument(ctx, app, usage[n], current)
}

func commandNames(commands []*cli.Command) (list []candidate) {
	for _, c := range commands {
		if !c.Hidden {
			list = append(list, candidate{c.Name, c.Usage})
		}
	}
	return list
}

func (l *commandLine) flagNames(app *cli.App) []candidate {
	flags := app.Flags
	if l.leaf != nil {
		flags = l.leaf.Flags
	}
	list := []candidate{{"--help", "show help"}}
	for _, f := range flags {
		doc, _ := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			if len(name) > 1 && doc != nil {
				list = append(list, candidate{"--" + name, strings.ReplaceAll(doc.GetUsage(), "`", "")})
			}
		}
	}
	return list
}

// flagChoices are the values that flags of a name take wherever they are.
var flagChoices = map[string][]string{
	"isolation": {"fresh", "warm"}, "level": {"debug", "info", "warn", "error"}, "log-level": {"debug", "info", "warn", "error"},
	"log-format": {"text", "json"}, "action": {"allow", "deny", "audit", "kill", "quota"}, "by": {"tenant", "function", "day", "hour"},
	"reporter": {"spec", "tap", "junit"}, "template": {"transform", "webhook", "http", "agent"},
	"scope": {"admin", "tenant-deploy", "tenant-invoke", "metrics"}, "outcome": outcomeNames(),
}

func outcomeNames() []string {
	names := []string{"failed"}
	for _, o := range outcome.All() {
		if o != outcome.OK {
			names = append(names, o.String())
		}
	}
	return names
}

func (l *commandLine) flagValues(ctx context.Context, app *cli.App, name, before string) (list []candidate) {
	if l.leaf != nil { // by its first name, whichever was given
		for _, f := range l.leaf.Flags {
			if slices.Contains(f.Names(), name) {
				name = f.Names()[0]
			}
		}
	}
	switch name {
	case "tenant":
		list = l.ask(func(api *client.Client) []candidate { return tenants(ctx, api, "") })
	case "policy":
		list = l.ask(func(api *client.Client) []candidate { return policyNames(ctx, api) })
	case "version":
		list = l.argument(ctx, app, "VERSION", "")
	case "sort":
		list = words(strings.Split(topSorts(), ", ")...)
	default:
		list = words(flagChoices[name]...)
	}
	for i := range list {
		list[i].word = before + list[i].word
	}
	return list
}

func words(list ...string) (candidates []candidate) {
	for _, w := range list {
		candidates = append(candidates, candidate{word: w})
	}
	return candidates
}

// argument completes an argument that ArgsUsage calls what.
func (l *commandLine) argument(ctx context.Context, app *cli.App, what, current string) []candidate {
	what = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(what, "["), "]"), "...")
	if what == "COMMAND|TOPIC" {
		list := commandNames(app.Commands)
		for _, topic := range topics() {
			list = append(list, candidate{topic.name, topic.about})
		}
		return list
	}
	if strings.ToLower(what) == what { // bash|zsh|fish
		return words(strings.Split(what, "|")...)
	}
	return l.ask(func(api *client.Client) []candidate {
		tenant, rest, inTenant := strings.Cut(current, "/")
		of := ""
		if len(l.arguments) > 0 {
			of = l.arguments[0]
		}
		switch strings.ReplaceAll(what, "]", "") {
		case "TENANT":
			return tenants(ctx, api, "")
		case "TENANT/FUNCTION", "TENANT[/FUNCTION":
			if !inTenant {
				return tenants(ctx, api, "/")
			}
			if function, _, versioned := strings.Cut(rest, "@"); versioned && l.leaf.Name == "invoke" {
				return prefixed(tenant+"/"+function+"@", versionNames(ctx, api, tenant+"/"+function, true))
			}
			return prefixed(tenant+"/", functionNames(ctx, api, tenant))
		case "TENANT/NAME":
			if !inTenant {
				return tenants(ctx, api, "/")
			}
			return prefixed(tenant+"/", secretNames(ctx, api, tenant))
		case "TENANT/ID":
			if !inTenant {
				return tenants(ctx, api, "/")
			}
			return prefixed(tenant+"/", recordingIDs(ctx, api, tenant))
		case "VERSION", "FROM", "TO":
			return versionNames(ctx, api, of, true)
		case "ALIAS":
			return versionNames(ctx, api, of, false)
		case "VERSION=PERCENT":
			list := versionNames(ctx, api, of, true)
			for i := range list {
				list[i].word += "="
			}
			return list
		}
		return nil
	})
}

// ask calls do with a client as the command line would make it.
func (l *commandLine) ask(do func(*client.Client) []candidate) []candidate {
	api, err := dialServer(cmp.Or(l.flags["server"], os.Getenv("BULKHEAD_SERVER")), l.flags["token-file"])
	if err != nil {
		return nil
	}
	defer api.Close()
	return do(api)
}

func prefixed(prefix string, list []candidate) []candidate {
	for i := range list {
		list[i].word = prefix + list[i].word
	}
	return list
}

// tenants are all, or the one that the caller's token is for.
func tenants(ctx context.Context, api *client.Client, after string) (list []candidate) {
	who, err := api.Self(ctx)
	if err != nil {
		return nil
	}
	if !who.Admin {
		if who.Tenant != "" {
			list = words(who.Tenant + after)
		}
		return list
	}
	all, _ := api.Tenants(ctx)
	for _, t := range all {
		list = append(list, candidate{word: t.Name + after})
	}
	return list
}

func functionNames(ctx context.Context, api *client.Client, tenant string) (list []candidate) {
	all, _ := api.Functions(ctx, tenant)
	for _, f := range all {
		list = append(list, candidate{f.Function, "version " + shortVersion(f.Version)})
	}
	return list
}

// versionNames are the aliases of TENANT/FUNCTION, and its versions if they are
// wanted, too.
func versionNames(ctx context.Context, api *client.Client, name string, versions bool) (list []candidate) {
	tenant, function, err := splitName(name)
	if err != nil {
		return nil
	}
	all, _ := api.Versions(ctx, tenant, function)
	for _, v := range all.Versions {
		for _, alias := range v.Aliases {
			list = append(list, candidate{alias, "version " + shortVersion(v.Version)})
		}
	}
	for _, v := range all.Versions {
		if versions {
			list = append(list, candidate{shortVersion(v.Version), "deployed " + v.Deployed.Local().Format(time.DateTime)})
		}
	}
	return list
}

func secretNames(ctx context.Context, api *client.Client, tenant string) (list []candidate) {
	all, _ := api.Secrets(ctx, tenant)
	for _, s := range all {
		list = append(list, candidate{word: s.Name})
	}
	return list
}

func recordingIDs(ctx context.Context, api *client.Client, tenant string) (list []candidate) {
	all, _ := api.Recordings(ctx, tenant, "")
	for _, r := range all {
		list = append(list, candidate{r.ID, r.Function + " " + r.Time.Local().Format(time.DateTime)})
	}
	return list
}

func policyNames(ctx context.Context, api *client.Client) (list []candidate) {
	all, _ := api.Policies(ctx)
	for _, p := range all {
		list = append(list, candidate{p.Name, p.Description})
	}
	return list
}
