"""Training: the only room that imports TRL."""

from rlif.training.collapse_callback import CollapseCallback
from rlif.training.trainer import IntrinsicGRPOTrainer

__all__ = ["CollapseCallback", "IntrinsicGRPOTrainer"]
