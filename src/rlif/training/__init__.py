"""Training: the only room that imports TRL."""

from rlif.training.trainer import IntrinsicGRPOTrainer

__all__ = ["IntrinsicGRPOTrainer"]
