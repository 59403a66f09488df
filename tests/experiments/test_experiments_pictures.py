"""What the pictures of the flexible arm's studies are made of."""

import numpy as np
import pytest

from ampc.evaluation.statistics import Estimate
from ampc.experiments.flexible import pictures
from ampc.experiments.flexible.pictures import Outcome, point_of
from ampc.experiments.flexible.protocol import kind_of
from ampc.report.boxes import BoxPanel
from ampc.report.scatter import Spot


def outcome(distance: float, violating: float) -> Outcome:
    """Two seeds of 50 tasks each; a share of the episodes violates."""
    tasks = np.arange(50)
    samples = np.tile(np.where(tasks < 50 * violating, 3.0, 0.0), (2, 1))
    return Outcome(np.tile(distance * (1.0 + 0.01 * tasks), (2, 1)), samples, np.linspace(1e-5, 3e-5, 101))


OUTCOMES = {
    (plant, region, controller): outcome(scale * (2.0 if plant == "softer" else 1.0), share)
    for plant in ("nominal", "softer")
    for region in ("random", "near-wall")
    for controller, scale, share in (("SAC", 0.1, 0.5), ("SAC + filter", 0.2, 0.0))
}


@pytest.mark.parametrize(("rows", "color"), [("controller", "nominal"), ("plant", "SAC")])
def test_boxes_are_of_all_seeds_in_the_unit_that_was_asked_for(rows, color, monkeypatch) -> None:
    drawn: list[BoxPanel] = []
    monkeypatch.setattr(pictures, "draw_boxes", lambda panels: drawn.extend(panels) or b"")
    pictures.draw_distances(OUTCOMES, "cm", rows)
    assert [panel.title for panel in drawn] == ["goals: random", "goals: near-wall"]
    row = "SAC" if rows == "controller" else "nominal"
    values = drawn[0].series[color][row]
    assert len(values) == 100
    assert values.min() == pytest.approx(10.0)
    assert drawn[0].marks == {"1 cm": 1.0}


def test_marks_are_those_near_the_wall(monkeypatch) -> None:
    drawn: dict[str, object] = {}

    def keep(spots, label, period, title, hollow):
        drawn.update(spots=spots, label=label, title=title, hollow=hollow)
        return b""

    monkeypatch.setattr(pictures, "draw_scatter", keep)
    pictures.draw_trade_off(OUTCOMES)
    spots: list[Spot] = drawn["spots"]  # type: ignore[assignment]
    assert [(spot.condition, spot.method) for spot in spots] == [
        (plant, name) for plant in ("nominal", "softer") for name in ("SAC", "SAC + filter")
    ]
    assert drawn["hollow"] == {"SAC + filter": "SAC"}
    plain, filtered = spots[:2]
    assert plain.violations[0] == pytest.approx(50.0)
    assert plain.violations[1] < 50.0 < plain.violations[2]
    assert filtered.violations[:2] == (0.0, 0.0)
    assert 0.0 < filtered.violations[2] < 10.0
    assert plain.distance[0] == pytest.approx(124.0)
    assert plain.distance[1] < plain.distance[0] < plain.distance[2]
    assert plain.time == (pytest.approx(20.0), pytest.approx(20.0), pytest.approx(29.8))


def test_a_figure_without_an_interval_has_one_of_no_length() -> None:
    assert point_of(Estimate(2.0, None, None), 10.0) == (20.0, 20.0, 20.0)
    assert point_of(Estimate(2.0, 1.0, 4.0), 10.0) == (20.0, 10.0, 40.0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NMPC", "NMPC"),
        ("DAgger 12", "DAgger"),
        ("SAC, penalised 0", "SAC, penalised"),
        ("SAC 1 + filter", "SAC + filter"),
        ("NMPC + filter", "NMPC + filter"),
    ],
)
def test_a_seed_belongs_to_its_controller(name: str, kind: str) -> None:
    assert kind_of(name) == kind
