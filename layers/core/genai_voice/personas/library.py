"""The persona library of an app: personas are kept, changed and deleted, and one of them is linked.

The app's row holds the id of the linked persona and the number of its present version, so that whoever has
read the app knows the version in force. The two rows agree because each is written under a condition on the
other, in one transaction: a change of a persona changes the app that links it or asks for the app not to link
it, and a link asks for the persona to be as it was read.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from pydantic.alias_generators import to_camel

from genai_voice.foundation.clock import back_off, now_ms
from genai_voice.foundation.errors import Busy, NotFound
from genai_voice.foundation.model import Created, Listing, Ok
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.foundation.table import Change, find_together, write_together
from genai_voice.personas.model import (
    LibraryPersona,
    NewPersona,
    PersonaChange,
    PersonaLibrary,
    PersonaLink,
    PersonaReference,
    PersonaTexts,
)
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy.resolver import forget_callers
from genai_voice.tenancy.rows import AppRow

_ATTEMPTS = 30


def find(app: str, query: Listing) -> PersonaLibrary:
    """The active personas, oldest first; `cursor` where more are left than a reply can hold."""
    if not query.is_for(app):
        return {"personas": []}
    scope = (app, "personas")
    after = str(read_cursor(query.cursor, *scope)[0]) if query.cursor else None
    views, last = fill(PersonaRow.of_app(app, after), partial(_view, app))
    return {"personas": views, "cursor": sign_cursor([last.sk], *scope)} if last else {"personas": views}


def create(app: str, persona: NewPersona) -> Created:
    """Keep a new persona, linked to nothing. Names need not be unique."""
    row = PersonaRow.new(app)
    row.is_active, row.created_at = True, now_ms()
    for name, value in persona.model_dump(exclude_none=True).items():
        setattr(row, name, value)
    row.insert()
    return {"id": row.persona_id}


def update(app: str, change: PersonaChange) -> Ok:
    """Change what is given; what the persona was is kept as a version. Raises NotFound, Busy."""
    change_persona(app, change.persona_id, change.model_dump(exclude_none=True, exclude={"persona_id"}))
    return {"ok": True}


def change_persona(slug: str, persona_id: str, given: Mapping[str, Any]) -> int:
    """Set these fields (python names; None removes one). Answers the version after it: a new one where they
    become different. Raises NotFound for a persona that is deleted or not there, Busy.
    """
    for attempt in range(_ATTEMPTS):
        app, persona = _read(slug, persona_id)
        if persona is None or not persona.is_active:
            raise NotFound("Persona not found")
        if not persona.is_changed_by(given):
            forget_callers(slug)  # it may have been changed by a write of this process whose answer was lost
            return persona.number
        number, now = persona.number + 1, now_ms()
        actions = [*PersonaRow.field_changes(given), *persona.next_version_changes(now)]
        changes = [Change(persona, actions, persona.is_unchanged()), _in_app(app, persona_id, number)]
        if write_together(changes, [persona.as_version()]):
            forget_callers(slug)
            return number
        back_off(attempt)
    raise _busy()


def delete(app: str, named: PersonaReference) -> Ok:
    """Take a persona out of the library and off the app, which falls back on its own fields. Its versions
    stay. Once deleted it may be deleted again. Raises NotFound, Busy.
    """
    for attempt in range(_ATTEMPTS):
        row, persona = _read(app, named.persona_id)
        if persona is None:
            raise NotFound("Persona not found")
        deleted = Change(persona, [PersonaRow.is_active.set(False)], persona.is_unchanged())
        if not persona.is_active or write_together([deleted, _in_app(row, named.persona_id, None)]):
            forget_callers(app)
            return {"ok": True}
        back_off(attempt)
    raise _busy()


def assign(app: str, assignment: PersonaLink) -> Ok:
    """Link a persona to the app, or none. Raises NotFound for every app but the caller's, and for a persona
    that its library does not have; Busy.
    """
    if assignment.target_app_slug != app:
        raise NotFound(f"App not found: {assignment.target_app_slug}")
    link(app, assignment.persona_id or None)
    return {"ok": True}


def link(slug: str, persona_id: str | None) -> None:
    """Have the app present this persona of its library, or itself. Raises NotFound, Busy."""
    app = AppRow.of(slug)
    if persona_id is None:
        if not app.change(AppRow.link_changes(None, None, now_ms()), AppRow.pk.exists()):
            raise NotFound(f"App not found: {slug}")
        forget_callers(slug)
        return
    for attempt in range(_ATTEMPTS):
        persona = PersonaRow.of(slug, persona_id).find_stored()
        if persona is None or not persona.is_active:
            raise NotFound("Persona not found")
        linking = Change(app, AppRow.link_changes(persona_id, persona.number, now_ms()), AppRow.pk.exists())
        if write_together([linking, Change(persona, [], persona.is_unchanged())]):
            forget_callers(slug)
            return
        back_off(attempt)
    raise _busy()


def texts(content: Mapping[str, str]) -> PersonaTexts:
    """Persona fields with the names of the wire."""
    return cast(PersonaTexts, {to_camel(name): value for name, value in content.items()})


def _read(slug: str, persona_id: str) -> tuple[AppRow, PersonaRow | None]:
    app, persona = find_together(AppRow.of(slug), PersonaRow.of(slug, persona_id))
    if app is None:
        raise NotFound(f"App not found: {slug}")
    return app, persona


def _in_app(app: AppRow, persona_id: str, number: int | None) -> Change:
    """What must become of the app when this persona gets this number, or None: goes."""
    row = AppRow.of(app.slug)
    if app.persona_id != persona_id:
        return Change(row, [], AppRow.persona_id.does_not_exist() | (AppRow.persona_id != persona_id))
    actions = AppRow.link_changes(persona_id if number else None, number, now_ms())
    return Change(row, actions, AppRow.persona_id == persona_id)


def _busy() -> Busy:
    return Busy("Too many changes of this persona at once: try again")


def _view(app: str, persona: PersonaRow) -> LibraryPersona:
    created = persona.created_at or 0
    return {
        "_id": persona.persona_id,
        "_creationTime": created,
        "appSlug": app,
        **texts(persona.content),
        "isActive": persona.is_active,
        "createdAt": created,
        "updatedAt": persona.version_since or created,
        "version": persona.number,
    }
