"""`rlif train RUN.toml` and `rlif base build`."""

import logging
import os
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rlif.cli.launch import Launcher, launch_with_accelerate, launch_with_ray
from rlif.config import RunConfig, load_run_config
from rlif.errors import UserError

base_app = typer.Typer(help="The embedded base model.", no_args_is_help=True)


def train(
    config: Annotated[Path, typer.Argument(metavar="RUN.toml", help="A run file, or a run's config.json.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c …]", help="Settings that replace the file's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory. Default: runs/<name>.")] = None,
    launch: Annotated[
        Launcher | None, typer.Option(help="Start it on several processes, or on a Ray cluster.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="With --launch: how many. Default: with ray, one; with accelerate, what its configuration "
            "says, else one for each GPU here.",
            min=1,
        ),
    ] = None,
    accelerate_config: Annotated[
        Path | None, typer.Option(help="With --launch: how to share; see configs/accelerate/.")
    ] = None,
) -> None:
    """Train one run, through all its stages. Killed or stopped, the same command continues it."""
    settings = load_run_config(config, overrides or [])
    directory = out or Path("runs") / settings.name
    if launch is not None:
        again = ["train", str(config), *(overrides or []), "--out", str(directory)]
        if launch is Launcher.ACCELERATE:
            launch_with_accelerate(again, directory, processes, accelerate_config)
            return
        if processes is None and accelerate_config is not None:
            raise UserError(
                f"How many processes {accelerate_config} starts is not known to Ray, which reserves a CPU "
                "for each, and a GPU where the cluster has any.",
                "Say it: --processes N.",
            )
        if processes is not None:
            again += ["--launch", Launcher.ACCELERATE, "--processes", str(processes)]
            again += ["--accelerate-config", str(accelerate_config)] if accelerate_config else []
        from rlif.cli.progress import TrainingProgress

        with TrainingProgress(settings.total_steps, Console()) as progress:
            launch_with_ray(again, directory, processes or 1, progress.listener)
        _tell_where(Console(), directory)
        return
    if processes is not None or accelerate_config is not None:
        raise UserError(
            "--processes and --accelerate-config say how to launch, and nothing is launched.",
            "Add --launch accelerate (or --launch ray).",
        )
    _train(settings, directory)


def _train(settings: RunConfig, directory: Path) -> None:
    """Train in this process, which may be one of several that a launcher started."""
    from rlif.cli.progress import TrainingProgress
    from rlif.training.failures import DeviceFull
    from rlif.training.processes import processes
    from rlif.training.run import Interrupted, run

    quiet_libraries()
    console = Console(quiet=not processes().is_main_process)
    try:
        with TrainingProgress(settings.total_steps, console) as progress:
            run(settings, directory, progress.listener)
    except DeviceFull as error:
        raise UserError(error.message, f"{error.fix}\n{_what_fits(settings)}".strip()) from error
    except Interrupted:
        if not processes().is_main_process:
            raise typer.Exit(2) from None  # the main process says why
        raise UserError(
            f"Stopped. Everything so far is in {directory}.", "The same command continues from there."
        ) from None
    _tell_where(console, directory)


def _tell_where(console: Console, directory: Path) -> None:
    console.print(f"Run: {directory.resolve()}   (rlif report {directory} makes its report)", soft_wrap=True)


def _what_fits(settings: RunConfig) -> str:
    import torch

    from rlif.cli.memory_advice import memory_advice
    from rlif.training.processes import processes

    gpu = torch.cuda.is_available()
    memory = torch.cuda.mem_get_info()[1] if gpu else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return memory_advice(settings, memory, gpu, processes().num_processes)


@base_app.command("build")
def build(
    out: Annotated[Path, typer.Option(help="Where to save the model.")] = Path("models/minicode_base"),
    seed: Annotated[int, typer.Option(help="Of the weights and the corpus.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Training steps. Default: the shipped model's.")] = None,
) -> None:
    """Teach the embedded base model minicode from scratch, and measure it for its model card."""
    from rlif.cli.progress import BaseProgress
    from rlif.training.base import BaseRecipe, build_base
    from rlif.training.model_card import write_model_card

    quiet_libraries()
    recipe = BaseRecipe(seed=seed) if steps is None else BaseRecipe(seed=seed, steps=steps)
    console = Console()
    with BaseProgress(recipe.steps, console) as progress:
        build_base(recipe, out, [progress.callback])
    console.print("Measuring the model for its card …")
    write_model_card(recipe, out)
    console.print(f"Model: {out.resolve()}", soft_wrap=True)


def quiet_libraries() -> None:
    """Keep the libraries' chatter out of the progress display; errors still show."""
    warnings.filterwarnings("ignore")
    for name in ("transformers", "trl", "accelerate", "datasets", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
