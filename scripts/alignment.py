"""Does alignment before training tell what training does? A table in Markdown, and two correlations.

    rlif evaluate --model minicode-base --problems minicode --split test --limit 200 -n 8 --temperature 1 \\
        --batch-size 128 --max-tokens 80 --score self_certainty --score token_entropy … --out runs/alignment
    rlif study run studies/every-reward.toml
    python scripts/alignment.py runs/alignment runs/every-reward

Alignment is `rlif.diagnostics.selection` on the samples of the untrained model; what training did is the end
of each reward's runs, less that of the random control. Rewards are not independent draws of anything:
correlations over them describe this study and have no p-value here.
"""

import argparse
from pathlib import Path

import numpy as np
from every_reward import CONTROL, arms, read
from scipy.stats import pearsonr, spearmanr

from rlif.diagnostics.selection import Selection
from rlif.records import RunDir, StudyDir
from rlif.statistics import crossed

ARM_OF = {"trajectory_logprob(length_normalised)": "trajectory_logprob-mean"}
"""Scores that the study calls otherwise."""


def main() -> None:
    """Print the table, best aligned first, and the correlations over its lines."""
    parser = argparse.ArgumentParser(description="Alignment before training, against what training did.")
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("study", type=Path)
    options = parser.parse_args()
    record = RunDir(options.evaluation).evals()[-1].model_dump()
    found = {name: Selection.model_validate(value) for name, value in record["selection"].items()}
    runs = arms(StudyDir(options.study))
    control = read(runs[CONTROL]).scores[:, -1]
    gains = {
        name: crossed.difference(read(runs[arm]).scores[:, -1], control).estimate
        for name in found
        if (arm := ARM_OF.get(name, name)) in runs
    }
    print("| score | AUROC before training | best of n − random choice | training: end − random |")
    print("|---|---|---|---|")
    for name in sorted(gains, key=lambda name: -found[name].auroc.estimate):
        auroc, gain = found[name].auroc, found[name].gain
        print(
            f"| `{name}` | {auroc.estimate:.3f} [{auroc.low:.3f}, {auroc.high:.3f}] "
            f"| {100 * gain.estimate:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] "
            f"| {'–' if name == CONTROL else f'{100 * gains[name]:+.1f}'} |"
        )
    x, y = (np.array(values) for values in ([found[n].auroc.estimate for n in gains], list(gains.values())))
    print(f"\n{len(gains)} rewards: Spearman {spearmanr(x, y)[0]:.2f}, Pearson {pearsonr(x, y)[0]:.2f}")


if __name__ == "__main__":
    main()
