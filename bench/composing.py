"""What is said in a call that is longer than the recorded five minutes: turns composed of sentences.

A transcript is stored compressed, so a call that repeats itself would look cheaper than it is. A sentence
comes again only when half of the others have been said, which takes more lines than are compressed together,
and words in them change each time.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

_SENTENCES = {"caller": 1, "agent": 2}
"""Of a turn: then lines are as long as the recorded ones."""
_SLOT = re.compile(r"\{(\w+)\}")


def compose_turns(count: int) -> list[Json]:
    """Compose so many pairs of turns, always the same ones."""
    chance = random.Random(0)  # noqa: S311 - any texts
    parts = _read_parts()
    drawn = {who: _draw(chance, parts[who]) for who in _SENTENCES}
    return [
        {who: _say(chance, islice(drawn[who], most)) for who, most in _SENTENCES.items()}
        for _ in range(count)
    ]


@cache
def _read_parts() -> Json:
    found: Json = yaml.safe_load(Path(__file__).with_name("clauses.yaml").read_text(encoding="utf-8"))
    return found


def _draw(chance: random.Random, sentences: Sequence[str]) -> Iterator[str]:
    """Draw one after the other, always one of the half that has waited longest."""
    waiting = chance.sample(sentences, len(sentences))
    while True:
        waiting.append(waiting.pop(chance.randrange(len(waiting) // 2)))
        yield waiting[-1]


def _say(chance: random.Random, sentences: Iterable[str]) -> str:
    words = _read_parts()["words"]
    return _SLOT.sub(lambda slot: chance.choice(words[slot[1]]), " ".join(sentences))
