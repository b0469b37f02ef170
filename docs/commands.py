"""The command line's reference as Markdown, from the command line itself: conf.py puts it on its page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import typer

from goodfit.cli.main import app


def every_command(command=None, path: str = "goodfit") -> Iterator[tuple[str, object]]:
    """Yield path and command of everything that can be called: ``goodfit fit``, ``goodfit lab run``, …"""
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from every_command(one, f"{path} {name}")


def reference() -> str:
    """Return a section for each command: how it is called, what it does, its arguments and options."""
    return "\n".join(section(path, command) for path, command in every_command())


def section(path: str, command) -> str:
    """Return the section of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
    call = " ".join([path, *(shape(p) for p in arguments), *(["[OPTIONS]"] if options else [])])
    lines = ["", f"## {path}", "", f"`{call}`", "", escaped(inspect.cleandoc(command.help or "")), ""]
    if arguments:
        lines += ["Arguments:", ""]
        lines += [f"`{p.metavar or p.human_readable_name}`\n: {escaped(p.help or '')}\n" for p in arguments]
    if options:
        lines += ["Options:", ""]
        lines += [f"{names(p)}\n: {escaped(p.help or '')}{default(p)}\n" for p in options]
    return "\n".join(lines)


def shape(argument) -> str:
    """Return an argument as it stands in a call."""
    name = argument.metavar or argument.human_readable_name.upper()
    return name if argument.required else f"[{name}]"


def names(option) -> str:
    """Return an option with what follows it: `--budget TEXT`."""
    takes = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    return ", ".join(f"`{name}{takes}`" for name in [*option.opts, *option.secondary_opts])


def default(option) -> str:
    """Return the default in words, where there is one to tell."""
    if option.is_flag or option.default in (None, (), []) or callable(option.default):
        return ""
    return f" Default: `{option.default}`."


def escaped(text: str) -> str:
    """Return text for Markdown: options as code, and what outside of code would be read as markup plain."""
    plain = text.split("`")
    plain[::2] = [re.sub(r"--[a-z-]+", r"`\g<0>`", part) for part in plain[::2]]
    parts = "`".join(plain).split("`")
    return "`".join(p if i % 2 else re.sub(r"[*<\[]", r"\\\g<0>", p) for i, p in enumerate(parts))
