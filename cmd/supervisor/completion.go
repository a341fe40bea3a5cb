package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

func completionCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a shell's completion script", ArgsUsage: "bash|zsh|fish",
		Description: "For bash: source <(supervisor completion bash)",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "bash|zsh|fish")
			if err != nil {
				return err
			}
			var script string
			switch args[0] {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				if script, err = c.App.ToFishCompletion(); err != nil {
					return fmt.Errorf("make the completion script: %w", err)
				}
			default:
				return usagef("there is no completion for %q; there is for bash, zsh and fish", args[0])
			}
			if t.json {
				return t.document(map[string]string{"shell": args[0], "script": script})
			}
			_, err = io.WriteString(t.out, script)
			return err
		},
	}
}

// The program itself lists what may come next when the last argument is
// --generate-bash-completion; without a match the shell offers files.
const bashCompletion = `# bash completion for supervisor
_supervisor() {
  local current=${COMP_WORDS[COMP_CWORD]} words
  words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  if [[ $current == -* ]]; then
    words+=("$current")
  fi
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _supervisor supervisor
`

const zshCompletion = `#compdef supervisor
_supervisor() {
  local -a options
  local current=${words[-1]}
  if [[ $current == -* ]]; then
    options=("${(@f)$(${words[@]:0:#words[@]-1} $current --generate-bash-completion 2>/dev/null)}")
  else
    options=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  fi
  if [[ -n ${options[1]} ]]; then
    _describe 'values' options
  else
    _files
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _supervisor "$@"
else
  compdef _supervisor supervisor
fi
`
