"""Which intrinsic reward to train on, and which not.

An arm must beat, or fall below, both the model that training started from and the random reward: the first
says whether to train at all, the second whether it was the reward's doing.
"""

from collections.abc import Sequence

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.recommendations.power import needed_seeds
from rlif.conclusions.recommendations.ranking import Ranking, Standing, ranking
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import listed, may_be_small, number, sentences, written

AGAINST = "random reward"


@question("reward", "Which intrinsic reward to train on?")
def best_reward(results: Results, rules: Rules) -> Sequence[Answer]:
    """Name the reward with the largest gain among those shown to help, and those not shown to be worse."""
    ranked = ranking(results, rules)
    leaders = [s for s in ranked.standings if s.helps and ranked.not_beaten(s, rules.alpha)]
    if not leaders:
        return [_undecided(ranked, ranked.standings[0], rules)]
    best, *equals = leaders
    also = f", or on {listed([s.name for s in equals])}: these runs cannot tell them apart" if equals else ""
    return [
        Answer(
            estimate=best.beyond,
            against=AGAINST,
            advice=f"Train on {best.name}{also}. At step {ranked.step} {best.name} had gained "
            f"{written(best.beyond)} more than the random reward, {number(best.own.estimate)} since the "
            "start.",
            runs=_run_ids(ranked, leaders),
            n_problems=len(best.gain.problems),
            caveat=sentences(
                f"The largest of {len(ranked.standings)} gains was picked, so its estimate is flattered.",
                may_be_small(best.beyond, rules),
            ),
        )
    ]


@question("avoid", "Which intrinsic reward not to train on?")
def worst_reward(results: Results, rules: Rules) -> Sequence[Answer]:
    """Name every reward shown to end below the start and below the random reward, the worst first."""
    ranked = ranking(results, rules)
    harmful = [s for s in reversed(ranked.standings) if s.harms]
    if not harmful:
        return [_undecided(ranked, ranked.standings[-1], rules)]
    return [_avoided(ranked, standing, rules) for standing in harmful]


def _avoided(ranked: Ranking, standing: Standing, rules: Rules) -> Answer:
    return Answer(
        about=standing.name,
        estimate=standing.beyond,
        against=AGAINST,
        advice=f"Do not train on {standing.name} for {ranked.step} steps: it then stood "
        f"{number(standing.own.estimate)} points from the start, {written(standing.beyond)} from the random "
        "reward.",
        runs=_run_ids(ranked, [standing]),
        n_problems=len(standing.gain.problems),
        caveat=may_be_small(-standing.beyond, rules),
    )


def _undecided(ranked: Ranking, standing: Standing, rules: Rules) -> Answer:
    """Return the answer without advice, with the numbers of the arm that came nearest to one."""
    return Answer(
        estimate=standing.beyond,
        against=AGAINST,
        runs=_run_ids(ranked, ranked.standings),
        n_problems=len(standing.gain.problems),
        needed=needed_seeds(standing.gain, ranked.control, rules, len(ranked.standings)),
        caveat=f"The numbers are those of {standing.name} at step {ranked.step}, "
        f"{number(standing.own.estimate)} points from the start.",
    )


def _run_ids(ranked: Ranking, standings: Sequence[Standing]) -> list[str]:
    return [*ranked.control.run_ids, *(run for s in standings for run in s.gain.run_ids)]
