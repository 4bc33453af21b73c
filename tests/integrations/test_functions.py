"""Functions of docs/integrations ring a phone with the right digits."""

import hmac
import json
from typing import Any

import pytest
from integrations.snippets import Snippets, create_delayed, wait_for_approval
from support.processes import wait_until


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
