"""What an evaluation keeps on disk as it goes, so that a killed one does not do it again."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlif.evaluation.sampling import Generator, Sampling
from rlif.problems.prompts import Prompt
from rlif.records.files import append_line, read_jsonl, write_atomic
from rlif.rollouts import Completion


def settings_key(model: str, prompts: Sequence[Prompt], sampling: Sampling, *rest: object) -> str:
    """Return a short hash of everything that the completions of an evaluation follow from.

    Args:
        model: identifies the weights, not only their name; see `rlif.evaluation.models.fingerprint`.
        prompts: as they are generated from.
        sampling: how completions are drawn.
        rest: what else they follow from; a batch size, say, since batches share their random numbers.
    """
    settings = json.dumps([model, prompts, asdict(sampling), *map(str, rest)])
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


class KeyedLines:
    """The lines of one evaluation in a JSONL file that several may share; others' lines are left alone.

    Args:
        path: the file; made when first written to.
        key: the evaluation's, from `settings_key`.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the evaluation's own lines, in their order."""
        return (line.value for line in self._all() if line.value.get("key") == self.key)

    def append(self, row: dict[str, Any]) -> None:
        """Write one line."""
        append_line(self.path, self._text(row))

    def replace(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write these lines in the place of all that are there."""
        kept = [line.text for line in self._all() if line.value.get("key") != self.key]
        lines = [*kept, *map(self._text, rows)]
        write_atomic(self.path, "".join(f"{line}\n" for line in lines).encode())

    def _all(self) -> Any:
        return read_jsonl(self.path) if self.path.is_file() else ()

    def _text(self, row: dict[str, Any]) -> str:
        return json.dumps({**row, "key": self.key})


class StoredGenerator:
    """A generator that reads what it can from a file, and appends to it what it has to draw.

    One line a prompt: `question_id` and `code_list` as LiveCodeBench's outputs have them (`rlif grade` reads
    them), and the completions in full.

    Args:
        inner: draws what is not in the file.
        lines: the evaluation's, in that file.
        problem_ids: the problem of each prompt.
    """

    def __init__(self, inner: Generator, lines: KeyedLines, problem_ids: Sequence[str]) -> None:
        self.inner, self.lines, self.problem_ids = inner, lines, problem_ids

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield stored prompts first, then the others as they are drawn and stored."""
        index_of = {problem_id: index for index, problem_id in enumerate(self.problem_ids)}
        stored = {index_of[row["question_id"]]: _completions(row) for row in self.lines}
        for index, completions in stored.items():
            if index not in done:
                yield index, completions
        for index, completions in self.inner.generate(prompts, sampling, {*done, *stored}):
            self.lines.append(
                {
                    "question_id": self.problem_ids[index],
                    "code_list": [completion.code for completion in completions],
                    "completions": [asdict(completion) for completion in completions],
                }
            )
            yield index, completions


def _completions(row: dict[str, Any]) -> list[Completion]:
    found: list[dict[str, Any]] = row["completions"]
    for fields in found:
        fields["token_ids"] = tuple(fields["token_ids"])  # JSON knows lists alone
    return [Completion(**fields) for fields in found]
