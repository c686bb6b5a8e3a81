"""List the versions of a persona, the app's own or one of its library, and bring one of them back."""

from functools import partial
from itertools import chain

from genai_voice.foundation.errors import NotFound
from genai_voice.foundation.model import add_optional
from genai_voice.foundation.pages import PageRows, read_page
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


def list_versions(app: str, query: PersonaVersionQuery) -> PersonaVersionPage:
    """List the versions newest first, the present one included, 100 a page. Those of a deleted persona are
    shown: conversations refer to them. Raises NotFound.
    """
    if not query.is_for(app):
        return {"versions": []}
    present = _find_present(app, query.persona_id)

    def read(before: str | None) -> PageRows[PersonaVersionRow, PersonaVersionView]:
        number = present.number if before is None else int(before)
        newest = [present.as_version()] if before is None else []
        earlier = PersonaVersionRow.list_before(present.pk, present.known_as, number, PAGE + 1)
        return PageRows.of(chain(newest, earlier), PAGE, view, position=lambda row: str(int(row.number)))

    view = partial(_view, app, present)
    views, cursor = read_page(app, query, ("persona versions", present.known_as), read)
    return add_optional(PersonaVersionPage(versions=views), cursor=cursor)


def roll_back(app: str, request: PersonaRollback) -> PersonaRolledBack:
    """Make a new version that says what this one did. None is made where the present one says so already.
    Raises NotFound for a version that never was and for a persona that is deleted or not there, and Busy.
    """
    present = _find_present(app, request.persona_id)
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


def _find_present(app: str, persona_id: str | None) -> PersonaFields:
    """Find the row whose versions are meant: the app, or a persona of its library. Raises NotFound."""
    if persona_id in (None, "", OWN):
        return apps.load_app(app)
    persona = PersonaRow.find_even_deleted(app, persona_id)
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
        **library.to_texts(row.read_content()),
    }
