"""Rows of experiments, and of the variants that sessions were assigned."""

from collections.abc import Iterator
from typing import Self

from genai_voice.foundation.keys import make_key
from genai_voice.foundation.table import BooleanAttribute, CompressedText, Item, UnicodeAttribute


class ExperimentRow(Item, discriminator="experiment"):
    experiment_id = UnicodeAttribute()
    name = UnicodeAttribute()
    variants = CompressedText()  # JSON
    is_active = BooleanAttribute()

    @classmethod
    def of(cls, app: str, experiment_id: str) -> Self:
        return cls(make_key("APP", app), make_key("EXPERIMENT", experiment_id), experiment_id=experiment_id)

    @classmethod
    def count_in_app(cls, app: str) -> int:
        """Count an app's experiments, as they are now."""
        return cls.count(make_key("APP", app), cls.sk.startswith("EXPERIMENT#"), consistent_read=True)

    @classmethod
    def list_newest(cls, app: str, before: str | None) -> Iterator[Self]:
        """List an app's experiments, newest first, beginning after the position `before` (a sort key)."""
        every = cls.sk.startswith("EXPERIMENT#")
        place = cls.sk.between("EXPERIMENT#", before.removesuffix("#")) if before else every
        return cls.query(make_key("APP", app), place, consistent_read=True, scan_index_forward=False)


class ExposureRow(Item, discriminator="exposure"):
    """The variant that a session was assigned in an experiment. There is one row, so there is one variant."""

    app = UnicodeAttribute()
    experiment_id = UnicodeAttribute()
    session_id = UnicodeAttribute()
    variant_id = UnicodeAttribute()

    @classmethod
    def of(cls, app: str, experiment_id: str, session: str) -> Self:
        return cls(
            make_key("APP", app, "EXPERIMENT", experiment_id),
            make_key("SESSION", session),
            app=app,
            experiment_id=experiment_id,
            session_id=session,
        )
