r"""The Markov lattice: a conditional sees what a nearest-neighbour torus makes relevant.

Draw the sites of a periodic L x L lattice row by row. If the energy couples nearest neighbours only, then given the
sites already drawn, the rest of the lattice touches only the last L of them (the frontier) and the first row, its
neighbours across the boundary. (The first site of the current row, the other neighbour across the boundary, is always
among the last L.) Hence, exactly,

    p(s_i | s_<i) = p(s_i | s_{i-1}, ..., s_{i-L}, first row).

    x x x x x      x  seen: the first row and the last L sites
    . . . . .      .  drawn, not seen
    . . . x x      s  the site i that is drawn now
    x x x s -      -  not drawn yet
    - - - - -

`last_sites` and `first_rows` widen the context for energies of longer range, for example of overlapping block spins.

The conditional is a two-layer network on these inputs, taken in the frame of site i (first row rotated to start at its
column), plus a linear skip; its amplitudes are a(i) = a_row + a_column (`markov.py`). Initial weights fall with the
distance from site i, at a different rate for every hidden unit. The activation is softsign, x / (1 + |x|): odd, cheap,
and slow to saturate, which helps on configurations more ordered than those of the training. With `odd=True` there is no
bias, so p(-s) = p(s) holds to rounding: Z2 is built in.
"""

import math

import torch

from lib import lattice
from lib.models.autoregressive import Autoregressive
from lib.models.heads.discrete import Bernoulli
from lib.models.kernels.two_layers import draw_spins, two_layers
from lib.models.markov import Markov, at_sites, with_one


def context_index(side, last_sites, first_rows):
    """Index [N, n_context] of the sites each conditional sees; N stands for "not drawn yet, or already listed"."""
    rows, columns = lattice.sides(side)
    n_sites = rows * columns
    index = torch.full((n_sites, last_sites + first_rows * columns), n_sites)
    for i in range(n_sites):
        seen = min(i, last_sites)
        index[i, :seen] = torch.arange(i - 1, i - 1 - seen, -1)
        column = i % columns
        for k in range(first_rows * columns):
            row, offset = divmod(k, columns)
            site = row * columns + (column + offset) % columns
            if site < i - last_sites:
                index[i, last_sites + k] = site
    return index


def initial_scale(side, last_sites, first_rows, hidden):
    """Scale [n_context, hidden] of the initial weights: exp(-distance / range), sum of squares 1 for every unit.

    The ranges of the units grow from 1 to half a row: some see the neighbours, some the order of the whole context.
    """
    columns = lattice.sides(side)[1]
    back = torch.arange(1.0, last_sites + 1)
    row = (back / columns).round()
    column = (back - columns * row).abs()
    offset = torch.arange(float(columns))
    offset = torch.minimum(offset, columns - offset).repeat(first_rows)
    distance = torch.cat([torch.hypot(row, column), 1 + offset])
    scale = torch.exp(-distance[:, None] / torch.logspace(0, math.log10(columns / 2), hidden))
    return scale / scale.norm(dim=0)


def initial_amplitudes(side, rank):
    """Amplitudes [rows, rank] and [columns, rank]: closeness to the first and last row and column, then slow."""
    top, left = (torch.arange(float(n)) for n in lattice.sides(side))
    bottom, right = top.flip(0), left.flip(0)
    row, column = torch.zeros(len(top), rank), torch.zeros(len(left), rank)
    shapes = (row, 2 * top), (row, 2 * bottom), (column, 2 * right), (column, 2 * left), (row, bottom / 4)
    for k, (amplitude, distance) in enumerate(shapes[:rank]):
        amplitude[:, k] = torch.exp(-distance)
    return row, column


class TorusNetwork(Markov):
    """What the networks of the torus share: the context, and the amplitudes of site-dependent weights.

    side: L, or (rows, columns).
    rank: number of matrices M_r.
    last_sites, first_rows: the context.
    generator: of the initial amplitudes.
    """

    def __init__(self, side, head, hidden, rank, last_sites, first_rows, generator):
        rows, columns = lattice.sides(side)
        super().__init__((rows, columns), head)
        if min(rows, columns) < 2 or hidden < 1 or rank < 1 or last_sites < 1 or not 0 <= first_rows <= rows:
            given = f"side={side}, hidden={hidden}, rank={rank}, last_sites={last_sites}, first_rows={first_rows}"
            raise ValueError(f"{given}: side >= 2, hidden, rank, last_sites >= 1, 0 <= first_rows <= side are needed")
        self.side, self.hidden = side, hidden
        self.register_buffer("context", context_index(side, last_sites, first_rows))
        row, column = initial_amplitudes(side, rank)
        row, column = row[:, None], column[None]
        self.amplitude_row = torch.nn.Parameter(row + 0.1 * torch.randn(row.shape, generator=generator))
        self.amplitude_column = torch.nn.Parameter(column + 0.1 * torch.randn(column.shape, generator=generator))

    def _amplitude(self):
        """Amplitudes (1, a_1, ..., a_rank) of all sites, [N, 1 + rank]."""
        return with_one((self.amplitude_row + self.amplitude_column).reshape(self.n_sites, -1))


class MarkovLattice(TorusNetwork):
    """Conditionals from the last `last_sites` sites (default L) and the first `first_rows` rows of an L x L torus.

    side: L, or (rows, columns); then L stands for the length of a row.
    hidden: width of both hidden layers.
    rank: number of matrices that let the weights vary over the lattice.
    odd: Z2 exact, p(s) = p(flipped s), for heads that know their flip: odd parameters from odd functions of the
        context, without biases, even ones from the squares of the hidden units.
    memory: None, or extra inputs, odd as well: `n_inputs`, `initial_scale(hidden)`, and a call values [n, N] ->
        [n, N, n_inputs] in which site i depends on sites before i only (`staggered_sums.py`).
    """

    def __init__(self, side, head, *, hidden=24, rank=5, last_sites=None, first_rows=1, odd=False, memory=None, seed=0):
        generator = torch.Generator().manual_seed(seed)
        last_sites = lattice.sides(side)[1] if last_sites is None else last_sites
        super().__init__(side, head, hidden, rank, last_sites, first_rows, generator)
        self.odd, self.memory = odd, memory
        self.n_odd = head.n_parameters - head.n_even if odd else head.n_parameters
        n_extra = 0 if memory is None else memory.n_inputs
        n_inputs = self.context.shape[1] * head.n_features + n_extra
        n_outputs = head.n_parameters

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        # (W, M_1, ..., M_rank): inputs to first layer, inputs to output (the skip), second layer to output
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(1 + rank, n_inputs, self.n_odd)
        self.output = zeros(1 + rank, hidden, n_outputs)
        self.second = torch.nn.Parameter(torch.randn(hidden, hidden, generator=generator) / math.sqrt(hidden))
        scale = initial_scale(side, last_sites, first_rows, hidden).repeat_interleave(head.n_features, dim=0)
        if memory is not None:
            scale = torch.cat([scale, memory.initial_scale(hidden)])
        with torch.no_grad():
            self.first[0] = scale * torch.randn(n_inputs, hidden, generator=generator)
        if odd:
            self.even_bias = zeros(self.n_sites, 1, head.n_even)
        else:
            self.first_bias = zeros(self.n_sites, 1, hidden)
            self.second_bias = zeros(hidden)
            self.output_bias = zeros(self.n_sites, 1, n_outputs)

    def _features(self, values):
        return self.head.encode(values).permute(1, 2, 0)

    def _site_weights(self):
        """First layer and skip [N, n_inputs, hidden + n_odd], and output [N, hidden, n_parameters]."""
        amplitude, first = self._amplitude(), torch.cat([self.first, self.skip], dim=2)
        return at_sites(amplitude, first), at_sites(amplitude, self.output)

    def _biases(self):
        """Biases of the first layer [N, H], the second [H], and the output [N, P]; zeros where Z2 allows none."""
        if not self.odd:
            return self.first_bias[:, 0], self.second_bias, self.output_bias[:, 0]
        zeros = self.second.new_zeros
        output = torch.cat([zeros(self.n_sites, self.n_odd), self.even_bias[:, 0]], dim=1)
        return zeros(self.n_sites, self.hidden), zeros(self.hidden), output

    def _conditional(self, features, sites, weights, extra=None):
        """extra [N, M, n]: the inputs that are no features of sites."""
        first, output = weights
        first_bias, second_bias, output_bias = self._biases()
        biases = first_bias[sites], second_bias, output_bias[sites]
        if extra is None:
            extra = features.new_zeros(self.n_sites, 0, features.shape[-1])
        inputs = features, self.context[sites], extra[sites]
        return two_layers(*inputs, self.n_odd, first[sites], output[sites], self.second, biases)

    def conditionals(self, values):
        if self.memory is None:
            return super().conditionals(values)
        features = self._features(values)
        features = torch.cat([features, torch.zeros_like(features[:1])])
        extra = self.memory(values).permute(1, 2, 0)
        return self._conditional(features, slice(None), self._site_weights(), extra).permute(2, 0, 1)

    def incremental(self, n):
        # a memory is computed from all sites at once
        return super().incremental(n) if self.memory is None else Autoregressive.incremental(self, n)

    @torch.no_grad()
    def sample(self, n, seed, naive=False):
        if naive or self.memory is not None or type(self.head) is not Bernoulli:
            return super().sample(n, seed, naive)
        generator = torch.Generator().manual_seed(seed)
        thresholds = torch.stack([self.head.thresholds((n,), generator, self.dtype) for _ in range(self.n_sites)])
        spins, fields = draw_spins(thresholds, self.context, *self._site_weights(), self.second, self._biases())
        log_prob = torch.zeros(n, dtype=self.dtype)
        for of_site in self.head.log_prob(fields[..., None], spins):  # in this order, as in `Autoregressive.sample`
            log_prob += of_site
        return self.unflatten(spins.T), log_prob
