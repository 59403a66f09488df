"""Study: goals where there were no demonstrations."""

from collections.abc import Mapping

from ampc.evaluation.summary import OUT_OF_DISTRIBUTION
from ampc.evaluation.verdicts import Criterion
from ampc.experiments.cell import Cell, Store
from ampc.experiments.rigid.comparison import compare, panel, rows, verdicts
from ampc.experiments.rigid.protocol import (
    EXPERT,
    cloned,
    controllers,
    demonstrations,
    region_sets,
    seeds,
    trial_of,
    with_seed,
)
from ampc.experiments.study import Findings, Study
from ampc.policies.spec import InputSettings
from ampc.report.studies import draw_panels
from ampc.tasks import REGIONS, Region

INPUTS = {
    "reference, H = 10": InputSettings(),
    "reference, H = 1": InputSettings(history=1),
    "goal with features, H = 10": InputSettings(("state", "target", "sincos", "target_error")),
}
TRAINED_ON: dict[str, tuple[Region, ...]] = {"interior": ("interior",), "all regions": REGIONS}

CRITERIA = (
    *(Criterion("paper", "success", "at least", -0.15, "expert", region) for region in REGIONS[1:]),
    Criterion("paper", "success", "at least", -0.15, "expert", OUT_OF_DISTRIBUTION),
    *(Criterion("strict", "success", "at least", -0.005, "expert", region) for region in REGIONS[1:]),
    *(Criterion("strict", "rmse", "at most", 1.01, "expert", region) for region in REGIONS[1:]),
)


def method(inputs: str, regions: str) -> str:
    """Name of a kind of policy."""
    return f"{inputs}, {regions}"


def cells(quick: bool) -> Mapping[str, Cell]:
    """The expert, the same with limits, and policies by inputs, regions and seed, in every region."""
    sets = region_sets(quick)
    found: dict[str, Cell] = dict(controllers(sets, (EXPERT, "mpc-limits")))
    for seed in seeds(quick):
        for regions, trained_on in TRAINED_ON.items():
            data = demonstrations(seed, quick, trained_on)
            for inputs, settings in INPUTS.items():
                policy = cloned(data, seed, quick, settings)
                found[with_seed(method(inputs, regions), seed)] = trial_of(policy, sets)
    return found


def findings(cells: Mapping[str, Cell], store: Store) -> Findings:
    """Loss of success and RMSE by region, and the pass marks."""
    summary = compare(cells, store, EXPERT)
    methods = [method(inputs, regions) for inputs in INPUTS for regions in TRAINED_ON]
    figure = draw_panels(
        [
            panel(summary, "success", "success [%]", REGIONS, scale=100.0),
            panel(summary, "steady_error", "steady error, p95 [mm]", REGIONS, "p95", 1e3, log=True),
        ],
        columns=1,
    )
    tables = {"figures": rows(summary), "verdicts": verdicts(summary, methods, CRITERIA)}
    return Findings(tables, {"regions": figure}, NOTES)


NOTES = (
    "mpc-limits: the expert with limits on joint positions and speeds, which the paper speaks of and its MPC "
    "does not have. Samples beyond a position limit are counted for each episode of 60.",
    "Every policy was trained on the same number of demonstrations, of the interior alone or of the four "
    "regions in turn, and judged in each region. The paper's mark: less than 15 % of success lost out of "
    "distribution, here in points against the expert on the same tasks.",
)
STUDY = Study(
    "regions",
    "Goals where there were no demonstrations",
    "How much is lost at the boundary of the workspace, near singularities and near joint limits by a policy "
    "that has seen the interior alone, and how much of it comes back with demonstrations from there?",
    cells,
    findings,
)
