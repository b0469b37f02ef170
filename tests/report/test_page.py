"""The page stands alone, says the answers first, and lets no name become markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from goodfit.report.page import Claimed, Drawing, Section, Table, lab_page

SVG = '<?xml version="1.0"?><svg width="720pt" height="360pt" xmlns="http://www.w3.org/2000/svg"></svg>'
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></table><iframe src=//evil.example>",
    "<a href=javascript:alert(1)>&amp;",
]
VOID = {"meta", "img"}
ALLOWED = frozenset(
    re.findall(
        r"\S+",
        "html head meta title style body a header main footer nav section div h1 h2 h3 p ul ol li dl dt dd "
        "table caption thead tbody tr th td figure img span b strong abbr pre code details summary",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        "id class href title lang charset http-equiv content name role scope src alt width height decoding "
        "tabindex aria-label aria-labelledby aria-hidden",
    )
)


class Parsed(HTMLParser):
    """Elements, attributes and text of a page; fails on what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def section(i: str = "1a", bad: str = "", rows: int = 2, **changes) -> Section:
    settings = {
        "id": i + bad,
        "title": "Four paths" + bad,
        "question": "How do they walk?" + bad,
        "reading": f"First{bad}.\n\nSecond{bad}.",
        "command": "goodfit lab run 1a" + bad,
        "drawings": (Drawing(SVG, "contours" + bad), Drawing(SVG, "more" + bad)),
        "claims": (
            Claimed("SGD zigzags" + bad, "it does: 12" + bad, "holds" + bad),
            Claimed("He is best", "unclear", "cannot tell at 10 seeds"),
        ),
        "tables": (
            Table(("arm" + bad, "x"), tuple((f"a{k}{bad}", "0.5") for k in range(rows)), "numbers" + bad),
        ),
        "notes": ("two diverged" + bad,),
    }
    return Section(**{**settings, **changes})


def page(*sections: Section, bad: str = "") -> str:
    return lab_page("Lab" + bad, "What was found" + bad, [("Data" + bad, "penguins" + bad)], sections)


@pytest.mark.parametrize("bad", HOSTILE)
def test_no_name_becomes_markup(bad):
    hostile, plain = Parsed(page(section(bad=bad), bad=bad)), Parsed(page(section()))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert [sorted(a) for _, a in hostile.elements] == [sorted(a) for _, a in plain.elements]
    assert hostile.text.count(bad) >= 15
    skipped = Parsed(page(section(skipped="no classes" + bad)))
    assert bad in skipped.text


@pytest.mark.parametrize("bad", ["", *HOSTILE])
def test_only_known_elements_and_attributes_and_nothing_from_outside(bad):
    parsed = Parsed(
        page(section(bad=bad), section("2a", rows=40), section("3a", skipped="why" + bad), bad=bad)
    )
    for tag, attributes in parsed.elements:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ATTRIBUTES, attributes
        assert (attributes.get("src") or "data:").startswith("data:image/svg+xml;base64,"[:5])
        assert (attributes.get("href") or "#").startswith("#")
    style = "".join(re.findall(r"<style>(.*?)</style>", page(section()), re.DOTALL))
    assert "url(" not in style
    assert "@import" not in style
    assert "http:" not in page(section(bad=bad), bad=bad)
    assert "https:" not in page(section(bad=bad), bad=bad)


def test_the_policy_allows_this_style_and_embedded_images_alone():
    text = page(section())
    policy = next(
        a["content"] for a in Parsed(text).all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in rules
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_figures_are_embedded_whole_with_words_and_size():
    images = Parsed(page(section())).all("img")
    assert [image["alt"] for image in images] == ["contours", "more"]
    assert base64.b64decode(images[0]["src"].split(",")[1]).decode() == SVG
    assert (images[0]["width"], images[0]["height"]) == ("960", "480")
    assert "width" not in Parsed(page(section(drawings=(Drawing("<svg/>", ""),)))).all("img")[0]


def test_the_answers_come_first_and_lead_to_their_sections():
    text = page(section("1a"), section("1b"), section("2a", skipped="no target"))
    assert text.index("SGD zigzags") < text.index("<dl") < text.index("<nav") < text.index("<section")
    parsed = Parsed(text)
    targets = [a["id"] for _, a in parsed.elements if a.get("id")]
    assert len(targets) == len(set(targets))
    assert {a["href"][1:] for a in parsed.all("a")} <= set(targets)
    assert "2 claims hold" in parsed.text
    assert "2 cannot be told" in parsed.text
    assert "no target" in parsed.text
    assert "not run" in parsed.text


def test_sections_of_like_names_keep_links_of_their_own():
    ids = [
        a["id"]
        for a in Parsed(page(section("a b"), section("a-b"), section("<>"), section("!"))).all("section")
    ]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("verdict", "kind", "symbol"),
    [
        ("holds", "holds", "✓"),
        ("exact", "holds", "✓"),
        ("does not hold", "fails", "✗"),
        ("cannot tell at 3 seeds", "unknown", "?"),
        ("perhaps", "other", "•"),
        ("", "other", "•"),
    ],
)
def test_a_verdict_is_word_symbol_and_colour(verdict, kind, symbol):
    text = page(section(claims=(Claimed("a", "b", verdict),)))
    assert text.count(f'<span class="verdict {kind}"><b aria-hidden="true">{symbol}</b>{verdict}</span>') >= 2


def test_a_skipped_comparison_draws_nothing():
    parsed = Parsed(page(section(skipped="the target holds numbers")))
    assert not parsed.all("img")
    assert "the target holds numbers" in parsed.text
    assert "SGD zigzags" not in parsed.text


def test_long_tables_are_folded_on_screen_only_and_boxes_are_reachable():
    parsed = Parsed(page(section(rows=3), section("1b", rows=40)))
    assert len(parsed.all("details")) == 1
    assert "numbers (40 rows)" in parsed.text
    for tag, attributes in parsed.elements:
        if tag == "pre" or "scroll" in (attributes.get("class") or ""):
            assert attributes["tabindex"] == "0"
            assert attributes["role"] == "region"
            assert attributes["aria-label"]
    style = re.search(r"<style>(.*?)</style>", page(section()), re.DOTALL).group(1)
    assert "@media screen { details:not([open]) + .folded { display: none; } }" in style


def test_a_page_of_nothing_is_a_page():
    assert "Nothing" in Parsed(lab_page("Nothing", "", [], [])).text
    assert page(section()) == page(section())
