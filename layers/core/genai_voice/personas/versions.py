"""The versions of a persona, the app's own or one of its library: listed, and brought back."""

from functools import partial

from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.pages import fill, read_cursor, sign_cursor
from genai_voice.personas import library
from genai_voice.personas.model import (
    OWN,
    PersonaRollback,
    PersonaRolledBack,
    PersonaVersionPage,
    PersonaVersionQuery,
    PersonaVersionView,
)
from genai_voice.personas.rows import PersonaRow
from genai_voice.tenancy import apps
from genai_voice.tenancy.rows import PersonaFields, PersonaVersionRow, format_persona_version

PAGE = 100


def find(app: str, query: PersonaVersionQuery) -> PersonaVersionPage:
    """Newest first, the present one included, 100 a page. Those of a deleted persona are shown: conversations
    refer to them. Raises NotFound.
    """
    if not query.is_for(app):
        return {"versions": []}
    present = _presented(app, query.persona_id)
    scope = (app, "persona versions", present.known_as)
    number = int(read_cursor(query.cursor, *scope)[0]) if query.cursor else present.number
    newest = [] if query.cursor else [present.as_version()]
    kept = PersonaVersionRow.list_before(present.pk, present.known_as, number, PAGE + 1)
    views, last = fill((row for rows in (newest, kept) for row in rows), partial(_view, app, present), PAGE)
    page: PersonaVersionPage = {"versions": views}
    if last is not None:
        page["cursor"] = sign_cursor([int(last.number)], *scope)
    return page


def rollback(app: str, request: PersonaRollback) -> PersonaRolledBack:
    """Make a new version that says what this one did; none where the present one says so already.

    Raises NotFound for a version that never was and for a persona that is deleted or not there, Busy.
    """
    present = _presented(app, request.persona_id)
    if request.version == present.number:
        content = present.content
    else:
        kept = PersonaVersionRow.of(present.pk, present.known_as, request.version).find_stored()
        if kept is None:
            raise NotFound("Version not found")
        content = kept.read_content()
    given = dict.fromkeys(present.versioned) | content
    if isinstance(present, PersonaRow):
        return {"ok": True, "version": library.change_persona(app, present.persona_id, given)}
    return {"ok": True, "version": apps.change_fields(app, given)}


def _presented(app: str, persona_id: str | None) -> PersonaFields:
    """The row whose versions are meant. Raises NotFound."""
    if persona_id in (None, "", OWN):
        return apps.load_app(app)
    persona = PersonaRow.of(app, persona_id).find_stored()
    if persona is None:
        raise NotFound("Persona not found")
    return persona


def _view(app: str, present: PersonaFields, row: PersonaVersionRow) -> PersonaVersionView:
    name, since = format_persona_version(present.known_as, int(row.number)), row.created_at or 0
    return {
        "_id": name,
        "_creationTime": since,
        "appSlug": app,
        "version": int(row.number),
        "personaVersion": name,
        "createdAt": since,
        "isCurrent": row.number == present.number,
        **library.texts(row.read_content()),
    }
