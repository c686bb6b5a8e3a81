"""The operator command line, one module per group of commands.

A command parses, calls the use case and prints; `command.py` connects, prints and audits for all of them.
"""

import click

from local.cli.apps import app
from local.cli.audit import audit
from local.cli.conversations import conversations
from local.cli.seed import seed
from local.cli.tokens import tokens
from local.cli.usage import usage
from local.cli.webhooks import webhooks


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Work on the service that `make run` has started.

    With TABLE_NAME, AWS_REGION and DEPLOYMENT_SECRET_ARN (outputs of the stack) and AWS credentials in the
    environment, work on the deployed one. With --json every command prints one JSON object per line.
    """


for group in (app, audit, conversations, seed, tokens, usage, webhooks):
    cli.add_command(group)


def main() -> None:
    """The `genai-voice` command."""
    cli()
