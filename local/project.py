"""The project that is served: its folder, its port, and where its data is."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from local.errors import LocalError

_HERE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Project:
    """The variables GENAI_VOICE_ROOT, DATA_DIR, PORT, AWS_REGION and TABLE_NAME, checked, and what follows
    from them.
    """

    root: Path
    """The folder of template.yaml."""
    data: Path
    """Where everything is kept that must outlive a run."""
    cache: Path
    """Where everything is kept that can be fetched or built again."""
    port: int
    """0 takes any free one."""
    region: str
    table: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Project":
        root = Path(environ.get("GENAI_VOICE_ROOT") or _HERE).resolve()
        return cls(
            root=root,
            data=(root / (environ.get("DATA_DIR") or ".local")).resolve(),
            cache=Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "genai-voice",
            port=_read_port(environ.get("PORT") or "3000"),
            region=environ.get("AWS_REGION") or "us-east-1",
            table=environ.get("TABLE_NAME") or "genai-voice",
        )

    @property
    def template(self) -> Path:
        return self.root / "template.yaml"

    @property
    def openapi(self) -> Path:
        return self.root / "docs" / "openapi.json"

    def locate_cached(self, name: str, *pins: str) -> Path:
        """Name the place of what is fetched or built by these pins, for all checkouts of this machine. It is
        made where it is missing, by whoever needs it.
        """
        return self.cache / f"{name}-{sha256(' '.join(pins).encode()).hexdigest()[:12]}"

    @property
    def log(self) -> Path:
        """What the functions print."""
        return self.data / "handlers.log"


def _read_port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise LocalError(f"PORT must be a number from 0 to 65535, not {text!r}.")
