"""CloudFormation's YAML: the loader that knows its tags, and the template's parameters as variables."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.serve.template import TemplateError


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, as the long form: `!Ref X` reads {"Ref": "X"}."""


def _construct_tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]  # the third kind of node
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", _construct_tagged)


def load_template(path: Path) -> Any:
    """Load the document of a template. Raises TemplateError when it cannot be read or is no YAML."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), CloudFormationLoader)  # noqa: S506 - a SafeLoader
    except OSError as reason:
        raise TemplateError(f"{path.name} cannot be read: {reason.strerror}.") from None
    except UnicodeDecodeError:
        raise TemplateError(f"{path.name} is no UTF-8 text.") from None
    except yaml.MarkedYAMLError as wrong:
        line = f", line {wrong.problem_mark.line + 1}" if wrong.problem_mark else ""
        problem = wrong.problem or wrong.context
        raise TemplateError(f"{path.name}{line} is no valid YAML: {problem}.") from None
    except (yaml.YAMLError, ValueError, TypeError) as wrong:
        raise TemplateError(f"{path.name} is no valid YAML: {' '.join(str(wrong).split())}.") from None


def read_parameters(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Read the template's parameters that `environ` sets, as ALLOWED_ORIGINS sets AllowedOrigins."""
    values = {name: environ.get(name_variable(name), "") for name in load_template(path)["Parameters"]}
    return {name: value for name, value in values.items() if value}


def name_variable(parameter: str) -> str:
    """Name the variable of a parameter: ALLOWED_ORIGINS for AllowedOrigins, SES_FROM for SESFrom."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", parameter).upper()
