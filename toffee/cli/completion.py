"""``toffee completion``: scripts for the shells, made from the parser."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from . import _common
from ._common import Parsers, put

_EXAMPLES = """
eval "$(toffee completion bash)"     # in ~/.bashrc
eval "$(toffee completion zsh)"      # in ~/.zshrc, after compinit
toffee completion fish > ~/.config/fish/completions/toffee.fish
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "completion",
        _run,
        "print a script that completes commands in a shell",
        _EXAMPLES,
    )
    parser.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"
    )


# ---- what there is to complete -----------------------------------------------------------------


class _Option(NamedTuple):
    names: list[str]
    help: str
    choices: list[str]
    takes_value: bool
    takes_file: bool


class _Command(NamedTuple):
    name: str
    help: str
    options: list[_Option]
    words: list[str]
    """What its positional arguments can be; none: files."""


def _option(action: argparse.Action) -> _Option:
    return _Option(
        list(action.option_strings),
        (action.help or "").partition(";")[0],
        [str(choice) for choice in action.choices or ()],
        action.nargs != 0,
        action.metavar in ("FILE", "[NAME=]VALUE"),
    )


def _commands(parser: argparse.ArgumentParser) -> list[_Command]:
    (tree,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    helps = {action.dest: action.help or "" for action in tree._choices_actions}
    found = []
    for name, command in tree.choices.items():
        options = [_option(a) for a in command._actions if a.option_strings]
        words = [str(w) for a in command._actions if not a.option_strings for w in a.choices or ()]
        found.append(_Command(name, helps[name], options, words))
    return found


# ---- the shells --------------------------------------------------------------------------------


def _bash(commands: list[_Command]) -> Iterator[str]:
    yield "_toffee() {"
    yield "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words="
    yield "    COMPREPLY=()"
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    names = " ".join(command.name for command in commands)
    yield f"        COMPREPLY=($(compgen -W '{names} --help --version' -- \"$word\"))"
    yield "        return"
    yield "    fi"
    yield "    case ${COMP_WORDS[1]}:$before in"
    for command in commands:
        for option in command.options:
            patterns = "|".join(f"{command.name}:{name}" for name in option.names)
            if option.choices:
                yield f"    {patterns}) words='{' '.join(option.choices)}' ;;"
            elif option.takes_file:
                yield f'    {patterns}) COMPREPLY=($(compgen -f -- "$word")); return ;;'
            elif option.takes_value:
                yield f"    {patterns}) return ;;"
    yield "    *) case ${COMP_WORDS[1]}:$word in"
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        yield f"        {command.name}:-*) words='{names}' ;;"
        if command.words:
            yield f"        {command.name}:*) words='{' '.join(command.words)}' ;;"
    yield '        *) COMPREPLY=($(compgen -f -- "$word")); return ;;'
    yield "        esac ;;"
    yield "    esac"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -o filenames -F _toffee toffee"


def _zsh(commands: list[_Command]) -> Iterator[str]:
    yield "#compdef toffee"
    yield "_toffee() {"
    yield "    local -a commands=("
    for command in commands:
        yield f"        {shlex.quote(f'{command.name}:{command.help}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield "    case $words[2]:$words[CURRENT-1] in"
    for command in commands:
        for option in command.options:
            patterns = "|".join(f"{command.name}:{name}" for name in option.names)
            if option.choices:
                yield f"    {patterns}) compadd -- {' '.join(option.choices)}; return ;;"
            elif option.takes_file:
                yield f"    {patterns}) _files; return ;;"
            elif option.takes_value:
                yield f"    {patterns}) return ;;"
    yield "    esac"
    yield "    case $words[2]:$words[CURRENT] in"
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        yield f"    {command.name}:-*) compadd -- {names} ;;"
        if command.words:
            yield f"    {command.name}:*) compadd -- {' '.join(command.words)} ;;"
    yield "    *) _files ;;"
    yield "    esac"
    yield "}"
    yield "compdef _toffee toffee"


def _fish(commands: list[_Command]) -> Iterator[str]:
    yield "complete -c toffee -n __fish_use_subcommand -f -l help -s h -d 'show the help'"
    yield "complete -c toffee -n __fish_use_subcommand -f -l version -d 'show the version'"
    for command in commands:
        yield (
            f"complete -c toffee -n __fish_use_subcommand -f -a {command.name} "
            f"-d {shlex.quote(command.help)}"
        )
    for command in commands:
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            yield f"complete -c toffee {seen} -f -a '{' '.join(command.words)}'"
        for option in command.options:
            names = [
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in option.names
            ]
            value = f" -x -a '{' '.join(option.choices)}'" if option.choices else ""
            if option.takes_value and not value:
                value = " -r" if option.takes_file else " -x"
            said = shlex.quote(option.help)
            yield f"complete -c toffee {seen} {' '.join(names)}{value} -d {said}"


_SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _run(args: argparse.Namespace) -> None:
    # Not at the top: it imports this module.
    from .main import build_parser

    put("\n".join(_SHELLS[args.shell](_commands(build_parser()))))
