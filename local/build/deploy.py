"""Build, then have SAM deploy the build as samconfig.toml says of a stage: `make deploy STAGE=dev`.

A parameter of the template may be given as a variable, which wins over samconfig.toml: ALLOWED_ORIGINS for
AllowedOrigins.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping

from local.build.artifacts import ARCHITECTURE, BUILT, ROOT, SAM, build
from local.build.release import name_release
from local.errors import LocalError
from local.serve.cloudformation import read_parameters


def main(environ: Mapping[str, str] = os.environ) -> int:
    try:
        stage, parameters = plan(environ)
        _check_credentials()
        build(parameters.get("Architecture", ARCHITECTURE))
        release = name_release(BUILT, parameters)
    except LocalError as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"Deploying release {release} …", flush=True)
    overrides = [f'{name}="{value}"' for name, value in parameters.items()]
    deploy = [str(SAM), "deploy", "--config-env", stage, "--parameter-overrides", *overrides]
    return subprocess.run(deploy, cwd=ROOT, env={**environ, "SAM_CLI_TELEMETRY": "0"}).returncode


def plan(environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Find the stage and the parameters of its stack. Raises LocalError when one is missing."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    stages = sorted(config.keys() - {"version", "default"})
    stage = environ.get("STAGE", "")
    if stage not in stages:
        raise LocalError(f"Say which stage of samconfig.toml: make deploy STAGE={'|'.join(stages)}")
    declared = config[stage]["deploy"]["parameters"].get("parameter_overrides", ())
    parameters = dict(each.split("=", 1) for each in declared)
    parameters |= read_parameters(ROOT / "template.yaml", environ)
    if parameters.get("Stage") == "prod" and not parameters.get("AllowedOrigins"):
        raise LocalError(
            "Stage prod needs the origins whose browsers may read replies: "
            "make deploy STAGE=prod ALLOWED_ORIGINS=https://app.example.com"
        )
    return stage, parameters


def _check_credentials() -> None:
    """Raise LocalError when there are no AWS credentials."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        found = Session().get_credentials()
    except BotoCoreError as reason:
        raise LocalError(f"The AWS credentials cannot be read: {reason}") from None
    if found is None:
        raise LocalError(
            "make deploy needs AWS credentials and found none: set AWS_PROFILE, or log in with `aws login`."
        )


if __name__ == "__main__":
    sys.exit(main())
