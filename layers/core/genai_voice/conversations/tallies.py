"""What conversations come to, summed up by the variants of the experiments that they take part in.

The sums change in the transactions that change what is counted, by the difference to what the conversation's
row says was counted before: so they are what its experiments' conversations say, whatever races or dies. What
operators fill in later (`backfill`) changes no sums.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping

from genai_voice.conversations.model import Tally
from genai_voice.conversations.outcomes import Outcome, difference
from genai_voice.conversations.rows import ConversationRow, TallyRow
from genai_voice.foundation.transactions import Change


def counting(
    app: str, change: Change, stored: ConversationRow | None, outcome: Outcome | None
) -> list[Change]:
    """A change of a conversation that is written only if that is as it was read, together with what it then
    counts for. Alone where it takes part in no experiment, or counts as before.
    """
    exposures = (stored.exposures if stored else None) or ()
    additions = difference(counted(stored), outcome)
    if outcome is None or not exposures or not additions:
        return [change]
    kept = ConversationRow.counted.set(list(outcome))
    sums = [_plus(app, experiment, variant, additions) for experiment, variant in exposures]
    return [Change(change.row, [*change.actions, kept], change.condition), *sums]


def exposing(app: str, experiment_id: str, variant_id: str, outcome: Outcome | None) -> Change:
    """One exposure more, of a conversation that has come to this already."""
    return _plus(app, experiment_id, variant_id, {"exposures": 1, **difference(None, outcome)})


def counted(stored: ConversationRow | None) -> Outcome | None:
    """What the sums hold of this conversation."""
    kept = stored.counted if stored else None
    return Outcome(*kept) if kept else None


def sums(app: str, experiment_id: str) -> Mapping[str, Tally]:
    """By variant, those without exposures left out. One query, of at most SHARDS rows a variant."""
    shares: defaultdict[str, list[TallyRow]] = defaultdict(list)
    for row in TallyRow.of_experiment(app, experiment_id):
        shares[row.variant_id].append(row)
    return {variant: _sum(rows) for variant, rows in shares.items()}


def _sum(rows: Iterable[TallyRow]) -> Tally:
    return Tally(*(int(sum(getattr(row, name) or 0 for row in rows)) for name in Tally._fields))


def _plus(app: str, experiment_id: str, variant_id: str, additions: Mapping[str, int]) -> Change:
    shard = random.randrange(TallyRow.SHARDS)  # noqa: S311 - spreads writes, no secret
    return TallyRow.of(app, experiment_id, variant_id, shard).plus(additions)
