"""The flexible arm, integrated fast: the plant of experiments and of reinforcement learning."""

from ampc.arrays import FloatArray
from ampc.plants.chain_plant import ChainPlant


class FlexiblePlant(ChainPlant):
    """A flexible arm whose joints may be as stiff as a finely divided steel strip makes them.

    Each physics step is one of Radau IIA with two stages: L-stable, so that modes far faster than the control
    period die out instead of ringing, and within some 1e-6 rad of `CvodesPlant` over an episode at a
    hundredth of its time.
    """

    def _load(self) -> None:
        self._stages = self._arm.chain.warm_start(self.settings.substeps)

    def _forget(self) -> None:
        self._stages[:] = 0.0

    def _advance(self, state: FloatArray, torque: FloatArray, ticks: int) -> FloatArray:
        return self._arm.chain.step(
            state,
            torque,
            ticks * self.settings.physics_step,
            scheme="radau",
            substeps=ticks,
            warm_start=self._stages if ticks == self.settings.substeps else None,
        )
