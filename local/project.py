"""The project that is served: its folder, its port, and where its data is."""

from collections.abc import Mapping
from dataclasses import dataclass
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
            port=_port(environ.get("PORT") or "3000"),
            region=environ.get("AWS_REGION") or "us-east-1",
            table=environ.get("TABLE_NAME") or "genai-voice",
        )

    @property
    def template(self) -> Path:
        return self.root / "template.yaml"

    @property
    def openapi(self) -> Path:
        return self.root / "docs" / "openapi.json"

    @property
    def engines(self) -> Path:
        """Where a downloaded engine is kept, for all data folders of the project."""
        return self.root / ".local" / "engines"

    @property
    def log(self) -> Path:
        """What the functions print."""
        return self.data / "handlers.log"


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise LocalError(f"PORT must be a number from 0 to 65535, not {text!r}.")
