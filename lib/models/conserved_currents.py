r"""An autoregressive network of conserved currents: nothing that it draws breaks conservation.

The currents of `systems/rotor_field.py` on N_t x N_x sites are fixed by the first row of time currents k(x, 0), which
sets the charge, and by the space currents j(x, t) of the time slices t = 1 ... N_t - 1, all of them free:

    k(x, t) = k(x, t-1) + j(x-1, t) - j(x, t).

The slice t = 0, which closes the time, is then fixed up to its winding, and that is summed exactly. So a configuration
is an array [N_t, N_x] of whole numbers without any constraint: row 0 is k(., 0), row t is j(., t). The closing slice
asks for heights J(x) = sum_t j(x, t) that are nearly the same at all x. So the conditional of j(x, t) sees, in the
frame of column x,

    k(., t-1)            the row of time currents that this slice starts from,
    j(x', t), x' < x     what is drawn of this slice,
    J(.) - J(x)          the heights so far,

and the charge. Numbers enter as steps, "at least 1, at least 2, ...". Two hidden layers, SiLU; weights that vary with
row and column (`markov.py`); output biases start from the frequencies in the data (`from_data`): from equal ones the
network would be slow to find the few charges that occur.

The idea of drawing dual variables with an autoregressive network: arXiv:2012.13949.
"""

import math

import numpy as np
import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads import refuse
from lib.models.heads.discrete import Categorical
from lib.models.markov import at_sites, with_one

STEPS = 3  # comparisons as which a current or a height enters
CHARGE_STEPS = 8  # the same for the charge


def steps(numbers, n_steps=STEPS):
    """Of numbers [...], sign(k) where |k| >= 1, ..., n_steps, else 0: [..., n_steps]."""
    sizes = torch.arange(1, n_steps + 1, dtype=numbers.dtype)
    return (numbers.abs()[..., None] >= sizes) * numbers.sign()[..., None]


def amplitudes(n_t, n_x):
    """Is it the first row; closeness of every site to the last rows and the last columns: [N, 5]."""
    t, x = torch.meshgrid(torch.arange(float(n_t)), torch.arange(float(n_x)), indexing="ij")
    to_end, right = n_t - 1 - t, n_x - 1 - x
    columns = [(t == 0).float(), torch.exp(-to_end), torch.exp(-to_end / 3), torch.exp(-right), torch.exp(-right / 3)]
    return torch.stack(columns, -1).reshape(n_t * n_x, -1)


class Currents(Categorical):
    """Whole numbers from -largest to largest; parameters: their unnormalised log probabilities."""

    def __init__(self, largest):
        super().__init__(2 * largest + 1)
        self.largest = largest

    def check(self, values):
        wrong = (values.abs() > self.largest) | (values != values.round())
        refuse(values, wrong, f"currents must be whole numbers from {-self.largest} to {self.largest}")

    def encode(self, values):
        return super().encode(values + self.largest)

    def log_prob(self, parameters, values):
        return super().log_prob(parameters, values + self.largest)

    def sample(self, parameters, generator):
        return super().sample(parameters, generator) - self.largest

    def site_rule(self, points):
        values, weights = super().site_rule(points)
        return values - self.largest, weights


class ConservedCurrents(Autoregressive):
    """Free currents [n, N_t, N_x], whole numbers from -largest to largest: row 0 along time, the others along space.

    hidden: width of both hidden layers.
    frequencies: of the values -largest ... largest at every site [N, 2 largest + 1], to start from (default: equal).
    """

    def __init__(self, n_t, n_x, largest=4, *, hidden=32, frequencies=None, seed=0):
        super().__init__((n_t, n_x), Currents(largest))
        if n_t < 2 or n_x < 2 or hidden < 1:
            raise ValueError(f"n_t = {n_t}, n_x = {n_x}, hidden = {hidden}: n_t, n_x >= 2 and hidden >= 1 are needed")
        generator = torch.Generator().manual_seed(seed)
        self.n_t, self.n_x = n_t, n_x
        self.register_buffer("amplitude", with_one(amplitudes(n_t, n_x)))
        n_inputs, n_logits = STEPS * 3 * n_x + CHARGE_STEPS, 2 * largest + 1

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        n_matrices = self.amplitude.shape[1]  # (W, M_1, ..., M_5)
        self.first = zeros(n_matrices, n_inputs, hidden)
        self.skip, self.output = zeros(n_matrices, n_inputs, n_logits), zeros(n_matrices, hidden, n_logits)
        with torch.no_grad():  # of the steps only about one in three is not zero
            self.first[0] = torch.randn(n_inputs, hidden, generator=generator) * math.sqrt(9 / n_inputs)
        self.second = torch.nn.Parameter(torch.randn(hidden, hidden, generator=generator) / math.sqrt(hidden))
        self.first_bias, self.second_bias = zeros(self.n_sites, 1, hidden), zeros(hidden)
        start = np.ones((self.n_sites, n_logits)) if frequencies is None else frequencies
        self.bias = torch.nn.Parameter(torch.as_tensor(np.log(start), dtype=torch.float32)[:, None])

    @classmethod
    def from_data(cls, currents, largest=4, *, hidden=32, seed=0):
        """A network for currents [n, N_t, N_x], started from their frequencies; ValueError beyond `largest`."""
        flat = np.asarray(currents).reshape(len(currents), -1)
        Currents(largest).check(torch.as_tensor(flat))
        values = np.arange(-largest, largest + 1)
        frequencies = (flat[:, :, None] == values).mean(0) + 1 / len(flat)
        return cls(*np.shape(currents)[1:], largest, hidden=hidden, frequencies=frequencies, seed=seed)

    def _inputs(self, row, x, time_currents, heights):
        """What site x of a slice sees, [n, n_inputs]. row: the slice so far; all [n, N_x]."""
        drawn = torch.cat([row[:, :x], torch.zeros_like(row[:, x:])], 1)
        so_far = heights + drawn
        numbers = [time_currents.roll(-x, 1), drawn.roll(-x, 1), (so_far - so_far[:, x : x + 1]).roll(-x, 1)]
        return torch.cat([steps(torch.cat(numbers, 1)).flatten(1), steps(time_currents.sum(1), CHARGE_STEPS)], 1)

    def _layers(self, inputs, sites, weights):
        """Logits [S, n, 2 largest + 1] of S sites from their inputs [S, n, n_inputs]."""
        first, skip, output = (each[sites] for each in weights)
        hidden = torch.nn.functional.silu(torch.baddbmm(self.first_bias[sites], inputs, first))
        hidden = torch.nn.functional.silu(hidden @ self.second + self.second_bias)
        return torch.baddbmm(self.bias[sites], inputs, skip) + hidden @ output

    def _site_weights(self):
        return [at_sites(self.amplitude, each) for each in (self.first, self.skip, self.output)]

    def conditionals(self, values):
        rows = values.reshape(len(values), self.n_t, self.n_x)
        time_currents = heights = torch.zeros_like(rows[:, 0])
        inputs = []
        for t in range(self.n_t):
            row = rows[:, t]
            inputs += [self._inputs(row, x, time_currents, heights) for x in range(self.n_x)]
            time_currents, heights = after(row, t, time_currents, heights)
        return self._layers(torch.stack(inputs), slice(None), self._site_weights()).transpose(0, 1)

    def incremental(self, n):
        weights = self._site_weights()
        time_currents = heights = torch.zeros(n, self.n_x, dtype=self.dtype)
        for t in range(self.n_t):
            row = torch.zeros(n, self.n_x, dtype=self.dtype)
            for x in range(self.n_x):
                inputs, site = self._inputs(row, x, time_currents, heights), t * self.n_x + x
                row[:, x] = yield self._layers(inputs[None], slice(site, site + 1), weights)[0]
            time_currents, heights = after(row, t, time_currents, heights)


def after(row, t, time_currents, heights):
    """Time currents and heights [n, N_x] after row t of the free currents."""
    if t == 0:
        return row, heights
    return time_currents + row.roll(1, 1) - row, heights + row
