r"""Maximum likelihood: minimise the negative log-likelihood (NLL) of configurations; knows nothing of the model inside.

The loss is -<ln p_theta(s)> / N over random batches; Adam, a short linear warm-up, then a cosine decay of the learning
rate to zero. The weights that come back are not the last ones but an exponential average over the last steps,

    average <- (1 - rate) average + rate weights,      rate = 1 / (window steps),

from `AVERAGED_FROM` of the training on, which takes out part of the noise that a small batch leaves. With held-out
configurations the average is looked at now and then, training stops when it no longer improves, and the best average
seen is returned.
"""

import copy
import math
import time
from typing import NamedTuple

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lib.models.autoregressive import log_prob_in_batches

AVERAGED_FROM = 0.3  # part of the training after which the average begins


class FitResult(NamedTuple):
    """What a fit did. NLL in nats per configuration.

    history: (step, held-out NLL) at every look.
    batch_history: (step, mean NLL of the batches since the entry before), ever farther apart.
    """

    steps: int
    seconds: float
    nll_train: float
    nll_held_out: float
    history: list
    stopped_early: bool
    batch_history: list


def learning_rate_factor(step, steps, warm_up=50):
    """Linear warm-up over at most `warm_up` steps, then a cosine to zero at `steps`."""
    warm_up = min(warm_up, max(1, steps // 10))
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))


class WeightAverage:
    """The exponential average of the weights of `model` over the last `window` of `steps`; 0: the last weights."""

    def __init__(self, model, steps, window):
        self.begins = AVERAGED_FROM * steps
        rate = 1 / max(1.0, window * steps)
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(1 - rate))

    def update(self, model, step):
        """After each `step` = 1 ... steps. True once there is an average."""
        if step > self.begins:
            self.averaged.update_parameters(model)
        return step > self.begins

    @property
    def model(self):
        """A copy of the model with the average as its weights."""
        return self.averaged.module


def fit(
    model,
    configurations,
    *,
    steps,
    batch=64,
    learning_rate=3e-3,
    window=0.03,
    seed=0,
    augment=None,
    weights=None,
    held_out=None,
    checks=10,
    patience=3,
):
    """Fit `model` to `configurations` [n, *site_shape] by maximum likelihood, in place, and return a FitResult.

    steps, batch: training steps, configurations per step.
    learning_rate: of Adam, at its largest.
    window: of the average of the weights, as a part of all steps; 0 returns the last weights.
    augment: function (batch, torch.Generator) -> batch, a random symmetry operation on it, or None.
    weights: probabilities [n] of the configurations, for a distribution that is known exactly: every step then uses all
        of them, and neither batches nor `augment` come in.
    seed: of the batches and of `augment`.
    held_out: configurations [m, *site_shape] for early stopping, or None to train to the end.
    checks, patience: training stops after `patience` of the `checks` looks at them without improvement.

    ValueError for configurations that do not fit the model, with the reason; FloatingPointError when the NLL is no
    longer finite.
    """
    if steps < 1 or batch < 1 or not 0 <= window <= 1:
        raise ValueError(f"steps={steps}, batch={batch}, window={window}: steps, batch >= 1 and 0 <= window <= 1")
    data = torch.as_tensor(np.asarray(configurations))
    if len(data) == 0:
        raise ValueError("no configurations to fit: pass at least one")
    if weights is not None:
        weights = torch.as_tensor(np.asarray(weights) / np.sum(weights), dtype=model.dtype)
        if len(weights) != len(data) or augment is not None:
            raise ValueError(f"{len(weights)} weights for {len(data)} configurations: one each is needed, no augment")
    for part in data.split(10_000):  # refuses wrong shapes and values before any work is done
        model.flatten(part)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.9, 0.99), fused=True)
    average = WeightAverage(model, steps, window)
    noted, batch_history, since = set(np.geomspace(1, steps, 40).astype(int)), [], []
    every = max(1, steps // checks)
    best, best_weights, misses, history, recent = math.inf, None, 0, [], None
    start = time.perf_counter()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * learning_rate_factor(step - 1, steps)
        if weights is not None:
            loss = -(weights * model.log_prob(data, check=False)).sum() / model.n_sites
        else:
            chosen = data[torch.randint(len(data), (batch,), generator=generator)]
            if augment is not None:
                chosen = augment(chosen, generator)
            loss = -model.log_prob(chosen, check=step == 1).mean() / model.n_sites
        since.append(loss.detach())
        if step in noted:
            batch_history.append((step, float(torch.stack(since).mean()) * model.n_sites))
            since = []
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        begun = average.update(model, step)
        if step % every == 0 or step == steps:
            recent = float(loss.detach()) * model.n_sites
            if not math.isfinite(recent):
                raise FloatingPointError(f"the NLL became {recent} at step {step}: lower learning_rate={learning_rate}")
            if held_out is not None and begun:
                nll_held_out = -log_prob_in_batches(average.model, held_out).mean()
                history.append((step, nll_held_out))
                if nll_held_out < best:
                    best, misses, best_weights = nll_held_out, 0, copy.deepcopy(average.model.state_dict())
                else:
                    misses += 1
                    if misses >= patience:
                        break
    model.load_state_dict(average.model.state_dict() if best_weights is None else best_weights)
    return FitResult(
        steps=step,
        seconds=time.perf_counter() - start,
        nll_train=recent,
        nll_held_out=best if held_out is not None else math.nan,
        history=history,
        stopped_early=step < steps,
        batch_history=batch_history,
    )
