# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian processes: the kernel against the rows of the fit, by the tree of kernels.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import direct_squared, pairwise_kernel
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.special import polynomial
from safeserial_converters.tensors import Tensor

GP = "sklearn.gaussian_process."

# The rational approximations of the error function (Cephes; highest power first), for |x| up to 1
# and for its complement up to 8.
_ERF: Final = (
    (9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3,
     7.00332514112805075473e3, 5.55923013010394962768e4),
    (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3,
     2.26290000613890934246e4, 4.92673942608635921086e4),
)  # fmt: skip
_ERFC: Final = (
    (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0,
     4.86371970985681366614e1, 1.96520832956077098242e2, 5.26445194995477358631e2,
     9.34528527171957607540e2, 1.02755188689515710272e3, 5.57535335369399327526e2),
    (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2,
     9.75708501743205489753e2, 1.82390916687909736289e3, 2.24633760818710981792e3,
     1.65666309194161350182e3, 5.57535340817727675546e2),
)  # fmt: skip


def error_function(x: Tensor) -> Tensor:
    """Return ``scipy.special.erf`` to about one unit in the last place."""
    size = ops.absolute(x)
    near = ops.minimum(size, 1.0)
    square = near * near
    small = near * polynomial(square, _ERF[0]) / polynomial(square, _ERF[1])
    far = ops.clip(size, 1.0, 8.0)
    rest = ops.exp(-(far * far)) * polynomial(far, _ERFC[0]) / polynomial(far, _ERFC[1])
    value = ops.where(size > 1.0, 1.0 - rest, small)
    return ops.where(x < 0.0, -value, value)


def covariance(  # noqa: PLR0911 - one a kind
    model: Any, kernel: Any, x: Tensor, points: Any
) -> Tensor:
    """Return a kernel between rows and the rows of the fit, ``[N, M]``."""
    points = np.asarray(points, np.float64)
    name = type(kernel).__name__
    if not type(kernel).__module__.startswith("sklearn.gaussian_process."):
        raise x.graph.refuse(model, f"its kernel {name} has no converter")
    if name in {"Sum", "Product"}:
        a, b = (covariance(model, one, x, points) for one in (kernel.k1, kernel.k2))
        return a + b if name == "Sum" else a * b
    if name == "Exponentiation":
        return covariance(model, kernel.kernel, x, points) ** float(kernel.exponent)
    if name == "ConstantKernel":
        return ops.full_rows(x, np.full(len(points), float(kernel.constant_value)))
    if name == "WhiteKernel":  # noise of a row with itself only
        return ops.full_rows(x, np.zeros(len(points)))
    if name == "DotProduct":
        return x @ x.graph.constant(points.T, x.dtype) + float(kernel.sigma_0) ** 2
    if name == "PairwiseKernel":
        values = {"gamma": kernel.gamma, **(kernel.pairwise_kernels_kwargs or {})}
        return pairwise_kernel(model, x, points, kernel.metric, values)
    return _stationary(model, kernel, x, points, name)


def _stationary(model: Any, kernel: Any, x: Tensor, points: Any, name: str) -> Tensor:
    if name in {"RationalQuadratic", "ExpSineSquared"}:
        squared = direct_squared(x, points)
        span = float(kernel.length_scale)
        if name == "RationalQuadratic":
            base = squared / float(2 * kernel.alpha * span**2) + 1.0
            power = -float(kernel.alpha)
            return base**power
        wave = ops.unary("Sin", ops.sqrt(squared) * float(np.pi / kernel.periodicity)) / span
        return ops.exp(wave * wave * -2.0)
    if name not in {"RBF", "Matern"}:
        raise x.graph.refuse(model, f"its kernel {name} has no converter")
    length = np.squeeze(np.asarray(kernel.length_scale, np.float64))
    squared = direct_squared(x / length, points / length)
    nu = np.inf if name == "RBF" else float(kernel.nu)
    if np.isinf(nu):
        return ops.exp(squared * -0.5)
    apart = ops.sqrt(squared)
    if nu == 0.5:
        return ops.exp(-apart)
    if nu == 1.5:
        scaled = apart * float(np.sqrt(3))
        return (scaled + 1.0) * ops.exp(-scaled)
    if nu == 2.5:
        scaled = apart * float(np.sqrt(5))
        return (scaled + 1.0 + scaled * scaled / 3.0) * ops.exp(-scaled)
    raise x.graph.refuse(model, f"a Matern kernel of nu={nu} needs Bessel functions")


def variance(model: Any, kernel: Any, x: Tensor) -> Tensor:
    """Return a kernel of each row with itself, ``[N]``."""
    name = type(kernel).__name__
    if name in {"Sum", "Product"}:
        a, b = (variance(model, one, x) for one in (kernel.k1, kernel.k2))
        return a + b if name == "Sum" else a * b
    if name == "Exponentiation":
        return variance(model, kernel.kernel, x) ** float(kernel.exponent)
    if name == "DotProduct":
        return ops.total(x * x, 1) + float(kernel.sigma_0) ** 2
    known = {"ConstantKernel": "constant_value", "WhiteKernel": "noise_level"}
    if name in known:
        return ops.full_rows(x, np.float64(getattr(kernel, known[name])))
    if name in {"RBF", "Matern", "RationalQuadratic", "ExpSineSquared"}:
        return ops.full_rows(x, np.float64(1.0))
    raise x.graph.refuse(model, f"its kernel {name} has no converter for variances")


@converts(GP + "GaussianProcessRegressor")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the posterior; on request its standard deviation."""
    x = inputs.numeric()
    between = covariance(model, model.kernel_, x, model.X_train_)
    alpha = np.asarray(model.alpha_, np.float64)
    mean = between @ graph.constant(alpha.reshape(len(alpha), -1), graph.real)
    mean = mean * np.asarray(model._y_train_std) + np.asarray(model._y_train_mean)
    return {
        "predict": ops.ravel(mean) if mean.width == 1 else mean,
        "predict_std": lambda: _deviation(model, x, between),
    }


def _deviation(model: Any, x: Tensor, between: Tensor) -> Tensor:
    from scipy.linalg import solve_triangular

    scale = np.asarray(model._y_train_std, np.float64)
    if scale.size > 1 or (np.ndim(model.alpha_) > 1 and np.shape(model.alpha_)[1] > 1):
        raise x.graph.refuse(model, "predict_std of several targets")
    inverse = solve_triangular(model.L_, np.eye(len(model.L_)), lower=True)
    explained = between @ x.graph.constant(inverse.T, x.dtype)
    left = variance(model, model.kernel_, x) - ops.total(explained * explained, 1)
    return ops.sqrt(ops.maximum(left, 0.0) * float(scale.reshape(())) ** 2)


class _Laplace:
    """The latent function of two classes."""

    def __init__(self, owner: Any, model: Any, x: Tensor) -> None:
        if type(model).__name__ != "_BinaryGaussianProcessClassifierLaplace":
            raise x.graph.refuse(owner, f"it has a {type(model).__name__} for a class")
        self.owner, self.model, self.x = owner, model, x
        self.between = covariance(owner, model.kernel_, x, model.X_train_)
        slope = np.asarray(model.y_train_ - model.pi_, np.float64)
        self.mean = ops.ravel(self.between @ x.graph.constant(slope[:, None], x.dtype))

    def positive(self) -> Tensor:
        """Return the probability of the second class, by five error functions."""
        from scipy.linalg import solve_triangular
        from sklearn.gaussian_process import _gpc

        lambdas, coefs = (np.ravel(one) for one in (_gpc.LAMBDAS, _gpc.COEFS))
        factor = solve_triangular(self.model.L_, np.diag(self.model.W_sr_), lower=True)
        explained = self.between @ self.x.graph.constant(factor.T, self.x.dtype)
        left = variance(self.owner, self.model.kernel_, self.x) - ops.total(
            explained * explained, 1
        )
        alpha = 1.0 / (left * 2.0)
        height = ops.sqrt(float(np.pi) / alpha)
        below = ops.sqrt(left * 2.0 * float(np.pi)) * 2.0
        # The coefficients cancel: far from all rows the last bits decide, and so does the order.
        found: Tensor | None = None
        for weight, coef in zip(lambdas, coefs, strict=True):
            inside = self.mean * float(weight) * ops.sqrt(alpha / (alpha + float(weight**2)))
            part = height * error_function(inside) / below * float(coef)
            found = part if found is None else found + part
        assert found is not None  # there are five  # noqa: S101
        return found + float(0.5 * coefs.sum())


@converts(GP + "GaussianProcessClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The sign of the latent mean; of several classes, one against the rest."""
    x = inputs.numeric()
    base = model.base_estimator_
    if not hasattr(base, "estimators_"):
        one = _Laplace(model, base, x)

        def both() -> Tensor:
            positive = ops.unsqueeze(one.positive(), 1)
            return ops.concat([1.0 - positive, positive])

        return {"predict": ops.binary_label(base.classes_, one.mean > 0.0), "predict_proba": both}
    parts = [_Laplace(model, one, x) for one in base.estimators_]
    scores = ops.concat([ops.unsqueeze(one.positive(), 1) for one in parts])
    if model.multi_class == "one_vs_one":
        raise graph.refuse(
            model, "multi_class='one_vs_one'", hint="fit with multi_class='one_vs_rest'"
        )

    def best() -> Tensor:
        reason = "far from the rows of its fit the classes' scores are equal but for rounding noise"
        raise graph.refuse(model, f"predict: {reason}", hint='choose methods=["predict_proba"]')

    return {
        "predict": best,
        "predict_proba": scores / ops.total(scores, 1, keep=True),
    }
