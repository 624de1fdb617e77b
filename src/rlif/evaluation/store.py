"""Completions kept on disk as they come, so that a killed evaluation does not draw them again."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlif.evaluation.evaluate import Sample
from rlif.evaluation.sampling import Generator, Sampling
from rlif.problems.prompts import Prompt
from rlif.records.files import append_line, read_jsonl, write_atomic
from rlif.rollouts import Completion


def settings_key(model: str, prompts: Sequence[Prompt], sampling: Sampling, batch_size: int) -> str:
    """Return a short hash of everything that the completions of an evaluation follow from.

    Args:
        model: identifies the weights, not only their name; see `rlif.evaluation.models.fingerprint`.
        prompts: as they are generated from.
        sampling: how completions are drawn.
        batch_size: batches share their random numbers.
    """
    settings = json.dumps([model, prompts, asdict(sampling), batch_size])
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


class StoredGenerator:
    """A generator that reads what it can from a file, and appends to it what it has to draw.

    One line a prompt: `question_id` and `code_list` as LiveCodeBench's outputs have them (`rlif grade` reads
    them), `key`, and the completions in full. Lines of other keys are left alone.

    Args:
        inner: draws what is not in the file.
        path: the file; made when first needed.
        key: of the settings, from `settings_key`.
        problem_ids: the problem of each prompt.
    """

    def __init__(self, inner: Generator, path: Path, key: str, problem_ids: Sequence[str]) -> None:
        self.inner, self.path, self.key, self.problem_ids = inner, path, key, problem_ids

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield stored prompts first, then the others as they are drawn and stored."""
        stored = self._stored()
        for index, completions in stored.items():
            if index not in done:
                yield index, completions
        for index, completions in self.inner.generate(prompts, sampling, {*done, *stored}):
            append_line(self.path, json.dumps(self._row(index, completions)))
            yield index, completions

    def _stored(self) -> dict[int, list[Completion]]:
        if not self.path.is_file():
            return {}
        index_of = {problem_id: index for index, problem_id in enumerate(self.problem_ids)}
        rows = (line.value for line in read_jsonl(self.path) if line.value.get("key") == self.key)
        return {index_of[row["question_id"]]: [_completion(c) for c in row["completions"]] for row in rows}

    def _row(self, index: int, completions: list[Completion]) -> dict[str, Any]:
        return {
            "question_id": self.problem_ids[index],
            "code_list": [completion.code for completion in completions],
            "key": self.key,
            "completions": [asdict(completion) for completion in completions],
        }


def _completion(row: Any) -> Completion:
    return Completion(
        text=row["text"],
        token_ids=tuple(row["token_ids"]),
        code=row["code"],
        finished=row["finished"],
        code_start=row["code_start"],
    )


def write_verdicts(path: Path, key: str, samples: Sequence[Sample]) -> None:
    """Write one line a sample, as `rlif grade` does, in the place of earlier lines of the same key."""
    others = (
        [line.text for line in read_jsonl(path) if line.value.get("key") != key] if path.is_file() else []
    )
    own = [
        json.dumps(
            {
                "question_id": sample.problem_id,
                "index": sample.index,
                "passed": sample.verdict.passed,
                "tests": sample.verdict.tests,
                "status": sample.verdict.status,
                "key": key,
            }
        )
        for sample in samples
    ]
    write_atomic(path, "".join(f"{line}\n" for line in others + own).encode())
