"""The records as Markdown, and the critical-difference figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contest import compare
from contest.compare import Results
from contest.records import Record


def row(cells: list[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def heading(cells: list[str]) -> list[str]:
    """Return the first two lines of a Markdown table: names to the left, numbers to the right."""
    return [row(cells), row([":---", *["---:"] * (len(cells) - 1)])]


def budget_of(results: Results) -> str:
    """Return the budgets of the records."""
    return " and ".join(sorted({f"{r['seconds']:g} s" for r in results.records.values()}))


def times(results: Results, method: str, key: str) -> tuple[float, float]:
    """Return the median and the highest of a method's seconds."""
    found = [r[key] for (*_, m), r in results.records.items() if m == method and r.get(key) is not None]
    return (float(np.median(found)), max(found)) if found else (np.nan, np.nan)


def overall(results: Results) -> list[str]:
    """Return the table of methods, best mean rank first."""
    placed = compare.ranks(results.values)
    scaled, won = compare.normalised(results.values), compare.wins(results.values)
    failed = ~np.isfinite(results.values)
    lines = heading(
        ["method", "mean rank", "normalised", "wins", "failed", "fit, s", "longest", "predict, s"]
    )
    for j in np.argsort(placed.mean(axis=0), kind="stable"):
        method = results.methods[j]
        fit, predict = times(results, method, "fit_seconds"), times(results, method, "predict_seconds")
        cells = [method, f"{placed[:, j].mean():.2f}", f"{scaled[:, j].mean():.3f}"]
        cells += [
            f"{won[:, j].sum():g}",
            str(failed[:, j].sum()),
            f"{fit[0]:.1f}",
            f"{fit[1]:.1f}",
            f"{predict[0]:.3f}",
        ]
        lines.append(row(cells))
    return lines


def cell(results: Results, table: str, method: str, best: float) -> str:
    """Return a method's score on a table: per cent or RMSE, its interval, the best in bold."""
    found = compare.table_score(results, table, method)
    if found is None:
        there = any((t, m) == (table, method) for t, _, m in results.records)
        return "failed" if there else "–"
    unit, form = (100, "{:.2f}") if found["score"] == "error" else (1, "{:.4g}")
    mean, low, high = (form.format(unit * found[key]) for key in ("mean", "low", "high"))
    return f"{f'**{mean}**' if found['mean'] <= best else mean} [{low}, {high}]"


def each_table(results: Results, apart: tuple[str, ...]) -> list[str]:
    """Return the table of tables; the columns apart come last and are not ranked."""
    lines = heading(["table", *results.methods, *apart])
    for table, values in zip(results.tables, results.by_table(), strict=True):
        cells = [cell(results, table, method, values.min()) for method in results.methods]
        cells += [cell(results, table, method, -np.inf) for method in apart]
        lines.append(row([table, *cells]))
    return lines


def verdicts(results: Results) -> list[str]:
    """Return the tests, in sentences."""
    values, lines = results.by_table(), []
    chance = compare.friedman(values)
    if chance is not None:
        gap = compare.critical_difference(len(results.methods), len(results.tables))
        lines.append(f"Friedman's test over {len(results.tables)} tables: p = {chance:.2g}.")
        lines.append(f"Nemenyi's critical difference of mean ranks: {gap:.2f}.")
    if "goodfit" in results.methods and chance is not None:
        ours = results.methods.index("goodfit")
        held = compare.against(values, ours)
        told = ", ".join(f"{m} {held[j]:.2g}" for j, m in enumerate(results.methods) if j != ours)
        lines.append(f"goodfit against each (Wilcoxon on ranks, Holm): p = {told}.")
    worse = compare.behind(results)
    if worse is not None:
        where = ", ".join(worse) or "nowhere"
        lines.append(f"goodfit is worse than the linear model by more than its interval: {where}.")
    over = [
        f"{m} on {t} ({r['fit_seconds']:.1f} s)"
        for (t, _, m), r in results.records.items()
        if m in results.methods and (r.get("fit_seconds") or 0) > 1.1 * r["seconds"]
    ]
    lines.append(f"Fits beyond the budget by more than 10 %: {', '.join(over) or 'none'}.")
    lines += [
        f"{r['status']}: {m} on {t}, split {s}: {r['message']}"
        for (t, s, m), r in results.records.items()
        if r["status"] != "done"
    ]
    return lines


def show(records: list[Record], within: tuple[str, ...], figure: Path) -> None:
    """Print everything and draw the figure."""
    results = compare.gather(records, within)
    if not results.cases:
        print("No table has a record of every method yet.")
        return
    apart = tuple(sorted({r["method"] for r in records} - set(results.methods)))
    splits = len({split for _, split in results.cases})
    size = f"{len(results.tables)} tables, {splits} splits, {budget_of(results)} a fit"
    print(f"{size}. Rank 1: the best of a case,")
    print("that is a table and split; normalised: 1 its best, 0 its worst; fit: median and longest.\n")
    print("\n".join(overall(results)))
    print("\nError in per cent, or RMSE: means over splits of the score and of its 95 % interval.\n")
    print("\n".join(each_table(results, apart)))
    print("\n" + "\n\n".join(verdicts(results)))
    if len(results.methods) > 1:
        from contest.figure import draw

        draw(results, figure)
        print(f"\nCritical differences: {figure}")
