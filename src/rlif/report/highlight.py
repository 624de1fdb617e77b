"""A program as HTML with coloured syntax: pygments' lexer, our own colours (`style.SYNTAX`)."""

from markupsafe import Markup
from pygments import highlight as render
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CLASSES = {
    "keyword": ("k", "kc", "kd", "kn", "kr", "ow"),
    "string": ("s", "s1", "s2", "sd", "si", "se", "sa", "sb", "sh"),
    "comment": ("c", "c1", "cm", "ch"),
    "literal": ("mi", "mf", "mh", "mo", "mb", "nb", "bp"),
}
"""Colour of `style.SYNTAX` -> pygments' short class names."""


def highlighted(code: str) -> Markup:
    """Return a program as spans; whatever it holds, it is escaped (pygments escapes &, <, > and quotes)."""
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    return Markup(render(code, lexer, HtmlFormatter(nowrap=True)))


def rules() -> str:
    """Return the style rules for the spans."""
    lines = [
        f"{', '.join(f'.hl .{name}' for name in names)} {{ color: var(--{colour}); }}"
        for colour, names in CLASSES.items()
    ]
    return "\n".join(lines)
