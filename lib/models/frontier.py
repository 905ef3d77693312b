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
column), plus a linear skip. How close the boundary is still matters, so the weights vary with row and column, but
little: the first layer is a shared matrix plus `rank` matrices mixed with amplitudes a_row + a_column, skip and output
are shared + row + column. Few weights matter: trained on n configurations, P weights cost about P / 2n nats.
With `odd=True` there is no bias and tanh is odd, so p(-s) = p(s) holds to rounding: Z2 is built in.
"""

import math

import torch

from lib.models.base import Autoregressive


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


class FrontierNetwork(Autoregressive):
    """Conditionals from the last `reach` sites (default L) and the first `first_rows` rows of an L x L torus.

    side: L. head: a `heads.Head`. hidden: width of both hidden layers. rank: number of matrices that let the first
    layer vary over the lattice. odd: no biases, Z2 exact for +-1 spins. seed: of the initial weights.
    """

    def __init__(self, side, head, *, hidden=24, rank=8, reach=None, first_rows=1, odd=False, seed=0):
        super().__init__((side, side), head)
        reach = side if reach is None else reach
        if side < 2 or hidden < 1 or rank < 1 or reach < 1 or not 0 <= first_rows <= side:
            raise ValueError(
                f"side={side}, hidden={hidden}, rank={rank}, reach={reach}, first_rows={first_rows}: "
                "side >= 2, hidden, rank and reach >= 1 and 0 <= first_rows <= side are needed"
            )
        self.side, self.odd = side, odd
        self.register_buffer("context", context_index(side, reach, first_rows))
        n_inputs = self.context.shape[1] * head.n_features
        n_outputs = head.n_parameters
        generator = torch.Generator().manual_seed(seed)

        def weight(*shape, scale):
            return torch.nn.Parameter(scale * torch.randn(*shape, generator=generator))

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        self.first = weight(n_inputs, hidden, scale=1 / math.sqrt(n_inputs))
        self.modulation = zeros(rank, n_inputs, hidden)
        self.amplitude_row = weight(side, 1, rank, scale=1.0)
        self.amplitude_column = weight(1, side, rank, scale=1.0)
        self.second = weight(hidden, hidden, scale=1 / math.sqrt(hidden))
        self.output = torch.nn.ParameterList([zeros(1, 1, hidden, n_outputs), *self._row_column(zeros, hidden)])
        self.skip = torch.nn.ParameterList([zeros(1, 1, n_inputs, n_outputs), *self._row_column(zeros, n_inputs)])
        if not odd:
            self.first_bias = zeros(self.n_sites, 1, hidden)
            self.second_bias = zeros(hidden)
            self.output_bias = zeros(self.n_sites, 1, n_outputs)

    def _row_column(self, zeros, n_inputs):
        n_outputs = self.head.n_parameters
        return zeros(self.side, 1, n_inputs, n_outputs), zeros(1, self.side, n_inputs, n_outputs)

    def _folded(self):
        """Weights by site: first layer and skip [N, n_inputs, hidden + n_outputs], output [N, hidden, n_outputs]."""
        amplitude = (self.amplitude_row + self.amplitude_column).reshape(self.n_sites, -1)
        first = self.first + torch.tensordot(amplitude, self.modulation, dims=1)
        skip, output = (sum(parts).flatten(0, 1) for parts in (self.skip, self.output))
        return torch.cat([first, skip], dim=2), output

    def _conditional(self, inputs, first, output, first_bias, output_bias):
        """inputs [S, n, n_inputs] of S sites -> parameters [S, n, n_parameters], with the weights of these sites."""
        hidden, linear = torch.bmm(inputs, first).split([self.first.shape[1], self.head.n_parameters], dim=2)
        if self.odd:
            hidden = torch.tanh(torch.tanh(hidden) @ self.second)
            return linear + torch.bmm(hidden, output)
        hidden = torch.tanh(torch.tanh(hidden + first_bias) @ self.second + self.second_bias)
        return linear + torch.bmm(hidden, output) + output_bias

    def _biases(self, sites=slice(None)):
        return (None, None) if self.odd else (self.first_bias[sites], self.output_bias[sites])

    def _inputs(self, features, context):
        """features [N + 1, C, n] (the last one zero), context [S, n_context] -> inputs [S, n, n_context * C]."""
        gathered = features.index_select(0, context.reshape(-1))
        return gathered.reshape(len(context), -1, features.shape[-1]).transpose(1, 2)

    def conditionals(self, values):
        features = self.head.encode(values).permute(1, 2, 0)
        features = torch.cat([features, features.new_zeros(1, *features.shape[1:])])
        inputs = self._inputs(features, self.context)
        return self._conditional(inputs, *self._folded(), *self._biases()).transpose(0, 1)

    def incremental(self, n):
        features = torch.zeros(self.n_sites + 1, self.head.n_features, n, dtype=self.dtype, device=self.device)
        first, output = self._folded()
        for k in range(self.n_sites):
            site = slice(k, k + 1)
            inputs = self._inputs(features, self.context[site])
            parameters = self._conditional(inputs, first[site], output[site], *self._biases(site))
            values = yield parameters[0]
            features[k] = self.head.encode(values).transpose(0, 1)
