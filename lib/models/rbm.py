r"""Gaussian restricted Boltzmann machine (RBM): a field phi on N_v sites coupled to N_h hidden Gaussian variables psi.

    p(phi, psi) ~ exp( - mu^2 phi^T phi / 2 - (psi - eta)^T (psi - eta) / (2 sigma^2) + phi^T W psi ),   W: [N_v, N_h].

Integrate out psi: the field is Gaussian, with kinetic matrix and source

    K = mu^2 1 - sigma^2 W W^T,     J = W eta.

The bias eta moves the mean field to K^-1 J and leaves K as it is; from here on eta = 0.

So a target K is represented exactly if W W^T = (mu^2 1 - K) / sigma^2, and W is unique up to W -> W O, O orthogonal.
Two limits follow: no eigenvalue of K exceeds mu^2, and with N_h < N_v at least N_v - N_h eigenvalues equal mu^2.
G. Aarts, B. Lucini and C. Park, Phys. Rev. D 109, 034521 (2024); the talk's slide "Exact results for N_h = N_v".

Both conditionals are independent Gaussians: psi | phi ~ N(sigma^2 W^T phi, sigma^2) and
phi | psi ~ N(W psi / mu^2, 1 / mu^2).
The gradient of the log likelihood per field is G = sigma^2 (C - K^-1) W with C the sample covariance. Near the solution
the mode of eigenvalue kappa relaxes at a rate proportional to (mu^2 - kappa) / kappa^2, and leaves W = 0 at one
proportional to 1 / kappa - 1 / mu^2: the infrared is learnt long before the ultraviolet. The preconditioned gradient
K G (mu^2 1 - sigma^2 W^T W) = sigma^2 (K C K - K) W ascends too; in it every mode relaxes at a rate proportional to
1 - kappa / mu^2, and no matrix has to be inverted.
"""

import numpy as np


class GaussianRBM:
    """A field coupled to hidden variables.

    weights: W [N_v, N_h]. mu2: mu^2, the cutoff. sigma2: variance of a hidden variable without coupling.
    """

    def __init__(self, weights, mu2, sigma2=1.0):
        if not (mu2 > 0 and sigma2 > 0):
            raise ValueError(f"mu2 = {mu2}, sigma2 = {sigma2}: both must be positive")
        self.weights, self.mu2, self.sigma2 = np.array(weights, float), float(mu2), float(sigma2)

    def kinetic_matrix(self):
        """The induced K [N_v, N_v]."""
        W = self.weights
        return self.mu2 * np.eye(len(W)) - self.sigma2 * W @ W.T

    def covariance(self):
        """K^-1. ValueError if K is not positive definite: then p(phi) does not exist."""
        K = self.kinetic_matrix()
        smallest = np.linalg.eigvalsh(K)[0]
        if not smallest > 0:
            raise ValueError(f"the induced K has the eigenvalue {smallest:.3g}: the weights are too large")
        return np.linalg.inv(K)

    def log_prob(self, phi):
        """ln p(phi) of fields [n, N_v], normalised, hidden variables integrated out -> [n]."""
        K = self.kinetic_matrix()
        _, log_det = np.linalg.slogdet(K)
        return -0.5 * ((phi @ K) * phi).sum(1) + 0.5 * log_det - 0.5 * len(K) * np.log(2 * np.pi)

    def gibbs(self, phi, steps, rng):
        """Fields [n, N_v] after `steps` rounds phi -> psi -> phi."""
        W, n = self.weights, len(phi)
        for _ in range(steps):
            psi = self.sigma2 * phi @ W + np.sqrt(self.sigma2) * rng.standard_normal((n, W.shape[1]))
            phi = (psi @ W.T + np.sqrt(self.mu2) * rng.standard_normal((n, len(W)))) / self.mu2
        return phi


def weight_gram(kinetic_matrix, mu2, sigma2=1.0):
    """(mu^2 1 - K) / sigma^2, which W W^T has to be. ValueError unless mu^2 exceeds every eigenvalue of K."""
    largest = np.linalg.eigvalsh(kinetic_matrix)[-1]
    if not mu2 > largest:
        raise ValueError(f"mu2 = {mu2:g}: it must exceed the largest eigenvalue of K, {largest:.6g}")
    return (mu2 * np.eye(len(kinetic_matrix)) - kinetic_matrix) / sigma2


def cholesky_weights(gram):
    """Triangular solution: W = L with L L^T = gram."""
    return np.linalg.cholesky(gram)


def symmetric_weights(gram):
    """Symmetric root: W = W^T = O sqrt(D) O^T with gram = O D O^T."""
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(values)) @ vectors.T


def rotated_weights(weights, rng):
    """W O with a random orthogonal O [N_h, N_h]: a rotation of the hidden variables, invisible to the field."""
    rotation, triangle = np.linalg.qr(rng.standard_normal(2 * weights.shape[1:]))
    return weights @ (rotation * np.sign(np.diag(triangle)))


def triangular_weights(weights):
    """W O, lower triangular with positive diagonal, for square W [N, N]: hidden unit a sees the sites a ... N-1 only.
    Equal to `cholesky_weights(W W^T)`, without squaring W."""
    _, triangle = np.linalg.qr(weights.T)
    signs = np.sign(np.diag(triangle))
    if not (triangle.shape == weights.shape and signs.all()):
        raise ValueError(f"weights of shape {weights.shape} must be square and invertible")
    return triangle.T * signs


def initial(n_visible, n_hidden, mu2, rng, sigma2=1.0, scale=0.1):
    """An RBM with small random weights: all modes near the cutoff, W W^T of order (scale mu)^2 / sigma^2."""
    weights = scale * np.sqrt(mu2 / sigma2 / n_visible) * rng.standard_normal((n_visible, n_hidden))
    return GaussianRBM(weights, mu2, sigma2)


def train_exact(rbm, covariance, *, steps, rate=0.5, preconditioned=False, record=()):
    """Ascend the exact log likelihood of fields with this sample covariance [N_v, N_v], in place.

    The step is the plain gradient (C - K^-1) W, or, `preconditioned`, (K C K - K) W.
    rate: step size in units of 1 / (mu^2 lambda^2), or 1 / (mu^4 lambda) if preconditioned, lambda the largest
        eigenvalue of C; unstable above about 1.
    record: steps after which to keep the weights, 0 among them if wanted.
    Returns {step: weights}.
    """
    largest = np.linalg.eigvalsh(covariance)[-1]
    step_size = rate / (rbm.mu2**2 * largest if preconditioned else rbm.mu2 * largest**2)
    history = {0: rbm.weights.copy()} if 0 in record else {}
    for step in range(1, steps + 1):
        if preconditioned:
            K = rbm.kinetic_matrix()
            rbm.weights += step_size * (K @ covariance @ K - K) @ rbm.weights
        else:
            rbm.weights += step_size * (covariance - rbm.covariance()) @ rbm.weights
        if step in record:
            history[step] = rbm.weights.copy()
    return history


def train_contrastive(rbm, fields, rng, *, steps, batch=500, gibbs_steps=5, rate=0.5):
    """Contrastive divergence on fields [n, N_v], in place: C_model after `gibbs_steps` Gibbs rounds from the batch.

    Preconditioned as in `train_exact`: with the plain gradient the infrared bounds the step, and after thousands of
    steps the ultraviolet modes have hardly left W = 0. The step falls as a cosine to zero, from `rate` as in
    `train_exact`.
    """
    largest = np.linalg.eigvalsh(fields.T @ fields / len(fields))[-1]
    step_size = rate / (rbm.mu2**2 * largest)
    for step in range(steps):
        data = fields[rng.integers(len(fields), size=batch)]
        model = rbm.gibbs(data, gibbs_steps, rng)
        K = rbm.kinetic_matrix()
        KW = K @ rbm.weights
        gradient = (data.T @ (data @ KW) - model.T @ (model @ KW)) / batch
        factor = 0.5 * (1 + np.cos(np.pi * step / steps))
        rbm.weights += factor * step_size * K @ gradient
