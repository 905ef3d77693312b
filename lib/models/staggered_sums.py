r"""What overlapping block sums remember: running staggered sums, and the spins that follow from them.

Stride-1 sums of 2x2 blocks are sums of vertical pairs, S_IJ = t_IJ + t_{I,J+1} with t_IJ = s_IJ + s_{I+1,J}, so they
telescope:

    beta_I(J) = sum_{c < J} (-1)^c S_Ic = t_I0 - (-1)^J t_IJ,

and likewise down the columns. On a torus of even side the staggered sum of a whole row, or column, vanishes: the last
row and the last column are fixed by the rest, which a conditional that sees the last rows only cannot know. Two ways to
tell it, both causal (what a site gets depends on earlier sites only) and odd under S -> -S:

* `StaggeredSums(side)`: the running sums themselves, of all columns down to the row above, and of the row so far.
* `StaggeredSums(side, remember=True)`: what they have told. Each t is -2, 0 or 2, so a running sum restricts t_I0,
  and after a few sites one value is left: then all t of the row are known. A t of 2 or -2 gives two spins; a t of 0
  hands the spin above on, reversed. The site gets the spins it touches, +1, -1, or 0 for "not known yet": those just
  above, the first row's, those revealed in the row below; and what is known of its own sum. A spin stays unknown only
  as long as its column alternates.
"""

import numba
import numpy as np
import torch

from lib.models.markov_lattice import initial_scale


@numba.njit(cache=True)
def _remember(S, out):
    """S [n, L, L] -> out [n, L, L, 2 L + 2]. For site (I, J): spins J ... 0 of row I + 1, then L - 1 ... J of row I;
    the spins of row 0, from column J on; what is known of S_IJ."""
    n, L, _ = S.shape
    first, above, now = np.zeros(L, np.int64), np.zeros(L, np.int64), np.zeros(L, np.int64)
    beta, possible = np.zeros(L, np.int64), np.ones(3, np.bool_)
    for k in range(n):
        first[:], above[:] = 0, 0
        linked = True
        for row in range(L):
            possible[:] = True
            beta[0] = 0
            for c in range(L):
                # keep the values -2, 0, 2 of t_0 that every t so far allows: it is 0 or twice the spin above
                sign = 1 - 2 * (c & 1)
                count, total, total_0 = 0, 0, 0
                for v in range(3):
                    t_0 = 2 * v - 2
                    t = sign * (t_0 - beta[c])
                    possible[v] &= abs(t) <= 2 and (above[c] == 0 or t == 0 or t == 2 * above[c])
                    if possible[v]:
                        count, total, total_0 = count + 1, total + t, total_0 + t_0
                for d in range(c + 1):
                    t = (1 - 2 * (d & 1)) * (total_0 - beta[d])
                    now[d] = 0 if count > 1 else t - above[d] if above[d] != 0 else t // 2
                    out[k, row, c, c - d] = now[d]
                for d in range(c + 1, L + 1):
                    out[k, row, c, d] = above[(c - d) % L]
                for d in range(L):
                    out[k, row, c, L + 1 + d] = first[(c + d) % L]
                # S_J = t_J + t_{J+1}: the mean of what t_J may be; in the last column both are known
                known = total + total_0 if c == L - 1 else total
                out[k, row, c, 2 * L + 1] = known / max(count, 1)
                if c + 1 < L:
                    beta[c + 1] = beta[c] + sign * S[k, row, c]
            linked = linked and count == 1  # every t so far is known
            for c in range(L):
                # the first t other than 0: the column alternates up to here
                if linked and above[c] == 0 and now[c] != 0:
                    first[c] = now[c] * (1 - 2 * (row & 1))
                above[c] = now[c]


class StaggeredSums:
    """Extra inputs of a `MarkovLattice` (its `memory`) for stride-1 sums of 2x2 blocks, states 0 ... 4.

    side: of the lattice, even (ValueError otherwise).
    remember: see the top of this file.
    """

    def __init__(self, side, remember=False):
        if side % 2:
            raise ValueError(f"side = {side}: staggered sums vanish on a torus of even side only")
        self.side, self.remember = side, remember
        self.n_inputs = 2 * side + 2 if remember else side + 1
        column = torch.arange(side)
        self.frame = (column[:, None] + column) % side

    def initial_scale(self, hidden):
        """Scale [n_inputs, hidden] of the initial weights: as for spins at the same places, where there are spins."""
        if not self.remember:
            return torch.full((self.n_inputs, hidden), self.n_inputs**-0.5)
        scale = initial_scale(self.side, self.side + 1, 1, hidden)
        return torch.cat([scale, scale[:1]])

    def __call__(self, values):
        """values [n, N] of states, row by row -> inputs [n, N, n_inputs]."""
        L = self.side
        S = 2 * values.reshape(-1, L, L) - 4
        if self.remember:
            sums = S.numpy().astype(np.int8)
            out = np.empty((len(sums), L, L, self.n_inputs), np.float32)
            _remember(sums, out)
            return torch.from_numpy(out).to(values).reshape(len(values), L * L, -1)
        sign = 1 - 2 * (torch.arange(L) % 2).to(values.dtype)
        above = -self._before(sign[:, None] * S, 1)[:, :, self.frame] * sign[:, None, None]
        left = -self._before(sign * S, 2) * sign
        return torch.cat([above, left[..., None]], dim=3).reshape(len(values), L * L, -1) / 4

    @staticmethod
    def _before(x, axis):
        """Sum of everything before each place along an axis."""
        return x.cumsum(axis) - x
