r"""The masked convolution: one small network at every site of an L x L lattice, seeing what lies above and to the left.

Sites are drawn row by row. A layer is a 3 x 3 convolution of which only what was drawn before is left:

    above left   above   above right
    left         itself  .                  "itself" in every layer but the first

so `depth` layers see `depth` rows up, and `depth` columns to either side. For depth 2:

    . . . . . . .      x  seen
    . x x x x x .      .  drawn, not seen
    . x x x x x .      s  drawn now
    . x x s - - -      -  not drawn yet

This is the continuous autoregressive network (CAN) of the XY papers, Chin. Phys. Lett. 39, 120502 = arXiv:2005.04857,
and of their code (github.com/Anguswlx/CAN2XY): depth 3, width 16 to 64, PReLU, zeros beyond the edges, Beta densities
of theta / 2 pi, a first site that is uniform; but of mixtures of equal weights.

What the torus asks for can be switched on. `periodic_columns`: the row above is closed to a ring; it is complete, so no
order is broken. `closure`: every site is shown the three nearest sites of the first row and the first site of its own
row, its neighbours across the boundary in the last row and column, and its position, as biases of the first layer by
row and by column: how much the boundary matters depends on it. The pixel version of this network: van den Oord et al.
2016; for spin systems: Wu, Wang and Zhang 2019.
"""

import math

import torch
import torch.nn.functional as F

from lib.models.autoregressive import Autoregressive


class MaskedConvolution(Autoregressive):
    """Masked 3 x 3 convolutions over an L x L lattice, drawn row by row.

    depth: number of layers.
    width: channels between them.
    periodic_columns, closure: what the paper's network lacks, see above.
    uniform_first: the parameters of the first site are zero, the uniform distribution of most heads; else it is what
        the biases make of it.
    """

    def __init__(
        self, side, head, *, depth=3, width=32, periodic_columns=False, closure=False, uniform_first=True, seed=0
    ):
        super().__init__((side, side), head)
        if side < 2 or depth < 2 or width < 1:
            raise ValueError(f"side={side}, depth={depth}, width={width}: side and depth >= 2, width >= 1 are needed")
        self.side, self.depth, self.width = side, depth, width
        self.periodic_columns, self.closure, self.uniform_first = periodic_columns, closure, uniform_first
        generator = torch.Generator().manual_seed(seed)
        channels = [head.n_features] + [width] * (depth - 1) + [head.n_parameters]
        self.above, self.beside, self.bias = (torch.nn.ParameterList() for _ in range(3))
        for layer, (n_in, n_out) in enumerate(zip(channels, channels[1:], strict=False)):
            taps = 1 if layer == 0 else 2  # left; and itself
            scale = (0.1 if layer == depth - 1 else 1.0) / math.sqrt((3 + taps) * n_in)
            self.above.append(scale * torch.randn(n_out, n_in, 1, 3, generator=generator))
            self.beside.append(scale * torch.randn(n_out, n_in, 1, taps, generator=generator))
            self.bias.append(torch.zeros(n_out))
        self.slopes = torch.nn.ParameterList([torch.full((1,), 0.25) for _ in range(depth - 1)])
        if closure:
            scale = 1 / math.sqrt(4 * head.n_features)
            self.first_row = torch.nn.Parameter(scale * torch.randn(width, head.n_features, 1, 3, generator=generator))
            self.row_start = torch.nn.Parameter(scale * torch.randn(width, head.n_features, 1, 1, generator=generator))
            self.row_bias = torch.nn.Parameter(0.1 * torch.randn(width, side, 1, generator=generator))
            self.column_bias = torch.nn.Parameter(0.1 * torch.randn(width, 1, side, generator=generator))

    def _sideways(self, rows, periodic):
        """[..., L] -> [..., L + 2]: one more column at either side, the opposite one or zeros."""
        return torch.cat([rows[..., -1:], rows, rows[..., :1]], -1) if periodic else F.pad(rows, (1, 1))

    def _boundary(self, features):
        """What `closure` adds to the first layer, [n, width, L, L]; nothing a site may not know yet."""
        top = F.conv2d(self._sideways(features[:, :, :1], True), self.first_row)
        start = F.conv2d(features[:, :, :, :1], self.row_start)
        below_top = F.pad(top.expand(-1, -1, self.side - 1, -1), (0, 0, 1, 0))
        right_of_start = F.pad(start.expand(-1, -1, -1, self.side - 1), (1, 0))
        return below_top + right_of_start + self.row_bias + self.column_bias

    def conditionals(self, values):
        features = units = self.head.encode(values).transpose(1, 2).unflatten(2, self.site_shape)
        for layer in range(self.depth):
            above = F.pad(units[:, :, :-1], (0, 0, 1, 0))
            left = F.pad(units[..., :-1] if layer == 0 else units, (1, 0))
            result = F.conv2d(self._sideways(above, self.periodic_columns), self.above[layer], self.bias[layer])
            result = result + F.conv2d(left, self.beside[layer])
            if layer == 0 and self.closure:
                result = result + self._boundary(features)
            units = F.prelu(result, self.slopes[layer]) if layer < self.depth - 1 else result
        parameters = units.flatten(2).transpose(1, 2)
        if self.uniform_first:
            parameters = torch.cat([torch.zeros_like(parameters[:, :1]), parameters[:, 1:]], 1)
        return parameters

    def _taps(self):
        """Per site the flat indices [N][...] of what is above (3) and to the left (1); N stands for a zero."""
        side, nothing = self.side, self.n_sites
        taps = []
        for k in range(self.n_sites):
            row, column = divmod(k, side)
            columns = [column - 1, column, column + 1]
            seen = [row > 0 and (self.periodic_columns or 0 <= c < side) for c in columns]
            above = [(row - 1) * side + c % side if ok else nothing for c, ok in zip(columns, seen, strict=True)]
            taps.append([*above, k - 1 if column else nothing])
        return taps

    def incremental(self, n):
        """The parameters site by site; every layer is computed once at every site: one pass in all, instead of N."""
        side, nothing, taps = self.side, self.n_sites, self._taps()
        # matrices [taps, n_in, n_out] in the order above, left, itself
        both = zip(self.above, self.beside, strict=True)
        weights = [torch.cat(pair, 3)[:, :, 0].permute(2, 1, 0) for pair in both]
        kept = [torch.zeros(self.n_sites + 1, n, weight.shape[1], dtype=self.dtype) for weight in weights]
        biases = list(self.bias)
        if self.closure:
            closing = torch.cat([self.first_row, self.row_start], 3)[:, :, 0].permute(2, 1, 0)
            weights[0] = torch.cat([weights[0], closing])
            biases[0] = self.bias[0] + (self.row_bias + self.column_bias).flatten(1).T
        for k in range(self.n_sites):
            row, column = divmod(k, side)
            for layer in range(self.depth):
                seen = taps[k] + ([k] if layer else [])
                bias = biases[layer]
                if layer == 0 and self.closure:
                    top = [(column + offset) % side if row else nothing for offset in (-1, 0, 1)]
                    seen = seen + top + [row * side if column else nothing]
                    bias = bias[k]
                inputs = kept[layer][seen].transpose(0, 1).flatten(1)
                result = torch.addmm(bias, inputs, weights[layer].flatten(0, 1))
                if layer < self.depth - 1:
                    kept[layer + 1][k] = F.prelu(result, self.slopes[layer])
            values = yield torch.zeros_like(result) if k == 0 and self.uniform_first else result
            kept[0][k] = self.head.encode(values)
