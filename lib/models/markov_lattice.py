r"""The frontier network: an autoregressive network that sees what a nearest-neighbour torus makes relevant.

Draw the sites of a periodic L x L lattice row by row. If the energy couples nearest neighbours only, then given
the sites already drawn, the rest of the lattice touches only the last L of them (the frontier) and the first row (its
neighbours across the boundary; the first site of the current row, the other neighbour across the boundary, is
always among the last L). Hence, exactly,

    p(s_i | s_<i) = p(s_i | s_{i-1}, ..., s_{i-L}, first row).

This is the Markov blanket of the two-dimensional Ising model in this order; a network that is given it has locality
built in and does not have to find it in the data. MADE (`made.py`) is not given it: compare the two with that in mind.
`reach` and `first_rows` widen the context for energies of longer range, for example of overlapping block spins.

The conditional is a two-layer network on these inputs, taken in the frame of site i (first row rotated to start at its
column), plus a linear skip. The weights depend on the place, since how close the boundary is matters, but little: every
weight is W + sum_r a_r(site) M_r with `rank` matrices M_r and amplitudes a(site) = a_row + a_column. The restraint
pays. Trained on n configurations, P weights cost about P / 2n nats, and maximum likelihood with too many of them
overstates every preference of a spin, which bends H_theta exactly where one wants to extrapolate.
Initial weights fall with the distance from site i, at a different rate for every hidden unit. The activation is
softsign, x / (1 + |x|): odd, cheap, and slow to saturate, which helps on configurations more ordered than those of
the training. With `odd=True` there is no bias, so p(-s) = p(s) holds to rounding: Z2 is built in.
"""

import math

import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads.discrete import Bernoulli
from lib.models.kernels.two_layers import draw_spins, two_layers


class _Softsign(torch.autograd.Function):
    """y = x / (1 + |x|), dy/dx = (1 - |y|)^2; a third of the passes over memory that torch's own composition takes."""

    @staticmethod
    def forward(ctx, x):
        y = x.abs().add_(1).reciprocal_().mul_(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        (y,) = ctx.saved_tensors
        return y.abs().neg_().add_(1).square_().mul_(gradient)


softsign = _Softsign.apply


def context_index(side, reach, first_rows):
    """Index [N, n_context] of the sites each conditional sees; N stands for "not drawn yet, or already listed"."""
    n_sites = side * side
    index = torch.full((n_sites, reach + first_rows * side), n_sites)
    for i in range(n_sites):
        seen = min(i, reach)
        index[i, :seen] = torch.arange(i - 1, i - 1 - seen, -1)
        column = i % side
        for k in range(first_rows * side):
            row, offset = divmod(k, side)
            site = row * side + (column + offset) % side
            if site < i - reach:
                index[i, reach + k] = site
    return index


def initial_scale(side, reach, first_rows, hidden):
    """Scale [n_context, hidden] of the initial weights: exp(-distance / range), sum of squares 1 for every unit.

    The ranges of the units grow from 1 to side / 2: some see the neighbours, some the order of the whole context.
    """
    back = torch.arange(1.0, reach + 1)
    row = (back / side).round()
    column = (back - side * row).abs()
    offset = torch.arange(float(side))
    offset = torch.minimum(offset, side - offset).repeat(first_rows)
    distance = torch.cat([torch.hypot(row, column), 1 + offset])
    scale = torch.exp(-distance[:, None] / torch.logspace(0, math.log10(side / 2), hidden))
    return scale / scale.norm(dim=0)


def initial_amplitudes(side, rank):
    """Amplitudes of rows and columns, [side, rank] each: closeness to the first and last row and column, then slow."""
    from_start = torch.arange(float(side))
    to_end = from_start.flip(0)
    row, column = torch.zeros(side, rank), torch.zeros(side, rank)
    shapes = [
        (row, 2 * from_start),
        (row, 2 * to_end),
        (column, 2 * to_end),
        (column, 2 * from_start),
        (row, to_end / 4),
    ]
    for k, (amplitude, distance) in enumerate(shapes[:rank]):
        amplitude[:, k] = torch.exp(-distance)
    return row, column


class FrontierNetwork(Autoregressive):
    """Conditionals from the last `reach` sites (default L) and the first `first_rows` rows of an L x L torus.

    side: L. head: a `heads.Head`. hidden: width of both hidden layers. rank: number of matrices that let the weights
    vary over the lattice. odd: Z2 exact, p(s) = p(flipped s), with `heads` that know their flip: odd parameters from
    odd functions of the context, without biases, even ones from the squares of the hidden units. memory: None, or extra
    inputs, odd as well: `n_inputs`, `initial_scale(hidden)`, and a call values [n, N] -> [n, N, n_inputs] in which
    site i depends on sites before i only (`staggered_sums.py`). seed: of the initial weights.
    """

    def __init__(self, side, head, *, hidden=24, rank=5, reach=None, first_rows=1, odd=False, memory=None, seed=0):
        super().__init__((side, side), head)
        reach = side if reach is None else reach
        if side < 2 or hidden < 1 or rank < 1 or reach < 1 or not 0 <= first_rows <= side:
            raise ValueError(
                f"side={side}, hidden={hidden}, rank={rank}, reach={reach}, first_rows={first_rows}: "
                "side >= 2, hidden, rank and reach >= 1 and 0 <= first_rows <= side are needed"
            )
        self.side, self.hidden, self.odd, self.memory = side, hidden, odd, memory
        self.n_odd = head.n_parameters - head.n_even if odd else head.n_parameters
        self.register_buffer("context", context_index(side, reach, first_rows))
        n_extra = 0 if memory is None else memory.n_inputs
        n_inputs = self.context.shape[1] * head.n_features + n_extra
        n_outputs = head.n_parameters
        generator = torch.Generator().manual_seed(seed)

        def weight(*shape):
            return torch.randn(*shape, generator=generator)

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        row, column = initial_amplitudes(side, rank)
        self.amplitude_row = torch.nn.Parameter(row[:, None] + 0.1 * weight(side, 1, rank))
        self.amplitude_column = torch.nn.Parameter(column + 0.1 * weight(1, side, rank))
        # [W, M_1, ..., M_rank]: inputs to first layer, inputs to output (the skip), second layer to output
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(1 + rank, n_inputs, self.n_odd)
        self.output = zeros(1 + rank, hidden, n_outputs)
        self.second = torch.nn.Parameter(weight(hidden, hidden) / math.sqrt(hidden))
        scale = initial_scale(side, reach, first_rows, hidden).repeat_interleave(head.n_features, dim=0)
        if memory is not None:
            scale = torch.cat([scale, memory.initial_scale(hidden)])
        with torch.no_grad():
            self.first[0] = scale * weight(n_inputs, hidden)
        if odd:
            self.even_bias = zeros(self.n_sites, 1, head.n_even)
        else:
            self.first_bias = zeros(self.n_sites, 1, hidden)
            self.second_bias = zeros(hidden)
            self.output_bias = zeros(self.n_sites, 1, n_outputs)

    def _folded(self):
        """Weights by site: first layer and skip [N, n_inputs, hidden + n_outputs], output [N, hidden, n_outputs]."""
        amplitude = (self.amplitude_row + self.amplitude_column).reshape(self.n_sites, -1)
        amplitude = torch.cat([torch.ones_like(amplitude[:, :1]), amplitude], dim=1)
        first = torch.cat([self.first, self.skip], dim=2)
        return torch.tensordot(amplitude, first, dims=1), torch.tensordot(amplitude, self.output, dims=1)

    def _conditional(self, features, extra, sites=slice(None), weights=None):
        """Parameters [S, P, n] of `sites` from the features [N + 1, C, n], the last one zero, and more inputs."""
        first, output = self._folded() if weights is None else weights
        first_bias, second_bias, output_bias = self._biases()
        biases = first_bias[sites], second_bias, output_bias[sites]
        return two_layers(
            features, self.context[sites], extra[sites], self.n_odd, first[sites], output[sites], self.second, biases
        )

    def conditionals(self, values):
        features = self.head.encode(values).permute(1, 2, 0)
        features = torch.cat([features, features.new_zeros(1, *features.shape[1:])])
        if self.memory is None:
            extra = features.new_zeros(self.n_sites, 0, len(values))
        else:
            extra = self.memory(values).permute(1, 2, 0)
        return self._conditional(features, extra).permute(2, 0, 1)

    def _biases(self):
        """Biases of the first layer [N, H], the second [H], and the output [N, P]; zeros where Z2 allows none."""
        if not self.odd:
            return self.first_bias[:, 0], self.second_bias, self.output_bias[:, 0]
        zeros = self.second.new_zeros
        output = torch.cat([zeros(self.n_sites, self.n_odd), self.even_bias[:, 0]], dim=1)
        return zeros(self.n_sites, self.hidden), zeros(self.hidden), output

    def incremental(self, n):
        if self.memory is not None:
            yield from super().incremental(n)
            return
        features = torch.zeros(self.n_sites + 1, self.head.n_features, n, dtype=self.dtype)
        extra, weights = features.new_zeros(self.n_sites, 0, n), self._folded()
        for k in range(self.n_sites):
            values = yield self._conditional(features, extra, slice(k, k + 1), weights)[0].T
            features[k] = self.head.encode(values).T

    @torch.no_grad()
    def sample(self, n, seed, naive=False):
        if naive or self.memory is not None or type(self.head) is not Bernoulli:
            return super().sample(n, seed, naive)
        generator = torch.Generator().manual_seed(seed)
        thresholds = torch.stack([self.head.thresholds((n,), generator, self.dtype) for _ in range(self.n_sites)])
        spins, fields = draw_spins(thresholds, self.context, *self._folded(), self.second, self._biases())
        log_prob = torch.zeros(n, dtype=self.dtype)
        for of_site in self.head.log_prob(fields[..., None], spins):  # in this order, as in `Autoregressive.sample`
            log_prob += of_site
        return self.unflatten(spins.T), log_prob
