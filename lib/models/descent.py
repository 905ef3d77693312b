r"""Down a ladder of temperatures: one network, trained without data, is carried from each temperature to the next.

The first training starts from random weights, at the highest temperature T_1, with beta rising from 0 (`annealing` of
`fit_variational`). Every further one starts from the network of the temperature above. For k >= 2, with q = p at
T_{k-1}, the way still to go is

    D(q || p_k) = (beta_k - beta_{k-1}) <E>_{k-1} + ln Z_k - ln Z_{k-1} ~ (beta_k - beta_{k-1})^2 Var(E) / 2,

so steps in beta of about 1 / sqrt(Var E) are short ones. Each training is complete in itself: its learning rate decays
to zero and its last weights are averaged, so that the network of each temperature is as good as its steps allow.
Annealing from beta = 0, as in Chin. Phys. Lett. 39, 120502, with stops on the way.
"""

from typing import NamedTuple

from lib.models.fit_variational import VariationalResult, fit_variational


class Schedule(NamedTuple):
    """How long and how fast a descent is trained.

    first, steps: training steps at the highest temperature, and at every further one.
    first_rate, rate: learning rates there.
    batch: configurations per step.
    window: see `fit_variational`.
    """

    first: int
    steps: int
    first_rate: float = 1e-2
    rate: float = 5e-3
    batch: int = 64
    window: float = 0.1


def descend(model, energy, temperatures, schedule: Schedule, seed: int):
    """Train `model`, in place, at one temperature after the other; a generator of (T, `VariationalResult`).

    When it yields, the model is the network of T. Use it before asking for the next one.
    temperatures: falling, in units of the energy. energy: see `fit_variational`. seed: of the draws.
    ValueError, before anything is trained, for temperatures that do not fall.
    """
    temperatures = [float(T) for T in temperatures]
    if not temperatures or any(low >= high for high, low in zip(temperatures, temperatures[1:], strict=False)):
        raise ValueError(f"temperatures = {temperatures}: at least one, each below the one before, is needed")
    return _descend(model, energy, temperatures, schedule, seed)


def _descend(model, energy, temperatures, schedule, seed):
    for rung, T in enumerate(temperatures):
        start = rung == 0
        result: VariationalResult = fit_variational(
            model,
            energy,
            1 / T,
            steps=schedule.first if start else schedule.steps,
            batch=schedule.batch,
            learning_rate=schedule.first_rate if start else schedule.rate,
            window=schedule.window,
            annealing=0.5 if start else 0.0,
            seed=1000 * seed + rung,
        )
        yield T, result
