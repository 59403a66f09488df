"""One run, one folder: settings, dataset, policies, evaluation, report. Every stage goes on where it was."""

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from rich.console import Console

from ampc.episodes.collection import collect
from ampc.episodes.dataset import Dataset
from ampc.episodes.files import write_json
from ampc.errors import PolicyError, SettingsError
from ampc.evaluation import (
    Benchmark,
    Latency,
    Summary,
    judge,
    measure_latency,
    save_verdicts,
    summarise,
)
from ampc.evaluation.verdicts import EXPERT, PAPER, SEQUENCE_MODELS, STRICT, Verdict
from ampc.provenance import provenance
from ampc.runs.exported import C_FOLDER, ONNX_FILE, export_policy, export_policy_c, is_exported
from ampc.runs.plan import EXPERT_NAME, RunPlan
from ampc.runs.settings import (
    EvaluationSettings,
    LearningSettings,
    RunSettings,
    resolve,
    shaping_demonstrations,
)
from ampc.settings import differences, load_settings, save_settings
from ampc.tasks import Task, TaskSampler, convergence_by_region, save_tasks
from ampc.workers import run_in_processes


class Run(RunPlan):
    """A run's folder and its stages.

    Example:
        >>> run = Run.create("runs/mine", RunSettings(robot=RobotSettings("my_arm.xml")))
        >>> run.collect(), run.train(), run.export(), run.evaluate()
        >>> print(run.report())

    Attributes:
        folder: The run's folder.
        settings: Its resolved settings.
    """

    def __init__(self, folder: Path, settings: RunSettings, console: Console | None = None) -> None:
        """Wrap a folder; use `create` or `open`."""
        super().__init__(folder, settings)
        self.console = console or Console()

    @classmethod
    def create(cls, folder: str | Path, settings: RunSettings, console: Console | None = None) -> Self:
        """Begin a run, or go on with one whose demonstrations these settings would make.

        More episodes than there are extend the demonstrations. Settings of later stages replace those of
        before; what was trained with others is refused by the training itself, what was evaluated is redone.

        Raises:
            SettingsError: If the folder's demonstrations were made with other settings; the message lists the
                differences. Or if the expert cannot drive this arm.
            RobotError: If the robot cannot be loaded.
        """
        folder = Path(folder)
        run = cls(folder, resolve(settings, console), console)
        run.setup(run.settings.expert).build()  # what cannot run is refused before anything is written
        path = folder / "settings.json"
        if path.exists():
            changes = differences(
                shaping_demonstrations(load_settings(RunSettings, path)), shaping_demonstrations(run.settings)
            )
            if changes:
                raise SettingsError(
                    f"{folder} holds a run of other settings:\n  " + "\n  ".join(changes) + "\n"
                    "Choose another folder with --out"
                )
        elif folder.is_file():
            raise SettingsError(f"{folder} is a file; a run needs a folder, which may be a new one")
        folder.mkdir(parents=True, exist_ok=True)
        save_settings(run.settings, path)
        return run

    @classmethod
    def open(cls, folder: str | Path, console: Console | None = None) -> Self:
        """Open a run that was begun before.

        Raises:
            SettingsError: If the folder holds none.
        """
        folder = Path(folder)
        if not (folder / "settings.json").exists():
            raise SettingsError(
                f"{folder} holds no run (no settings.json); begin one with: ampc collect ARM --out {folder}"
            )
        return cls(folder, load_settings(RunSettings, folder / "settings.json"), console)

    def change(
        self, learning: LearningSettings | None = None, evaluation: EvaluationSettings | None = None
    ) -> None:
        """Replace the settings of later stages; what was trained or evaluated before is kept."""
        learning = learning or self.settings.learning
        evaluation = evaluation or self.settings.evaluation
        self.settings = dataclasses.replace(self.settings, learning=learning, evaluation=evaluation)
        save_settings(self.settings, self.folder / "settings.json")

    @property
    def dataset(self) -> Dataset:
        """The demonstrations.

        Raises:
            DatasetError: If they have not been collected, or are damaged.
        """
        return Dataset.open(self.folder / "dataset")

    def collect(self) -> Dataset:
        """Collect the demonstrations."""
        with self._stage("collect"):
            return collect(
                self.setup(self.settings.expert),
                self.settings.tasks,
                self.settings.collection,
                self.folder / "dataset",
                self.console,
            )

    def train(self) -> None:
        """Train every policy that the settings ask for; several at a time, where there are several."""
        self.dataset.require(self.robot, self.settings.plant.control_period)
        with self._stage("train"):
            jobs = [(self.folder, name) for name in self.policies()]
            if len(jobs) == 1:
                _train(jobs[0], self.console)
            else:
                for name in run_in_processes(_train, jobs, self.settings.learning.workers):
                    self.console.print(f"[bold]{name}[/] is trained")

    def export(self) -> dict[str, Path]:
        """Write ``policy.onnx`` into every policy's folder; name and path of each."""
        exported: dict[str, Path] = {}
        with self._stage("export"):
            for name, folder in self._trained().items():
                if not is_exported(folder):
                    parity = export_policy(folder, self.robot)
                    self.console.print(
                        f"{folder / ONNX_FILE}: differs from the trained policy by {parity.command:.1e}"
                    )
                exported[name] = folder / ONNX_FILE
        return exported

    def export_c(self) -> dict[str, Path]:
        """Write a folder ``c`` of C code into every policy's folder; name and path of each."""
        exported: dict[str, Path] = {}
        with self._stage("export-c"):
            for name, folder in self._trained().items():
                parity = export_policy_c(folder, self.robot)
                self.console.print(
                    f"{folder / C_FOLDER}: differs from the trained policy by {parity.command:.1e}"
                )
                exported[name] = folder / C_FOLDER
        return exported

    def evaluate(self) -> tuple[Summary, list[Verdict], Latency]:
        """Compare expert, baselines and policies on the same tasks, and judge the policies."""
        settings = self.settings.evaluation
        folder = self.folder / "evaluation"
        with self._stage("evaluate"):
            for name, path in self.policies().items():
                self.policy_setup(
                    name, path
                ).build()  # a policy that does not fit is found before hours of work
            sampler = TaskSampler(self.robot, self.settings.tasks)
            tasks: dict[str, list[Task]] = {}
            for region in settings.regions:
                if len(sampler.workspace.pool[region]) == 0:
                    self.console.print(f"[yellow]{self.robot.name} has no {region} goals; region left out[/]")
                    continue
                tasks[region] = sampler.sample(settings.tasks_per_region, region, settings.seed)
                path = self.folder / "tasks" / f"{region}.parquet"
                save_tasks(path, tasks[region], self.robot, self.settings.tasks, settings.seed)
            result = Benchmark(folder, self.setups(), tasks, settings.benchmark).run(self.console)
            groups = self.seed_groups()
            summary = summarise(result, EXPERT_NAME, groups=groups, familiar=self.settings.collection.regions)
            summary.save(folder)
            verdicts = judge(summary, EXPERT_NAME, EXPERT)
            for name, (architecture, _) in self.kinds().items():
                strict = STRICT if architecture == "ffn" else SEQUENCE_MODELS
                verdicts += judge(summary, name, (*strict, *PAPER))
            save_verdicts(verdicts, folder)

            latency = self.measure_latency(settings.latency_tasks)
            latency.save(folder)
            rows = convergence_by_region(self.robot, 500, settings.seed, tuple(tasks), self.settings.tasks)  # type: ignore[arg-type]
            (folder / "inverse_kinematics.json").write_text(
                json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n"
            )
        return summary, verdicts, latency

    def measure_latency(self, tasks: int) -> Latency:
        """Time all controllers step by step in turns, literal IPOPT included, on so many tasks."""
        settings = self.settings.evaluation
        timed = TaskSampler(self.robot, self.settings.tasks).sample(tasks, "interior", settings.seed)
        setups = {**self.setups(), "mpc-ipopt": self.setup("mpc-ipopt")}
        return measure_latency(setups, timed, settings.benchmark.duration)

    def report(self) -> Path:
        """Write ``report.html``; its path."""
        from ampc.report import build_report  # matplotlib and av are needed by this stage only

        with self._stage("report"):
            return build_report(self.folder)

    def _trained(self) -> dict[str, Path]:
        """Folders of the policies by name; refuses where one has not been trained."""
        policies = self.policies()
        for name, folder in policies.items():
            if not (folder / "policy.json").exists():
                raise PolicyError(f"{name} has not been trained; run: ampc train {self.folder}")
        return policies

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Announce a stage; when it is done, note where its result comes from and how long it took.

        A stage that is called again may find all its work done: what was noted before stays as ``earlier``.
        """
        self.console.rule(f"[bold]{name}")
        started = time.monotonic()
        yield
        path = self.folder / "provenance.json"
        stages = json.loads(path.read_text()) if path.exists() else {}
        earlier = [*stages[name].pop("earlier", []), stages[name]] if name in stages else []
        seconds = round(time.monotonic() - started, 1)
        stages[name] = {**provenance(), "seconds": seconds, "earlier": earlier}
        write_json(path, stages)


def _train(job: tuple[Path, str], console: Console | None = None) -> str:
    """Train one policy of a run, by the run's folder and the policy's name."""
    from ampc.learning.behaviour_cloning import train_policy  # torch is needed by this stage only
    from ampc.learning.dagger import Teaching, dagger

    folder, name = job
    run = Run.open(folder)
    settings, own_folder = run.settings, run.policies()[name]
    spec, training = run.specification(name)
    console = console or Console()
    if run.kind_of(name)[1] == "bc":
        train_policy(run.dataset, spec, training, own_folder, console, run.robot)
        return name
    collection = settings.collection
    if len(run.policies()) > 1:  # each is trained by a process of its own
        collection = dataclasses.replace(collection, workers=1)
    teaching = Teaching(run.setup(settings.expert), settings.tasks, collection)
    dagger(teaching, spec, training, settings.learning.dagger, own_folder, console, run.dataset)
    return name
