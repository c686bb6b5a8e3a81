"""The sums of outcomes by the variants of an experiment: read, and changed in the transactions of others.

Whoever changes what a conversation counts for changes the sums in the same transaction, by the difference to
what the conversation's row says was counted before. So the sums are what the conversations say, whatever
races or dies.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from genai_voice.foundation.transactions import Change
from genai_voice.outcomes.model import Tally
from genai_voice.outcomes.rows import TallyRow


def tally_changes(app: str, exposures: Iterable[Sequence[str]], additions: Mapping[str, int]) -> list[Change]:
    """Add to the sums of each exposure, which is an experiment's id and a variant's."""
    return [
        TallyRow.of(app, experiment_id, variant_id, _choose_shard()).add_changes(additions)
        for experiment_id, variant_id in exposures
    ]


def read_tallies(app: str, experiment_id: str) -> Mapping[str, Tally]:
    """Read the sums by variant; variants without exposures are left out. `TallyRow.SHARDS` queries and one,
    of a row a variant each.
    """
    shares: defaultdict[str, list[TallyRow]] = defaultdict(list)
    for row in TallyRow.list_in_experiment(app, experiment_id):
        shares[row.variant_id].append(row)
    return {variant: _add_up(rows) for variant, rows in shares.items()}


def _add_up(rows: Iterable[TallyRow]) -> Tally:
    return Tally(*(int(sum(getattr(row, name) or 0 for row in rows)) for name in Tally._fields))


def _choose_shard() -> int:
    return random.randrange(TallyRow.SHARDS)  # noqa: S311 - spreads writes, no secret
