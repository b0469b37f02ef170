"""Make docs/gallery.md and docs/figures from the records of a lab run.

    GOODFIT_DATA=… goodfit lab run all --out build/gallery
    python docs/gallery.py build/gallery

`make gallery` does both. Nothing is trained here: figures are drawn, and verdicts judged, from the records.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from goodfit.lab.findings import Findings, judged
from goodfit.lab.records import records_of
from goodfit.lab.run import publish

HERE = Path(__file__).resolve().parent


def section(found: Findings, figures: list[str]) -> str:
    """Return one comparison as Markdown."""
    one = found.comparison
    lines = [f"## {one.id}. {one.title}", "", one.question, ""]
    for name in figures:
        lines += [f"![{one.alt}](figures/{name})", ""]
    lines += ["| the claim | the data | verdict |", "| --- | --- | --- |"]
    for claim, verdict in zip(one.claims, found.verdicts, strict=True):
        cells = (claim.says, claim.found(verdict), f"**{verdict.words}**")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", one.reading, "", f"`{found.record.info['command']}`", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a lab run")
    run = parser.parse_args().run
    publish(run, redraw=True)
    shutil.rmtree(HERE / "figures", ignore_errors=True)
    (HERE / "figures").mkdir()
    sections = []
    findings = judged(records_of(run))
    for found in findings:
        name, names = found.comparison.id, []
        for path in sorted((run / name).glob("*.svg"), key=lambda p: (p.stem != "figure", p.stem)):
            names.append(f"{name}.svg" if path.stem == "figure" else f"{name}-{path.stem}.svg")
            shutil.copyfile(path, HERE / "figures" / names[-1])
        sections.append(section(found, names))
    info = findings[0].record.info
    head = [
        "# The gallery: every comparison of the chapter",
        "",
        f"On {info['data']['name']} with {len(info['seeds'])} seeds an arm. Intervals are 95 % over seeds, "
        "corrected for all claims on this page; a claim *holds* if its whole interval lies where the claim "
        "says, *does not hold* if it lies outside. `goodfit lab run all` makes such a page, also for "
        "data of your own (`--data FILE --target COL`). This page is made by `make gallery`.",
        "",
    ]
    (HERE / "gallery.md").write_text("\n".join([*head, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
