"""Labels that are asked for when an episode is over, where they are worth most.

While an arm moves nobody knows whether worse is to come. Afterwards its whole way is known: a few small
networks that learned from the same labels say where they disagree, and the expert is told the episode again.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from ampc.arrays import BoolArray, FloatArray
from ampc.control.controller import Controller, Watches
from ampc.control.feedback import ObservesCommand, Reference
from ampc.control.policy_controller import SituatedLaw
from ampc.control.situation import Situation
from ampc.episodes.episode import Episode
from ampc.episodes.shadow import Seen, ShadowSettings, listener
from ampc.errors import SettingsError


@runtime_checkable
class Differentiates(Protocol):
    """An expert that knows the derivative of what it commands."""

    def derivative(self) -> FloatArray | None:
        """Of the last command by positions and velocities (m, 2n); None where there is none."""


class Hindsight:
    """Asks an expert about steps of an episode that it has not driven.

    The expert is told all measurements and torques again, so that it knows what it would have known in the
    learner's shadow, and its plan is as old as it would have been.
    """

    def __init__(self, expert: Controller, members: Sequence[SituatedLaw], settings: ShadowSettings) -> None:
        """Take whom to ask.

        Args:
            expert: The expert.
            members: The ensemble; read where labels are asked for by its disagreement.
            settings: How many labels, and which.

        Raises:
            SettingsError: If the ensemble has fewer than two members where it is needed, or the expert has
                no derivative where one is.
        """
        if settings.doubtful_share and len(members) < 2:
            raise SettingsError(f"an ensemble needs at least two members to disagree, not {len(members)}")
        if settings.derivative_share and not isinstance(expert, Differentiates):
            raise SettingsError(f"expert {expert.name!r} has no derivative; set the share of those to 0")
        self._expert, self._members, self._settings = expert, members, settings
        self._tell = listener(expert)

    def asked(self, episode: Episode, seen: Sequence[Seen]) -> Episode:
        """An episode with the expert's answers.

        Args:
            episode: An episode of a `ShadowedController`.
            seen: What that has kept of it.
        """
        settings = self._settings
        doubt = self.disagreement(episode) if settings.doubtful_share else np.zeros(len(episode))
        asked = steps_to_ask(doubt, settings.ask_every, settings.doubtful_share)
        with_derivative = evenly(int(asked.sum()), settings.derivative_share)
        m = episode.command.shape[1]
        label = np.full((len(episode), m), np.nan)
        derivative: FloatArray | None = None
        if settings.derivative_share:
            n = len(_situations(episode)[0].reference)  # the simulated arm may have other joints
            derivative = np.full((len(episode), m, 2 * n), np.nan)
        expert, number = self._expert, 0
        expert.reset(episode.task)
        for step, (measurement, torque, command) in enumerate(seen[: len(episode)]):
            if asked[step]:
                expert.act(measurement)
                if expert.last_step.status == "ok":
                    label[step] = expert.last_step.command
                    if derivative is not None and with_derivative[number]:
                        assert isinstance(expert, Differentiates)
                        found = expert.derivative()
                        derivative[step] = np.nan if found is None else found
                number += 1
            elif isinstance(expert, Watches):
                expert.watch(measurement)
            self._tell(torque, command)
        return replace(episode, label=label, label_derivative=derivative)

    def disagreement(self, episode: Episode) -> FloatArray:
        """Standard deviation over the members of their saturated commands, in units of their limits (T,)."""
        commands = np.array([_commands(law, episode) for law in self._members])
        limit = np.asarray(self._members[0].command_limit)  # type: ignore[attr-defined]
        return np.asarray(np.sqrt((commands / limit).var(axis=0).sum(axis=-1)))


def steps_to_ask(doubt: FloatArray, every: int, doubtful_share: float) -> BoolArray:
    """Which steps of an episode to ask about: as many as there are every n-th, the first included.

    Evenly spread ones are chosen first; then again and again the step of largest disagreement among those
    that are not within half the usual spacing of another one, where the same question would be asked twice.

    Args:
        doubt: Disagreement at each step (T,).
        every: The usual spacing.
        doubtful_share: Share of the steps that are chosen by disagreement.
    """
    length = len(doubt)
    count = -(-length // every)
    doubtful = round(doubtful_share * count)
    if doubtful == 0:
        return np.asarray(np.arange(length) % every == 0)
    asked = np.zeros(length, dtype=np.bool_)
    asked[np.arange(count - doubtful) * length // max(1, count - doubtful)] = True
    apart = max(1, every // 2)
    worth = doubt.astype(np.float64)
    for step in np.flatnonzero(asked).tolist():
        worth[max(0, step - apart + 1) : step + apart] = -np.inf
    for _ in range(doubtful):
        step = int(np.argmax(worth))
        asked[step] = True
        worth[max(0, step - apart + 1) : step + apart] = -np.inf
    return asked


def evenly(count: int, share: float) -> BoolArray:
    """A share of so many places, evenly spread."""
    reached = np.floor(share * np.arange(count + 1) + 1e-9)
    return np.asarray(np.diff(reached) > 0.0)


def _commands(law: SituatedLaw, episode: Episode) -> FloatArray:
    """What a law would have commanded at each step (T, m)."""
    commands, reference = np.empty_like(episode.command), None
    for step, situation in enumerate(_situations(episode)):
        if reference is None:
            law.reset(Reference(situation.goal, situation.reference))
        elif reference is not situation.reference:
            law.refer(situation.reference)
        reference = situation.reference
        commands[step] = law.command(situation.state)
        if isinstance(law, ObservesCommand):
            law.observe_command(episode.command[step])
    return commands


def _situations(episode: Episode) -> Sequence[Situation]:
    if episode.situations is not None:
        return episode.situations
    states = np.hstack([episode.measured_q, episode.measured_dq])
    return [Situation(state, episode.reference, episode.task.goal) for state in states]
