"""The supervised training loop: any torch module, any samples, any loss; resumable at any moment."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from ampc.errors import SettingsError
from ampc.learning.checkpoint import CHECKPOINT_FILE, TrainingState
from ampc.learning.log import TrainingLog
from ampc.learning.settings import TrainingSettings
from ampc.learning.windows import Batch, Samples
from ampc.settings import differences

Loss = Callable[[Batch], tuple[Tensor, Tensor]]
"""Sum of the weighted losses of a batch's labels, and the sum of their weights."""

SECONDS_BETWEEN_CHECKPOINTS = 2.0
"""What a kill may cost; epochs of small networks are shorter than it takes to bring a file to the disk."""

_SEED_STRIDE = 1_000_003
"""Distance between the random streams of two seeds; larger than any number of epochs."""


def fit(
    model: nn.Module,
    loss: Loss,
    training: Samples,
    validation: Samples,
    samples_per_step: int,
    settings: TrainingSettings,
    folder: Path,
    identity: dict[str, Any],
    console: Console | None = None,
) -> TrainingState:
    """Minimise a loss over samples; leaves the model with the weights of least validation loss.

    Every epoch visits all samples once, in an order drawn from the seed and the epoch's number alone. After
    it, unless that was done within the last seconds, ``checkpoint.pt`` is replaced; a training that was
    stopped goes on there and ends with the same bits.

    Args:
        model: Module whose parameters are trained.
        loss: Loss of a batch, by a forward pass of the model.
        training: What to train on.
        validation: What decides when to stop and which weights to keep.
        samples_per_step: Samples in a batch.
        settings: The protocol.
        folder: Receives ``checkpoint.pt``, ``training.csv`` and ``tensorboard/``.
        identity: What is being trained, as plain values; a checkpoint with another identity is refused.
        console: Where progress goes; None for standard error.

    Returns:
        The final state, with the history of losses.

    Raises:
        SettingsError: If the folder holds another training, or the loss stops being finite.
        PolicyError: If the checkpoint is damaged.
    """
    adam = torch.optim.AdamW if settings.decay == "decoupled" else torch.optim.Adam
    optimiser = adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    state = _resume(folder, identity)
    if state is None:
        weights = copy.deepcopy(model.state_dict())
        state = TrainingState(identity, weights, optimiser.state_dict(), weights, math.inf, 0, [])
    else:
        model.load_state_dict(state.model)
        if not state.finished:
            optimiser.load_state_dict(state.optimiser)
    if state.finished:
        model.load_state_dict(state.best)
        return state

    with TrainingLog(folder, settings.epochs, state.epoch, console) as log, arithmetic(settings.threads):
        if state.epoch:
            log.say(f"going on after epoch {state.epoch} of {folder / CHECKPOINT_FILE}")
        saved, saved_at = state.epoch, time.monotonic()
        try:
            while not state.finished:
                entry = _run_epoch(
                    model, loss, training, validation, samples_per_step, settings, optimiser, state.epoch
                )
                state.history.append(entry)
                state.model = model.state_dict()
                state.optimiser = optimiser.state_dict()
                if entry["validation_loss"] < state.best_loss:
                    state.best = copy.deepcopy(model.state_dict())
                    state.best_loss, state.best_epoch = entry["validation_loss"], state.epoch
                stale = state.epoch - state.best_epoch
                state.finished = state.epoch >= settings.epochs or stale >= settings.patience
                log.epoch(state.history)
                if state.finished or time.monotonic() - saved_at >= SECONDS_BETWEEN_CHECKPOINTS:
                    state.save(folder)
                    log.write(state.history)
                    saved, saved_at = state.epoch, time.monotonic()
        except KeyboardInterrupt:
            log.say(f"interrupted; the same call goes on after epoch {saved}")
            raise
        if state.epoch < settings.epochs:
            log.say(f"stopped early: no better validation loss for {settings.patience} epochs")
        log.say(f"best validation loss {state.best_loss:.3e} in epoch {state.best_epoch}")
    model.load_state_dict(state.best)
    return state


def _run_epoch(
    model: nn.Module,
    loss: Loss,
    training: Samples,
    validation: Samples,
    samples_per_step: int,
    settings: TrainingSettings,
    optimiser: torch.optim.Optimizer,
    epoch: int,
) -> dict[str, float]:
    """One pass over the training samples and one over the validation samples; returns what is logged."""
    started = time.perf_counter()
    batches_per_epoch = math.ceil(len(training) / samples_per_step)
    total = weight_total = gradient_total = torch.zeros(())
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed * _SEED_STRIDE + epoch)
        for number, indices in enumerate(_chunks(torch.randperm(len(training)), samples_per_step)):
            progress = (epoch + number / batches_per_epoch) / settings.epochs
            rate = _learning_rate(settings, progress)
            for group in optimiser.param_groups:
                group["lr"] = rate
            summed, weight = loss(training.batch(indices))
            optimiser.zero_grad()
            (summed / weight).backward()  # type: ignore[no-untyped-call]
            gradient = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
            optimiser.step()
            total, weight_total = total + summed.detach(), weight_total + weight
            gradient_total = gradient_total + gradient
    training_loss = float(total / weight_total)
    validation_loss = mean_loss(model, loss, validation, samples_per_step)
    if not (math.isfinite(training_loss) and math.isfinite(validation_loss)):
        raise SettingsError(
            f"the loss is not finite in epoch {epoch + 1} (training {training_loss}, validation "
            f"{validation_loss}): training.learning_rate {settings.learning_rate:g} is too large"
        )
    return {
        "epoch": float(epoch + 1),
        "loss": training_loss,
        "validation_loss": validation_loss,
        "learning_rate": _learning_rate(settings, epoch / settings.epochs),
        "gradient_norm": float(gradient_total) / batches_per_epoch,
        "seconds": time.perf_counter() - started,
    }


def mean_loss(model: nn.Module, loss: Loss, samples: Samples, samples_per_step: int) -> float:
    """Weighted mean loss over all samples, without training."""
    model.eval()
    total = weight_total = torch.zeros(())
    with torch.inference_mode():
        for indices in _chunks(torch.arange(len(samples)), 8 * samples_per_step):
            summed, weight = loss(samples.batch(indices))
            total, weight_total = total + summed, weight_total + weight
    return float(total / weight_total)


def _chunks(indices: Tensor, size: int) -> Iterator[Tensor]:
    return (indices[start : start + size] for start in range(0, len(indices), size))


def _learning_rate(settings: TrainingSettings, progress: float) -> float:
    """Step size after a share ``progress`` of all epochs."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


def _resume(folder: Path, identity: dict[str, Any]) -> TrainingState | None:
    state = TrainingState.load(folder)
    if state is not None and (changes := differences(state.identity, identity)):
        raise SettingsError(
            f"{folder} holds another training:\n  "
            + "\n  ".join(changes)
            + "\nChoose another folder, go back to those settings, or delete its"
            f" {CHECKPOINT_FILE} to train from the start"
        )
    return state


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Fix what the bits of a result depend on: the number of threads, and tiny numbers being zero.

    An L2 term in Adam's gradient drives unused weights through the denormal numbers, in which processors
    calculate ten times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
