"""What a comparison found: its record, and the verdicts on its claims. The lab and `compare` return it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.lab.comparison import Comparison, Record
from goodfit.stats.verdict import Verdict
from goodfit.store.atomic import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Findings:
    """A comparison's record with its verdicts.

    ``curves`` holds the recorded arrays by name (their first axis is mostly arms, their second seeds);
    ``table`` the numbers for people; ``verdicts`` one `Verdict` a claim; `plot` draws, and nothing is trained
    again for it.
    """

    comparison: Comparison
    record: Record
    verdicts: tuple[Verdict, ...]

    @property
    def arms(self) -> list[str]:
        """The arms' names."""
        return self.record.arms

    @property
    def curves(self) -> Mapping[str, np.ndarray]:
        """The recorded arrays by name."""
        return self.record.arrays

    @property
    def table(self) -> DataFrame:
        """The first table: a row an arm, with means and 95 % intervals over seeds as text."""
        from pandas import DataFrame

        first = self.comparison.tables(self.record)[0]
        return DataFrame(list(first.rows), columns=list(first.head)).set_index(first.head[0])

    @property
    def verdict(self) -> str:
        """All verdicts in words, a line a claim."""
        return "\n".join(
            f"{verdict.words}: {claim.says} ({claim.found(verdict)})"
            for claim, verdict in zip(self.comparison.claims, self.verdicts, strict=True)
        )

    def plot(self, name: str = "figure") -> Figure:
        """Return a figure, drawn from the record alone."""
        return self.comparison.figure(self.record)[name]

    def text(self) -> str:
        """Return table and verdicts as text."""
        return f"{self.table.to_string()}\n\n{self.verdict}"

    def __str__(self) -> str:
        return self.text()

    def draw(self, folder: str | Path) -> None:
        """Write every figure into a folder, as SVG and PNG.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        from goodfit.report.style import save

        for name, figure in self.comparison.figure(self.record).items():
            save(figure, Path(folder), name)

    def write_verdict(self, folder: str | Path) -> dict[str, Any]:
        """Write ``verdict.json`` into a folder and return what it holds.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        one = self.comparison
        told = {
            "id": one.id,
            "title": one.title,
            "question": one.question,
            "claims": [
                {
                    "says": claim.says,
                    "measure": claim.measure,
                    "inside": list(claim.inside),
                    "found": claim.found(verdict),
                    "verdict": verdict.words,
                    "difference": verdict.difference,
                    "low": verdict.low,
                    "high": verdict.high,
                    "pairs": verdict.n,
                    "diverged": list(verdict.diverged),
                    "corrected_for": verdict.claims,
                }
                for claim, verdict in zip(one.claims, self.verdicts, strict=True)
            ],
        }
        write_json(Path(folder) / "verdict.json", told)
        return told


def judged(records: Sequence[tuple[Comparison, Record]]) -> list[Findings]:
    """Return findings with verdicts corrected for the number of all claims that are looked at together."""
    total = max(1, sum(claim.drawn for one, _ in records for claim in one.claims))
    return [
        Findings(one, record, tuple(claim.judged(record, total) for claim in one.claims))
        for one, record in records
    ]
