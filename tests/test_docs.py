"""The pages cannot rot: their Python runs, their TOML is a space, their commands and links exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from goodfit.cli.main import app
from goodfit.search.recipes import recipe_space
from goodfit.search.space_file import parse_space

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
    for page in (*sorted(ROOT.glob("README*.md")), *sorted(DOCS.rglob("*.md")))
}
TRANSLATED = ".zh-CN"


def fences(name: str) -> list[tuple[int, str, str]]:
    """Return the number of its first line, language and text of each block of code on a page."""
    page = PAGES[name]
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(page.count("\n", 0, one.start(2)) + 1, one[1], one[2]) for one in found]


def blocks(name: str) -> list[tuple[str, str]]:
    """Return language and text of each block of code on a page."""
    return [(kind, code) for _, kind, code in fences(name)]


def prose(name: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", PAGES[name], flags=re.MULTILINE | re.DOTALL)


TRANSLATIONS = [name for name in PAGES if name.replace(TRANSLATED, "") in set(PAGES) - {name}]
ORIGINALS = [name for name in PAGES if TRANSLATED not in name and not name.startswith("README")]
BLOCKS = [(name, *fence) for name in ORIGINALS for fence in fences(name)]


@pytest.fixture(scope="module")
def block_runner():
    """Return the function that runs a block; one process imports what blocks need, and forks for each."""
    command = [sys.executable, str(Path(__file__).with_name("run_blocks.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as one:

        def run(*block):
            one.stdin.write(json.dumps(block) + "\n")
            one.stdin.flush()
            return json.loads(one.stdout.readline())

        yield run
        one.stdin.close()


PYTHON = {f"{name}:{line}": (name, line, code) for name, line, kind, code in BLOCKS if kind == "python"}


@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(block, block_runner):
    status, output = block_runner(*PYTHON[block])
    assert not status, output


@pytest.mark.parametrize("code", [code for *_, kind, code in BLOCKS if kind == "toml"])
def test_toml_is_a_space(code):
    space = recipe_space(parse_space(code))
    assert space.size() >= 2
    assert space.ranges


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    folder = (ROOT / name).parent
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", prose(name)):
        assert link.startswith("https://") or (folder / link).exists(), link


# ---- commands ----


def command(words):
    """Return the command that the words after ``goodfit`` name, and the rest of the words."""
    found = typer.main.get_command(app)
    while words and not words[0].startswith("-") and hasattr(found, "commands"):
        assert words[0] in found.commands, f"there is no command {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    return found, words


def options(found):
    """Return the options of a command and of those below it."""
    own = {option for parameter in found.params for option in parameter.opts}
    return own.union({"--help"}, *(options(below) for below in getattr(found, "commands", {}).values()))


@pytest.mark.parametrize("name", PAGES)
def test_commands_can_be_given_so(name):
    lines = [line for kind, code in blocks(name) if kind == "bash" for line in code.splitlines()]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["goodfit"]:
            found, rest = command(words[1:])
            found.make_context("goodfit", rest)  # parses, and raises what the command line would say


@pytest.mark.parametrize("name", PAGES)
def test_options_named_in_the_text_exist(name):
    for text in re.findall(r"`(goodfit [^`\n]+)`", prose(name)):
        found, rest = command(shlex.split(text)[1:])
        assert {word for word in rest if word.startswith("--")} <= options(found), text


# ---- translations ----


def without_comments(name):
    return [(kind, re.sub(r" *# .*", "", code)) for kind, code in blocks(name)]


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_holds_the_same_code_and_names(name):
    assert without_comments(name) == without_comments(name.replace(TRANSLATED, ""))
    mentioned = [set(re.findall(r"`([^`\n]+)`", prose(n))) for n in (name, name.replace(TRANSLATED, ""))]
    assert mentioned[0] == mentioned[1]


# ---- the model file ----


def refusals(path):
    """Return the sentences of every ModelFileError in a module, … for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ModelFileError":
            text = node.args[0]
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)


def test_every_refusal_of_a_model_file_is_told():
    home = ROOT / "src/goodfit/model"
    raised = {text for name in ("file.py", "architecture.py") for text in refusals(home / name)}
    section = PAGES["docs/model-file.md"].split("\n| what is wrong | sentence |\n")[1].split("\n\n")[0]
    told = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    assert set(told) == raised - {"…: …"}
    assert len(told) == len(set(told))
