"""`rlif study recommend`: what a study's runs advise, for people and for programs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown


def recommend(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")],
) -> None:
    """Say which reward, how long, which settings; silent where runs do not decide. Also as .json and .md."""
    from rlif.conclusions.recommendations import markdown, write
    from rlif.conclusions.recommendations import recommend as answer
    from rlif.conclusions.results import results

    found = answer(results(directory))
    Console().print(Markdown(markdown(found)))
    for path in write(directory, found):
        typer.echo(path.resolve())
