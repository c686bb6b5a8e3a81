"""What is sealed opens where it was sealed, and nowhere else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import time_machine
from genai_voice.foundation import secret
from genai_voice.foundation.caches import forget_all
from genai_voice.foundation.sealing import Unreadable, seal, unseal

K1, K2 = {"id": "k1", "key": "the first root"}, {"id": "k2", "key": "the second root"}


@pytest.fixture
def rotate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[object], None]]:
    """Make this document the deployment secret, for a process that begins now."""
    file = tmp_path / "secret"

    def to(document: object) -> None:
        file.write_text(json.dumps(document))
        monkeypatch.setenv("DEPLOYMENT_SECRET_FILE", str(file))
        forget_all()

    yield to
    forget_all()


@pytest.mark.parametrize("text", ["", "x", '{"Authorization": "Bearer é"}', "x" * 100_000])
def test_what_was_sealed_opens(text: str) -> None:
    sealed = seal(text, "app", "tool")
    assert unseal(sealed, "app", "tool") == text
    assert len(text) < 10 or text.encode() not in sealed  # a few bytes are in any


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(("another", "tool"), id="another app"),
        pytest.param(("app", "another"), id="another tool"),
        pytest.param(("tool", "app"), id="swapped"),
        pytest.param(("apptool",), id="glued"),
        pytest.param((), id="none"),
    ],
)
def test_what_is_moved_elsewhere_does_not_open(context: tuple[str, ...]) -> None:
    sealed = seal("a credential", "app", "tool")
    with pytest.raises(Unreadable):
        unseal(sealed, *context)


def test_what_was_changed_or_cut_does_not_open() -> None:
    sealed = seal("a credential", "app")
    changed = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))
    ]
    cut = [sealed[:length] for length in range(len(sealed))]
    for each in changed + cut:
        with pytest.raises(Unreadable):
            unseal(each, "app")


def test_the_same_text_is_never_sealed_alike() -> None:
    assert len({seal("a credential", "app") for _ in range(100)}) == 100


def test_what_the_previous_key_has_sealed_opens_until_that_key_goes(
    rotate: Callable[[object], None],
) -> None:
    rotate(K1)
    sealed = seal("a credential", "app")

    rotate(K2 | {"previous": K1})
    assert unseal(sealed, "app") == "a credential"
    newer = seal("a credential", "app")

    rotate(K2)
    assert unseal(newer, "app") == "a credential"
    with pytest.raises(Unreadable):
        unseal(sealed, "app")


def test_a_process_that_began_before_the_rotation_opens_what_another_has_sealed_after_it(
    rotate: Callable[[object], None], tmp_path: Path
) -> None:
    rotate(K2 | {"previous": K1})
    sealed = seal("a credential", "app")
    rotate(K1)
    assert secret.derive_keys("seal")[0].id == "k1"
    (tmp_path / "secret").write_text(json.dumps(K2 | {"previous": K1}))

    with time_machine.travel(2_000_000_000):  # it reads again at most once a minute
        assert unseal(sealed, "app") == "a credential"
