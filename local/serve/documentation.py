"""`/openapi.json`, and `/docs`, a page that shows it with Swagger UI, which comes from a package and not from
the net.

`/` redirects to that page, so that the address of the start message is enough for a browser. The document is
the one that was written last, read anew for each request: only the worker imports the functions, and a
contract test compares the document with them.
"""

from importlib.metadata import distribution
from pathlib import Path

from local.serve.gateway import Headers, HttpReply

_PAGE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>GenAI Voice Backend</title>
    <link rel="icon" href="/docs/favicon.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="page"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
"""
_START = """\
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "none",
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
});
"""
# Styles within elements are what Swagger UI draws with; everything else comes from here.
_POLICY: Headers = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
]
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


class Documentation:
    """The pages that the local service answers beside the API."""

    def __init__(self, openapi: Path) -> None:
        self._openapi = openapi
        # fastapi-offline is FastAPI's documentation without its CDN: only its assets are wanted, not its code
        self._assets = Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))

    def find(self, method: str, path: str) -> HttpReply | None:
        """Find the page or file of this path. Returns None where there is none, and where the project has no
        document.
        """
        if method != "GET" or not (path in ("/", "/openapi.json") or f"{path}/".startswith("/docs/")):
            return None
        if not self._openapi.is_file():
            return None
        match path.removeprefix("/docs/"):
            case "/":
                return HttpReply(302, [("location", "/docs")], b"")
            case "/openapi.json":
                return _make_page("application/json", self._openapi.read_bytes())
            case "/docs":
                return _make_page("text/html;charset=utf-8", _PAGE.encode())
            case "start.js":
                return _make_page("text/javascript", _START.encode())
            case name if name in _ASSETS:
                return _make_page(_ASSETS[name], (self._assets / name).read_bytes())
        return None


def _make_page(media_type: str, body: bytes) -> HttpReply:
    return HttpReply(200, [("content-type", media_type), *_POLICY], body)
