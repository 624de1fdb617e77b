"""`rlif evaluate`: any model on any problems, in one command."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlif.cli.bars import bar
from rlif.evaluation.evaluate import evaluate as run_evaluation
from rlif.evaluation.sampling import Sampling
from rlif.evaluation.store import StoredGenerator, settings_key, write_verdicts
from rlif.problems.load import default_style, load_problems
from rlif.problems.prompts import PromptStyle, build_prompt
from rlif.problems.types import Problem
from rlif.records import EvalRecord, RunDir
from rlif.sandbox import Sandbox

MAX_TOKENS = 1024


def evaluate(
    model: Annotated[str, typer.Option(help="minicode-base, smollm2, a directory, or a hub id.")],
    problems: Annotated[
        str, typer.Option(help="minicode, humaneval, or a .jsonl file (LiveCodeBench's rows).")
    ],
    split: Annotated[str | None, typer.Option(help="Part of the data set, where it has parts.")] = None,
    limit: Annotated[int | None, typer.Option(help="The first so many problems.")] = None,
    start: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First date.")] = None,
    end: Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date.")] = None,
    samples: Annotated[int, typer.Option(help="Completions a problem.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest completion; 1024, or half of a context below 2048.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws, and of procedural problems.")] = 0,
    style: Annotated[
        PromptStyle | None,
        typer.Option(
            help="rlif: reason, then program; bare: the statement. Default: what suits the problems."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the results.")] = None,
    workers: Annotated[int, typer.Option(help="Sandbox workers.")] = 1,
    isolation: Annotated[str, typer.Option(help="bwrap, or the weaker process.")] = "bwrap",
    batch_size: Annotated[int, typer.Option(help="Completions drawn at a time.")] = 16,
) -> None:
    """Generate and grade; print pass@k with 95% intervals. Killed and run again, it continues."""
    prompt_style = style or default_style(problems)
    chosen = load_problems(problems, split, limit, _date(start), _date(end), seed)
    sampling = Sampling(samples, temperature, top_p, MAX_TOKENS if max_tokens is None else max_tokens, seed)

    import torch  # and what needs it: not before now

    from rlif.evaluation.models import context_length, fingerprint, load_model
    from rlif.evaluation.transformers_generator import TransformersGenerator

    console = Console()
    directory = RunDir(out or Path("runs") / f"evaluate-{Path(model).name}-{Path(problems).stem}")
    with console.status(f"Loading {model}"):
        loaded = load_model(model)
        loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")  # pyright: ignore[reportArgumentType]
    chat = loaded.tokenizer.chat_template is not None
    context = context_length(loaded.model)
    if max_tokens is None and context is not None:
        sampling = replace(sampling, max_tokens=min(MAX_TOKENS, context // 2))
    prompts = [build_prompt(problem, prompt_style, chat) for problem in chosen]
    key = settings_key(fingerprint(model), prompts, sampling, batch_size)
    record = _recorded(directory, key)
    if record is None:
        directory.path.mkdir(parents=True, exist_ok=True)
        generator = StoredGenerator(
            TransformersGenerator(loaded.model, loaded.tokenizer, batch_size),
            directory.path / "samples.jsonl",
            key,
            [problem.id for problem in chosen],
        )
        with Sandbox(workers, isolation) as sandbox, bar(console) as progress:
            task = progress.add_task("Problems", numbers="", total=len(chosen))
            evaluation = run_evaluation(
                generator,
                chosen,
                sandbox,
                sampling,
                prompt_style,
                chat,
                on_progress=lambda done, _: progress.update(task, completed=done),
            )
        record = evaluation.record.model_copy(update={"key": key, "model": model, "data": problems})
        write_verdicts(directory.path / "verdicts.jsonl", key, evaluation.samples)
        directory.append_eval(record)
    console.print(_table(record, model, problems, chosen))
    console.print(f"Results: {directory.path.resolve()}", markup=False, highlight=False, soft_wrap=True)


def _date(day: dt.datetime | None) -> dt.date | None:
    return day.date() if day else None


def _recorded(directory: RunDir, key: str) -> EvalRecord | None:
    """Return the record of the same evaluation, if it was finished before."""
    if not directory.exists:
        return None
    return next((record for record in directory.evals() if getattr(record, "key", None) == key), None)


def _table(record: EvalRecord, model: str, name: str, chosen: list[Problem]) -> Table:
    dates = sorted(problem.date for problem in chosen if problem.date is not None)
    window = f", {dates[0]} to {dates[-1]}" if dates else ""
    table = Table(title=f"{model} on {name}: {record.problems} problems{window}", show_header=False)
    low, high = record.pass_at_1_ci
    right = sum(record.correct.values())
    total = record.problems * record.samples
    table.add_row(
        "pass@1", f"{record.pass_at_1:.3f}  [{low:.3f}, {high:.3f}]  ({right} of {total})", end_section=True
    )
    for k, rate in record.pass_at_k.items():
        table.add_row(f"pass@{k}", f"{rate:.3f}")
    drawn = f"{record.samples} a problem at temperature {record.temperature:g}"
    table.add_row("samples", f"{drawn}, at most {record.max_tokens} tokens")
    table.add_row("verdicts", ", ".join(f"{word} {n}" for word, n in sorted(record.statuses.items())))
    table.add_row("mean length", f"{record.length_mean:.0f} tokens; {record.truncated:.1%} cut at the limit")
    table.add_row(
        "reasoning", f"{record.reasoning_share:.1%} of tokens, in {record.reasoning_rate:.1%} of answers"
    )
    table.add_row("no program", f"{record.no_code:.1%}")
    if skipped := getattr(record, "skipped", 0):
        table.add_row("skipped", f"{skipped} problems: prompt longer than the model's context allows")
    table.add_row("time", f"{record.seconds:.0f} s")
    return table
