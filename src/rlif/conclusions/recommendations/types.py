"""What a recommendation is: a question, an answer with its numbers and runs, or what would decide it.

@question("U1", "Is voting better than tests?")
def voting_wins(results: Results, rules: Rules) -> Sequence[Answer]: ...
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, computed_field

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.claims.scores import LacksRuns
from rlif.conclusions.recommendations.wording import Unit
from rlif.records.schema import NAN, Number
from rlif.statistics.estimate import LEVEL, Estimate


def _one_line(text: str) -> str:
    """Return a text without line ends and control characters: names of arms are anybody's."""
    return "".join(c if c.isprintable() else " " for c in text)


Text = Annotated[str, BeforeValidator(_one_line)]


class Recommendation(BaseModel):
    """One question with its answer, as it stands in recommendations.json; a number not known is null.

    Attributes:
        id: of the question, with what the answer is about: "reward", "duration/self_certainty".
        question: in words.
        advice: one sentence with its numbers; "" where the runs do not decide.
        needed: what would decide it; "" where they do.
        effect, low, high: in `unit`, with an interval of `level`, corrected for what it was picked from.
        against: what it is compared with.
        runs: ids of the runs behind it. n_problems: that all of them answered.
        caveat: what a reader should know before acting on it.
    """

    model_config = ConfigDict(frozen=True)

    id: Text
    question: str
    advice: Text = ""
    needed: Text = ""
    effect: Number = NAN
    low: Number = NAN
    high: Number = NAN
    unit: Unit = Unit.POINTS
    level: float = LEVEL
    against: Text = ""
    n_problems: int = 0
    runs: tuple[str, ...] = ()
    caveat: Text = ""

    @computed_field
    @property
    def decided(self) -> bool:
        """Whether there is advice."""
        return bool(self.advice)

    @computed_field
    @property
    def n_runs(self) -> int:
        """Number of runs behind it."""
        return len(self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a question's function returns: fields as in `Recommendation`, the estimate as a fraction of one.

    Attributes:
        about: part of the id, where a question has several answers.
    """

    estimate: Estimate
    against: str
    runs: Sequence[str]
    n_problems: int
    about: str = ""
    advice: str = ""
    needed: str = ""
    caveat: str = ""
    unit: Unit = Unit.POINTS


Rule = Callable[[Results, Rules], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the rule that answers it from results."""

    id: str
    text: str
    rule: Rule

    def __call__(self, results: Results, rules: Rules) -> list[Recommendation]:
        """Answer it; one recommendation without advice, saying what is missing, when runs are missing."""
        try:
            answers = self.rule(results, rules)
        except LacksRuns as lack:
            return [Recommendation(id=self.id, question=self.text, needed=str(lack))]
        return [self._written(answer) for answer in answers]

    def _written(self, answer: Answer) -> Recommendation:
        estimate, scale = answer.estimate, answer.unit.scale
        return Recommendation(
            id=f"{self.id}/{answer.about}" if answer.about else self.id,
            question=self.text,
            advice=answer.advice,
            needed=answer.needed,
            effect=scale * estimate.estimate,
            low=scale * estimate.low,
            high=scale * estimate.high,
            unit=answer.unit,
            level=estimate.level,
            against=answer.against,
            n_problems=answer.n_problems,
            runs=tuple(sorted(set(answer.runs))),
            caveat=answer.caveat,
        )


def question(id: str, text: str) -> Callable[[Rule], Question]:
    """Make a question of a rule; nothing is registered: `QUESTIONS` lists those that are asked."""
    return lambda rule: Question(id, text, rule)
