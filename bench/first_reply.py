"""One cold start: `python -m bench.first_reply`, with an event on standard input.

Imports the function as Lambda does (`app` on the path), has it answer the event with DynamoDB answered at the
wire, and prints when the reply was there and how much memory that took.
"""

import json
import sys
import time


def main() -> None:
    event = json.load(sys.stdin)

    from app import handler  # type: ignore[import-not-found]  # on the path of this process only

    from bench import wire

    wire.answer_everything()
    reply = handler(event, None)
    replied, busy_s = time.perf_counter(), time.process_time()
    if reply["statusCode"] != 200:
        raise AssertionError(reply)
    from bench.resident import read_peak_mb

    print(json.dumps({"ready": replied, "busy_s": busy_s, "peak_mb": read_peak_mb()}))


if __name__ == "__main__":
    main()
