"""Drawing completions from a real (tiny, random) model, keeping them, and scoring them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling, decoding, evaluate, observe
from rlif.evaluation.store import KeyedLines, StoredGenerator, settings_key
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.extraction import extract_code
from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem, TestCase
from rlif.rollouts import Completion
from rlif.sandbox import Sandbox

PROMPTS = ["def", "print(int(input()))\n", "Let us think", "x", "step by step.\n```python\n"]
GREEDY = Sampling(max_tokens=12)
SAMPLED = Sampling(samples=3, temperature=1.0, max_tokens=12, seed=5)


def generator(batch_size: int = 4, **config: Any) -> TransformersGenerator:
    tokenizer = tiny_tokenizer()
    return TransformersGenerator(tiny_llama(tokenizer, **config), tokenizer, batch_size)


def first_plain_letter(text: str) -> str:
    """Return a stop string; not a replacement character, which the bytes of a random model may well spell."""
    return next(letter for letter in text[1:] if letter.isascii())


def tokens(drawn: Any) -> dict[int, list[tuple[int, ...]]]:
    return {index: [completion.token_ids for completion in completions] for index, completions in drawn}


class TestTransformersGenerator:
    def test_padding_and_batches_do_not_change_greedy_completions(self):
        alone = tokens(generator(batch_size=1).generate(PROMPTS, GREEDY))
        assert tokens(generator(batch_size=5).generate(PROMPTS, GREEDY)) == alone
        assert sorted(alone) == list(range(5))
        assert len(set(map(str, alone.values()))) > 1  # the prompts do matter

    @pytest.mark.parametrize("can_choose_rows", [True, False])
    def test_rows_that_ended_leave_the_batch_and_the_others_go_on_as_before(
        self, monkeypatch: pytest.MonkeyPatch, can_choose_rows: bool
    ):
        gen = generator(batch_size=5)
        gen.eos_ids = frozenset(range(0, len(gen.tokenizer), 5))  # every fifth token ends an answer
        whole = tokens(gen.generate(PROMPTS, GREEDY))
        assert len({len(ids) for [ids] in whole.values()}) > 1
        asked, generate = list[int](), gen.model.generate

        def counted(*args: Any, **kwargs: Any):
            asked.append(len(kwargs["input_ids"]))
            return generate(*args, **kwargs)

        monkeypatch.setattr(decoding, "ROUND", 2)
        monkeypatch.setattr(gen.model, "generate", counted)
        if not can_choose_rows:  # as with a cache that is not transformers' usual one
            monkeypatch.setattr(decoding, "_chosen", lambda cache, rows: None)
        assert tokens(gen.generate(PROMPTS, GREEDY)) == whole
        assert asked[0] == 5
        assert 0 < asked[-1] < 5
        assert asked == sorted(asked, reverse=True)

    def test_a_prompt_is_read_once_for_all_its_samples_which_are_as_if_each_had_read_it(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        gen, read = generator(batch_size=6), list[tuple[int, ...]]()
        gen.model.model.embed_tokens.register_forward_hook(lambda _, args, out: read.append(args[0].shape))
        once = tokens(gen.generate(PROMPTS, SAMPLED))
        assert read[0][0] == 2  # two prompts, three samples of each
        assert read[1] == (6, 1)
        monkeypatch.setattr(decoding, "_prompt_cache", lambda *_: None)
        assert tokens(gen.generate(PROMPTS, SAMPLED)) == once

    def test_greedy_follows_the_argmax_of_the_model(self):
        gen = generator()
        [(_, [completion])] = gen.generate(["def"], GREEDY)
        ids = gen.tokenizer("def")["input_ids"]
        for token in completion.token_ids:
            assert gen.model(torch.tensor([ids])).logits[0, -1].argmax() == token
            ids = [*ids, token]

    def test_samples_differ_and_repeat_with_the_seed(self):
        gen = generator()
        first = tokens(gen.generate(PROMPTS, SAMPLED))
        assert first == tokens(gen.generate(PROMPTS, SAMPLED))
        assert all(len(set(samples)) > 1 for samples in first.values())
        other_seed = Sampling(samples=3, temperature=1.0, max_tokens=12, seed=6)
        assert first != tokens(gen.generate(PROMPTS, other_seed))

    def test_samples_of_one_prompt_differ_across_batches(self):
        four = Sampling(samples=4, temperature=1.0, max_tokens=12)
        [[a, b, c, d]] = tokens(generator(batch_size=2).generate(["def"], four)).values()
        assert (a, b) != (c, d)

    def test_the_models_own_generation_settings_play_no_part(self):
        plain = tokens(generator().generate(PROMPTS, SAMPLED))
        odd = generator()
        odd.model.generation_config.update(top_k=1, repetition_penalty=5.0, max_length=3, do_sample=True)
        assert tokens(odd.generate(PROMPTS, SAMPLED)) == plain
        assert odd.model.generation_config.top_k == 1  # put back

    def test_top_p_leaves_only_the_likeliest_tokens(self):
        gen = generator()
        greedy = tokens(gen.generate(PROMPTS, GREEDY))
        narrow = Sampling(samples=1, temperature=1.0, top_p=1e-6, max_tokens=12)
        assert tokens(gen.generate(PROMPTS, narrow)) == greedy

    def test_a_model_in_training_is_left_as_it_was(self):
        gen = generator(attention_dropout=0.5)
        gen.model.train()
        gen.model.model.layers[0].eval()
        torch.manual_seed(1)
        expected = torch.rand(3)
        torch.manual_seed(1)
        list(gen.generate(PROMPTS, SAMPLED))
        assert torch.equal(torch.rand(3), expected)
        assert gen.model.training
        assert not gen.model.model.layers[0].training
        loss = gen.model(torch.tensor([[3, 4, 5]]), labels=torch.tensor([[3, 4, 5]])).loss
        loss.backward()  # what a generation cached must not stand in the way

    def test_a_prompt_too_long_for_the_context_is_left_out_not_cut(self):
        gen = generator(max_position_embeddings=40)
        long = "x y " * 20
        assert sorted(tokens(gen.generate(["def", long, "x"], GREEDY))) == [0, 2]
        fits = len(gen.tokenizer("def")["input_ids"])
        assert sorted(tokens(gen.generate(["def"], Sampling(max_tokens=40 - fits)))) == [0]
        assert sorted(tokens(gen.generate(["def"], Sampling(max_tokens=41 - fits)))) == []

    def test_a_stop_string_ends_a_completion_which_is_cut_before_it(self):
        gen = generator(batch_size=5)
        whole = dict(gen.generate(PROMPTS, GREEDY))
        stop = first_plain_letter(whole[0][0].text)
        cut = dict(gen.generate(PROMPTS, Sampling(max_tokens=12, stop=(stop, "never said"))))
        for index, (completion,) in cut.items():
            text, ids = whole[index][0].text, whole[index][0].token_ids
            assert completion.text == text.split(stop)[0]
            assert completion.finished is (stop in text or whole[index][0].finished)
            assert completion.token_ids == ids[: len(completion.token_ids)]
        assert len(cut[0][0].token_ids) < len(whole[0][0].token_ids)

    def test_nothing_is_drawn_after_every_row_has_stopped(self, monkeypatch: pytest.MonkeyPatch):
        gen = generator()
        ((_, (whole,)),) = gen.generate(["def"], GREEDY)
        steps, forward = list[int](), gen.model.forward
        monkeypatch.setattr(gen.model, "forward", lambda *a, **k: steps.append(1) or forward(*a, **k))
        ((_, (cut,)),) = gen.generate(
            ["def"], Sampling(max_tokens=12, stop=(first_plain_letter(whole.text),))
        )
        assert len(steps) == len(cut.token_ids) < 12

    def test_a_batch_that_memory_does_not_hold_is_drawn_in_halves(self, monkeypatch: pytest.MonkeyPatch):
        whole, gen = tokens(generator(batch_size=5).generate(PROMPTS, GREEDY)), generator(batch_size=5)
        self.hold_only(gen, 2, monkeypatch)
        assert tokens(gen.generate(PROMPTS, GREEDY)) == whole
        six = Sampling(samples=6, temperature=1.0, max_tokens=12)
        [samples] = tokens(gen.generate(["def"], six)).values()
        assert len(set(samples)) == 6  # the parts of a batch do not repeat each other
        done = {0, 1}
        again = tokens(gen.generate(PROMPTS, SAMPLED))
        assert tokens(gen.generate(PROMPTS, SAMPLED, done)) == {i: again[i] for i in (2, 3, 4)}

    def test_one_completion_too_large_for_memory_is_the_end(self, monkeypatch: pytest.MonkeyPatch):
        gen = generator()
        self.hold_only(gen, 0, monkeypatch)
        with pytest.raises(UserError, match="12 tokens does not fit the device's memory"):
            list(gen.generate(PROMPTS, GREEDY))

    @staticmethod
    def hold_only(gen: TransformersGenerator, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        generate = gen.model.generate

        def limited(*, input_ids: torch.Tensor, **options: Any) -> Any:
            if len(input_ids) > rows:
                raise torch.OutOfMemoryError
            return generate(input_ids=input_ids, **options)

        monkeypatch.setattr(gen.model, "generate", limited)

    def test_what_is_done_is_not_drawn_again_and_does_not_change_the_rest(self):
        gen = generator(batch_size=4)
        whole = tokens(gen.generate(PROMPTS, SAMPLED))
        for done in ({0}, {1, 4}, {0, 1, 2, 3}, set(range(5))):
            rest = tokens(gen.generate(PROMPTS, SAMPLED, done))
            assert rest == {index: whole[index] for index in range(5) if index not in done}


class TestSampling:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"samples": 0},
            {"temperature": -1.0},
            {"top_p": 0.0},
            {"top_p": 1.5},
            {"max_tokens": 0},
            {"samples": 2, "temperature": 0.0},
        ],
    )
    def test_impossible_values_are_named(self, wrong: dict[str, Any]):
        with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
            Sampling(**wrong)

    @pytest.mark.parametrize("stop", ["###", ("###", "")])
    def test_stop_strings_are_texts_that_are_not_empty(self, stop: Any):
        with pytest.raises(UserError, match=r"stop must be texts that are not empty; got .*###"):
            Sampling(stop=stop)

    def test_request_seeds_differ_by_seed_prompt_and_sample_and_fit_31_bits(self):
        seeds = [
            Sampling(seed=seed).request_seed(prompt, sample)
            for seed in range(3)
            for prompt in range(20)
            for sample in range(5)
        ]
        assert len(set(seeds)) == 300
        assert all(0 <= seed < 2**31 for seed in seeds)
        assert seeds[0] == Sampling(seed=0).request_seed(0)


class Interrupted(Exception):
    pass


class Counting:
    """Draws from another generator, counts, and dies after a number of prompts."""

    def __init__(self, inner: TransformersGenerator, dies_after: int | None = None) -> None:
        self.inner, self.dies_after, self.drawn = inner, dies_after, 0

    def generate(self, prompts: Any, sampling: Any, done: Any = ()):
        for answer in self.inner.generate(prompts, sampling, done):
            if self.drawn == self.dies_after:
                raise Interrupted
            self.drawn += 1
            yield answer


class TestStoredGenerator:
    ids = tuple(f"p{i}" for i in range(5))

    def test_after_a_kill_only_the_rest_is_drawn_and_all_is_as_without_it(self, tmp_path: Path):
        path, inner = tmp_path / "samples.jsonl", generator(batch_size=3)
        whole = dict(inner.generate(PROMPTS, SAMPLED))
        killed = StoredGenerator(Counting(inner, dies_after=2), KeyedLines(path, "key"), self.ids)
        with pytest.raises(Interrupted):
            list(killed.generate(PROMPTS, SAMPLED))
        path.write_text(path.read_text() + '{"question_id": "p')  # a line cut off by the kill

        again = Counting(inner)
        assert (
            dict(StoredGenerator(again, KeyedLines(path, "key"), self.ids).generate(PROMPTS, SAMPLED))
            == whole
        )
        assert again.drawn == 3
        third = Counting(inner)
        assert (
            dict(StoredGenerator(third, KeyedLines(path, "key"), self.ids).generate(PROMPTS, SAMPLED))
            == whole
        )
        assert third.drawn == 0

    def test_other_settings_do_not_share_completions(self, tmp_path: Path):
        path, inner = tmp_path / "samples.jsonl", generator()
        list(StoredGenerator(inner, KeyedLines(path, "one"), self.ids).generate(PROMPTS, GREEDY))
        other = Counting(inner)
        list(StoredGenerator(other, KeyedLines(path, "two"), self.ids).generate(PROMPTS, GREEDY))
        assert other.drawn == 5

    def test_the_key_depends_on_every_setting(self):
        keys = {
            settings_key("m", PROMPTS, GREEDY, 4),
            settings_key("n", PROMPTS, GREEDY, 4),
            settings_key("m", PROMPTS[:4], GREEDY, 4),
            settings_key("m", PROMPTS, SAMPLED, 4),
            settings_key("m", PROMPTS, GREEDY, 5),
        }
        assert len(keys) == 5


def double(name: str, factor: int = 2) -> Problem:
    tests = tuple(TestCase(f"{n}\n", f"{factor * n}\n") for n in (1, 2))
    return Problem(name, f"Read n and print {factor} * n.", "", None, tests[:1], tests[1:], "test")


def answer(text: str, tokens: int, finished: bool = True) -> Completion:
    found = extract_code(text)
    start = tokens // 2 if found.start else found.start
    return Completion(text, tuple(range(tokens)), found.code, finished, start)


ASKED: list[Prompt] = ["first", "second", "third"]


class Scripted:
    """Gives prepared answers, in the reverse order of the prompts; None: the prompt does not fit."""

    def __init__(self, *answers: list[Completion] | None) -> None:
        self.answers, self.prompts = answers, list[Prompt]()

    def generate(self, prompts: Any, sampling: Any, done: Any = ()):
        self.prompts = prompts
        for index in reversed(range(len(self.answers))):
            if self.answers[index] is not None:
                yield index, self.answers[index]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as warm:
        yield warm


class TestEvaluate:
    right = answer("Twice.\n```python\nprint(2 * int(input()))\n```", tokens=10)
    right_at_once = answer("```python\nn = int(input())\nprint(n + n)\n```", tokens=6)
    wrong = answer("```python\nprint(7)\n```", tokens=4)
    crash = answer("Hm.\n```python\n1 / 0\n```", tokens=8)
    prose = answer("I do not know", tokens=12, finished=False)

    def test_scores_of_known_answers(self, sandbox: Sandbox):
        generator = Scripted(
            [self.right, self.right_at_once, self.wrong, self.right],  # 3 of 4
            [self.wrong, self.wrong, self.crash, self.right],  # 1 of 4
            [self.prose, self.prose, self.crash, self.wrong],  # 0 of 4
        )
        problems = [double("a"), double("b"), double("c")]
        sampling = Sampling(samples=4, temperature=0.8, max_tokens=12)
        seen = list[int]()
        result = evaluate(
            generator, problems, ASKED[:3], sandbox, sampling, seen.append, step=7, stage="rlif"
        )
        record = result.record
        assert (record.step, record.stage, record.mode, record.problems) == (7, "rlif", "sampled", 3)
        assert record.correct == {"a": 3, "b": 1, "c": 0}
        assert record.lengths == {"a": 7.5, "b": 6.5, "c": 9.0}
        assert record.reasoned == {"a": 2, "b": 2, "c": 1}  # prose without a program reasons about nothing
        assert record.pass_at_1 == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
        # pass@2 = 1 - C(n-c, 2) / C(n, 2): 1 for c = 3, 1 - 3/6 for c = 1.
        assert record.pass_at_k == {"2": pytest.approx((1 + 1 / 2 + 0) / 3), "4": pytest.approx(2 / 3)}
        # pass@4 is 1, 1 and 0: of three problems drawn anew, none or all often enough are solved.
        assert record.pass_at_k_ci["4"] == (0, 1)
        low, high = record.pass_at_1_ci
        assert 0 <= low < record.pass_at_1 < high <= 1
        assert record.statuses == {"passed": 4, "wrong_answer": 4, "runtime_error": 2, "no_code": 2}
        assert record.length_mean == pytest.approx((10 * 3 + 6 + 4 * 4 + 8 * 2 + 12 * 2) / 12)
        assert record.truncated == record.no_code == pytest.approx(2 / 12)
        assert record.reasoning_rate == pytest.approx(5 / 12)  # three right ones and two crashes
        assert record.pass_with_reasoning == pytest.approx(3 / 5)
        assert record.pass_without_reasoning == pytest.approx(1 / 5)
        assert seen == [1, 2, 3]
        assert [(s.problem_id, s.index) for s in result.samples[:5]] == [
            *(("a", i) for i in range(4)),
            ("b", 0),
        ]
        assert [s.verdict.passed for s in result.samples[:4]] == [True, True, False, True]

    def test_without_tests_the_same_answers_are_described_and_not_judged(self):
        drawn = [self.right, self.wrong, self.crash, self.prose]
        problems = [Problem(name, "?", "", None, (), (), "test") for name in "ab"]
        sampling = Sampling(samples=4, temperature=0.8, max_tokens=12)
        record = observe(Scripted(drawn, drawn[::-1]), problems, ASKED[:2], sampling, step=7, stage="rlif")
        assert (record.step, record.stage, record.mode, record.problems) == (7, "rlif", "sampled", 2)
        assert record.lengths == {"a": 8.5, "b": 8.5}
        assert record.reasoned == {"a": 2, "b": 2}
        assert (record.length_mean, record.reasoning_rate, record.no_code) == (8.5, 0.5, 0.25)
        assert (record.correct, record.statuses, record.pass_at_k) == ({}, {}, {})
        undefined = (record.pass_at_1, *record.pass_at_1_ci, record.pass_with_reasoning)
        assert all(map(math.isnan, undefined))

    def test_without_tests_too_an_evaluation_of_nothing_is_refused(self):
        with pytest.raises(UserError, match="No prompt fits"):
            observe(Scripted(None), [double("a")], ASKED[:1], Sampling())

    def test_skipped_problems_are_counted_and_in_no_score(self, sandbox: Sandbox):
        problems = [double("a"), double("b")]
        result = evaluate(Scripted([self.right], None), problems, ASKED[:2], sandbox, Sampling())
        assert result.skipped == ("b",)
        assert (result.record.problems, result.record.pass_at_1) == (1, 1.0)
        assert result.record.pass_at_k == {}

    def test_a_context_that_takes_no_prompt_is_an_error(self, sandbox: Sandbox):
        with pytest.raises(UserError, match="max_tokens = 512"):
            evaluate(Scripted(None), [double("a")], ASKED[:1], sandbox, Sampling())


def test_lines_replace_earlier_ones_of_the_same_key_only(tmp_path: Path):
    path = tmp_path / "verdicts.jsonl"
    for key, number in [("k", 1), ("other", 2), ("k", 3), ("k", 4)]:
        KeyedLines(path, key).replace([{"n": number}])
    KeyedLines(path, "k").append({"n": 5})
    assert [line["n"] for line in KeyedLines(path, "k")] == [4, 5]
    assert [line["n"] for line in KeyedLines(path, "other")] == [2]
    assert list(KeyedLines(tmp_path / "none.jsonl", "k")) == []


def test_completions_survive_the_file(tmp_path: Path):
    answer = Completion("a\n```\nb\n```", (1, 2, 3), "b", True, 1)
    none = Completion("é", (4,), "", False, None)

    class Fixed:
        def generate(self, prompts: Any, sampling: Any, done: Any = ()):
            return iter([] if done else [(0, [answer, none])])

    for _ in range(2):
        stored = StoredGenerator(Fixed(), KeyedLines(tmp_path / "s.jsonl", "k"), ["p"])
        assert list(stored.generate(["x"], SAMPLED)) == [(0, [answer, none])]
