"""Templates of docs/integrations, filled by an identity server, ring a phone."""

import json
import textwrap
from types import SimpleNamespace
from typing import Any

import _jsonnet
import pytest
import requests
import yaml  # type: ignore[import-untyped] # it ships no types
from integrations.snippets import DOCS, Snippets, create_delayed, wait_for_approval
from support.processes import TIMEOUT_S


def evaluate(snippets: Snippets, page: str, name: str, ctx: object) -> Any:
    """Evaluate a Jsonnet template as Kratos does, with ``ctx``."""
    source = snippets.block(page, name)
    text = _jsonnet.evaluate_snippet(name, source, tla_codes={"ctx": json.dumps(ctx)})
    return json.loads(text)


def send(config: dict[str, Any], body: object) -> requests.Response:
    """Send a request as Kratos's HTTP client does, from its configuration."""
    header = config["auth"]["config"]
    return requests.request(
        config["method"],
        config["url"],
        json=body,
        headers={header["name"]: header["value"]},
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize(
    "kind", ["login_code", "verification_code", "registration_code", "recovery_code"]
)
def test_kratos_courier_calls_with_the_code_of_each_template(
    snippets: Snippets, number: str, kind: str
) -> None:
    """The request is the one of the page's configuration."""
    (channel,) = yaml.safe_load(snippets.block("kratos", "kratos.yml"))["courier"]["channels"]
    data = {"to": number, kind: "031415", "expires_in_minutes": 15, "request_url": "https://x"}
    ctx = {"recipient": number, "template_type": "login_code_valid", "template_data": data}
    body = evaluate(snippets, "kratos", "otpvoice.jsonnet", ctx)
    assert body["ttl"] == 600
    sent = [send(channel["request_config"], body) for _ in range(2)]
    assert [each.status_code for each in sent] == [201, 200], sent[-1].text
    assert snippets.service.wait_for_code(number) == "031415"


def test_kratos_login_hook_approves_the_number(snippets: Snippets, number: str) -> None:
    """An identity without a phone cancels the request."""
    create_delayed(snippets, number)
    text = (DOCS / "kratos.md").read_text("utf-8")
    assert "error 'cancel'" in text
    second = next(block for block in text.split("```yaml\n") if block.startswith("selfservice"))
    config = yaml.safe_load(second.partition("```")[0])
    (hook,) = config["selfservice"]["flows"]["login"]["after"]["code"]["hooks"]
    url = hook["config"]["url"].replace("https://otp.example.com", snippets.service.url)
    key = snippets.block("kratos", "kratos.yml").split("Bearer ")[1].split()[0]
    hook["config"] |= {"url": url}
    hook["config"]["auth"]["config"]["value"] = f"Bearer {key}"
    body = evaluate(
        snippets, "kratos", "approve.jsonnet", {"identity": {"traits": {"phone": number}}}
    )
    assert send(hook["config"], body).status_code == 200
    wait_for_approval(snippets, number)
    with pytest.raises(RuntimeError, match="cancel"):
        evaluate(snippets, "kratos", "approve.jsonnet", {"identity": {"traits": {}}})


def test_keycloak_template_calls(snippets: Snippets, number: str) -> None:
    """The extension fills two places, and a second login is a second code."""
    message = snippets.block("keycloak", "properties").partition("=")[2].strip()
    assert message == "%1$s", "the message is the bare code"
    template = snippets.block("keycloak", "template.json").strip()
    body = json.loads(template % (number, "004711"))
    first = snippets.service.post("/v1/verifications", body)
    assert first.status_code == 201, first.text
    assert snippets.service.wait_for_code(number) == "004711"
    body = json.loads(template % (number, "004712"))
    assert snippets.service.post("/v1/verifications", body).status_code == 201
    replaced = snippets.service.get_verification(first.json())
    assert replaced["reason"] == "superseded", replaced


def test_authentik_mapping_calls(snippets: Snippets, number: str) -> None:
    """A mapping is the body of a function."""
    body = textwrap.indent(snippets.block("authentik", "mapping"), "    ")
    names: dict[str, Any] = {}
    exec(f"def mapping(token, device, request):\n{body}", names)  # noqa: S102 - our own page
    device = SimpleNamespace(phone_number=number, user=SimpleNamespace(name="Asha"))
    sent = names["mapping"]("047110", device, None)
    assert snippets.service.post("/v1/verifications", sent).status_code == 201
    assert snippets.service.wait_for_code(number) == "047110"
    assert "Asha" in snippets.service.phones.calls(number)[-1]["spoken"]
