"""A run: one folder that goes from a robot to a measured, exported policy, stage by stage."""

from ampc.runs.plan import EXPERT_NAME
from ampc.runs.run import Run
from ampc.runs.settings import EvaluationSettings, LearningSettings, RunSettings

__all__ = ["EXPERT_NAME", "EvaluationSettings", "LearningSettings", "Run", "RunSettings"]
