"""How Sphinx builds the site: `make docs`, then build/site/index.html."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))  # for commands.py

project = "goodfit"
author = "The goodfit authors"
release = version = metadata.version("goodfit")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["figures"]
suppress_warnings = ["misc.highlighting_failure"]  # JSON with … in it is no JSON

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
smartquotes_action = "D"  # " -- " becomes a dash, quotes stay as they are

default_role = "code"  # docstrings write `name` as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_custom_sections = [("Attributes", "params_style")]  # else coefs_ would lose its underscore
napoleon_use_rtype = False
napoleon_use_param = False  # "low, high: the ends" is one entry for two arguments

html_title = f"goodfit {release}"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

# Pages of the repository that lie outside this folder, and what they are called on the site.
OUTSIDE = {"CONTRIBUTING.md": "contributing", "README.zh-CN.md": "readme.zh-CN", "README.md": "index"}


def fill_in(app, page: str, source: list[str]) -> None:
    """Give a page its text where it is written elsewhere: a file of the repository, or the command line."""
    if page == "reference/commands":
        from commands import reference

        source[0] += reference()
    file = next((file for file, name in OUTSIDE.items() if name == page != "index"), None)
    if file is not None:
        text = (ROOT / file).read_text(encoding="utf-8").replace("](docs/", "](")
        source[0] = re.sub(r"\]\((?=[A-Z])", "](../", text)
    link = re.compile(rf"\]\(((?:\.\./)*)\.\./({'|'.join(map(re.escape, OUTSIDE))})\)")
    source[0] = link.sub(lambda found: f"]({found[1]}{OUTSIDE[found[2]]}.md)", source[0])


def keep_search_apart(app) -> None:
    """Write Sphinx's own search page as find.html: search.html is docs/search.md."""
    write = app.builder.handle_page

    def handle_page(page: str, context: dict, template: str = "page.html", **options) -> None:
        write("find" if template == "search.html" else page, context, template, **options)

    app.builder.handle_page = handle_page


def lead_to_find(app, page: str, template: str, context: dict, doctree) -> None:
    """Let the search box lead there."""
    pathto = context["pathto"]
    context["pathto"] = lambda to, *more: pathto("find" if to == "search" else to, *more)


def setup(app) -> None:
    """Sphinx calls this."""
    app.connect("source-read", fill_in)
    app.connect("builder-inited", keep_search_apart)
    app.connect("html-page-context", lead_to_find)
