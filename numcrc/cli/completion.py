"""``numcrc completion``: print the completion script of a shell, made from the parsers."""

from __future__ import annotations

import re

from numcrc.cli.arguments import new_parser
from numcrc.cli.output import print_text
from numcrc.crc.catalogue import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from collections.abc import Iterator

EPILOG = """\
To complete the command in each new shell, add a line to a file that the shell reads:
  bash  eval "$(numcrc completion bash)"    in ~/.bashrc
  zsh   eval "$(numcrc completion zsh)"     in ~/.zshrc, after compinit
  fish  numcrc completion fish | source     in ~/.config/fish/config.fish

Or store the script where the shell finds it, which makes shells start faster:
  bash  ~/.local/share/bash-completion/completions/numcrc
  zsh   _numcrc, in a folder of $fpath
  fish  ~/.config/fish/completions/numcrc.fish

examples:
  numcrc completion bash > ~/.local/share/bash-completion/completions/numcrc

exit status: 0 success; 2 wrong usage.
"""
# What to complete for a metavar.
_FILES = {"FILE", "PATH", "DIR", "SOURCE", "PART", "OUT", "SOURCE2"}
_ALGORITHMS = {"ALG", "ALGORITHM", "CRC"}


def run(arguments: list[str]) -> int:
    """Run ``numcrc completion`` and return its exit status."""
    options = build_parser().parse_args(arguments)
    print_text({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]())
    return 0


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc completion``."""
    parser = new_parser("completion", "Print the completion script of a shell.", EPILOG)
    shells = ("bash", "zsh", "fish")
    parser.add_argument("shell", metavar="SHELL", choices=shells, help="bash, zsh or fish")
    return parser


class _Command:
    """What the scripts need to know of a command."""

    def __init__(self, words: str, parser: ArgumentParser, summary: str) -> None:
        from numcrc.cli import parsers

        self.words, self.summary = words, summary
        self.options = [
            (option, parsers.help_text(parser, option)) for option in parsers.options(parser)
        ]
        self.operands = parsers.operands(parser)

    def below(self, commands: list[_Command]) -> list[_Command]:
        """Return the commands, or the actions, that may follow."""
        outer = f"{self.words} " if self.words else ""
        rest = ((each, each.words.removeprefix(outer)) for each in commands if each.words)
        return [e for e, last in rest if e.words.startswith(outer) and " " not in last]


def _commands() -> list[_Command]:
    from numcrc.cli.parsers import parsers

    return [_Command(words, *rest) for words, rest in parsers().items()]


def _values(action: Action) -> str:
    """Return the values that *action* takes, "files", "algorithms" or "" for any."""
    if action.metavar in _FILES:
        return "files"
    if action.metavar in _ALGORITHMS:
        return "algorithms"
    return " ".join(map(str, action.choices or ()))


def _takes_value(action: Action) -> bool:
    return action.nargs != 0


def _algorithms() -> str:
    """Return the names of the catalogue as users type them."""
    found = {name.lower() for name in names()} | {"crc32", "crc32c", "crc64nvme"}
    return " ".join(sorted(found))


def _last(command: _Command) -> str:
    return command.words.rpartition(" ")[2]


# bash


def _bash() -> str:
    commands = _commands()
    values, operands, flags = list[str](), list[str](), list[str]()
    for command in commands:
        names = (name for option, _ in command.options for name in option.option_strings)
        flags.append(_bash_case([command.words], f'words="{" ".join(names)}"'))
        by_words: dict[str, list[str]] = {}
        for option, _ in command.options:
            if _takes_value(option):
                forms = by_words.setdefault(_bash_words(_values(option)), [])
                forms += (f"{command.words},{name}" for name in option.option_strings)
        values += (_bash_case(forms, words) for words, forms in by_words.items())
        if below := command.below(commands):
            found = " ".join(map(_last, below))
        else:
            found = next(filter(None, map(_values, command.operands)), "")
        if found and found != "files":
            operands.append(_bash_case([command.words], _bash_words(found)))
    return _BASH.format(
        algorithms=_algorithms(),
        values="\n".join(values),
        options="\n".join(flags),
        operands="\n".join(operands),
    )


def _bash_case(patterns: list[str], code: str) -> str:
    alternatives = " | ".join(f'"{pattern}"' for pattern in patterns)
    return f"        {alternatives}) {code} ;;"


def _bash_words(values: str) -> str:
    if values == "algorithms":
        return "words=$algorithms"
    return ":" if values in ("", "files") else f'words="{values}"'


_BASH = """\
# Completion of numcrc in bash, printed by "numcrc completion bash".
_numcrc() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command= words=
    local algorithms="{algorithms}"
    [[ $cur == = ]] && cur=
    [[ $prev == = ]] && prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    ((COMP_CWORD > 1)) && command=${{COMP_WORDS[1]}}
    [[ $command == explore ]] && ((COMP_CWORD > 2)) && command+=" ${{COMP_WORDS[2]}}"
    case "$command,$prev" in
{values}
        *) prev= ;; # not an option with a value
    esac
    if [[ ! $prev && $cur == -* ]]; then
        case $command in
{options}
        esac
    elif [[ ! $prev ]]; then
        case $command in
{operands}
        esac
    fi
    # Without words, bash completes the names of files.
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o bashdefault -o default -F _numcrc numcrc"""


# zsh


def _zsh() -> str:
    commands = _commands()
    cases, lists = list[str](), list[str]()
    for command in commands:
        if below := command.below(commands):
            rows = (f"'{_last(each)}:{_quoted(each.summary)}'" for each in below)
            lists.append(f'        "{command.words}") commands=({" ".join(rows)}) ;;')
            continue
        specs = [spec for option, text in command.options for spec in _zsh_option(option, text)]
        specs += map(_zsh_operand, command.operands)
        joined = " \\\n                ".join(specs)
        cases.append(
            f"        '{command.words}')\n            _arguments -S \\\n{'':16}{joined} ;;"
        )
    return _ZSH.format(algorithms=_algorithms(), lists="\n".join(lists), cases="\n".join(cases))


def _zsh_option(option: Action, text: str) -> Iterator[str]:
    text = _quoted(re.sub(r"([\[\]:\\])", r"\\\1", text))
    names = option.option_strings
    value = (
        f":{option.metavar or option.dest}:{_zsh_values(option)}" if _takes_value(option) else ""
    )
    repeated = type(option).__name__ == "_AppendAction"
    for name in names:
        others = "" if repeated else f"({' '.join(names)})"
        equals = "=" if value and name.startswith("--") else ""
        yield f"'{'*' if repeated else others}{name}{equals}[{text}]{value}'"


def _zsh_operand(operand: Action) -> str:
    many = "*" if operand.nargs in ("*", "+") else ""
    return f"'{many}:{operand.metavar}:{_zsh_values(operand)}'"


def _zsh_values(action: Action) -> str:
    values = _values(action)
    if values in ("files", "algorithms"):
        return {"files": "_files", "algorithms": "_numcrc_algorithms"}[values]
    return f"({values})" if values else " "


def _quoted(text: str) -> str:
    """Return *text* for the inside of single quotes."""
    return text.replace("'", r"'\''")


_ZSH = """\
#compdef numcrc
# Completion of numcrc in zsh, printed by "numcrc completion zsh".
_numcrc_algorithms() {{
    local -a algorithms=({algorithms})
    compadd -M 'm:{{A-Z}}={{a-z}}' -a algorithms
}}
_numcrc() {{
    local command=
    local -a commands
    while true; do
        case $command in
{lists}
            *) break ;;
        esac
        if ((CURRENT == 2)); then
            _describe command commands
            return
        fi
        command="${{command:+$command }}$words[2]"
        shift words
        ((CURRENT--))
    done
    case $command in
{cases}
    esac
}}
if [[ $funcstack[1] == _numcrc ]]; then
    _numcrc "$@"
else
    compdef _numcrc numcrc
fi"""


# fish


def _fish() -> str:
    commands = _commands()
    lines = list[str]()
    for command in commands:
        start = f"complete -c numcrc -n '__numcrc_at {command.words}'"
        below = command.below(commands)
        lines += (f"{start} -a {_last(each)} -d '{_fish_quoted(each.summary)}'" for each in below)
        for option, text in command.options:
            forms = (
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.option_strings
            )
            value = f" {_fish_values(option)}" if _takes_value(option) else ""
            lines.append(f"{start} {' '.join(forms)}{value} -d '{_fish_quoted(text)}'")
        if not below:
            operands = (_values(operand) for operand in command.operands)
            for values in dict.fromkeys(filter(None, operands)):
                what = {"files": "-F", "algorithms": "-a '(__numcrc_algorithms)'"}
                lines.append(f"{start} {what.get(values) or f'-a {values!r}'}")
    return _FISH.format(algorithms=_algorithms(), lines="\n".join(lines))


def _fish_values(action: Action) -> str:
    values = _values(action)
    if values == "files":
        return "-r -F"
    if values == "algorithms":
        return "-x -a '(__numcrc_algorithms)'"
    return f"-x -a '{values}'" if values else "-x"


def _fish_quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace("'", r"\'")


_FISH = """\
# Completion of numcrc in fish, printed by "numcrc completion fish".
function __numcrc_at
    set -l words (commandline -opc)
    set -l command $words[2]
    if test "$command" = explore; and set -q words[3]
        set command $command $words[3]
    end
    test "$command" = "$argv"
end
function __numcrc_algorithms
    string split ' ' '{algorithms}'
end
complete -c numcrc -f
{lines}"""
