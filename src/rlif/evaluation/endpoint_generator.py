"""Completions from a server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, a cloud.

One request a sample, each with its own seed: not every server knows `n`, and a sample that fails is repeated
alone. The package `openai` does the talking. It repeats a request after 408, 409, 429, 5xx and lost
connections, waiting as long as `Retry-After` says, else twice as long each time, from half a second to eight.
"""

import asyncio
import importlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from rlif.completions import completion_from_text
from rlif.errors import UserError, missing_extra
from rlif.evaluation.sampling import Sampling
from rlif.problems.extraction import Extract, extract_code
from rlif.problems.prompts import Prompt
from rlif.rollouts import Completion

_CONNECT_S = 10.0
_WAKE_S = 0.5

_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|max_model_len|too long|longer than|max_new_tokens", re.IGNORECASE
)
"""How OpenAI, vLLM, SGLang, llama.cpp and TGI say that prompt and completion do not fit the context."""

_TOO_LONG_STATUSES = (400, 413, 422)

_NEW_LIMIT = "max_completion_tokens"
"""What OpenAI's newer chat models want instead of max_tokens; many other servers do not know it."""

Answer = tuple[int, list[Completion]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a server is pressed, and how long it is waited for.

    Attributes:
        concurrency: requests in flight.
        requests_per_minute: starts of requests, evenly spread; repeats do not count.
        timeout_s: for the answer to one request.
        retries: of one request, after which the evaluation is given up.
    """

    concurrency: int = 8
    requests_per_minute: float = math.inf
    timeout_s: float = 600.0
    retries: int = 6

    def __post_init__(self) -> None:
        for name, least in (("concurrency", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name} must be at least {least}; got {getattr(self, name)}.")
        for name in ("requests_per_minute", "timeout_s"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0; got {getattr(self, name)}.")


class EndpointGenerator:
    """Draws completions from a server; the key, if it wants one, is in OPENAI_API_KEY.

    Messages go to /chat/completions, plain text to /completions. How equal repeated draws are is up to the
    server: seeds are sent, and OpenAI's protocol promises no more than an effort. The ids of tokens are not
    known: completions have their text, and their length as the server counted it. The thoughts that reasoning
    servers return apart are put back before the answer, in <think> tags, as the model wrote them.

    Args:
        url: where the server's API begins, "http://localhost:8000/v1".
        model: as the server calls it.
        limits: of the requests.
        extract: the rule that finds the program in an answer.
    """

    def __init__(
        self, url: str, model: str, limits: Limits | None = None, extract: Extract = extract_code
    ) -> None:
        if not re.match(r"https?://[^/]", url):
            raise UserError(f"'{url}' is not the URL of a server.", "Give one like http://localhost:8000/v1")
        self.url, self.model, self.limits, self.extract = url, model, limits or Limits(), extract
        self._length_limit = "max_tokens"

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[Answer]:
        """Yield (index of the prompt, its completions); see `rlif.evaluation.sampling.Generator`.

        A prompt that the server calls too long for its context is left out.

        Raises:
            UserError: `openai` is not installed, the server refuses a request (key, model's name, a setting
                that it does not know), or all repeats of one failed. What was yielded is complete.
        """
        openai = _openai()
        from anyio.from_thread import start_blocking_portal  # an event loop in a thread; comes with openai

        wanted = [index for index in range(len(prompts)) if index not in done]
        answered = len(prompts) - len(wanted)
        answers = SimpleQueue[Answer | None]()
        with start_blocking_portal() as portal:
            asking = portal.start_task_soon(self._ask_all, prompts, wanted, sampling, answers.put)
            asking.add_done_callback(lambda _: answers.put(None))
            try:
                while (answer := _next(answers)) is not None:
                    answered += 1
                    yield answer
            finally:
                asking.cancel()  # nothing to cancel unless the caller left, or pressed Ctrl-C
        try:
            asking.result()
        except openai.APIError as error:
            raise self._given_up(error, answered, len(prompts)) from error

    async def _ask_all(
        self,
        prompts: Sequence[Prompt],
        wanted: Sequence[int],
        sampling: Sampling,
        put: Callable[[Answer], None],
    ) -> None:
        """Ask for every sample of the wanted prompts; put the samples of a prompt when the last has come."""
        openai = _openai()
        requests = iter([(index, sample) for index in wanted for sample in range(sampling.samples)])
        drawn: dict[int, dict[int, Completion]] = defaultdict(dict)
        too_long = set[int]()
        pace = _Pace(self.limits.requests_per_minute)

        async def work() -> None:
            for index, sample in requests:  # shared: each worker takes the next
                if index in too_long:
                    continue
                await pace.wait()
                try:
                    seed = sampling.request_seed(index, sample)
                    drawn[index][sample] = await self._ask(client, prompts[index], sampling, seed)
                except openai.APIStatusError as error:
                    if not _is_too_long(error):
                        raise
                    too_long.add(index)
                if len(drawn[index]) == sampling.samples:
                    samples = drawn.pop(index)
                    put((index, [samples[number] for number in range(sampling.samples)]))

        async with openai.AsyncOpenAI(
            base_url=self.url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            timeout=openai.Timeout(self.limits.timeout_s, connect=_CONNECT_S),
            max_retries=self.limits.retries,
        ) as client:
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self.limits.concurrency):
                        workers.create_task(work())
            except ExceptionGroup as group:  # of the first to give up; the others were cancelled
                error = group.exceptions[0]
                raise error from error.__cause__

    async def _ask(self, client: Any, prompt: Prompt, sampling: Sampling, seed: int) -> Completion:
        """Return one completion."""
        length_limit = self._length_limit
        settings: dict[str, Any] = {
            "model": self.model,
            length_limit: sampling.max_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.mode == "sampled":
            settings |= {"top_p": sampling.top_p, "seed": seed}
        if sampling.stop:
            settings["stop"] = list(sampling.stop)
        try:
            if isinstance(prompt, str):
                answer = await client.completions.create(prompt=prompt, **settings)
            else:
                answer = await client.chat.completions.create(messages=prompt, **settings)
        except _openai().BadRequestError as error:
            known = length_limit == _NEW_LIMIT or isinstance(prompt, str)
            if known or _is_too_long(error) or _NEW_LIMIT not in str(error):
                raise
            self._length_limit = _NEW_LIMIT
            return await self._ask(client, prompt, sampling, seed)
        try:
            choice = answer.choices[0]
            text = choice.text if isinstance(prompt, str) else choice.message.content
            thoughts = None if isinstance(prompt, str) else _thoughts(choice.message)
        except (AttributeError, IndexError, TypeError):
            raise UserError(
                f"The server at {self.url} does not speak OpenAI's protocol: {str(answer)[:200]!r}",
                "Give the URL where its API begins; it often ends in /v1.",
            ) from None
        text, stopped = _cut(text or "", sampling.stop)
        return completion_from_text(
            f"<think>\n{thoughts}\n</think>\n\n{text}" if thoughts else text,
            finished=stopped or choice.finish_reason != "length",
            length=answer.usage.completion_tokens if answer.usage else None,
            extract=self.extract,
        )

    def _given_up(self, error: Any, answered: int, total: int) -> UserError:
        """Return what to tell the user about an error of the package `openai`."""
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        reason = said or " ".join(str(e) for e in (error, error.__cause__) if e)
        status = getattr(error, "status_code", None)
        fix = {
            401: "Set OPENAI_API_KEY to a key of this server.",
            403: "Set OPENAI_API_KEY to a key that may use this model.",
            404: "Check the model's name, and that the URL is where the API begins; it often ends in /v1.",
        }.get(status or 0, "")
        kept = f"{answered} of {total} prompts are answered and kept; the same command asks for the rest."
        code = f" ({status})" if status else ""
        return UserError(f"The server at {self.url} gave no answer{code}: {reason}", f"{fix} {kept}".strip())


class _Pace:
    """Spreads the starts of requests evenly."""

    def __init__(self, per_minute: float) -> None:
        self.gap_s, self.next_start = 60 / per_minute, 0.0

    async def wait(self) -> None:
        """Sleep until the next start is due."""
        now = asyncio.get_running_loop().time()
        start = max(now, self.next_start)
        self.next_start = start + self.gap_s
        await asyncio.sleep(start - now)


def _next(answers: SimpleQueue[Answer | None]) -> Answer | None:
    """Wait for the next answer, waking now and then: not every system wakes a waiting thread for Ctrl-C."""
    while True:
        try:
            return answers.get(timeout=_WAKE_S)
        except Empty:
            continue


def _thoughts(message: Any) -> str | None:
    """Return what a reasoning server keeps apart from the answer; the field has two names."""
    return getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Cut a text before the stop string that is complete first; some servers leave it in."""
    found = min(((text.find(s) + len(s), text.find(s)) for s in stop if s in text), default=None)
    return (text, False) if found is None else (text[: found[1]], True)


def _is_too_long(error: Any) -> bool:
    return error.status_code in _TOO_LONG_STATUSES and bool(_TOO_LONG.search(str(error)))


def _openai() -> Any:
    try:
        return importlib.import_module("openai")
    except ImportError:
        raise missing_extra("openai", "endpoint") from None
