"""`rlif evaluate`: any model on any problems, in one command."""

import datetime as dt
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rlif.cli.bars import bar
from rlif.errors import UserError
from rlif.evaluation.backends import Backend, BackendName, Options, make_generator
from rlif.evaluation.benchmark import Benchmark, Contestant, Progress, run_benchmark
from rlif.evaluation.dtype import Dtype
from rlif.evaluation.endpoint_generator import Limits
from rlif.evaluation.sampling import Sampling
from rlif.evaluation.scoring import USUAL, scorable
from rlif.grading import Mode
from rlif.problems.describe import describe
from rlif.problems.load import load_problems
from rlif.problems.prompts import PromptStyle, auto_style, build_prompt, default_stop
from rlif.records import RunDir
from rlif.rewards import Reward, parse_reward
from rlif.sandbox import Sandbox

MAX_TOKENS = 1024


def evaluate(
    model: Annotated[
        str, typer.Option(help="minicode-base, smollm2, a directory, a hub id, or a server's name for it.")
    ],
    problems: Annotated[
        str,
        typer.Option(help="minicode, humaneval, livecodebench[/RELEASE], a .jsonl file or a folder of them."),
    ],
    split: Annotated[str | None, typer.Option(help="Part of the data set, where it has parts.")] = None,
    limit: Annotated[int | None, typer.Option(help="The first so many problems.")] = None,
    start: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First date.")] = None,
    end: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date.")] = None,
    platform: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    difficulty: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", help="Completions a problem.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest completion; 1024, or half of a context below 2048.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="Text that ends a completion; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws, and of procedural problems.")] = 0,
    prompt: Annotated[
        PromptStyle | None, typer.Option(help="Style of the prompt. Default: what suits problems and model.")
    ] = None,
    backend: Annotated[BackendName, typer.Option(help="What runs the model.")] = BackendName.TRANSFORMERS,
    endpoint: Annotated[
        str | None, typer.Option(help="URL of a server with OpenAI's protocol, http://localhost:8000/v1.")
    ] = None,
    chat: Annotated[bool, typer.Option(help="[endpoint] Send messages, or plain text.")] = True,
    concurrency: Annotated[int, typer.Option(help="[endpoint] Requests at a time.")] = 8,
    per_minute: Annotated[float, typer.Option(help="[endpoint] Most requests a minute.")] = float("inf"),
    dtype: Annotated[
        Dtype | None, typer.Option(help="Of the weights. Default: the checkpoint's; on a CPU float32.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="[transformers] Completions drawn at a time.")] = 16,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="Reward to select samples by, or a table as in run files; may be repeated, or none. "
            "Default: the usual ones."
        ),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="How programs are judged.")] = Mode.NATIVE,
    workers: Annotated[int, typer.Option(help="Sandbox workers.")] = 1,
    isolation: Annotated[str, typer.Option(help="bwrap, or the weaker process.")] = "bwrap",
    out: Annotated[Path | None, typer.Option(help="Directory of the results.")] = None,
) -> None:
    """Generate and grade; print pass@k with 95% intervals. Killed and run again, it continues."""
    from rlif.cli.evaluate_display import groups, selections, summary

    chosen = load_problems(
        problems, split, limit, _date(start), _date(end), seed, platform or (), difficulty or ()
    )
    sampling = Sampling(
        samples, temperature, top_p, MAX_TOKENS if max_tokens is None else max_tokens, seed, tuple(stop or ())
    )
    options = Options(dtype, batch_size, endpoint, chat, Limits(concurrency, per_minute))
    source = chosen[0].source
    console = Console()
    console.print(f"{problems}: {describe(chosen).headline}", markup=False, highlight=False, soft_wrap=True)
    with console.status(f"Loading {model}"):
        loaded = make_generator(
            BackendName.ENDPOINT if endpoint else backend,
            model,
            options,
            lambda chat: prompt or auto_style(source, chat),
        )
    if max_tokens is None and loaded.context is not None:
        sampling = replace(sampling, max_tokens=min(MAX_TOKENS, loaded.context // 2))
    if stop is None:
        sampling = replace(sampling, stop=default_stop(loaded.style))
    benchmark = Benchmark(
        data=problems,
        problems=chosen,
        prompts=[build_prompt(problem, loaded.style, loaded.chat) for problem in chosen],
        style=loaded.style,
        sampling=sampling,
        mode=mode,
        rewards=_rewards(score, samples, loaded.model is not None),
    )
    directory = RunDir(out or Path("runs") / f"evaluate-{Path(model).name}-{Path(problems).stem}")
    with Sandbox(workers, isolation) as sandbox, _progress(console) as on_progress:
        record = run_benchmark(_contestant(model, loaded), benchmark, directory, sandbox, on_progress)
    console.print(summary(record))
    for table in groups(record):
        console.print(table)
    if record.selection:
        console.print(selections(record))
    console.print(f"Results: {directory.path.resolve()}", markup=False, highlight=False, soft_wrap=True)


def _date(day: dt.datetime | None) -> dt.date | None:
    return day.date() if day else None


def _rewards(score: list[str] | None, samples: int, with_model: bool) -> tuple[Reward, ...]:
    """Return what samples are scored by; nothing where there is nothing to choose from."""
    if score is not None:
        asked = [_reward(text) for text in score if text != "none"]
        rewards = scorable(asked, with_model)
        if len(rewards) < len(asked):
            raise UserError(
                "Certainty needs the distribution of every token, which a server does not give.",
                "Evaluate with --backend transformers, or score by functional_majority.",
            )
        return rewards
    return scorable(USUAL, with_model) if samples > 1 else ()


def _reward(text: str) -> Reward:
    """Return a reward by its type, or by a table as in a run file: `{type = "length", prefer = "longer"}`."""
    if not text.startswith("{"):
        return parse_reward(text)
    try:
        return parse_reward(tomllib.loads(f"reward = {text}")["reward"])
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"--score {text} is not a table of TOML: {error}.", 'Write {type = "length", prefer = "longer"}.'
        ) from error


def _contestant(name: str, loaded: Backend) -> Contestant:
    if loaded.model is None:
        return Contestant(name, loaded.identity, loaded.generator, loaded.settings)
    from rlif.evaluation.token_scorer import ModelScorer

    scorer = ModelScorer(loaded.model, loaded.tokenizer)
    return Contestant(name, loaded.identity, loaded.generator, loaded.settings, scorer)


@contextmanager
def _progress(console: Console) -> Generator[Progress]:
    """Show a bar for each step of the evaluation, from when it begins."""
    with bar(console) as shown:
        tasks: dict[str, int] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, numbers="", total=total)
            shown.update(tasks[what], completed=done)  # pyright: ignore[reportArgumentType]

        yield tell
