"""Everything computed -> one HTML page that needs nothing else.

Completions, labels and errors are hostile text: the templates escape everything, JSON in a script element
holds no "<", and the content security policy lets only the two scripts run whose hashes it names, and nothing
be loaded or sent.
"""

import base64
import hashlib
import json
import math
import time
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

import rlif
from rlif.diagnostics import Thresholds, probe
from rlif.diagnostics.evidence import number
from rlif.report import claims, curves, forest, highlight, lifetimes, style, table, unjudged
from rlif.report.chart import as_json
from rlif.report.headline import headline
from rlif.report.load import Study
from rlif.report.parts import Parts
from rlif.report.words import answers
from rlif.statistics.bootstrap import RESAMPLES

MOST_EMBEDDED = 400_000
"""Bytes of results.csv up to which the page carries it."""


def page(study: Study, parts: Parts) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rlif.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": number,
        "signed": forest.signed,
        "span": forest.span,
        "thousands": _thousands,
        "duration": _duration,
        "highlighted": highlight.highlighted,
        "quoted": claims.quoted,
    }
    scripts = {name: Markup(_asset(f"{name}.js")) for name in ("theme", "charts")}
    columns, rows = table.rows(study)
    versions = {k: v for run in study.runs if run.status for k, v in run.status.versions.items()}
    return environment.get_template("report.html.j2").render(
        study=study,
        parts=parts,
        headline=headline(study),
        answers=answers(study),
        columns=columns,
        rows=rows,
        symbols=table.SYMBOLS,
        scripts=scripts,
        policy=_policy(scripts.values()),
        charts=_json(as_json(parts.charts)),
        theme=_theme(),
        syntax=Markup(highlight.rules()),
        downloads=_downloads(study, parts),
        thresholds=Thresholds(),
        probe=probe.HEALTHY,
        resamples=RESAMPLES,
        loss=lifetimes.LOSS,
        pass_at_1=curves.SIGNALS["pass_at_1"],
        unjudged_signals=list(unjudged.SHOWN.values()),
        configs={
            arm.label: json.dumps(arm.runs[0].config, indent=2) for arm in study.arms if arm.runs[0].config
        },
        versions={"rlif (report)": rlif.__version__, **versions},
        isolation=", ".join(
            sorted({r.status.isolation for r in study.runs if r.status and r.status.isolation})
        ),
        seconds=sum(run.status.seconds for run in study.runs if run.status),
        unfinished=sum(not run.complete for run in study.runs),
        seeds=max(len(arm.runs) for arm in study.arms),
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(study.read_at)),
    )


def _policy(scripts: Any) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def _json(value: Any) -> Markup:
    """Return JSON that no text in it can break out of a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _theme() -> dict[str, str]:
    """Return the colours of each theme as CSS declarations."""
    return {
        name: " ".join(f"--{colour.name}: {getattr(colour, name)};" for colour in style.COLOURS)
        for name in ("light", "dark")
    }


def _downloads(study: Study, parts: Parts) -> dict[str, str]:
    """Return what a reader may save: name -> address, inside the page where it is small."""
    found: dict[str, str] = {}
    csv = study.path / "results.csv"
    if csv.is_file() and csv.stat().st_size <= MOST_EMBEDDED:
        found["results.csv (in this page)"] = (
            f"data:text/csv;base64,{base64.b64encode(csv.read_bytes()).decode()}"
        )
    names = ["results.csv", "results.parquet", "recommendations.json", "summary.json", "summary.md"]
    written = {"summary.json", "summary.md"}
    found |= {name: name for name in names if name in written or (study.path / name).is_file()}
    return found | {
        f"{name}.{kind}": f"tables/{name}.{kind}" for name in parts.tables for kind in ("tex", "md")
    }


def _thousands(value: float) -> str:
    """Return a count in thousands: 48210 -> "48k"."""
    return "–" if math.isnan(value) else f"{value / 1000:,.0f}k" if value >= 1000 else f"{value:.0f}"


def _duration(seconds: float) -> str:
    """Return a time to two digits: "3.5 hours", "9.3 minutes"."""
    if math.isnan(seconds):
        return "–"
    size, unit = (3600, "hours") if seconds >= 3600 else (60, "minutes") if seconds >= 60 else (1, "seconds")
    return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"


def _asset(name: str) -> str:
    return files("rlif.report").joinpath("templates", name).read_text(encoding="utf-8")
