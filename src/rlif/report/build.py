"""Writes a report: report.html, figures/, summary.json, summary.md."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
from rich.table import Table

import rlif
from rlif.diagnostics import Thresholds
from rlif.diagnostics.evidence import number
from rlif.records.files import write_atomic
from rlif.report.figures import figures
from rlif.report.load import Study, load_study
from rlif.report.render import Rendered, render
from rlif.report.samples import samples
from rlif.report.style import COLOURS
from rlif.report.table import COLUMNS, SYMBOLS, markdown, rows, terminal
from rlif.report.words import answers, headline
from rlif.statistics.bootstrap import RESAMPLES

TITLES = {
    "pass_at_1": "Right answers on held-out problems",
    "reward_and_truth": "What was rewarded, and what was right",
    "signals": "Signals that need no tests",
    "transfer": "First without tests, then with tests",
}
"""Figure -> its heading; how to read each stands in the template."""


def build_report(path: str | Path) -> Path:
    """Write the report of a run or study directory into it, and return report.html.

    Raises:
        UserError: nothing is recorded there, a record is damaged, or the directory cannot be written.
    """
    study = load_study(path)
    shown = [
        render(draw, study, name, TITLES[name], study.path / "figures")
        for name, draw in figures(study).items()
    ]
    write_atomic(study.path / "summary.json", json.dumps(summary(study), indent=2).encode())
    write_atomic(study.path / "summary.md", markdown(study).encode())
    page = study.path / "report.html"
    write_atomic(page, _html(study, shown).encode("utf-8", "replace"))
    return page


def terminal_table(path: str | Path) -> Table:
    """Return the table of a run or study directory for rich to print."""
    return terminal(load_study(path))


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
        "transfers": [
            {"run": t.run.id, "rlvr": t.rlvr.id, **t.found.model_dump(mode="json")} for t in study.transfers
        ],
    }


def _html(study: Study, shown: list[Rendered]) -> str:
    # Completions are written by a model: everything is escaped but the SVG made here.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rlif.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    versions = {k: v for run in study.runs if run.status for k, v in run.status.versions.items()}
    return environment.get_template("report.html.j2").render(
        study=study,
        headline=headline(study),
        answers=answers(study),
        columns=COLUMNS,
        rows=rows(study),
        symbols=SYMBOLS,
        figures=shown,
        samples=samples(study.runs),
        colours=COLOURS,
        thresholds=Thresholds(),
        resamples=RESAMPLES,
        configs={run.label: json.dumps(run.config, indent=2) for run in study.runs if run.config},
        versions={"rlif (report)": rlif.__version__, **versions},
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(study.read_at)),
    )
