"""Leave of botocore's descriptions of AWS only those of the services that functions call."""

import shutil
from pathlib import Path

from genai_voice.foundation.aws import SERVICES

from local.errors import LocalError


def drop_unused_services(libraries: Path) -> None:
    """Remove the descriptions of all other services from the botocore in this folder. What is beside them
    (endpoints, partitions, defaults, retries) is every client's, and stays. Raises LocalError when a service
    is not there.
    """
    data = libraries / "botocore" / "data"
    if missing := [service for service in SERVICES if not (data / service).is_dir()]:
        raise LocalError(f"botocore does not know {', '.join(missing)}: see genai_voice/foundation/aws.py.")
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
