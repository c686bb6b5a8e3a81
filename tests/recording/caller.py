"""A caller of the served API with the secret that all recorded apps have."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from tests.recording.folder import SECRET


class Caller:
    """Call with the credentials of one app in the headers."""

    def __init__(self, address: str, app: str, secret: str = SECRET) -> None:
        self.app = app
        headers = {"Authorization": f"Bearer {secret}", "X-App-Slug": app}
        self._http = httpx.Client(base_url=address, timeout=60, trust_env=False, headers=headers)

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        self._http.close()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        """Send a GET, whatever it is answered."""
        return self._http.get(path, params=dict(query))

    def list_pages(self, path: str, query: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """List the pages of a list, or the one reply of what is none, each with its status. Cursors are
        followed and left out: one is as good as another.
        """
        cursor: dict[str, str] = {}
        while True:
            response = self.ask(path, {**query, **cursor})
            page = dict(response.json())
            cursor = {"cursor": page.pop("cursor")} if "cursor" in page else {}
            yield response.status_code, page
            if not cursor:
                return

    def list_items(self, path: str, items: str, **query: str) -> list[Any]:
        """List the items of all pages."""
        return [each for _, page in self.list_pages(path, query) for each in page[items]]

    def send(self, method: str, path: str, body: Any, trace: str | None = None) -> dict[str, Any]:
        """Send what changes something, as part of a trace if one is given. Answers the reply of success."""
        headers = {"x-trace-id": trace} if trace else {}
        response = self._http.request(method, path, json=body, headers=headers)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return dict(response.json())
