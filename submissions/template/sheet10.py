"""TU Berlin's sheet 10 as functions. Fill in the bodies; your names and a notebook do as well (see README.md).

Every function gets one case at a time, float64: numpy arrays if your code uses numpy, else tensors. A vectorised
function, with a dimension of cases in front of each argument and of the result, does as well.
"""

from __future__ import annotations

from typing import Any

# Exercise 1: m components, targets of c dimensions. alpha (m,), mu (m, c), sigma (m,), t (c,), z (m,).


def dE_dalpha(alpha: Any, mu: Any, sigma: Any, t: Any) -> Any:  # noqa: N802  the sheet's name
    """∂E/∂α (m,)."""
    raise NotImplementedError


def dE_dmu(alpha: Any, mu: Any, sigma: Any, t: Any) -> Any:  # noqa: N802  the sheet's name
    """∂E/∂μ (m, c)."""
    raise NotImplementedError


def dE_dz(z: Any, mu: Any, sigma: Any, t: Any) -> Any:  # noqa: N802  the sheet's name
    """∂E/∂z (m,), where alpha = softmax(z)."""
    raise NotImplementedError


# Exercise 2: binary x (d,), y (c,), h (K,); weights W (d, K), U (c, K); no biases.


def hidden_probability(x: Any, y: Any, W: Any, U: Any) -> Any:  # noqa: N803  the sheet's names
    """p(h = 1 | x, y) (K,)."""
    raise NotImplementedError


def output_probability(h: Any, U: Any) -> Any:  # noqa: N803  the sheet's names
    """p(y = 1 | h, x) (c,)."""
    raise NotImplementedError


def free_energy(x: Any, y: Any, W: Any, U: Any) -> Any:  # noqa: N803  the sheet's names
    """F(x, y), a number."""
    raise NotImplementedError


def joint_probability(x: Any, y: Any, W: Any, U: Any) -> Any:  # noqa: N803  the sheet's names
    """p(x, y) = exp(−F(x, y))/Z, a number; Z sums over all x and y."""
    raise NotImplementedError


# Exercise 3: tensors of images, (N, 784).


def pca(z: Any, x: Any, d: int) -> Any:
    """Project the test images z on the d principal components of the training images x: (N, 784)."""
    raise NotImplementedError


def err(x: Any, m: Any, z: Any, gnet: Any, enet: Any) -> Any:
    """The loss, a scalar tensor: images x, masks m (1 for a missing pixel), corrupted images z, and both networks."""
    raise NotImplementedError
