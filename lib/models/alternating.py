r"""What overlapping block sums remember: running alternating sums, and the spins that follow from them.

Stride-1 sums S_IJ = w_J(I) + w_J(I+1), with the pair sums w_J(I) = s_IJ + s_{I,J+1} of neighbouring spins, telescope:

    alpha_J(I) = sum_{r < I} (-1)^r S_rJ = w_J(0) - (-1)^I w_J(I),

and on a torus of even side the alternating sum of a whole column, or row, vanishes: the last row and the last column are
fixed by the rest. A conditional that sees the last rows only cannot know, since the sum runs over the whole column. Two
ways to tell it, both causal (what site i gets depends on earlier sites only) and odd under S -> -S:

* `AlternatingSums(side)`: the sums themselves, alpha_J(I) of all columns and that of the current row so far.
* `AlternatingSums(side, remember=True)`: also what they have told. Since w is -2, 0 or 2, w_J(0) lies between max alpha - 2
  and min alpha + 2 over the rows so far; once the two meet, every pair sum of the column is known, and neighbouring
  pair sums, telescoping in their turn, give the spins: +1, -1, or 0 where they are not known yet. The conditional gets the
  spins just above (the first row's too) and those of the row that is being revealed.
"""

import numba
import numpy as np
import torch

from lib.models.frontier import initial_scale


@numba.njit(cache=True)
def _remember(S, out):
    """S [n, L, L] -> out [n, L, L, 2 L + 2]. For site (I, J), in its frame: spins J, J - 1, ... 0 of row I + 1 and L - 1, ...
    J of row I, the first row's spins, and the mean of what t_J may still be."""
    n, L, _ = S.shape
    first, above, now = np.zeros(L, np.int64), np.zeros(L, np.int64), np.zeros(L, np.int64)
    beta, possible = np.zeros(L, np.int64), np.ones(3, np.bool_)
    for k in range(n):
        first[:], above[:] = 0, 0
        for row in range(L):
            possible[:] = True
            beta[0] = 0
            for c in range(L):
                # beta[c] = t_0 - (-1)^c t_c; keep the values of t_0 that every t so far allows
                sign = 1 - 2 * (c & 1)
                count, mean = 0, 0
                for v in range(3):
                    t = sign * (2 * v - 2 - beta[c])
                    possible[v] &= abs(t) <= 2 and (above[c] == 0 or t == 0 or t == 2 * above[c])
                    count, mean = count + possible[v], mean + possible[v] * t
                t0 = sign * mean + count * beta[c]  # count times its mean
                for d in range(c + 1):
                    t = (1 - 2 * (d & 1)) * (t0 - beta[d])
                    now[d] = 0 if count > 1 else t - above[d] if above[d] != 0 else t // 2
                    out[k, row, c, c - d] = now[d]
                for d in range(c + 1, L + 1):
                    out[k, row, c, d] = above[(c - d) % L]
                for d in range(L):
                    out[k, row, c, L + 1 + d] = first[(c + d) % L]
                # what is known of S_J = t_J + t_{J+1}; in the last column, everything
                out[k, row, c, 2 * L + 1] = (mean + (t0 if c == L - 1 else 0)) / max(count, 1)
                if c + 1 < L:
                    beta[c + 1] = beta[c] + sign * S[k, row, c]
            for c in range(L):
                if (
                    above[c] == 0 and now[c] != 0
                ):  # t = 2 or -2 after nothing but zeros: the column alternates up to here
                    first[c] = now[c] * (1 - 2 * (row & 1))
                above[c] = now[c]


class AlternatingSums:
    """Extra inputs [n, N, n_inputs] of a `FrontierNetwork` for stride-1 sums of 2x2 blocks (states 0 ... 4)."""

    def __init__(self, side, remember=False):
        if side % 2:
            raise ValueError(f"side = {side}: alternating sums vanish on a torus of even side only")
        self.side, self.remember = side, remember
        self.n_inputs = 2 * side + 2 if remember else side + 1
        column = torch.arange(side)
        self.frame = (column[:, None] + column) % side

    def initial_scale(self, hidden):
        """Scale [n_inputs, hidden] of the initial weights."""
        if not self.remember:
            return torch.full((self.n_inputs, hidden), self.n_inputs**-0.5)
        scale = initial_scale(self.side, self.side + 1, 1, hidden)
        return torch.cat([scale, scale[:1]])

    def __call__(self, values):
        L = self.side
        S = 2 * values.reshape(-1, L, L) - 4
        if self.remember:
            sums = S.cpu().numpy().astype(np.int8)
            out = np.empty((len(sums), L, L, self.n_inputs), np.float32)
            _remember(sums, out)
            return torch.from_numpy(out).to(values).reshape(len(values), L * L, -1)
        sign = 1 - 2 * (torch.arange(L, device=values.device) % 2).to(values.dtype)
        running = (sign[:, None] * S).cumsum(1) * sign[:, None]
        above = torch.cat([torch.zeros_like(S[:, :1]), running[:, :-1]], dim=1)[:, :, self.frame]
        running = (sign * S).cumsum(2) * sign
        left = torch.cat([torch.zeros_like(S[:, :, :1]), running[:, :, :-1]], dim=2)[..., None]
        return torch.cat([above, left], dim=3).reshape(len(values), L * L, -1) / 4
