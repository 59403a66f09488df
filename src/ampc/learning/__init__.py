"""Learning: samples without copies, one resumable training loop, and behaviour cloning.

Importing this room does not import torch; `ampc.learning.behaviour_cloning` and the modules below it do.
"""

from ampc.learning.settings import TrainingSettings, training_preset

__all__ = ["TrainingSettings", "training_preset"]
