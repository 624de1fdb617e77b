"""Writes a report: report.html, figures/, tables/, results, recommendations and summary."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from rlif.records.files import write_atomic
from rlif.report import forest, table
from rlif.report.charts import charts, shown_first
from rlif.report.claims import claims
from rlif.report.decisions import decisions
from rlif.report.figures import write_figures
from rlif.report.grids import grids
from rlif.report.headline import headline
from rlif.report.load import Study, load_study
from rlif.report.page import page
from rlif.report.parts import Parts
from rlif.report.samples import samples
from rlif.report.tabular import Tabular, latex, markdown
from rlif.report.unjudged import unjudged
from rlif.report.words import answers


def build_report(path: str | Path) -> Path:
    """Write the report of a run or study directory into it, and return report.html.

    Raises:
        UserError: nothing is recorded there, a record is damaged, or the directory cannot be written.
    """
    study = load_study(path)
    drawn, maps, judged = charts(study), grids(study), claims(study)
    control, transfer = forest.against_control(study), forest.transfers(study)
    tables = [table.tabular(study)]
    tables += [found.tabular() for found in (control, transfer) if found is not None]
    tables += [judged.tabular()] if judged.results else []
    parts = Parts(
        decisions=decisions(study),
        unjudged=unjudged(study),
        charts=drawn,
        grids=maps,
        control=control,
        transfer=transfer,
        claims=judged,
        samples=samples(shown_first(study)),
        figures=write_figures(study, drawn, maps, study.path / "figures"),
        tables=[item.name for item in tables],
    )
    _write_tables(tables, study.path / "tables")
    write_atomic(study.path / "summary.json", json.dumps(summary(study), indent=2).encode())
    write_atomic(study.path / "summary.md", markdown(tables[0]).encode())
    place = study.path / "report.html"
    write_atomic(place, page(study, parts).encode("utf-8", "replace"))
    return place


def terminal_table(path: str | Path) -> Table:
    """Return the table of a run or study directory for rich to print."""
    return table.terminal(load_study(path))


def summary(study: Study) -> dict[str, Any]:
    """Return everything the report states, as JSON-able values."""
    return {
        "name": study.name,
        "headline": headline(study),
        "answers": [asdict(answer) for answer in answers(study)],
        "runs": [
            {
                "id": run.id,
                "label": run.label,
                "role": run.role,
                "note": run.note,
                "findings": run.findings.model_dump(mode="json"),
            }
            for run in study.runs
        ],
        "arms": [
            {
                "label": arm.label,
                "role": arm.role,
                "runs": [run.id for run in arm.runs],
                "findings": arm.findings.model_dump(mode="json"),
            }
            for arm in study.arms
        ],
        "transfers": [
            {"arm": t.arm.label, "rlvr": t.rlvr.label, **t.found.model_dump(mode="json")}
            for t in study.transfers
        ],
    }


def _write_tables(tables: list[Tabular], directory: Path) -> None:
    for item in tables:
        write_atomic(directory / f"{item.name}.md", markdown(item).encode())
        write_atomic(directory / f"{item.name}.tex", latex(item).encode())
