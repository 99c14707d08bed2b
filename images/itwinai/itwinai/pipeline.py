"""A pipeline is a list of steps in YAML; each takes and gives a table of named values."""

import random
from collections.abc import Callable
from typing import Any

from itwinai import frameworks

Values = dict[str, Any]


class Mistake(Exception):
    """What is wrong in a pipeline, and in which step."""


def generate(
    values: Values, *, slope: float, intercept: float, count: int, noise: float, seed: int
) -> Values:
    chance = random.Random(seed)
    x = [i / count for i in range(count)]
    y = [slope * a + intercept + chance.gauss(0, noise) for a in x]
    return values | {"x": x, "y": y}


def fit(values: Values, *, steps: int, rate: float, framework: str = "") -> Values:
    framework = framework or frameworks.installed()
    slope, intercept = frameworks.FITS[framework](values["x"], values["y"], steps, rate)
    return values | {"framework": framework, "slope": slope, "intercept": intercept}


def report(values: Values) -> Values:
    slope, intercept = values["slope"], values["intercept"]
    points = len(values["x"])
    print(f"{values['framework']}: slope {slope:.1f}, intercept {intercept:.1f}, from {points} points")
    return values


STEPS: dict[str, Callable[..., Values]] = {"generate": generate, "fit": fit, "report": report}


def run(steps: Any) -> Values:
    if not isinstance(steps, list):
        raise Mistake("a pipeline is a list of steps")
    values: Values = {}
    for number, step in enumerate(steps, 1):
        if not isinstance(step, dict) or len(step) != 1:
            raise Mistake(f"step {number}: write one name and its options, e.g. `report: {{}}`")
        [(name, options)] = step.items()
        if name not in STEPS:
            raise Mistake(f"step {number}: there is no {name!r}; there are {', '.join(STEPS)}")
        try:
            values = STEPS[name](values, **(options or {}))
        except TypeError as error:
            raise Mistake(f"step {number}, {name}: {error}") from error
        except KeyError as error:
            raise Mistake(f"step {number}, {name}: nothing before it gives {error}") from error
    return values
