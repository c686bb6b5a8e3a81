"""The persona library of an app: create, change and delete its personas, and link one of them to the app.

The app's row holds the id of the linked persona and the number of its present version, so that whoever has
read the app knows the version in force. The two rows agree because each is written under a condition on the
other, in one transaction: a change of a persona changes the app that links it or asks for the app not to link
it, and a link asks for the persona to be as it was read.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from pydantic.alias_generators import to_camel

from genai_voice.foundation.bounds import Bound
from genai_voice.foundation.clock import get_now_ms
from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import Created, Listing, Ok, add_optional
from genai_voice.foundation.pages import PageRows, read_page
from genai_voice.foundation.retries import retry_lost_races
from genai_voice.foundation.table import find_together
from genai_voice.foundation.transactions import Change, Removal, write_together
from genai_voice.personas.model import (
    MAX_STORED,
    LibraryPersona,
    NewPersona,
    PersonaChange,
    PersonaLibrary,
    PersonaLink,
    PersonaReference,
    PersonaTexts,
)
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy.known_apps import forget_apps
from genai_voice.tenancy.rows import AppRow

_BOUND = Bound.of_number(
    "personas",
    PersonaRow.count_active,
    MAX_STORED,
    f"At most {MAX_STORED} personas: delete some",
)
_BUSY = "Too many changes of this persona at once: try again"


def list_personas(app: str, query: Listing) -> PersonaLibrary:
    """List the active personas, oldest first; `cursor` where more are left than a reply can hold."""

    def read(after: str | None) -> PageRows[PersonaRow, LibraryPersona]:
        rows = PersonaRow.list_in_app(app, after)
        return PageRows(rows, partial(_view, app), is_shown=lambda row: row.is_active)

    views, cursor = read_page(app, query, ("personas",), read)
    return add_optional(PersonaLibrary(personas=views), cursor=cursor)


def create_persona(app: str, persona: NewPersona) -> Created:
    """Store a new persona, which nothing links yet. Names need not be unique. Raises BadRequest beyond
    MAX_STORED, and Busy.
    """
    row = PersonaRow.of_new(app)
    row.is_active, row.created_at = True, get_now_ms()
    for name, value in persona.model_dump(exclude_none=True).items():
        setattr(row, name, value)
    _BOUND.insert(app, row, busy="Too many changes of this library at once: try again")
    return {"id": row.persona_id}


def update_persona(app: str, change: PersonaChange) -> Ok:
    """Change what is given, and keep what the persona was as a version. Raises NotFound, Busy."""
    change_persona(app, change.persona_id, change.model_dump(exclude_none=True, exclude={"persona_id"}))
    return {"ok": True}


def change_persona(slug: str, persona_id: str, given: Mapping[str, Any]) -> int:
    """Set these fields (python names; None removes one). Answers the version after it: a new one where they
    become different. Raises NotFound for a persona that is deleted or not there, Busy.
    """
    return retry_lost_races(partial(_try_change_persona, slug, persona_id, given), busy=_BUSY)


def _try_change_persona(slug: str, persona_id: str, given: Mapping[str, Any]) -> int | None:
    """Change the persona as it was read. Answers the version after it, or None when another writer was
    first.
    """
    app, persona = _read_both(slug, persona_id)
    if persona is None or not persona.is_active:
        raise NotFound("Persona not found")
    if not persona.is_changed_by(given):
        forget_apps(slug)  # it may have been changed by a write of this process whose answer was lost
        return persona.number
    number, now = persona.number + 1, get_now_ms()
    actions = [*PersonaRow.field_changes(given), *persona.next_version_changes(now)]
    changes = [Change(persona, actions, persona.is_unchanged()), _app_changes(app, persona_id, number)]
    if not write_together(changes, [persona.as_version()]):
        return None
    forget_apps(slug)
    return number


def delete_persona(app: str, reference: PersonaReference) -> Ok:
    """Take a persona out of the library and off the app, which falls back on its own fields. Its versions
    stay. Once deleted it may be deleted again. Raises NotFound, Busy.
    """

    def try_once() -> Ok | None:
        row, persona, deleted = find_together(
            AppRow.of(app),
            PersonaRow.of(app, reference.persona_id),
            PersonaRow.of_deleted(app, reference.persona_id),
        )
        if row is None:
            raise NotFound(f"App not found: {app}")
        if persona is None and deleted is None:
            raise NotFound("Persona not found")
        if persona and persona.is_active and not _try_deleting(row, persona):
            return None
        forget_apps(app)
        return {"ok": True}

    return retry_lost_races(try_once, busy=_BUSY)


def _try_deleting(app: AppRow, persona: PersonaRow) -> bool:
    """Take the persona as it was read off the app, out of the library and out of its count. Answers whether
    that was done.
    """
    changes = [_app_changes(app, persona.persona_id, None), *_BOUND.count_changes(app.slug, -1)]
    removal = Removal(persona, persona.is_unchanged())
    if write_together(changes, [persona.as_deleted(app.slug)], removals=[removal]):
        return True
    _BOUND.check_room(app.slug, -1)
    return False


def assign_persona(app: str, request: PersonaLink) -> Ok:
    """Link a persona to the app, or none. Raises NotFound for every app but the caller's, and for a persona
    that its library does not have; Busy.
    """
    if request.target_app_slug != app:
        raise NotFound(f"App not found: {request.target_app_slug}")
    link_persona(app, request.persona_id or None)
    return {"ok": True}


def link_persona(slug: str, persona_id: str | None) -> None:
    """Have the app present this persona of its library, or itself (None). Raises NotFound, Busy."""
    app = AppRow.of(slug)

    def try_once() -> bool | None:
        persona = PersonaRow.of(slug, str(persona_id)).find_stored()
        if persona is None or not persona.is_active:
            raise NotFound("Persona not found")
        linking = Change(
            app, AppRow.link_changes(persona_id, persona.number, get_now_ms()), AppRow.pk.exists()
        )
        return write_together([linking, Change(persona, [], persona.is_unchanged())]) or None

    if persona_id is not None:
        retry_lost_races(try_once, busy=_BUSY)
    elif not app.change(AppRow.link_changes(None, None, get_now_ms()), AppRow.pk.exists()):
        raise NotFound(f"App not found: {slug}")
    forget_apps(slug)


def to_texts(content: Mapping[str, str]) -> PersonaTexts:
    """Convert persona fields to the names of the wire."""
    return cast(PersonaTexts, {to_camel(name): value for name, value in content.items()})


def _read_both(slug: str, persona_id: str) -> tuple[AppRow, PersonaRow | None]:
    """Read the app and the persona in one call. Raises NotFound for the app."""
    app, persona = find_together(AppRow.of(slug), PersonaRow.of(slug, persona_id))
    if app is None:
        raise NotFound(f"App not found: {slug}")
    return app, persona


def _app_changes(app: AppRow, persona_id: str, number: int | None) -> Change:
    """Have the app name this number of the persona, where it links it; None unlinks it. An app that links
    another persona must still do so.
    """
    row = AppRow.of(app.slug)
    if app.persona_id != persona_id:
        return Change(row, [], AppRow.persona_id.does_not_exist() | (AppRow.persona_id != persona_id))
    actions = AppRow.link_changes(persona_id if number else None, number, get_now_ms())
    return Change(row, actions, AppRow.persona_id == persona_id)


def _view(app: str, persona: PersonaRow) -> LibraryPersona:
    created = persona.created_at or 0
    return {
        "_id": persona.persona_id,
        "_creationTime": created,
        "appSlug": app,
        **to_texts(persona.content),
        "isActive": persona.is_active,
        "createdAt": created,
        "updatedAt": persona.version_since or created,
        "version": persona.number,
    }
