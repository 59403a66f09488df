"""A run that looks real, made without running one: data for the report's tests and for judging its looks."""

import mujoco
import numpy as np

from ampc.arrays import FloatArray
from ampc.evaluation.verdicts import Verdict
from ampc.report.data import (
    Column,
    DatasetSection,
    ErrorCurves,
    Headline,
    ReportData,
    Table,
    TaskTrace,
    TrainingCurve,
    WorkspaceMap,
)
from ampc.robots import Robot

CONTROLLERS = ("MPC (exact)", "FFN", "MPC (IPOPT)", "saturated LQR", "expert table", "GRU")
REGIONS = ("interior", "boundary", "singular", "joint-limit")


def sample_report(robot: Robot, tasks: int = 200) -> ReportData:
    rng = np.random.default_rng(0)
    time = np.arange(61) * 0.05
    errors = tuple(
        ErrorCurves(
            region, time, {name: error_curves(rng, time, tasks, k) for k, name in enumerate(CONTROLLERS)}
        )
        for region in REGIONS
    )
    goals = rng.normal(size=(4 * tasks, 3))
    goals *= (rng.uniform(0.25, 0.75, len(goals)) / np.linalg.norm(goals, axis=1))[:, None]
    goals[:, 2] += 0.3
    maps = []
    for k, name in enumerate(CONTROLLERS[:2]):
        final = 10 ** rng.normal(-3.9 + 0.3 * k, 0.35, len(goals))
        success = rng.uniform(size=len(goals)) > 0.012 * k
        regions = tuple(np.repeat(REGIONS, tasks))
        maps.append(WorkspaceMap(name, goals, success, np.where(success, final, 0.03), regions))
    medians = (8e-6, 1.4e-5, 5.2e-3, 3e-6, 4e-6, 3.1e-5)
    step_times = {
        name: median * np.exp(rng.gamma(1.2, 0.12, 3000))
        for name, median in zip(CONTROLLERS, medians, strict=True)
    }
    columns = (
        Column("controller"),
        Column("success", "%", 1),
        Column("RMSE", "mm", 1),
        Column("vs expert", "%", 2),
        Column("steady error", "mm", 3),
        Column("t95 median", "s", 2),
        Column("t95 p95", "s", 2),
        Column("time p50", "µs", 1),
        Column("time p99", "µs", 1),
    )
    comparison = tuple(
        Table(
            region,
            columns,
            tuple(
                (
                    name,
                    100.0 - 0.1 * k,
                    98.41 + k,
                    None if k == 0 else 0.21 * k,
                    0.011 * (k + 1),
                    0.61,
                    0.95,
                    1e6 * m,
                    2e6 * m,
                )
                for k, (name, m) in enumerate(zip(CONTROLLERS, medians, strict=True))
            ),
            f"{tasks} tasks, the same for all.",
        )
        for region in REGIONS
    )
    epoch = np.arange(1.0, 101.0)
    training = tuple(
        TrainingCurve(name, epoch, scale / epoch**1.4, scale * 1.2 / epoch**1.35 + 1e-5 + 2e-8 * epoch)
        for name, scale in (("FFN", 0.05), ("GRU", 0.11))
    )
    return ReportData(
        title="Rigid arm, quickstart",
        summary="A neural network (FFN) was trained on 100,000 commands of a model predictive controller that"
        " moves rigid-arm, a 3-joint arm, to 3-D goals. Both were run on the same 800 tasks.",
        facts=(
            ("robot", "rigid-arm"),
            ("expert", "MPC (exact)"),
            ("policy", "FFN"),
            ("seed", "0"),
            ("commit", "1a2b3c4d5e6f"),
            ("date", "2026-11-21 02:20 UTC"),
            ("Python", "3.11.9"),
            ("MuJoCo", "4.0.0"),
            ("PyTorch", "2.9.1"),
            ("command", "ampc distill --preset quickstart --output runs/quickstart"),
        ),
        expert=CONTROLLERS[0],
        policy=CONTROLLERS[1],
        controllers=CONTROLLERS,
        control_period=0.05,
        headlines=(
            Headline("99.9 %", "policy success", "expert 100.0 %"),
            Headline("+0.21 %", "RMSE gap", "+0.10 to +0.32 %"),
            Headline("0.022 mm", "steady error", "interior, mean"),
            Headline("× 371", "faster than IPOPT", "14.0 against 5200 µs"),
            Headline("23.4 s", "100,000 samples", "4,270 labels/s"),
        ),
        verdicts=(
            verdict(
                "success, interior",
                "MPC (exact)",
                "at least 99.8 %",
                "100.0 %",
                "98.2 to 100.0 %",
                True,
                False,
            ),
            verdict(
                "RMSE against the expert, interior",
                "FFN",
                "at most +0.50 %",
                "+0.21 %",
                "+0.10 to +0.32 %",
                True,
                True,
            ),
            verdict(
                "success against the expert, interior",
                "FFN",
                "at least -0.2 points",
                "-0.5 points",
                "-1.1 to +0.0 points",
                False,
                False,
            ),
            verdict(
                "RMSE against the expert, payload", "FFN", "at most +0.50 %", "not measured", "", None, None
            ),
        ),
        comparison=comparison,
        errors=errors,
        workspace=tuple(maps),
        traces=sample_traces(robot),
        robot=robot,
        step_times=step_times,
        training=training,
        dataset=DatasetSection(
            (
                ("episodes", "5,000"),
                ("samples", "100,000"),
                ("episode length", "1.00 s"),
                ("collected in", "23.4 s"),
            ),
            Table(
                "Stored quantities",
                (Column("quantity"), Column("mean", "", 3), Column("deviation", "", 3)),
                (("command, joint 1 [rad/s²]", 0.013, 3.2), ("command, joint 2 [rad/s²]", -0.02, 2.9)),
            ),
        ),
        ik=Table(
            "Inverse kinematics by region",
            (Column("region"), Column("converged", "%", 2), Column("iterations", "p50", 0)),
            tuple((region, 99.9, 41.0) for region in REGIONS),
        ),
    )


def verdict(
    claim: str,
    controller: str,
    required: str,
    measured: str,
    interval: str,
    passed: bool | None,
    certain: bool | None,
) -> Verdict:
    return Verdict(
        controller,
        claim,
        "paper",
        "interior",
        required,
        measured,
        interval,
        passed,
        certain,
        0.0,
        0.0,
        None,
        None,
    )


def error_curves(rng: np.random.Generator, time: FloatArray, tasks: int, rank: int) -> FloatArray:
    start = rng.uniform(0.2, 0.9, (tasks, 1))
    rate = rng.uniform(6, 11, (tasks, 1)) / (1 + 0.12 * rank)
    floor = 10 ** rng.normal(-4.6 + 0.25 * rank, 0.3, (tasks, 1))
    return start * np.exp(-rate * np.maximum(time - 0.15, 0) * (1 + time)) + floor


def sample_traces(robot: Robot, count: int = 3) -> tuple[TaskTrace, ...]:
    rng = np.random.default_rng(4)
    lower, upper = np.clip(robot.position_limits, -2.5, 2.5).T
    data = mujoco.MjData(robot.model)
    traces = []
    for k in range(count):
        start, end = rng.uniform(0.7 * lower, 0.7 * upper), rng.uniform(0.7 * lower, 0.7 * upper)
        data.qpos[:] = end
        mujoco.mj_forward(robot.model, data)
        goal = data.site_xpos[robot.end_effector_id].copy()
        runs = {name: drive(robot, start, end, gain) for name, gain in (("MPC (exact)", 24.0), ("FFN", 17.0))}
        time = np.arange(60) * 0.05
        q, dq, tip, torque = ({name: run[i] for name, run in runs.items()} for i in range(4))
        traces.append(TaskTrace(f"{REGIONS[k % 4]}, task {k}", goal, time, q, dq, tip, torque))
    return tuple(traces)


def drive(robot: Robot, start: FloatArray, end: FloatArray, gain: float) -> tuple[FloatArray, ...]:
    """Computed torque with a saturated PD law, at 20 Hz."""
    model, data = robot.model, mujoco.MjData(robot.model)
    data.qpos[:] = start
    rows: list[tuple[FloatArray, ...]] = []
    for _ in range(60):
        mujoco.mj_forward(model, data)
        command = np.clip(gain * (end - data.qpos) - 1.6 * np.sqrt(gain) * data.qvel, -10, 10)
        mass = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, mass)
        torque = np.clip(mass @ command + data.qfrc_bias - data.qfrc_passive, *robot.torque_limits.T)
        rows.append(
            (data.qpos.copy(), data.qvel.copy(), data.site_xpos[robot.end_effector_id].copy(), torque.copy())
        )
        data.ctrl[:] = torque
        mujoco.mj_step(model, data, nstep=round(0.05 / model.opt.timestep))
    return tuple(np.array(column) for column in zip(*rows, strict=True))
