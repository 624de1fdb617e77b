"""A table of texts as Markdown and as LaTeX (package booktabs)."""

import re
from dataclasses import dataclass

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "→": r"$\rightarrow$", "−": "$-$",
    "–": "--", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tabular:
    """Texts in rows and columns. name: of its files. caption: plain text."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown(table: Tabular) -> str:
    """Return the table in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def latex(table: Tabular) -> str:
    """Return the table as a LaTeX float that needs `booktabs`: first column left, the others right."""
    body = [" & ".join(escape(text) for text in line) + r" \\" for line in table.rows]
    return "\n".join([
        r"\begin{table}", r"\centering",
        rf"\caption{{{escape(table.caption)}}}", rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule",
        " & ".join(escape(text) for text in table.columns) + r" \\", r"\midrule", *body, r"\bottomrule",
        r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def escape(text: str) -> str:
    """Return a text that LaTeX sets as it stands."""
    flat = re.sub(r"\s+", " ", text)
    return re.sub("|".join(map(re.escape, _LATEX)), lambda match: _LATEX[match[0]], flat)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
