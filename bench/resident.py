"""How much memory a function takes: `python -m bench.resident` imports it and opens its connection."""

import json
import resource
import sys
from pathlib import Path


def read_peak_mb() -> float:
    """The most resident memory of this process so far, in MB (10^6 bytes).

    Linux counts it per program in /proc; getrusage there begins with what the parent had when it forked.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def main() -> None:
    from app import handler  # type: ignore[import-not-found]  # on the path of this process only
    from genai_voice.foundation.table import Item

    if not handler or Item._get_connection().connection.client is None:
        raise AssertionError("nothing was built")
    print(json.dumps({"peak_mb": read_peak_mb()}))


if __name__ == "__main__":
    main()
