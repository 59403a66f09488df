import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampc.errors import PolicyError
from ampc.policies import HistoryBuffer


@given(
    n_state=st.integers(1, 6),
    n_command=st.integers(0, 3),
    history=st.integers(1, 6),
    stride=st.integers(1, 4),
    steps=st.integers(1, 30),
)
def test_equals_indexing_into_the_padded_record(n_state, n_command, history, stride, steps):
    rng = np.random.default_rng(0)
    states, commands = rng.normal(size=(steps, n_state)), rng.normal(size=(steps, n_command))
    buffer = HistoryBuffer(n_state, n_command, history, stride)
    for t in range(steps):
        buffer.append(states[t])
        wanted = t - stride * np.arange(history)[::-1]
        np.testing.assert_array_equal(buffer.states, states[np.maximum(wanted, 0)])
        before = np.where(wanted[:, None] > 0, commands[np.maximum(wanted - 1, 0)], 0.0)
        np.testing.assert_array_equal(buffer.past_commands, before)
        buffer.record_command(commands[t])


def test_reset_forgets_everything():
    buffer = HistoryBuffer(2, 1, history=3, stride=2)
    for _ in range(7):
        buffer.append(np.array([1.0, 2.0]))
        buffer.record_command(np.array([3.0]))
    buffer.reset()
    buffer.append(np.array([5.0, 6.0]))
    np.testing.assert_array_equal(buffer.states, [[5.0, 6.0]] * 3)
    np.testing.assert_array_equal(buffer.past_commands, np.zeros((3, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_refuses_an_unusable_state_and_keeps_what_it_has(bad):
    buffer = HistoryBuffer(2, 1, history=2)
    buffer.append(np.array([1.0, 2.0]))
    with pytest.raises(PolicyError, match="cannot use the state"):
        buffer.append(np.array([bad, 0.0]))
    buffer.append(np.array([3.0, 4.0]))
    np.testing.assert_array_equal(buffer.states, [[1.0, 2.0], [3.0, 4.0]])


def test_takes_a_state_in_parts_and_keeps_no_hold_of_it():
    buffer = HistoryBuffer(4, 2, history=2, dtype=np.float32)
    q, dq, command = np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])
    buffer.append(q, dq)
    buffer.record_command(command)
    q[:] = dq[:] = command[:] = 0.0
    buffer.append(q, dq)
    np.testing.assert_array_equal(buffer.states, [[1.0, 2.0, 3.0, 4.0], [0.0] * 4])
    np.testing.assert_array_equal(buffer.past_commands, [[0.0, 0.0], [5.0, 6.0]])
    assert buffer.states.dtype == np.float32
