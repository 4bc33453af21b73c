"""Each snippet of docs/integrations rings a phone with the right digits."""

import hmac
import itertools
import json
import textwrap
from types import SimpleNamespace
from typing import Any

import _jsonnet
import pytest
import requests
import yaml  # type: ignore[import-untyped] # it ships no types
from integrations.snippets import DOCS, Snippets
from support.processes import TIMEOUT_S, wait_until

_numbers = (f"+9198765{i:05}" for i in itertools.count(20000))


@pytest.fixture
def number() -> str:
    """Return a number that no other test calls."""
    return next(_numbers)


def wait_for_approval(snippets: Snippets, number: str, status: str = "approved") -> None:
    """Wait until the newest verification of a number has a status."""
    found = snippets.service.post("/v1/lookups", {"to": number})
    assert found.json()["status"] == status, found.text


def create_delayed(snippets: Snippets, number: str) -> dict[str, Any]:
    """Create a verification whose call waits for the SMS to be entered."""
    return snippets.service.create(to=number, code="471102", call_after=200)


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


def auth0_event(snippets: Snippets, number: str, **notification: Any) -> dict[str, Any]:
    """Return an event of Auth0's custom-phone-provider trigger."""
    return {
        "notification": {
            "recipient": number,
            "code": "582040",
            "delivery_method": "voice",
            "message_type": "otp_verify",
            "locale": "en_US",
            "as_voice": "Your code is …",
            **notification,
        },
        "request": {"ip": "203.0.113.9"},
        "transaction": {"correlation_id": f"correlation-{number}"},
        "user": {"given_name": "Asha", "phone_number": number},
        "authentication": {"methods": [{"name": "sms"}]},
        "secrets": {
            "OTPVOICE_URL": snippets.service.url,
            "OTPVOICE_API_KEY": snippets.block("kratos", "kratos.yml")
            .split("Bearer ")[1]
            .split()[0],
        },
    }


AUTH0_CALL = """m.onExecuteCustomPhoneProvider(
    input, { notification: { retry: record("retry"), drop: record("drop") } })"""


def test_auth0_action_calls_once_for_each_code(snippets: Snippets, number: str) -> None:
    """Auth0 repeats an Action after a failure."""
    module = snippets.add_file("auth0", "phone-provider.js")
    event = auth0_event(snippets, number)
    for _ in range(2):
        outcome = snippets.run_node(module, AUTH0_CALL, event)
        assert outcome == {"calls": []}
    assert snippets.service.wait_for_code(number) == "582040"
    assert len(snippets.service.phones.calls(number)) == 1


def test_auth0_action_drops_what_a_repetition_cannot_change(
    snippets: Snippets, number: str
) -> None:
    """Messages for SMS and without a code are left out; an unreachable service is tried again."""
    module = snippets.add_file("auth0", "phone-provider.js")
    event = auth0_event(snippets, "+14155550123")
    refused = snippets.run_node(module, AUTH0_CALL, event)
    assert refused["calls"] == [["drop", "otpvoice: number_not_allowed"]]
    for change in ({"delivery_method": "text"}, {"code": None}):
        event = auth0_event(snippets, number, **change)
        assert snippets.run_node(module, AUTH0_CALL, event) == {"calls": []}
    event = auth0_event(snippets, number)
    event["secrets"]["OTPVOICE_URL"] = "http://127.0.0.1:9"
    ((name, reason),) = snippets.run_node(module, AUTH0_CALL, event)["calls"]
    assert name == "retry", reason
    assert not snippets.service.phones.calls(number)


def test_auth0_login_approves_the_number(snippets: Snippets, number: str) -> None:
    """The call that waits is then not placed. A login by another factor proves no number."""
    create_delayed(snippets, number)
    module = snippets.add_file("auth0", "post-login.js")
    for kind, status in (("otp", "pending"), ("phone", "approved")):
        event = auth0_event(snippets, number)
        event["authentication"]["methods"] = [{"name": "pwd"}, {"name": "mfa", "type": kind}]
        assert snippets.run_node(module, "m.onExecutePostLogin(input)", event) == {"calls": []}
        wait_for_approval(snippets, number, status)


def cognito(snippets: Snippets, trigger: str, request: dict[str, Any]) -> dict[str, Any]:
    """Invoke the function as Cognito does and return its response."""
    module = snippets.add_file("cognito", "index.mjs")
    event = {"triggerSource": f"{trigger}_Authentication", "request": request, "response": {}}
    response: dict[str, Any] = snippets.run_node(module, "m.handler(input)", event)["result"][
        "response"
    ]
    return response


def test_cognito_challenge_accepts_the_spoken_code(snippets: Snippets, number: str) -> None:
    """A wrong code leads to a second challenge for the same verification."""
    attributes = {"phone_number": number, "given_name": "Asha"}
    session: list[dict[str, Any]] = []
    defined = cognito(snippets, "DefineAuthChallenge", {"session": session})
    assert defined["challengeName"] == "CUSTOM_CHALLENGE"
    results = []
    for attempt in range(2):
        created = cognito(
            snippets,
            "CreateAuthChallenge",
            {"session": session, "userAttributes": attributes, "challengeName": "CUSTOM_CHALLENGE"},
        )
        code = snippets.service.wait_for_code(number)
        answer = code if attempt else f"{(int(code) + 1) % 10**6:06}"
        verified = cognito(
            snippets,
            "VerifyAuthChallengeResponse",
            {
                "privateChallengeParameters": created["privateChallengeParameters"],
                "challengeAnswer": answer,
                "userAttributes": attributes,
            },
        )
        results.append(verified["answerCorrect"])
        session.append(
            {
                "challengeName": "CUSTOM_CHALLENGE",
                "challengeResult": verified["answerCorrect"],
                "challengeMetadata": created["challengeMetadata"],
            }
        )
    assert results == [False, True]
    assert len(snippets.service.phones.calls(number)) == 1
    assert cognito(snippets, "DefineAuthChallenge", {"session": session})["issueTokens"] is True


def test_cognito_challenge_of_an_unknown_user_rings_no_phone(
    snippets: Snippets, number: str
) -> None:
    """Five wrong answers end the sign-in."""
    request = {
        "session": [],
        "userAttributes": {"phone_number": number},
        "userNotFound": True,
        "challengeName": "CUSTOM_CHALLENGE",
    }
    created = cognito(snippets, "CreateAuthChallenge", request)
    verified = cognito(
        snippets,
        "VerifyAuthChallengeResponse",
        {
            "privateChallengeParameters": created["privateChallengeParameters"],
            "challengeAnswer": "123456",
        },
    )
    assert verified == {"answerCorrect": False}
    assert snippets.service.post("/v1/lookups", {"to": number}).status_code == 404
    failed = [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": False}] * 5
    defined = cognito(snippets, "DefineAuthChallenge", {"session": failed})
    assert (defined["issueTokens"], defined["failAuthentication"]) == (False, True)


def test_better_auth_functions_send_and_check_a_code(snippets: Snippets, number: str) -> None:
    """The code that was right once is wrong the second time."""
    snippets.add_file("better-auth", "post.mjs")
    module = snippets.add_file("better-auth", "otpvoice.mjs")
    given = {"phoneNumber": number, "code": "111111"}
    assert "error" not in snippets.run_node(module, "m.sendOTP(input)", given)
    code = snippets.service.wait_for_code(number)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    verdicts = [
        snippets.run_node(module, "m.verifyOTP(input)", {**given, "code": each})["result"]
        for each in (wrong, "12", code, code)
    ]
    assert verdicts == [False, False, True, False]


def test_better_auth_calls_only_if_the_sms_was_not_entered(snippets: Snippets, number: str) -> None:
    """The approval cancels the call that waits."""
    (snippets.folder / "sms.mjs").write_text("export async function sendSms() {}\n")
    snippets.add_file("better-auth", "post.mjs")
    module = snippets.add_file("better-auth", "sms-first.mjs")
    given = {"phoneNumber": number, "code": "471102"}
    assert "error" not in snippets.run_node(module, "m.sendOTP(input)", given)
    created = snippets.service.post("/v1/lookups", {"to": number}).json()
    assert [call["status"] for call in created["calls"]] == ["queued"]
    snippets.run_node(module, "m.callbackOnVerification(input)", given)
    wait_for_approval(snippets, number)
    assert not snippets.service.phones.calls(number)


def test_supertokens_overrides_call_and_approve(snippets: Snippets, number: str) -> None:
    """A login with a wrong code is not reported."""
    module = snippets.add_file("supertokens", "otpvoice.mjs")
    given = {"phoneNumber": number, "userInputCode": "094732", "codeLifetime": 900_000}
    outcome = snippets.run_node(module, "m.speakCodes({}).sendSms(input)", given)
    assert "error" not in outcome
    assert snippets.service.wait_for_code(number) == "094732"
    for result, status in (("INCORRECT_USER_INPUT_CODE_ERROR", "pending"), ("OK", "approved")):
        given = {"status": result, "consumedDevice": {"phoneNumber": number}}
        expression = "m.reportLogins({ consumeCode: async (input) => input }).consumeCode(input)"
        assert snippets.run_node(module, expression, given)["result"]["status"] == result
        wait_for_approval(snippets, number, status)


POST = """m.POST(new Request("https://example.com/", { method: "POST", ...input }))
    .then((response) => response.status)"""


@pytest.mark.parametrize(
    ("page", "login"),
    [("logto", "PostSignIn"), ("logto", "PostRegister"), ("fusionauth", "user.login.success")],
)
def test_login_webhook_approves_the_number(
    snippets: Snippets, number: str, page: str, login: str
) -> None:
    """A request that is not the identity server's is refused; other events change nothing."""
    create_delayed(snippets, number)
    module = snippets.add_file(page, "report-logins.mjs")
    secret = "secret-of-the-webhook"
    variables = {"LOGTO_SIGNING_KEY": secret, "WEBHOOK_AUTHORIZATION": secret}
    statuses = []
    for kind, key in (("other", secret), ("login", "another"), ("login", secret)):
        if page == "logto":
            event = {"login": login}.get(kind, "PostResetPassword")
            user = {"id": "u1", "primaryPhone": number.removeprefix("+")}
            body = json.dumps({"event": event, "user": user})
            signature = hmac.digest(key.encode(), body.encode(), "sha256").hex()
            headers = {"logto-signature-sha-256": signature}
        else:
            event = {"login": login}.get(kind, "user.create")
            body = json.dumps({"event": {"type": event, "user": {"phoneNumber": number}}})
            headers = {"Authorization": key}
        given = {"headers": headers, "body": body}
        outcome = snippets.run_node(module, POST, given, **variables)
        statuses.append(outcome.get("result", outcome))
        wait_for_approval(snippets, number, "approved" if len(statuses) == 3 else "pending")
    assert statuses == [204, 401, 204]


def test_firebase_token_needs_a_new_receipt_of_this_login(snippets: Snippets, number: str) -> None:
    """The library that verifies receipts is the one that the page installs."""
    snippets.install_packages()
    module = snippets.add_file("firebase", "otpvoice.mjs")
    module.write_text(module.read_text().replace('"firebase-backend"', '"login"'))
    given: dict[str, Any] = {"number": number, "reference": f"login-{number}"}
    started = snippets.run_node(module, "m.startCall(input.number, input.reference)", given)
    assert set(started["result"]) == {"url", "client_token", "code_length"}
    path = started["result"]["url"].removeprefix(snippets.service.url)
    code = snippets.service.wait_for_code(number)
    checked = wait_until(
        lambda: snippets.service.post(f"{path}/checks", {"code": code}).json().get("receipt"),
        "the receipt",
    )
    given["receipt"] = checked
    token = """m.firebaseToken(input.receipt, {reference},
        {{ createCustomToken: record("createCustomToken") }}, async () => {is_new})"""
    right = token.format(reference="input.reference", is_new="true")
    outcome = snippets.run_node(module, right, given)
    claims = {"verified_number": number}
    assert outcome["calls"] == [["createCustomToken", f"tel:{number}", claims]], outcome
    for reference, is_new in (("'another login'", "true"), ("input.reference", "false")):
        expression = token.format(reference=reference, is_new=is_new)
        refused = snippets.run_node(module, expression, given)
        assert refused["calls"] == []
        assert "receipt" in refused["error"]
