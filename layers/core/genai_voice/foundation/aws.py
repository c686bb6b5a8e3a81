"""The services of AWS that functions call, and how a client for one is opened.

botocore describes all 440 of them in files that are half of the layer. The build ships the descriptions of
SERVICES alone, so a service that is called is declared here.
"""

from typing import Any, Literal, TypeAlias, get_args

from genai_voice.foundation.settings import get_settings

AwsService: TypeAlias = Literal["dynamodb", "secretsmanager", "sqs"]
SERVICES: tuple[AwsService, ...] = get_args(AwsService)
"""As botocore names them. The client of the first is opened by pynamodb."""


def open_client(
    service: AwsService,
    *,
    connect_timeout_s: float,
    read_timeout_s: float,
    attempts: int,
    endpoint: str | None = None,
) -> Any:
    """Open a client that waits so long for a connection and for a reply, and calls so often in all, through
    the botocore of the layer: Lambda's own boto3 fits another version of it.
    """
    from botocore.config import Config
    from botocore.session import get_session

    patience = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": attempts},
    )
    return get_session().create_client(
        service, region_name=get_settings().region, endpoint_url=endpoint, config=patience
    )
