"""Each consensus reward worked out by hand. Small integers are outputs, words are how runs fail."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reward_groups import completion, execution, group, problem

from rlif.errors import UserError
from rlif.rewards import (
    CoRewarding,
    FunctionalMajority,
    MajorityVote,
    Need,
    SelfVerification,
    SemanticEntropy,
)
from rlif.rewards.self_verification import parse_verification, verification_prompt
from rlif.rollouts import Ballot, Voters
from rlif.sandbox.types import Execution, RunStatus

CRASH, TIMEOUT = RunStatus.RUNTIME_ERROR, RunStatus.TIMEOUT
Does = Execution | int | str | RunStatus


def programs(*does: Does) -> tuple[Execution, ...]:
    """Programs for one public input that print this, or fail so."""
    return tuple(
        d if isinstance(d, Execution) else execution(str(d) if isinstance(d, int) else d) for d in does
    )


def ran(*does: Does, **signals):
    """A group whose programs do this on one public input."""
    return group(len(does), problem=problem(public=1), executions=programs(*does), **signals)


# --- functional_majority ---------------------------------------------------------------------------------


def majority(*executions: Execution) -> list[float]:
    inputs = len(executions[0].outputs)
    return FunctionalMajority()(
        group(len(executions), problem=problem(public=inputs), executions=executions)
    ).tolist()


def test_agreement_by_hand():
    # Input 1: a a b a -> 2, 2, 0, 2 others agree. Input 2: x y y crash -> 0, 1, 1, 0. Of 2 inputs · 3 others.
    scores = majority(execution("a", "x"), execution("a", "y"), execution("b", "y"), execution("a", CRASH))
    assert scores == [2 / 6, 3 / 6, 1 / 6, 2 / 6]


def test_everyone_agrees_or_nobody_does():
    assert majority(*[execution("a", "b")] * 4) == [1.0] * 4
    assert majority(execution("a"), execution("b"), execution("c")) == [0.0] * 3


def test_failures_agree_with_nothing_not_even_with_each_other():
    assert majority(execution(CRASH), execution(CRASH), execution(TIMEOUT)) == [0.0] * 3


def test_returning_none_is_an_answer():
    functional = problem(public=1, kind="functional")
    both = group(2, problem=functional, executions=(execution(None), execution(None)))
    assert FunctionalMajority()(both).tolist() == [1.0, 1.0]


def test_outputs_must_belong_to_the_public_tests():
    for reward in (FunctionalMajority(), MajorityVote(), SemanticEntropy()):
        with pytest.raises(ValueError, match="3 outputs for 2 public tests"):
            reward(group(1, executions=(execution("a", "b", "c"),)))


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", CRASH])] * 3), min_size=2, max_size=6))
def test_agreement_is_the_pairwise_definition(found):
    def agreement(i: int) -> float:
        pairs = [(found[i][m], found[j][m]) for j in range(len(found)) if j != i for m in range(3)]
        return sum(a == b and a != CRASH for a, b in pairs) / len(pairs)

    expected = [agreement(i) for i in range(len(found))]
    assert majority(*[execution(*program) for program in found]) == pytest.approx(expected)


# --- majority_vote ---------------------------------------------------------------------------------------


def test_the_largest_class_wins():
    assert MajorityVote()(ran(1, 2, 1, 1, CRASH)).tolist() == [1, 0, 1, 1, 0]


def test_a_class_agrees_on_every_input():
    # The first two agree on input 1 only, the last two on both.
    two_inputs = (execution("a", "x"), execution("a", "y"), execution("b", "z"), execution("b", "z"))
    assert MajorityVote()(group(4, executions=two_inputs)).tolist() == [0, 0, 1, 1]


def test_a_program_that_fails_on_one_input_is_in_no_class():
    half = (execution("a", CRASH), execution("a", CRASH), execution("b", "c"))
    assert MajorityVote()(group(3, executions=half)).tolist() == [0, 0, 1]


def test_tied_classes_win_together():
    assert MajorityVote()(ran(1, 1, 2, 2, 3)).tolist() == [1, 1, 1, 1, 0]
    assert MajorityVote()(ran(1, 2, 3)).tolist() == [1, 1, 1]


def test_where_all_fail_nobody_wins():
    assert MajorityVote()(ran(CRASH, CRASH, TIMEOUT)).tolist() == [0, 0, 0]


def test_soft_votes_are_shares():
    assert MajorityVote(soft=True)(ran(1, 1, 2, CRASH)).tolist() == [0.5, 0.5, 0.25, 0.0]


def test_below_the_threshold_there_is_no_majority():
    assert MajorityVote(threshold=0.5)(ran(1, 1, 2, 3)).tolist() == [1, 1, 0, 0]
    small = ran(1, 1, 2, 3, 4)
    assert np.isnan(MajorityVote(threshold=0.5)(small)).all()
    assert "below threshold" in MajorityVote(threshold=0.5).why_undefined(small)[0]


def test_extra_votes_count_but_are_not_scored():
    reward = MajorityVote(extra_votes=3)
    ballot = Ballot(Voters.POLICY, 3)
    assert reward.signals() == {Need.EXECUTIONS, ballot}
    # The group alone would elect 1; with 2, 2 and 3 the largest class is that of 2.
    assert reward(ran(1, 1, 2, ballots={ballot: programs(2, 2, 3)})).tolist() == [0, 0, 1]
    soft = reward.model_copy(update={"soft": True})
    assert soft(ran(1, 1, 2, ballots={ballot: programs(2, 2, 3)})).tolist() == [2 / 6, 2 / 6, 3 / 6]
    with pytest.raises(UserError, match=r"needs the programs of 3 more samples \(policy\)"):
        reward(ran(1, 1, 2))
    with pytest.raises(ValueError, match="2 executions for a ballot of 3"):
        reward(ran(1, 1, 2, ballots={ballot: programs(2, 2)}))


# --- semantic_entropy ------------------------------------------------------------------------------------


def test_the_share_of_the_own_class():
    assert SemanticEntropy()(ran(1, 1, 2, CRASH)).tolist() == [0.5, 0.5, 0.25, 0.0]


def test_all_different_is_worth_nothing():
    assert SemanticEntropy()(ran(1, 2, 3, 4)).tolist() == [0, 0, 0, 0]
    assert SemanticEntropy()(ran(1, 2, CRASH, CRASH)).tolist() == [0, 0, 0, 0]


# --- co_rewarding ----------------------------------------------------------------------------------------

TEACHER = Ballot(Voters.EMA, 3)


def test_the_teachers_majority_judges():
    reward = CoRewarding(samples=3)
    assert reward.signals() == {Need.EXECUTIONS, TEACHER}
    # The group prefers 1, the teacher 2.
    assert reward(ran(1, 1, 2, CRASH, ballots={TEACHER: programs(2, 2, 1)})).tolist() == [0, 0, 1, 0]


def test_the_rephrased_prompts_majority_judges():
    ballot = Ballot(Voters.REPHRASED, 2)
    reward = CoRewarding(judges="rephrased", samples=2)
    assert reward(ran(1, 2, ballots={ballot: programs(2, 2)})).tolist() == [0, 1]


def test_without_a_label_nothing_is_defined():
    reward = CoRewarding(samples=3)
    silent = ran(1, 1, ballots={TEACHER: programs(CRASH, CRASH, TIMEOUT)})
    assert np.isnan(reward(silent)).all()
    assert "no program of the judges runs" in reward.why_undefined(silent)[0]
    with pytest.raises(UserError, match=r"needs the programs of 3 more samples \(ema\)"):
        reward(ran(1, 1))


def test_one_program_can_be_judged():
    assert CoRewarding(samples=3)(ran(1, ballots={TEACHER: programs(1, 1, 2)})).tolist() == [1]


# --- self_verification -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("yes", True),
        ("No.", False),
        ("It reads n, then loops.\n\n**Yes**\n", True),
        ("Answer: no", False),
        ("Verdict - YES!", True),
        ("yes, but it is slow", None),
        ("The answer is yes", None),
        ("yes\nI am not sure", None),
        ("yes no", None),
        ("yesno", None),
        ("eyes", None),
        ("true", None),
        ("", None),
        ("   \n ", None),
    ],
)
def test_the_last_line_is_one_word(answer, verdict):
    assert parse_verification(answer) is verdict


def test_verification_by_hand():
    four = group(
        4,
        completions=(*[completion(1, "print(1)")] * 3, completion(1)),
        verifications=("yes", "no", "perhaps", "yes"),
    )
    # The last has no program: whatever the model says, that is not right.
    assert_array_equal(SelfVerification()(four), [1, 0, np.nan, 0])
    assert SelfVerification(unclear="no")(four).tolist() == [1, 0, 0, 0]
    assert SelfVerification().why_undefined(four)[2] == "the answer's last line is neither yes nor no"


def test_the_prompt_asks_about_this_program():
    text = verification_prompt(problem(), completion(1, "print({x})"), chat=False)
    assert "print({x})" in text
    assert parse_verification(text) is None
    (message,) = verification_prompt(problem(), completion(1, "print({x})"), chat=True)
    assert message["role"] == "user"
    assert text.startswith(message["content"])


# --- all of them -----------------------------------------------------------------------------------------

VOTES = [FunctionalMajority(), MajorityVote(), MajorityVote(soft=True), SemanticEntropy()]
every_vote = pytest.mark.parametrize("reward", VOTES, ids=repr)


@every_vote
def test_one_alone_and_no_inputs_are_undefined(reward):
    assert math.isnan(reward(ran(1)).item())
    no_inputs = group(2, problem=problem(public=0), executions=(execution(), execution()))
    assert np.isnan(reward(no_inputs)).all()
    assert all(reward.why_undefined(no_inputs))


@given(st.lists(st.sampled_from([1, 2, 3, CRASH]), min_size=2, max_size=7), st.randoms())
def test_votes_do_not_depend_on_the_order(does, random):
    order = random.sample(range(len(does)), len(does))
    for reward in VOTES:
        assert_array_equal(reward(ran(*[does[i] for i in order])), reward(ran(*does))[order])


@given(st.lists(st.sampled_from([1, 2, 3, CRASH]), min_size=2, max_size=7))
def test_votes_lie_between_none_and_all_and_failures_get_nothing(does):
    for reward in VOTES:
        scores = reward(ran(*does))
        assert ((scores >= 0) & (scores <= 1)).all()
        assert not scores[[d == CRASH for d in does]].any()
