import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_data import linear_columns, linear_frames

from ampc.errors import DatasetError
from ampc.learning.windows import Frames, Sequences, Windows
from ampc.policies.history import HistoryBuffer


@given(
    history=st.integers(1, 6), stride=st.integers(1, 4), seed=st.integers(0, 100), episodes=st.integers(2, 5)
)
@settings(max_examples=30, deadline=None)
def test_windows_are_what_the_history_buffer_holds(
    history: int, stride: int, seed: int, episodes: int
) -> None:
    columns, starts, lengths = linear_columns(episodes, seed, shortest=1, longest=9)
    chosen = np.arange(1, episodes)
    windows = Windows(Frames.from_columns(columns, starts, lengths), chosen, history, stride)
    batch = windows.batch(torch.arange(len(windows)))

    states, past_commands, labels, references, goals = [], [], [], [], []
    for episode in chosen:
        buffer = HistoryBuffer(4, 2, history, stride)
        buffer.reset()
        for row in range(starts[episode], starts[episode] + lengths[episode]):
            buffer.append(columns["observation.state"][row])
            states.append(buffer.states.copy())
            past_commands.append(buffer.past_commands.copy())
            labels.append(columns["action"][row])
            references.append(columns["observation.reference"][row])
            goals.append(columns["observation.goal"][row])
            buffer.record_command(columns["action"][row])
    assert len(windows) == windows.n_frames == len(labels)
    for tensor, expected in (
        (batch.states, states),
        (batch.past_commands, past_commands),
        (batch.commands[:, 0], labels),
        (batch.reference, references),
        (batch.goal, goals),
    ):
        torch.testing.assert_close(tensor, torch.tensor(np.array(expected), dtype=torch.float32))
    assert (batch.weight == 1).all()


def test_sequences_are_the_episodes_and_padding_weighs_nothing() -> None:
    columns, starts, lengths = linear_columns(6)
    sequences = Sequences(Frames.from_columns(columns, starts, lengths), np.array([1, 4, 5]))
    batch = sequences.batch(torch.tensor([2, 0]))
    assert sequences.n_frames == lengths[[1, 4, 5]].sum()
    assert batch.states.shape[1] == max(lengths[5], lengths[1])
    for sample, episode in enumerate((5, 1)):
        length, rows = lengths[episode], slice(starts[episode], starts[episode] + lengths[episode])
        expected = torch.tensor(columns["observation.state"][rows], dtype=torch.float32)
        torch.testing.assert_close(batch.states[sample, :length], expected)
        labels = torch.tensor(columns["action"][rows], dtype=torch.float32)
        torch.testing.assert_close(batch.commands[sample, :length], labels)
        torch.testing.assert_close(batch.past_commands[sample, 1:length], labels[:-1])
        assert (batch.past_commands[sample, 0] == 0).all()
        assert (batch.weight[sample, :length] == 1).all()
        assert (batch.weight[sample, length:] == 0).all()


def test_only_episodes_that_end_at_rest_are_extended() -> None:
    columns, starts, lengths = linear_columns(2, shortest=5, longest=5)
    columns["observation.state"][4, 2:] = 0.0
    columns["observation.state"][9, 2:] = 1.0
    sequences = Sequences(Frames.from_columns(columns, starts, lengths), np.arange(2), extension=7)
    batch = sequences.batch(torch.arange(2))
    assert batch.weight.sum(1).tolist() == [12.0, 5.0]
    assert sequences.n_frames == 17
    last = torch.tensor(columns["observation.state"][4], dtype=torch.float32)
    assert (batch.states[0, 4:] == last).all()
    assert (batch.commands[0, 4:] == batch.commands[0, 4]).all()


@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 1000), episodes=st.integers(2, 40))
@settings(max_examples=50, deadline=None)
def test_the_split_leaks_no_episode(share: float, seed: int, episodes: int) -> None:
    frames = linear_frames(episodes, shortest=1, longest=2)
    training, validation = frames.split(share, seed)
    assert len(training) >= 1
    assert len(validation) >= 1
    assert sorted([*training, *validation]) == list(range(episodes))
    again = frames.split(share, seed)
    assert np.array_equal(training, again[0])


def test_max_samples_keeps_the_first_whole_episodes() -> None:
    frames = linear_frames(20, shortest=10, longest=10)
    for samples, episodes in ((91, 10), (100, 10), (101, 11), (10_000, 20)):
        assert sum(map(len, frames.split(0.2, 0, samples))) == episodes
        assert max(map(max, frames.split(0.2, 0, samples))) == episodes - 1


def test_too_few_episodes_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least two episodes"):
        linear_frames(1).split(0.1, 0)
    with pytest.raises(DatasetError, match="no episodes"):
        Frames.from_columns({}, np.array([], dtype=int), np.array([], dtype=int))


@pytest.mark.parametrize("column", ["observation.state", "observation.goal", "action"])
def test_the_first_bad_frame_is_named(column: str) -> None:
    columns, starts, lengths = linear_columns(3)
    columns[column][starts[1] + 2, 0] = np.nan
    with pytest.raises(
        DatasetError, match=f"{column} is not finite in 1 frames, first in frame 2 of episode 1"
    ):
        Frames.from_columns(columns, starts, lengths)
