"""`genai-voice tokens`: session tokens are revoked."""

from collections.abc import Iterator

import click
from genai_voice.tenancy import apps, sessions

from local.cli.command import Audit, Line, declare_changing
from local.cli.options import Slug, read_secret


@click.group()
def tokens() -> None:
    """The session tokens that browsers hold."""


@tokens.command()
@click.option("--app", type=Slug(), help="all tokens of this app that were opened until now")
@click.option("--session", is_flag=True, help="one token, which is never an argument")
@click.option(
    "--token-stdin", is_flag=True, help="read it from standard input (else $SESSION_TOKEN, else a prompt)"
)
@declare_changing
def revoke(app: str | None, session: bool, token_stdin: bool, audit: Audit) -> Iterator[Line]:
    """Refuse session tokens, within 30 seconds everywhere. New ones can be opened."""
    if (app is None) is not session or (token_stdin and app):
        raise click.UsageError("Give either --app SLUG or --session")
    if app:
        with audit(apps.check_app(app)):
            apps.revoke_tokens(app)
        yield Line({"app": app, "done": "all tokens revoked"}, f"{app}: all tokens revoked")
        return
    token = read_secret("token", "SESSION_TOKEN", token_stdin, new=False)
    app = sessions.find_app_slug(token)
    with audit(app) as result:
        sessions.revoke_token(token)
        result["tokens"] = 1
    yield Line({"app": app, "done": "token revoked"}, f"{app}: token revoked")
