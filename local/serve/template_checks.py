"""Checks of the values in a template. What is wrong is raised as a TemplateError that names its place."""

from typing import Any

from local.serve.template import TemplateError


class TemplateChecks:
    """Checks the values of the file with this name. `where` is a value's place, for the message."""

    def __init__(self, name: str) -> None:
        self.name = name

    def make_error(self, where: str, what: str) -> TemplateError:
        """Make the error that says what is wrong at this place."""
        return TemplateError(f"{self.name}: {where} {what}.")

    def check_mapping(self, value: Any, where: str) -> dict[str, Any]:
        """Return the value when it is a mapping. Raises TemplateError."""
        if not isinstance(value, dict):
            raise self.make_error(where, "must be a mapping")
        return value

    def read_optional(self, parent: dict[str, Any], name: str, where: str = "") -> dict[str, Any]:
        """Return the mapping of this name, an empty one where there is none. Raises TemplateError."""
        value = parent.get(name)
        return {} if value is None else self.check_mapping(value, f"{where}.{name}" if where else name)

    def check_text(self, value: Any, where: str) -> str:
        """Return the value when it is a text that is not empty. Raises TemplateError."""
        if not isinstance(value, str) or not value:
            raise self.make_error(where, "must be text")
        return value

    def check_number(self, value: Any, where: str) -> int:
        """Return the value when it is a whole number. Raises TemplateError."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error(where, "must be a whole number")
        return value
