"""The draw of the variant that a session gets."""

from collections.abc import Iterable
from fractions import Fraction
from hashlib import sha256

from pydantic_core import to_json


def draw_variant(experiment_id: str, session_id: str, weights: Iterable[tuple[str, float]]) -> str:
    """Draw a variant for a session and answer its id (contract 5.4). A hash of experiment and session stands
    in for chance, so that the draw is the same each time, whether it was stored or not.

    `weights` are the variants' ids and weights (not negative, not all 0) in their stored order. The hash
    gives a number that is uniform in [0, sum of the weights). The weights are taken from it one after the
    other, and the variant wins whose weight leaves nothing of it. Fractions are exact, so no weight is
    rounded away, and the number never outlasts the weights. A variant of weight 0 never wins.
    """
    shares = [(variant, Fraction(weight)) for variant, weight in weights if weight]
    remainder = sum((share for _, share in shares), Fraction()) * _hash_uniformly(experiment_id, session_id)
    for variant, share in shares:
        remainder -= share
        if remainder <= 0:
            return variant
    raise ValueError("no variant has a weight")


def _hash_uniformly(*parts: str) -> Fraction:
    """Hash exactly these parts to a number in [0, 1)."""
    return Fraction(int.from_bytes(sha256(to_json(parts)).digest()), 2**256)
