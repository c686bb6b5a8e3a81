"""Three writers who save one conversation, as clients were seen to do it. A seed is one conversation."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Line = dict[str, Any]

CLOCKS = ("ms", "seconds", "equal seconds", "none", "stamped", "anew")
"""Where a writer's times are from: `stamped` ones are those of the save, `anew` ones others in every save."""

WRITERS = 3
START_MS = 1_795_000_002_000
"""Writers have no times in common, which would make lines of two of them one line: the remainder of a time by
three says whose it is.
"""

LENGTHS = (2, 3, 3, 4, 5, 8, 12, 24, 45)
WORDS = ("yes", "well then", "thank you very much indeed", "wait \N{EM DASH} what?", "すぐに参ります")


class Save(NamedTuple):
    lines: list[Line]
    is_late: bool
    status: str
    breaks_at: int
    """The call to the table at which the connection breaks; 0 for none."""
    breaks_after: bool
    """Whether that call reached the table."""
    is_repeated: bool
    """Whether the SDK sends a call again whose answer was lost, or the client has died."""


class Conversation(NamedTuple):
    saves: list[Save]
    """In the order in which they arrive."""
    most: dict[str, int]
    """How often a line may be stored, by its name."""


def plan_conversation(seed: int) -> Conversation:
    """Plan what arrives, at least a third of it late."""
    chance = random.Random(seed)  # noqa: S311 - only has to be had again
    conversation = Conversation([], {})
    queues = []
    for number in range(WRITERS):
        clock = chance.choice(CLOCKS)
        said = _talk(chance, number, clock)
        has_window = clock in ("ms", "none", "stamped") and chance.random() < 0.3
        lists = list(_write(chance, number, said, clock, chance.randint(2, 6) if has_window else len(said)))
        conversation.most.update(_count_most(lists, clock, has_window=has_window))
        queues.append(lists)
    for lines, is_late in _delay(chance, _draw_arrivals(chance, queues)):
        conversation.saves.append(
            Save(
                lines,
                is_late,
                status="resolved" if chance.random() < 0.1 else "active",
                breaks_at=chance.choice((1, 1, 2, 3, 4)) if chance.random() < 0.15 else 0,
                breaks_after=chance.random() < 0.5,
                is_repeated=chance.random() < 0.3,
            )
        )
    return conversation


def get_name(line: Line) -> str:
    """The name of a line is in all its wordings."""
    return str(line["content"]).partition(":")[0]


def _talk(chance: random.Random, number: int, clock: str) -> list[Line]:
    """All that a writer has to say."""
    unit = 1_000 if clock.endswith("seconds") else 1
    at = START_MS // unit + number + chance.choice((0, number * 300_000 // unit))
    lines = []
    for n in range(chance.choice(LENGTHS)):
        if clock != "equal seconds" or chance.random() < 0.4:
            at += 3 * chance.randint(1, 3) * 1_000 // unit
        role = chance.choice(("user", "agent"))
        lines.append({"role": role, "ts": at, "content": f"w{number}n{n}:{chance.choice(WORDS)}"})
    return lines


def _write(
    chance: random.Random, number: int, said: Sequence[Line], clock: str, window: int
) -> Iterator[list[Line]]:
    """What a writer sends: more and more of it, the last line often only begun."""
    began = heard = 0
    ends = sorted(chance.choices(range(1, len(said) + 1), k=chance.randint(1, 2)))
    ends.append(ends[-1])
    for nth, end in enumerate(ends):
        lines = [dict(line) for line in said[max(began, end - window) : end]]
        content = lines[-1]["content"]
        heard = 0 if nth and ends[nth - 1] < end else heard
        heard = chance.randint(heard, len(content)) if chance.random() < 0.6 else len(content)
        lines[-1]["content"] = content[: max(heard, content.index(":") + 1)]
        if clock == "none":
            _set_times(lines, 0, 0)
        elif clock == "stamped":
            _set_times(lines, 0, START_MS + number + nth * 150_000)
        elif clock == "anew":
            _set_times(lines, 1, chance.randrange(-1_000, 1_000) * 3_000 + 3 * (nth + 1))
        yield lines
        if clock != "equal seconds" and end < ends[min(nth + 1, len(ends) - 1)] and chance.random() < 0.2:
            began = end  # the client was restarted, and knows nothing of before


def _set_times(lines: Sequence[Line], times: int, plus: int) -> None:
    for line in lines:
        line["ts"] = line["ts"] * times + plus


def _count_most(lists: Sequence[Sequence[Line]], clock: str, *, has_window: bool) -> dict[str, int]:
    """Count how often each line may be stored: once, where it can be known again; in each wording, where
    nothing tells that one is the beginning of the other; each time, where two lists without times need not
    overlap.
    """
    sent = defaultdict(list)
    for lines in lists:
        for line in lines:
            sent[get_name(line)].append(line["content"])
    if has_window and clock != "ms":
        return {name: len(wordings) for name, wordings in sent.items()}
    alone = {get_name(lines[0]) for lines in lists if len(lines) == 1}
    return {
        name: len(set(wordings)) if clock == "anew" or (clock == "stamped" and name in alone) else 1
        for name, wordings in sent.items()
    }


def _draw_arrivals(chance: random.Random, queues: Sequence[Sequence[list[Line]]]) -> list[list[Line]]:
    """One writer after the other, or all at once."""
    order = [number for number, queue in enumerate(queues) for _ in queue]
    if chance.random() < 0.6:
        chance.shuffle(order)
    waiting = [iter(queue) for queue in queues]
    return [next(waiting[number]) for number in order]


def _delay(chance: random.Random, lists: Sequence[list[Line]]) -> list[tuple[list[Line], bool]]:
    """Let a third of them arrive behind what was sent after them."""
    arriving = [(lines, False) for lines in lists]
    for _ in range(-(-len(lists) // 3)):
        on_time = [place for place, (_, is_late) in enumerate(arriving[:-1]) if not is_late]
        if on_time:
            place = chance.choice(on_time)
            lines, _ = arriving.pop(place)
            arriving.insert(place + chance.choice((1, 1, 2, 4)), (lines, True))
    if chance.random() < 0.3:
        arriving.insert(chance.randint(0, len(arriving)), ([], False))  # what a restarted agent sends first
    return arriving
