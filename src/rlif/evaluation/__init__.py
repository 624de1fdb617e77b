"""Evaluation: draw completions of a policy, grade them, score them; without tests, describe them.

The models themselves are in `rlif.evaluation.models` and `rlif.evaluation.transformers_generator`, which
import torch; what is named here does not.
"""

from rlif.evaluation.evaluate import Evaluation, Sample, evaluate, observe
from rlif.evaluation.sampling import Generator, Sampling

__all__ = ["Evaluation", "Generator", "Sample", "Sampling", "evaluate", "observe"]
