"""What a cold start is compared with: `python -m bench.bare_start` imports the libraries that the function
imports and builds the DynamoDB client.
"""

import json
import sys
import time


def main() -> None:
    json.load(sys.stdin)

    from cachetools import TTLCache
    from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
    from pydantic.alias_generators import to_camel
    from pydantic.types import FailFast
    from pynamodb.connection import Connection
    from pynamodb.indexes import GlobalSecondaryIndex
    from pynamodb.models import Model

    client = Connection(region="us-east-1").client
    ready, busy_s = time.perf_counter(), time.process_time()
    imported = (
        *(TTLCache, GlobalSecondaryIndex, Model),
        *(AfterValidator, BaseModel, ConfigDict, Field, ValidationError, to_camel, FailFast),
    )
    if client is None or not all(imported):
        raise AssertionError("nothing was built")
    from bench.resident import read_peak_mb

    print(json.dumps({"ready": ready, "busy_s": busy_s, "peak_mb": read_peak_mb()}))


if __name__ == "__main__":
    main()
