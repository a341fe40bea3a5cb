package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

func completionCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a shell's completion script", ArgsUsage: "bash|zsh|fish",
		Description: "It completes commands, flags and their values and, from what the supervisor answers within a moment, tenants, functions,\n" +
			"versions, aliases and policies. It asks as the command would: --server, --token-file and the variables count.\n" +
			"  source <(supervisor completion bash)                                          # bash, in ~/.bashrc\n" +
			"  source <(supervisor completion zsh)                                           # zsh, in ~/.zshrc after compinit\n" +
			"  supervisor completion fish > ~/.config/fish/completions/supervisor.fish       # fish",
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
				script = fishCompletion
			default:
				return &usageError{message: fmt.Sprintf("there is no completion for %q", args[0]), hint: "there is for bash, zsh and fish"}
			}
			if t.json {
				return t.document(map[string]string{"shell": args[0], "script": script})
			}
			_, err = io.WriteString(t.out, script)
			return err
		},
	}
}

// The scripts ask the program itself what may come next: see completed. Where it
// knows nothing, the shell offers files.

// Bash cuts words at : = and @, too, and replaces only what stands behind the
// last of them, but an @ with it.
const bashCompletion = `# bash completion for supervisor
_supervisor() {
  local rest=${COMP_LINE:0:COMP_POINT} words=() i word blank before line
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    blank=${rest%%[![:blank:]]*}
    rest=${rest#"$blank"}
    if ((i == COMP_CWORD)); then word=$rest; fi
    if [[ -z $blank ]] && ((i > 0)); then words[-1]+=$word; else words+=("$word"); fi
    rest=${rest#"$word"}
  done
  before=${words[-1]%"${words[-1]##*[:=@]}"}
  before=${before%@}
  COMPREPLY=()
  while IFS= read -r line; do
    line=${line%%$'\t'*}
    COMPREPLY+=("${line#"$before"}")
  done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then compopt -o nospace; fi
}
complete -o bashdefault -o default -F _supervisor supervisor
`

const zshCompletion = `#compdef supervisor
_supervisor() {
  local -a open closed shown
  local line word
  for line in "${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    word=${line%%$'\t'*}
    case $word in
      '') ;;
      *[/=]) open+=("$word") ;;
      *) closed+=("$word"); shown+=("${line/$'\t'/  -- }") ;;
    esac
  done
  if (( ! $#open && ! $#closed )); then
    _files
    return
  fi
  (( $#open )) && compadd -S '' -- "${open[@]}"
  (( $#closed )) && compadd -l -d shown -- "${closed[@]}"
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _supervisor "$@"
else
  compdef _supervisor supervisor
fi
`

const fishCompletion = `# fish completion for supervisor
function __supervisor_ask
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -g __supervisor_answers ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $__supervisor_answers) -gt 0
end
complete -c supervisor -e
complete -c supervisor -n __supervisor_ask -f -a '$__supervisor_answers'
`
