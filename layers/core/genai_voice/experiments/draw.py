"""Which variant a session gets."""

from collections.abc import Iterable
from fractions import Fraction
from hashlib import sha256

from pydantic_core import to_json


def draw(experiment_id: str, session_id: str, weights: Iterable[tuple[str, float]]) -> str:
    """The id of the variant: by contract 5.4, with a hash of experiment and session in place of chance, so
    that it is the same each time, stored or not.

    `weights` are the variants' ids and weights (not negative, not all 0) in their stored order. A number r,
    uniform in [0, their sum), walks over them, and the first one wins that leaves nothing of it. Fractions
    are exact: no weight is rounded away, and r cannot outlast the walk. A variant of weight 0 never wins.
    """
    shares = [(variant, Fraction(weight)) for variant, weight in weights if weight]
    remainder = sum((share for _, share in shares), Fraction()) * _uniform(experiment_id, session_id)
    for variant, share in shares:
        remainder -= share
        if remainder <= 0:
            return variant
    raise ValueError("no variant has a weight")


def _uniform(*parts: str) -> Fraction:
    """A number in [0, 1) that stands for exactly these parts."""
    return Fraction(int.from_bytes(sha256(to_json(parts)).digest()), 2**256)
