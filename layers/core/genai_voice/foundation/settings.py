"""The settings of a deployment: each variable is declared once and read on first use."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FilePath, ValidationError

from genai_voice.foundation.caches import cache_results


class SettingsError(Exception):
    """A variable is missing or wrong. The message names it."""


def _split_origins(text: object) -> object:
    """Split a text at its commas."""
    return (
        tuple(origin.strip() for origin in text.split(",") if origin.strip())
        if isinstance(text, str)
        else text
    )


def _check_not_deployed(path: Path) -> Path:
    """Refuse a variable that is for one machine in a deployed function."""
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        raise ValueError("it is for one machine, and this is a deployed function")
    return path


class Settings(BaseModel):
    """Each field's alias is its variable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    table_name: str = Field(alias="TABLE_NAME", min_length=1)
    """The DynamoDB table."""
    region: str = Field(alias="AWS_REGION", min_length=1)
    """Where the table is. Lambda sets it."""
    dynamodb_endpoint: str | None = Field(default=None, alias="DYNAMODB_ENDPOINT", pattern="^https?://")
    """Another DynamoDB than AWS's, such as a local engine."""
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_split_origins)] = Field(
        (), alias="ALLOWED_ORIGINS"
    )
    """Origins whose browsers may read replies, separated by commas. Empty: every origin (development
    only).
    """
    deployment_secret_arn: str | None = Field(default=None, alias="DEPLOYMENT_SECRET_ARN")
    """The Secrets Manager secret from which pepper and signing keys are derived."""
    deployment_secret_file: str | None = Field(default=None, alias="DEPLOYMENT_SECRET_FILE")
    """The same as a file, for one machine. Takes precedence."""
    webhook_queue_url: str | None = Field(default=None, alias="WEBHOOK_QUEUE_URL", pattern="^https?://")
    """The SQS queue that tells the sender of webhooks what is due. Without it they wait for the sweep."""
    gemini_api_key: str | None = Field(default=None, alias="GEMINI_API_KEY")
    """The key for Gemini. In AWS it is in the secret of PROVIDER_SECRET_ARN."""
    google_api_key: str | None = Field(default=None, alias="GOOGLE_API_KEY")
    """Another one, which the judge of QA takes first. The same."""
    gemini_base_url: str | None = Field(default=None, alias="GEMINI_BASE_URL", pattern="^https?://")
    """Another address than Google's: a proxy, or a server of tests."""
    provider_secret_arn: str | None = Field(default=None, alias="PROVIDER_SECRET_ARN")
    """The Secrets Manager secret with the keys of outside services."""
    outgoing_local_ca: Annotated[FilePath, AfterValidator(_check_not_deployed)] | None = Field(
        default=None, alias="OUTGOING_LOCAL_CA"
    )
    """For one machine: a file of certificate authorities that are trusted beside the system's by what goes
    out to tenants' addresses, which may then be loopback addresses too.
    """


@cache_results()
def get_settings() -> Settings:
    """Answer the settings of this process. Raises SettingsError with a sentence that names the variable."""
    variables = [str(field.alias) for field in Settings.model_fields.values()]
    given = {variable: os.environ[variable] for variable in variables if os.environ.get(variable)}
    try:
        return Settings.model_validate(given)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise SettingsError(f"The variable {first['loc'][0]} is missing or wrong: {first['msg']}.") from None
