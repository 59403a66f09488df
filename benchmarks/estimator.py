"""Time of the extended Kalman filter beside its NumPy form, and its accuracy in closed loop on a finer plant.

Run ``OMP_NUM_THREADS=1 python benchmarks/estimator.py [--tasks N] [--output FILE]``.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from ampc.arrays import FloatArray
from ampc.chain import YawChain
from ampc.chain.ekf import Augmentation, NumpyFilter
from ampc.chain.statics import rest_shape
from ampc.control.estimator import ExtendedKalmanFilter
from ampc.control.estimator_settings import EstimatorSettings
from ampc.control.rest_controller import RestController, RestSettings
from ampc.plants.flexible_plant import FlexiblePlant
from ampc.plants.measurement import Measurement
from ampc.provenance import save_result
from ampc.robots import load_robot
from ampc.tasks import FlexibleTaskSampler, PlantVariation, Task

NOISE = PlantVariation(
    position_noise=EstimatorSettings.position_noise,
    velocity_noise=EstimatorSettings.velocity_noise,
    end_effector_noise=EstimatorSettings.end_effector_noise,
)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    segments: tuple[int, ...] = (0, 1, 2, 3, 5, 10)
    """Passive joints per link of the models that are timed."""
    calls: int = 5000
    """Timed calls of the compiled filter; a hundredth of them in NumPy."""
    tasks: int = 40
    """Tasks of each row of the accuracy table, half of them near the wall."""
    duration: float = 3.0
    """Length of an episode [s]."""
    seed: int = 0
    """Seed of the tasks."""
    output: Path | None = None
    """JSON file to write the figures to."""


def time_calls(call: Callable[[], object], calls: int) -> FloatArray:
    """Duration of each call after a warm-up [us]."""
    for _ in range(min(calls, 100)):
        call()
    durations = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter_ns()
        call()
        durations[i] = (time.perf_counter_ns() - start) / 1000.0
    return durations


def timing(segments: int, calls: int) -> list[dict[str, float | str]]:
    """Rows of the table of times, the arm swaying about a posture."""
    robot = load_robot(f"flexible-arm-{segments}")
    chain, rng = YawChain.from_robot(robot), np.random.default_rng(0)
    motors, n = robot.actuated, robot.n_joints
    x = np.concatenate([rest_shape(chain, np.array([0.3, 0.8, -0.7])), np.zeros(n)])
    estimator = ExtendedKalmanFilter(robot)
    readings, torques = [], []
    for k in range(250):
        holding = np.array([8.0, 10.0, 2.0]) * (np.array([0.3, 0.8, -0.7]) - x[motors]) - 0.1 * x[n + motors]
        torque = holding + [0.0, 3.0, 0.7] + 0.3 * np.sin([0.03 * k, 0.04 * k, 0.05 * k])
        x = chain.step(x, torque, 0.004, scheme="radau", substeps=4)
        noise = np.repeat([NOISE.position_noise, NOISE.velocity_noise], 3) * rng.normal(size=6)
        tip = chain.points(x)[0][0] + NOISE.end_effector_noise * rng.normal(size=3)
        readings.append(Measurement(0.0, x[motors] + noise[:3], x[n + motors] + noise[3:], tip))
        torques.append(torque)
    stacked = [np.concatenate([reading.q, reading.dq, reading.end_effector]) for reading in readings]

    estimator.reset(readings[0])
    compiled = estimator._filter
    numpy = NumpyFilter(chain, estimator._filter_model())
    numpy.start(compiled.state, compiled.factors)
    step = 0

    def compiled_step() -> None:
        nonlocal step
        step = step % 249 + 1
        if step == 1:
            estimator.reset(readings[0])
        compiled.step(torques[step], stacked[step])

    def numpy_step() -> None:
        nonlocal step
        step = step % 249 + 1
        if step == 1:
            estimator.reset(readings[0])
            numpy.start(compiled.state, compiled.factors)
        numpy.step(torques[step], stacked[step])

    def whole_step() -> None:
        nonlocal step
        step = step % 249 + 1
        if step == 1:
            estimator.reset(readings[0])
        estimator.step(torques[step], readings[step])

    rows: list[dict[str, float | str]] = []
    for name, call, count in (
        (f"kernel ({chain.backend})", compiled_step, calls),
        ("with the estimate as Python objects", whole_step, calls),
        ("NumPy", numpy_step, max(calls // 100, 20)),
    ):
        step = 0
        durations = time_calls(call, count)
        p50, p99 = np.percentile(durations, [50, 99])
        rows.append({"n_seg": segments, "by": name, "p50": p50, "p99": p99, "max": durations.max()})
    return rows


def accuracy(
    tasks: list[Task], augmentation: Augmentation, scale: float, duration: float
) -> dict[str, float | str]:
    """Row of the accuracy table: rest-to-rest control, model of 3 segments, plant of 10."""
    model, finer = load_robot("flexible-arm"), load_robot("flexible-arm-10")
    plant = FlexiblePlant(finer)
    controller = RestController(model, RestSettings(estimator=EstimatorSettings(augmentation=augmentation)))
    chain = YawChain.from_robot(model)
    errors, nis, nees, distances, scales, steady, times = [], [], [], [], [], [], []
    violating = 0
    for task in tasks:
        task = replace(task, variation=replace(NOISE, stiffness_scale=scale))
        measurement = plant.reset(task)
        controller.reset(task)
        distance, error, clearance = [], [], np.inf
        for _ in range(round(duration / plant.control_period)):
            started = time.perf_counter()
            torque = controller.act(measurement)
            times.append(time.perf_counter() - started)
            estimate = controller.estimate
            assert estimate is not None
            error.append(estimate.end_effector - plant.end_effector)
            distance.append(np.linalg.norm(plant.end_effector - task.goal))
            clearance = min(clearance, *(o.distance(plant.points).min() for o in finer.obstacles))
            nis.append(estimate.nis / max(estimate.n_used, 1))
            if len(error) % 25 == 0:
                H = np.zeros((3, len(estimate.factors)))
                H[:, : model.n_joints] = chain.point_jacobians(estimate.x)[2][0]
                if augmentation == "bias":
                    H[:, -3:] = np.eye(3)
                nees.append(error[-1] @ np.linalg.solve(H @ estimate.covariance @ H.T, error[-1]) / 3.0)
            measurement = plant.step(torque)
        violating += clearance < 0.0
        errors.append(np.linalg.norm(error, axis=1))
        steady.append(np.linalg.norm(np.mean(error[-75:], axis=0)))
        distances.append(max(distance[-75:]))
        scales.append(estimate.stiffness_scale)
    every = 1e3 * np.concatenate(errors)
    return {
        "estimates": augmentation,
        "plant": f"{scale:g} E",
        "median": float(np.median(every)),
        "p95": float(np.percentile(every, 95)),
        "max": float(every.max()),
        "steady_median": float(1e3 * np.median(steady)),
        "steady_worst": float(1e3 * np.max(steady)),
        "nis": float(np.mean(nis)),
        "nees": float(np.mean(nees)),
        "scale": float(np.mean(scales)),
        "success": float(np.mean(np.array(distances) < 0.01)),
        "goal_p95": float(1e3 * np.percentile(distances, 95)),
        "violating": int(violating),
        "act_p50_us": float(1e6 * np.median(times)),
        "act_max_ms": float(1e3 * np.max(times)),
    }


def main(settings: Settings) -> None:
    """Measure, print the tables, and write them if asked to."""
    times = [row for segments in settings.segments for row in timing(segments, settings.calls)]
    print(f"one prediction and nine measurements, modulus estimated, {settings.calls} calls [us]")
    print(f"{'n_seg':>5}  {'by':38}{'p50':>10}{'p99':>10}{'max':>10}")
    for row in times:
        print(f"{row['n_seg']:5}  {row['by']:38}{row['p50']:10.1f}{row['p99']:10.1f}{row['max']:10.1f}")

    sampler = FlexibleTaskSampler(load_robot("flexible-arm-10"))
    half = settings.tasks // 2
    tasks = sampler.sample(settings.tasks - half, "random", settings.seed)
    tasks += sampler.sample(half, "near-wall", settings.seed)
    table: list[dict[str, float | str]] = []
    print(
        f"\n{settings.tasks} tasks of {settings.duration:g} s, model n_seg 3, plant n_seg 10, rest-to-rest"
        " control: end-effector error of the estimate [mm]; NIS and NEES per degree of freedom; share of"
        " tasks within 10 mm for the last 0.3 s, p95 of that distance [mm], episodes in violation"
    )
    columns = ("median", "p95", "max", "steady_median", "steady_worst", "nis", "nees", "scale", "success")
    columns += ("goal_p95", "violating", "act_p50_us", "act_max_ms")
    print(f"{'estimates':10}{'plant':7}" + "".join(f"{name:>14}" for name in columns))
    augmentations: tuple[Augmentation, ...] = ("modulus", "bias", "none")
    for augmentation in augmentations:
        for scale in (1.0, 0.9):
            row = accuracy(tasks, augmentation, scale, settings.duration)
            table.append(row)
            print(f"{row['estimates']:10}{row['plant']:7}" + "".join(f"{row[c]:14.3g}" for c in columns))
    if settings.output is not None:
        chosen = {key: value for key, value in asdict(settings).items() if key != "output"}
        figures = {"settings": chosen, "times_us": times, "accuracy_mm": table}
        save_result(settings.output, figures)


if __name__ == "__main__":
    main(tyro.cli(Settings))
