"""A straight line fitted by gradient descent, in whichever framework the image has."""

from collections.abc import Callable, Sequence

Numbers = Sequence[float]
Line = tuple[float, float]


def with_torch(x: Numbers, y: Numbers, steps: int, rate: float) -> Line:
    import torch

    xs, ys = torch.tensor(x), torch.tensor(y)
    line = torch.zeros(2, requires_grad=True)
    for _ in range(steps):
        loss = ((line[0] * xs + line[1] - ys) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            line -= rate * line.grad
            line.grad.zero_()
    return float(line[0].detach()), float(line[1].detach())


def with_tensorflow(x: Numbers, y: Numbers, steps: int, rate: float) -> Line:
    import tensorflow

    xs, ys = tensorflow.constant(x), tensorflow.constant(y)
    line = tensorflow.Variable([0.0, 0.0])
    for _ in range(steps):
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean((line[0] * xs + line[1] - ys) ** 2)
        line.assign_sub(rate * tape.gradient(loss, line))
    return float(line[0]), float(line[1])


def in_python(x: Numbers, y: Numbers, steps: int, rate: float) -> Line:
    """Without a framework: what the others are compared with."""
    slope = intercept = 0.0
    for _ in range(steps):
        errors = [slope * a + intercept - b for a, b in zip(x, y, strict=True)]
        slope -= rate * 2 * sum(e * a for e, a in zip(errors, x, strict=True)) / len(x)
        intercept -= rate * 2 * sum(errors) / len(x)
    return slope, intercept


FITS: dict[str, Callable[[Numbers, Numbers, int, float], Line]] = {
    "torch": with_torch,
    "tensorflow": with_tensorflow,
    "python": in_python,
}


def installed() -> str:
    """The framework of this image."""
    from importlib.util import find_spec

    return next((name for name in ("torch", "tensorflow") if find_spec(name)), "python")
