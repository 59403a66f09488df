import dataclasses

import numpy as np

from ampc.episodes.flexible_setup import FlexibleSetup
from ampc.episodes.rollout import run_episode
from ampc.plants import PUBLISHED_NOISE
from ampc.settings import from_dict, to_dict
from ampc.tasks.flexible import FlexibleTaskSampler


def test_setup_survives_being_written_down() -> None:
    setup = FlexibleSetup(integrator="cvodes")
    assert from_dict(FlexibleSetup, to_dict(setup)) == setup


def test_fast_plant_and_reference_give_the_same_episode() -> None:
    """The controller meets both through its own noisy measurements, which are the same."""
    setup = FlexibleSetup(kind="rest")
    task = FlexibleTaskSampler(setup.build_robot()).sample(1, "random", seed=2)[0]
    task = dataclasses.replace(task, variation=PUBLISHED_NOISE)
    fast, reference = (
        run_episode(*dataclasses.replace(setup, integrator=integrator).build(), task, duration=0.1)
        for integrator in ("radau", "cvodes")
    )
    np.testing.assert_allclose(fast.q, reference.q, atol=1e-5)
    assert fast.fallbacks == reference.fallbacks == ()
