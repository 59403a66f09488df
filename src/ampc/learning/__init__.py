"""Learning: samples without copies, one resumable training loop, behaviour cloning, DAgger.

Importing this room does not import torch; `ampc.learning.behaviour_cloning`, `ampc.learning.dagger` and the
modules below them do.
"""

from ampc.learning.dagger_settings import DaggerSettings
from ampc.learning.settings import Algorithm, TrainingSettings, policy_names, training_preset

__all__ = ["Algorithm", "DaggerSettings", "TrainingSettings", "policy_names", "training_preset"]
