"""The one connection to the table: whoever gets it gets all of it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from genai_voice.foundation import table
from genai_voice.foundation.metering import start_metering
from genai_voice.tenancy.rows import AppRow

AT_ONCE = 20


@pytest.mark.usefixtures("engine")
def test_first_requests_that_come_at_once_share_one_connection_that_is_complete() -> None:
    """A client without its hooks stays for the life of the process: nothing is metered, a conflict is not
    tried again, a busy table is a fault.
    """
    start = Barrier(AT_ONCE)

    def first_request(_: int) -> tuple[int, list[str]]:
        meter = start_metering()
        start.wait()
        AppRow.find_by_slug("nobody")
        return id(AppRow._get_connection().connection.client), meter.operations

    table.forget_connection()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = list(pool.map(first_request, range(AT_ONCE)))
    assert [operations for _, operations in seen] == [["GetItem"]] * AT_ONCE
    assert len({client for client, _ in seen}) == 1
