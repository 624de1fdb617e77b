"""From the first steps of a run: will it lose a tenth of its best pass@1, and when? No torch.

cases       recorded runs -> what was known after k steps, and what became of them
features    the few numbers that stand for those steps, and the predictors that are compared
hazard      features -> a constant hazard of falling -> probability and survival curve
scores      Brier score and skill, log loss, AUROC, concordance, calibration
judge       each predictor, judged on runs that it was not fitted on
outlook     the forecast for one run, with what it rests on
"""

from rlif.conclusions.forecast.cases import Case, Cases, read_cases, read_studies
from rlif.conclusions.forecast.features import PREDICTORS, Predictor
from rlif.conclusions.forecast.hazard import Hazard, fit
from rlif.conclusions.forecast.judge import Row, across_studies, leave_one_reward_out, verdict
from rlif.conclusions.forecast.outlook import Outlook, outlook

__all__ = [
    "PREDICTORS",
    "Case",
    "Cases",
    "Hazard",
    "Outlook",
    "Predictor",
    "Row",
    "across_studies",
    "fit",
    "leave_one_reward_out",
    "outlook",
    "read_cases",
    "read_studies",
    "verdict",
]
