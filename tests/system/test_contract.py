"""Compares all responses of the service with its OpenAPI document, using schemathesis.

``OTPVOICE_TEST_SCHEMA`` is the number of examples for each operation, ``OTPVOICE_TEST_SEED`` what
they are drawn from.
"""

import os
from contextlib import chdir
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from schemathesis.cli import schemathesis
from support.service import LOGIN_KEY, WEBHOOK_SECRET, RunningService

EXAMPLES: Final = os.environ.get("OTPVOICE_TEST_SCHEMA", "3")
SEED: Final = os.environ.get("OTPVOICE_TEST_SEED", "1")
TIMEOUT: Final = 600 + 5 * int(EXAMPLES)
"""Seconds."""
CONFIG: Final = str(Path(__file__).with_name("contract.toml"))
UNTOLD: Final = "positive_data_acceptance"
"""No pattern says which numbers exist, so that a well-formed one may well be refused."""


def asks(service: RunningService, *options: str, credential: str = "", **variables: str) -> None:
    """Run schemathesis, which ends with 0 if all responses match the document."""
    command = ["--config-file", CONFIG, "run", f"{service.url}/openapi.json"]
    command += ["--seed", SEED, "--max-examples", EXAMPLES]
    command += ["--exclude-checks", UNTOLD, "--warnings", "off", "--generation-database", "none"]
    command += ["--no-color", *options]
    if credential:
        command += ["--header", f"Authorization: Bearer {credential}"]
    hooks = {"SCHEMATHESIS_HOOKS": "system.contract_hooks"}
    with chdir(service.folder):  # it writes what it remembers there
        run = CliRunner().invoke(schemathesis, command, env=hooks | variables)
    print(run.output)
    assert run.exit_code == 0, run.output[-6000:]


@pytest.mark.timeout(TIMEOUT)
def test_responses_to_clients_match_the_document(service: RunningService) -> None:
    """Every operation, with valid and invalid requests."""
    phases = ("--phases", "examples,coverage,fuzzing")
    asks(service, *phases, credential=LOGIN_KEY, OTPVOICE_TEST_SERVICE=service.url)


@pytest.mark.timeout(TIMEOUT)
def test_responses_to_apps_match_the_document(service: RunningService) -> None:
    """With the client token of the verification."""
    options = ("--phases", "examples,fuzzing", "--include-path-regex", "^/v1/")
    token = service.create(reference="an app")["client_token"]
    variables = {"OTPVOICE_TEST_SERVICE": service.url, "OTPVOICE_TEST_AS_APP": "yes"}
    asks(service, *options, credential=token, **variables)


@pytest.mark.timeout(TIMEOUT)
def test_responses_without_credential_match_the_document(service: RunningService) -> None:
    """Every operation that needs a credential."""
    asks(service, "--phases", "examples,fuzzing")


@pytest.mark.timeout(TIMEOUT)
def test_responses_to_the_provider_match_the_document(service: RunningService) -> None:
    """Callbacks of all shapes, with the webhook secret."""
    options = ("--phases", "fuzzing", "--include-path-regex", "^/webhooks/")
    asks(service, *options, credential=WEBHOOK_SECRET)


@pytest.mark.timeout(TIMEOUT)
def test_links_of_a_created_verification_work(service: RunningService) -> None:
    """Get, check, call and end, and the same again."""
    asks(service, "--phases", "stateful", credential=LOGIN_KEY)
