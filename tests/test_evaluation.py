"""Drawing completions from a real (tiny, random) model, keeping them, and scoring them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling, evaluate
from rlif.evaluation.store import StoredGenerator, settings_key, write_verdicts
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


def tokens(drawn: Any) -> dict[int, list[tuple[int, ...]]]:
    return {index: [completion.token_ids for completion in completions] for index, completions in drawn}


class TestTransformersGenerator:
    def test_padding_and_batches_do_not_change_greedy_completions(self):
        alone = tokens(generator(batch_size=1).generate(PROMPTS, GREEDY))
        assert tokens(generator(batch_size=5).generate(PROMPTS, GREEDY)) == alone
        assert sorted(alone) == list(range(5))
        assert len(set(map(str, alone.values()))) > 1  # the prompts do matter

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
        killed = StoredGenerator(Counting(inner, dies_after=2), path, "key", self.ids)
        with pytest.raises(Interrupted):
            list(killed.generate(PROMPTS, SAMPLED))
        path.write_text(path.read_text() + '{"question_id": "p')  # a line cut off by the kill

        again = Counting(inner)
        assert dict(StoredGenerator(again, path, "key", self.ids).generate(PROMPTS, SAMPLED)) == whole
        assert again.drawn == 3
        third = Counting(inner)
        assert dict(StoredGenerator(third, path, "key", self.ids).generate(PROMPTS, SAMPLED)) == whole
        assert third.drawn == 0

    def test_other_settings_do_not_share_completions(self, tmp_path: Path):
        path, inner = tmp_path / "samples.jsonl", generator()
        list(StoredGenerator(inner, path, "one", self.ids).generate(PROMPTS, GREEDY))
        other = Counting(inner)
        list(StoredGenerator(other, path, "two", self.ids).generate(PROMPTS, GREEDY))
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
        seen = list[tuple[int, int]]()
        result = evaluate(
            generator, problems, sandbox, sampling, "bare", True, lambda *x: seen.append(x), 7, "rlif"
        )
        record = result.record
        assert (record.step, record.stage, record.mode, record.problems) == (7, "rlif", "sampled", 3)
        assert record.correct == {"a": 3, "b": 1, "c": 0}
        assert record.pass_at_1 == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)
        # pass@2 = 1 - C(n-c, 2) / C(n, 2): 1 for c = 3, 1 - 3/6 for c = 1.
        assert record.pass_at_k == {"2": pytest.approx((1 + 1 / 2 + 0) / 3), "4": pytest.approx(2 / 3)}
        low, high = record.pass_at_1_ci
        assert 0 <= low < record.pass_at_1 < high <= 1
        assert record.statuses == {"passed": 4, "wrong_answer": 4, "runtime_error": 2, "no_code": 2}
        assert record.length_mean == pytest.approx((10 * 3 + 6 + 4 * 4 + 8 * 2 + 12 * 2) / 12)
        assert record.truncated == record.no_code == pytest.approx(2 / 12)
        assert record.reasoning_rate == pytest.approx(5 / 12)  # three right ones and two crashes
        assert record.pass_with_reasoning == pytest.approx(3 / 5)
        assert record.pass_without_reasoning == pytest.approx(1 / 5)
        assert seen == [(1, 3), (2, 3), (3, 3)]
        assert [(s.problem_id, s.index) for s in result.samples[:5]] == [
            *(("a", i) for i in range(4)),
            ("b", 0),
        ]
        assert [s.verdict.passed for s in result.samples[:4]] == [True, True, False, True]

    def test_prompts_have_the_style_asked_for(self, sandbox: Sandbox):
        generator = Scripted([self.right])
        evaluate(generator, [double("a")], sandbox, Sampling(), "bare", False)
        assert generator.prompts == ["Read n and print 2 * n.\n"]

    def test_skipped_problems_are_counted_and_in_no_score(self, sandbox: Sandbox):
        result = evaluate(
            Scripted([self.right], None), [double("a"), double("b")], sandbox, Sampling(), "bare", True
        )
        assert result.skipped == ("b",)
        assert (result.record.problems, result.record.pass_at_1) == (1, 1.0)
        assert result.record.pass_at_k == {}
        assert result.record.model_dump()["skipped"] == 1

    def test_a_context_that_takes_no_prompt_is_an_error(self, sandbox: Sandbox):
        with pytest.raises(UserError, match="max_tokens = 512"):
            evaluate(Scripted(None), [double("a")], sandbox, Sampling(), "bare", True)

    def test_verdict_lines_replace_earlier_ones_of_the_same_key_only(self, sandbox: Sandbox, tmp_path: Path):
        path = tmp_path / "verdicts.jsonl"
        for key, text in [("k", self.wrong), ("other", self.wrong), ("k", self.right)]:
            result = evaluate(Scripted([text]), [double("a")], sandbox, Sampling(), "bare", True)
            write_verdicts(path, key, result.samples)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [(line["key"], line["passed"], line["status"]) for line in lines] == [
            ("other", False, "wrong_answer"),
            ("k", True, "passed"),
        ]
        assert lines[1] | {"tests": None} == {
            "question_id": "a",
            "index": 0,
            "passed": True,
            "tests": None,
            "status": "passed",
            "key": "k",
        }
        assert lines[1]["tests"] == [True, True]


def test_completions_survive_the_file(tmp_path: Path):
    answer = Completion("a\n```\nb\n```", (1, 2, 3), "b", True, 1)
    none = Completion("é", (4,), "", False, None)

    class Fixed:
        def generate(self, prompts: Any, sampling: Any, done: Any = ()):
            return iter([] if done else [(0, [answer, none])])

    for _ in range(2):
        stored = StoredGenerator(Fixed(), tmp_path / "s.jsonl", "k", ["p"])
        assert list(stored.generate(["x"], SAMPLED)) == [(0, [answer, none])]
