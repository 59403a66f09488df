"""Plants drawn inside and beyond their ranges."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.errors import SettingsError
from ampc.robots import Robot
from ampc.tasks import VARIATIONS, PlantVariation, VariationSettings
from ampc.tasks.variation import _NOMINAL, _RANGES

ALL = VariationSettings(
    payload=(0.0, 2.0),
    mass_scale=(0.7, 1.3),
    inertia_scale=(0.8, 1.0),
    com_scale=(0.95, 1.05),
    damping_scale=(1.2, 1.4),
    position_noise=(1e-3, 2e-3),
    velocity_noise=(0.2, 0.2),
    input_delay=(0.05, 0.1),
)


def draw(settings: VariationSettings, robot: Robot, seed: int) -> PlantVariation:
    return settings.sample(np.random.default_rng(seed), robot)


def test_the_nominal_values_are_those_of_a_plant_without_variation() -> None:
    for name in _RANGES:
        assert getattr(PlantVariation(), name) in ((), _NOMINAL[name])
        assert getattr(VariationSettings(), name) == (_NOMINAL[name],) * 2


@given(seed=st.integers(0, 10**6))
def test_what_is_drawn_lies_inside_its_range(rigid_arm: Robot, seed: int) -> None:
    variation = draw(ALL, rigid_arm, seed)
    for name in _RANGES:
        low, high = getattr(ALL, name)
        assert all(low <= value <= high for value in np.ravel(getattr(variation, name)))


@given(seed=st.integers(0, 10**6), factor=st.floats(1.01, 3.0))
def test_beyond_everything_lies_outside_but_not_further_than_the_factor(
    rigid_arm: Robot, seed: int, factor: float
) -> None:
    variation = draw(replace(ALL, beyond=factor), rigid_arm, seed)
    for name in _RANGES:
        low, high = getattr(ALL, name)
        nominal = _NOMINAL[name]
        for value in np.ravel(getattr(variation, name)):
            if low == high == nominal:
                assert value == nominal
                continue
            assert value <= low or value >= high
            ends = sorted(nominal + factor * (end - nominal) for end in (low, high))
            assert min(ends[0], nominal) - 1e-12 <= value <= max(ends[1], nominal) + 1e-12


def test_beyond_draws_both_sides_where_there_are_two(rigid_arm: Robot) -> None:
    settings = VariationSettings(mass_scale=(0.9, 1.3), beyond=1.5)
    scales = np.ravel([draw(settings, rigid_arm, seed).mass_scale for seed in range(400)])
    above = scales > 1.0
    assert (scales[above] >= 1.3).all()
    assert (scales[~above] <= 0.9).all()
    assert 0.7 < above.mean() < 0.8  # 0.15 above, 0.05 below


def test_beyond_leaves_other_draws_alone(rigid_arm: Robot) -> None:
    narrow = VariationSettings(payload=(0.0, 1.0), mass_scale=(0.9, 1.1), beyond=2.0)
    wide = replace(narrow, payload=(0.0, 5.0))
    assert draw(narrow, rigid_arm, 3).mass_scale == draw(wide, rigid_arm, 3).mass_scale


def test_mistakes_are_named() -> None:
    with pytest.raises(SettingsError, match="payload"):
        VariationSettings(payload=(2.0, 1.0))
    with pytest.raises(SettingsError, match="beyond must be"):
        VariationSettings(beyond=1.0)
    with pytest.raises(SettingsError, match="mass_scale down to"):
        VariationSettings(mass_scale=(0.5, 1.5), beyond=2.0)


def test_named_ranges_can_be_gone_beyond(rigid_arm: Robot) -> None:
    assert VARIATIONS["nominal"].nominal
    for settings in VARIATIONS.values():
        assert replace(settings, beyond=1.5).nominal == settings.nominal
        draw(replace(settings, beyond=1.5), rigid_arm, 0)
