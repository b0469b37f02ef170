"""The site: complete, built without a warning, and loading nothing from other hosts."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

import goodfit
from goodfit.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
PUBLIC = set(goodfit.__all__) - {"__version__"}


def test_the_reference_holds_the_public_names():
    """Each once; what else it holds are classes that a public function returns or raises."""
    pages = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    held = re.findall(r"^\.\. auto(?:class|function|exception):: goodfit\.([\w.]+)$", pages, re.MULTILINE)
    assert len(held) == len(set(held))
    assert {name for name in held if "." not in name} == PUBLIC


def commands(command, path="goodfit"):
    """Yield path and command of everything that can be called."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, f"{path} {name}")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["-q", "-W", "--keep-going", "-E", "-b", "html", "-d", folder / "doctrees"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, ROOT / "docs", folder / "html"],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert not done.stderr
    return folder / "html"


class Loaded(HTMLParser):
    """Gathers what a page loads by itself: scripts, styles, images, fonts, frames."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag != "a":
            self.found += [
                value or "" for name, value in attributes if name in {"src", "srcset", "href", "data"}
            ]
        self.found += re.findall(r"url\([^)]*\)", dict(attributes).get("style") or "")


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    loaded = {(page.name, url) for page in pages for url in Loaded(page.read_text(encoding="utf-8")).found}
    for style in site.rglob("*.css"):
        loaded |= {(style.name, url) for url in re.findall(r"url\([^)]*\)|@import[^;]*", style.read_text())}
    assert loaded
    assert not {
        (name, url) for name, url in loaded if re.match(r"(?:url\(|@import)?[\s'\"(]*(?:https?:)?//", url)
    }


@pytest.mark.slow
def test_every_name_and_command_is_on_the_site(site):
    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    assert PUBLIC.issubset(re.findall(r'id="goodfit\.(\w+)"', pages))
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    sections = dict(re.findall(r"<h2>([^<]+)<.*?</h2>(.*?)(?=<h2>|</article>)", page, re.DOTALL))
    expected = dict(commands(typer.main.get_command(app)))
    assert set(sections) == set(expected)
    for path, command in expected.items():
        text = re.sub(r"<[^>]+>", "", sections[path])
        for parameter in command.params:
            names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
            assert names == ["--help"] or set(names) == {"-h", "--help"} or all(n in text for n in names), (
                names
            )


@pytest.mark.slow
def test_no_option_became_a_dash(site):
    for page in site.rglob("*.html"):
        assert not re.search(r"[\s(]–[a-z]", page.read_text(encoding="utf-8")), page


@pytest.mark.slow
def test_the_page_on_the_search_is_not_the_search_box(site):
    assert "What happens" in (site / "search.html").read_text(encoding="utf-8")
    assert 'id="search-results"' in (site / "find.html").read_text(encoding="utf-8")
    assert 'action="find.html"' in (site / "index.html").read_text(encoding="utf-8")
