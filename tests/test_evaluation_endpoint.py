"""Completions from an OpenAI-compatible server: a small one on loopback, around a tiny random model."""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openai_server import Fault, Server, serve
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.backends import BackendName, Options, make_generator
from rlif.evaluation.endpoint_generator import EndpointGenerator, Limits
from rlif.evaluation.models import load_model
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.load import load_problems
from rlif.problems.prompts import Prompt, build_prompt

pytest.importorskip("openai")

PROMPTS: list[Prompt] = ["def", "print(int(input()))\n", "Let us think", "x"]
GREEDY = Sampling(max_tokens=12)
SAMPLED = Sampling(samples=3, temperature=1.0, max_tokens=12, seed=5)
PATIENT = Limits(retries=3)
AT_ONCE = Fault(500, headers={"Retry-After": "0.01"})  # a repeat after 10 ms


@pytest.fixture
def server() -> Iterator[Server]:
    tokenizer = tiny_tokenizer()
    generator = TransformersGenerator(tiny_llama(tokenizer, max_position_embeddings=64), tokenizer)
    with serve(generator) as running:
        yield running


def client(server: Server, **limits: Any) -> EndpointGenerator:
    return EndpointGenerator(server.url, server.model, Limits(**{"retries": 0, **limits}))


def texts(drawn: Any) -> dict[int, list[str]]:
    return {index: [completion.text for completion in completions] for index, completions in drawn}


class TestTheSameAsInProcess:
    def test_greedy_texts_lengths_and_ends(self, server: Server):
        here = dict(server.generator.generate(PROMPTS, GREEDY))
        there = dict(client(server).generate(PROMPTS, GREEDY))
        assert sorted(there) == sorted(here) == [0, 1, 2, 3]
        for index in range(4):
            (own,), (served,) = here[index], there[index]
            assert (served.text, served.code, served.finished) == (own.text, own.code, own.finished)
            assert served.tokens == own.tokens
        assert len(set(map(str, there.values()))) > 1  # the prompts do matter

    def test_messages_go_through_the_servers_chat_template(self, server: Server):
        chats: list[Prompt] = [[{"role": "user", "content": word}] for word in ("def", "print")]
        assert texts(client(server).generate(chats, GREEDY)) == texts(
            server.generator.generate(chats, GREEDY)
        )
        assert "messages" in server.requests[0]

    @pytest.mark.slow
    def test_the_shipped_model_on_real_prompts(self):
        model, tokenizer = load_model("minicode-base")
        problems = load_problems("minicode", limit=12)
        prompts = [build_prompt(problem, "bare", tokenizer.chat_template is not None) for problem in problems]
        sampling = Sampling(max_tokens=160)
        generator = TransformersGenerator(model, tokenizer)
        with serve(generator, model="minicode-base") as running:
            backend = make_generator(BackendName.ENDPOINT, "minicode-base", Options(url=running.url))
            served = dict(backend.generator.generate(prompts, sampling))
        for index, (own,) in generator.generate(prompts, sampling):
            assert served[index][0].text == own.text
            assert served[index][0].code == own.code != ""


class TestSampling:
    def test_each_sample_is_a_request_with_a_seed_of_its_own(self, server: Server):
        first = texts(client(server).generate(PROMPTS, SAMPLED))
        assert all(len(set(samples)) > 1 for samples in first.values())
        assert len({body["seed"] for body in server.requests}) == 12
        assert all(0 <= body["seed"] < 2**31 for body in server.requests)
        assert texts(client(server, concurrency=1).generate(PROMPTS, SAMPLED)) == first

    def test_what_is_done_is_not_asked_for_and_does_not_change_the_rest(self, server: Server):
        whole = texts(client(server).generate(PROMPTS, SAMPLED))
        server.requests.clear()
        rest = texts(client(server).generate(PROMPTS, SAMPLED, done={0, 2}))
        assert rest == {index: whole[index] for index in (1, 3)}
        assert len(server.requests) == 6

    def test_stop_strings_are_sent_and_cut_and_count_as_an_end(self, server: Server):
        ((_, (whole,)),) = client(server).generate(["def"], GREEDY)
        stop = whole.text[2:4]
        ((_, (cut,)),) = client(server).generate(["def"], Sampling(max_tokens=12, stop=(stop,)))
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.finished
        assert server.requests[-1]["stop"] == [stop]


class TestLimits:
    def test_so_many_requests_are_in_flight(self, server: Server):
        server.delay_s = 0.05
        list(client(server, concurrency=3).generate(PROMPTS, SAMPLED))
        assert server.most_at_once == 3

    def test_so_many_requests_start_a_minute(self, server: Server):
        list(client(server, requests_per_minute=600).generate(PROMPTS, GREEDY))  # one every 100 ms
        gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
        assert min(gaps) > 0.05
        assert server.times[-1] - server.times[0] > 0.25

    @pytest.mark.parametrize(
        "wrong", [{"concurrency": 0}, {"retries": -1}, {"requests_per_minute": 0}, {"timeout_s": math.nan}]
    )
    def test_impossible_limits_are_named(self, wrong: dict[str, Any]):
        with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
            Limits(**wrong)


class TestFaults:
    def test_what_passes_is_tried_again(self, server: Server):
        whole = texts(client(server).generate(PROMPTS, GREEDY))
        busy = Fault(429, headers={"Retry-After": "0.01"})
        server.faults = [AT_ONCE, busy, AT_ONCE, busy]
        server.requests.clear()
        assert texts(client(server, retries=4).generate(PROMPTS, GREEDY)) == whole
        assert len(server.requests) == 4 + 4

    def test_retry_after_is_waited_for(self, server: Server):
        server.faults = [Fault(429, headers={"Retry-After": "0.8"})]
        list(client(server, retries=1).generate(["def"], GREEDY))
        assert 0.75 < server.times[1] - server.times[0] < 3

    def test_a_lost_connection_is_tried_again(self, server: Server):
        server.faults = [Fault()]
        assert sorted(texts(client(server, retries=1).generate(PROMPTS, GREEDY))) == [0, 1, 2, 3]

    def test_a_server_that_dies_midway_loses_nothing_that_was_answered(self, server: Server):
        whole = texts(client(server).generate(PROMPTS, GREEDY))
        server.dies_after = 4 + 2
        answers = client(server, concurrency=1).generate(PROMPTS, GREEDY)
        kept = texts([next(answers), next(answers)])
        with pytest.raises(UserError, match="2 of 4 prompts are answered and kept; the same command"):
            next(answers)
        server.dies_after = None
        rest = texts(client(server).generate(PROMPTS, GREEDY, done=kept))
        assert len(kept) == len(rest) == 2
        assert kept | rest == whole

    def test_no_server_at_all(self, server: Server):
        nobody = EndpointGenerator("http://127.0.0.1:9/v1", "model", Limits(retries=0))
        with pytest.raises(UserError, match=r"gave no answer: Connection error. .*refused|attempts failed"):
            list(nobody.generate(PROMPTS, GREEDY))

    def test_a_server_too_slow_is_given_up(self, server: Server):
        server.delay_s = 5
        started = time.monotonic()
        with pytest.raises(UserError, match="timed out"):
            list(client(server, timeout_s=0.2).generate(["def"], GREEDY))
        assert time.monotonic() - started < 3

    def test_a_wrong_key_ends_it_at_once(self, server: Server, monkeypatch: pytest.MonkeyPatch):
        server.key = "right"
        with pytest.raises(UserError, match=r"\(401\): Incorrect API key provided.\nSet OPENAI_API_KEY"):
            list(client(server, retries=6, concurrency=1).generate(PROMPTS, GREEDY))
        assert len(server.requests) == 1
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        assert len(list(client(server).generate(PROMPTS, GREEDY))) == 4

    def test_a_wrong_model_ends_it_at_once(self, server: Server):
        other = EndpointGenerator(server.url, "modle", Limits(concurrency=1))
        with pytest.raises(UserError, match=r"`modle` does not exist\.\nCheck the model's name"):
            list(other.generate(PROMPTS, GREEDY))
        assert len(server.requests) == 1

    def test_a_url_without_its_v1_says_so(self, server: Server):
        wrong = EndpointGenerator(server.url.removesuffix("/v1"), "model")
        with pytest.raises(UserError, match="often ends in /v1"):
            list(wrong.generate(["def"], GREEDY))

    def test_other_refusals_are_told_in_the_servers_words(self, server: Server):
        server.faults = [Fault(400, "temperature must be 1 for this model")]
        with pytest.raises(UserError, match=r"\(400\): temperature must be 1 for this model"):
            list(client(server, retries=6).generate(["def"], GREEDY))

    def test_a_model_that_calls_the_length_limit_otherwise_is_humoured(self, server: Server):
        said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        server.faults = [Fault(400, said), Fault(400, said)]
        with pytest.raises(UserError, match="Unsupported parameter"):
            list(client(server).generate([[{"role": "user", "content": "def"}]], GREEDY))
        assert ["max_completion_tokens" in body for body in server.requests] == [False, True]

    @pytest.mark.parametrize("url", ["localhost:8000/v1", "", "http://"])
    def test_what_is_no_url_is_refused(self, url: str):
        with pytest.raises(UserError, match="is not the URL of a server"):
            EndpointGenerator(url, "model")

    def test_a_missing_url_is_asked_for(self):
        with pytest.raises(UserError, match="needs a URL"):
            make_generator(BackendName.ENDPOINT, "model")


class TestContext:
    def test_a_prompt_too_long_is_left_out_and_the_rest_goes_on(self, server: Server):
        prompts: list[Prompt] = ["def", "x y " * 40, "x"]
        assert sorted(texts(client(server, concurrency=1).generate(prompts, SAMPLED))) == [0, 2]
        assert len(server.requests) == 7  # the other samples of the long one are not asked for

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (400, "This model's maximum context length is 4097 tokens. However, you requested 5000."),
            (400, "the request exceeds the available context size, try increasing it"),
            (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
            (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
            (413, "Request too long"),
        ],
    )
    def test_servers_say_it_in_several_ways(self, server: Server, status: int, message: str):
        server.faults = [Fault(status, message)]
        assert list(client(server).generate(["def"], GREEDY)) == []


class TestAnswers:
    def test_thoughts_kept_apart_are_put_back(self, server: Server):
        server.reasoning = "Six times seven."
        chat: Prompt = [{"role": "user", "content": "def"}]
        ((_, (plain,)),) = server.generator.generate([chat], GREEDY)
        ((_, (completion,)),) = client(server).generate([chat], GREEDY)
        assert completion.text == f"<think>\nSix times seven.\n</think>\n\n{plain.text}"

    @pytest.mark.parametrize(
        ("reason", "finished"), [("stop", True), ("length", False), ("content_filter", True), (None, True)]
    )
    def test_only_the_length_limit_leaves_it_unfinished(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, reason: str | None, finished: bool
    ):
        self.answer_with(server, monkeypatch, {"text": "", "index": 0, "finish_reason": reason})
        ((_, (completion,)),) = client(server).generate(["def"], GREEDY)
        assert completion.finished is finished

    def test_a_server_that_does_not_count_leaves_the_length_open(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ):
        self.answer_with(server, monkeypatch, {"text": "abc", "index": 0, "finish_reason": "stop"})
        ((_, (completion,)),) = client(server).generate(["def"], GREEDY)
        assert math.isnan(completion.tokens)

    def test_a_stop_string_left_in_is_cut(self, server: Server, monkeypatch: pytest.MonkeyPatch):
        self.answer_with(server, monkeypatch, {"text": "a ## b ### c", "finish_reason": "length"})
        sampling = Sampling(stop=("###", "## "))
        ((_, (completion,)),) = client(server).generate(["def"], sampling)
        assert (completion.text, completion.finished) == ("a ", True)

    def test_a_server_of_another_kind_is_named(self, server: Server, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(server, "_complete", lambda *_: {"hello": "I am a printer"})
        with pytest.raises(UserError, match=r"does not speak OpenAI's protocol: .*printer"):
            list(client(server).generate(["def"], GREEDY))

    @staticmethod
    def answer_with(server: Server, monkeypatch: pytest.MonkeyPatch, choice: dict[str, Any]) -> None:
        monkeypatch.setattr(server, "_complete", lambda *_: {"choices": [choice]})


class TestLeaving:
    def test_leaving_early_stops_the_requests(self, server: Server):
        server.delay_s = 0.05
        answers = client(server, concurrency=2).generate(PROMPTS * 10, GREEDY)
        next(iter(answers))
        answers.close()
        asked = len(server.requests)
        assert asked < 10
        time.sleep(0.2)
        assert len(server.requests) == asked

    def test_an_interrupt_while_waiting_comes_through(self, server: Server):
        server.delay_s = 5
        started = time.monotonic()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            list(client(server).generate(PROMPTS, GREEDY))
        assert time.monotonic() - started < 3
