"""Reinforcement learning from internal feedback (RLIF) for code models."""

__version__ = "0.1.0"
