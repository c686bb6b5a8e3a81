"""botocore's descriptions of AWS, read from disk once in a process of tests and not once for each client.

The service opens a session of its own for each client that it keeps, and tests have it do so as often as they
start anew. A description is never changed by who reads it.
"""

import botocore
from botocore.loaders import create_loader
from botocore.session import Session


def share_descriptions() -> None:
    """Have every session that is opened from now on read descriptions through one loader that keeps them."""
    loader = create_loader()

    def register(session: Session) -> None:
        session.register_component("data_loader", loader)

    botocore.register_initializer(register)
