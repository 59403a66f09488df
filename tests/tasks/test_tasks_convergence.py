"""The convergence table compares variants on the same reachable goals."""

from ampc.robots import Robot
from ampc.tasks import REGIONS, convergence_by_region


def test_rows_by_region_and_variant(rigid_arm: Robot) -> None:
    rows = convergence_by_region(rigid_arm, n=60, seed=0)
    assert [(row.region, row.variant) for row in rows] == [
        (region, variant) for region in REGIONS for variant in ("literal", "tuned", "default")
    ]
    for row in rows:
        assert row.goals == 60
        assert 0.0 <= row.usable <= row.converged <= 1.0
        assert row.iterations_p50 <= row.iterations_p95
        if row.variant == "default":
            assert row.usable == 1.0
            assert row.outside_limits == 0.0
            assert row.winding == 0.0
