"""A service's life with secrets in every place that a caller can choose.

Codes have ten digits, so that none of them turns up by chance.
"""

import base64
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from redis import Redis
from support.companies import PATH_TOKEN as COMPANY_PATH_TOKEN
from support.companies import TOKEN as COMPANY_TOKEN
from support.processes import Process, free_port, wait_until
from support.raw_http import RecordingHttpClient
from support.service import (
    LOGIN_KEY,
    NUMBER_KEY,
    PATH_TOKEN,
    PROVIDER_TOKEN,
    RING_KEY,
    VALIDATION_KEY,
    WEBHOOK_SECRET,
    SandboxPhones,
)
from support.stack import Stack
from support.valkey import Valkey
from system.leaks import Scanner, everything_in

from otpvoice.core.speech import CodeFormat, format_code
from otpvoice_sandbox import RunningSandbox

ASHA, RAVI, MEERA, DEVI, TARA, UMA = (f"+9198765{n}{n}{n}12" for n in range(1, 7))
OWN_CODE: Final = "8306175294"
WRONG_CODE: Final = "2957403861"
SPELLED: Final = format_code(OWN_CODE, CodeFormat.COMMA)
STORE_PASSWORD: Final = "password-of-the-store-in-the-tests"
COMPANIES: Final = ("twilio", "signalwire", "telnyx", "plivo")
FETCHING: Final = ("signalwire", "plivo")
"""Those that fetch what an answered call speaks."""
VERIFICATIONS: Final = "/v1/verifications"
WEBHOOK: Final = "/webhooks/mobtexting"
CODES: Final = {"the client's own code": OWN_CODE, "a wrong code": WRONG_CODE}
SECRETS: Final = {
    "the API key": LOGIN_KEY,
    "a wrong API key": "ovk_wrong-key-of-the-tests",
    "a client token": "vct_wrong-token-of-the-tests",
    "a receipt": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl",
    "the ring key": RING_KEY.rstrip("="),
    "the ring key's bytes": base64.b64decode(RING_KEY).decode(),
    "the number key": NUMBER_KEY.rstrip("="),
    "the number key's bytes": base64.b64decode(NUMBER_KEY).decode(),
    "the provider's token": PROVIDER_TOKEN,
    "the webhook's secret": WEBHOOK_SECRET,
    "the path token": PATH_TOKEN,
    "the validation key": VALIDATION_KEY,
    "the other companies' token": COMPANY_TOKEN,
    "the other companies' path token": COMPANY_PATH_TOKEN,
    "the store's password": STORE_PASSWORD,
    "the name": "Canarynamed",
    "the payee": "Canarypayee",
    "the amount": "48201.73",
}
PAYMENT: Final = {"amount": "48201.73", "currency": "INR", "payee": "Canarypayee"}
NUMBERS: Final = {
    f"{whose} number{less}": number.removeprefix("+").removeprefix(start)
    for whose, number in {
        "Asha's": ASHA,
        "Ravi's": RAVI,
        "Meera's": MEERA,
        "Devi's": DEVI,
        "Uma's": UMA,
    }.items()
    for less, start in {"": "", ", national": "91"}.items()
}


class Life:
    """A service's life, led through every door, and what is left of it."""

    def __init__(self, stack: Stack, store: Valkey, redis: Redis) -> None:
        self.stack = stack
        self.service = stack.service
        self.talk = RecordingHttpClient(int(stack.service.url.rpartition(":")[2]))
        self.codes = dict(CODES)
        self.tokens: dict[str, str] = {}
        self._store = store
        self._redis = redis

    def proves_a_number(self) -> None:
        """With a code of the client's own: wrong ones, the right one, and once more."""
        body = {"to": ASHA, "code": OWN_CODE, "name": "Canarynamed", "ip": "203.0.113.77"}
        key = f"Idempotency-Key: login-{OWN_CODE}-{ASHA}"
        begun = self.talk.request("POST", VERIFICATIONS, body, key).document
        self.talk.request("POST", VERIFICATIONS, body, key)
        assert self.service.wait_for_code(ASHA) == OWN_CODE
        self.service.wait_for_call(begun, "answered")
        one = f"{VERIFICATIONS}/{begun['id']}"
        self.talk.request("GET", f"{one}?code={OWN_CODE}&to={quote(ASHA)}")
        for code in (WRONG_CODE, "१२३४", f" {OWN_CODE}", [*OWN_CODE], int(OWN_CODE), OWN_CODE):
            self.talk.request("POST", f"{one}/checks", {"code": code})
        assert self.service.get_verification(begun)["status"] == "approved"
        self.talk.request("POST", f"{one}/checks", {"code": OWN_CODE})
        self.talk.request("POST", f"{one}/cancel", {"code": OWN_CODE}, f"X: {OWN_CODE}")
        self.talk.request("POST", f"{one}/approve")
        for path in ("checks", "approvals", "lookups"):
            by_number = {"to": ASHA, "code": OWN_CODE} if path == "checks" else {"to": ASHA}
            self.talk.request("POST", f"/v1/{path}", by_number)
            self.talk.request("POST", f"/v1/{path}?to={quote(ASHA)}&code={OWN_CODE}", by_number)
            self.talk.request(
                "POST", f"/v1/{path}", {"to": f"{ASHA}99", OWN_CODE: 1}, echoes=OWN_CODE
            )

    def proves_numbers_with_codes_of_ours(self) -> None:
        """By either route, one to the end and one given up; the codes are learnt at the phone."""
        for number, route, end in ((RAVI, "obd", "checks"), (MEERA, "c2c", "cancel")):
            begun = self.service.create(number, route=route)
            self.tokens[f"{number}'s client token"] = begun["client_token"]
            code = self.codes[f"{number}'s code"] = self.service.wait_for_code(number)
            self.is_asked_by_an_app(begun, end, code)

    def is_asked_by_an_app(self, begun: dict[str, Any], end: str, code: str) -> None:
        """With the token of its verification: all that it may do, and what it may not."""
        one, token = f"{VERIFICATIONS}/{begun['id']}", begun["client_token"]
        self.talk.request("GET", f"{one}?client_token={token}", key=token)
        self.talk.request("POST", f"{one}/calls", {"locale": token}, key=token)
        self.talk.request("POST", f"{one}/approve", key=token)
        self.talk.request("GET", f"{VERIFICATIONS}/{token}", key=f"{token}x")
        self.talk.request("POST", VERIFICATIONS, {"to": token}, key=token)
        self.talk.request("POST", f"{one}/{end}", {"code": code}, key=token)

    def proves_a_number_at_a_terminal(self) -> None:
        """``otpvoice verify``, to which the code is typed."""
        command = [sys.executable, "-m", "otpvoice", "verify", DEVI]
        variables = {"OTPVOICE_URL": self.service.url, "OTPVOICE_API_KEY": LOGIN_KEY}
        log = self.stack.folder / "verify"
        with Process(command, log, variables, stdin=subprocess.PIPE) as process:
            code = self.codes["Devi's code"] = self.service.wait_for_code(DEVI)
            output = process.finish(f"{code}\n")
        assert process.status == 0, output
        self.talk.responses.append(("otpvoice verify", output.encode()))

    def is_asked_for_nonsense(self) -> None:
        """Secrets in every place of a request that a caller can choose."""
        talk, body = self.talk, {"to": TARA, "code": OWN_CODE}
        for number in (f"{ASHA}99", ASHA.removeprefix("+"), f"{ASHA};ext=1", int(ASHA), [ASHA]):
            talk.request("POST", VERIFICATIONS, body | {"to": number})
        talk.request("POST", VERIFICATIONS, body | {OWN_CODE: ASHA}, echoes=OWN_CODE)
        talk.request(
            "POST", VERIFICATIONS, body | {"ttl": OWN_CODE, "route": ASHA, "locale": OWN_CODE}
        )
        talk.request("POST", VERIFICATIONS, f'{{"to": "{ASHA}", {OWN_CODE}'.encode())
        talk.request("POST", VERIFICATIONS, f'["{OWN_CODE}", "{ASHA}"]'.encode())
        talk.request("POST", VERIFICATIONS, f'{{"x": "{OWN_CODE * 2000}"}}'.encode())
        talk.request("POST", VERIFICATIONS, body, f"Idempotency-Key: {OWN_CODE} {ASHA}")
        talk.request("POST", VERIFICATIONS, body, f"Content-Encoding: {OWN_CODE}")
        for key in (
            SECRETS["a wrong API key"],
            SECRETS["a client token"],
            SECRETS["a receipt"],
            OWN_CODE,
        ):
            talk.request("POST", VERIFICATIONS, body, f"User-Agent: {key}", key=key)
        for spelled in (OWN_CODE, "-".join(OWN_CODE), ASHA.removeprefix("+"), f"otp-{OWN_CODE}"):
            talk.request(
                "GET", f"{VERIFICATIONS}/x", None, f"Request-Id: {spelled}", echoes=spelled
            )
        talk.request(
            "GET", f"/{OWN_CODE}/{quote(ASHA)}/{LOGIN_KEY}?code={OWN_CODE}&to={quote(ASHA)}"
        )
        talk.request("DELETE", f"{VERIFICATIONS}/canary-path?canary-query={OWN_CODE}")

    def is_asked_in_no_http(self, talk: RecordingHttpClient) -> None:
        """Send what gunicorn refuses before the API reads it; its page repeats a part to the
        sender.
        """
        path, spelled = f"{WEBHOOK}/{PATH_TOKEN}/canary-path", "-".join(OWN_CODE)
        reported = f"{path}?canary-query&code={OWN_CODE}&to={ASHA}&spelled={spelled}"
        talk.send_raw(f"GET {reported} {LOGIN_KEY} HTTP/1.1\r\n\r\n".encode(), echoes=LOGIN_KEY)
        talk.send_raw(f"GET {reported}\r\n\r\n".encode(), echoes=f"GET {reported}")
        talk.send_raw(f"{OWN_CODE} {reported} HTTP/1.1\r\n\r\n".encode(), echoes=OWN_CODE)
        header = f"canary-header {OWN_CODE} {ASHA} {LOGIN_KEY}"
        talk.send_raw(f"GET / HTTP/1.1\r\n{header}: x\r\n\r\n".encode(), echoes=header)
        talk.send_raw(f"GET / HTTP/1.1\r\nX: {OWN_CODE * 2000}\r\n\r\n".encode())
        talk.send_raw(f"GET /{OWN_CODE * 2000} HTTP/1.1\r\n\r\n".encode())

    def is_called_back(self) -> None:
        """Genuine and forged news, garbage, and challenges, with secrets all over them."""
        self.service.phones.set_behaviour(TARA, "no_callback")
        begun = self.service.create(TARA, code=OWN_CODE)
        call_id = self.service.wait_for_call(begun, "placed")["id"]
        news = {"id": call_id, "to": TARA, "source": "OBD", "code": OWN_CODE, "name": "Canarynamed"}
        for path, key in (
            (WEBHOOK, SECRETS["a wrong API key"]),
            (f"{WEBHOOK}/{OWN_CODE}", OWN_CODE),
            (WEBHOOK, WEBHOOK_SECRET),
            (f"{WEBHOOK}/{PATH_TOKEN}", "x"),
        ):
            for status in (SPELLED, f"{OWN_CODE} {ASHA}", WEBHOOK_SECRET, "BUSY"):
                self.talk.request("POST", path, news | {"status": status}, key=key)
                self.talk.request("GET", f"{path}?status={quote(status)}&to={quote(ASHA)}", key=key)
            self.talk.request("POST", path, f"{{{OWN_CODE} {ASHA}".encode(), key=key)
            challenge = {"validation_key": VALIDATION_KEY, "challenge": "x"}
            self.talk.request("POST", f"{path}?token={VALIDATION_KEY}", challenge, key=key)
        assert self.service.get_verification(begun)["calls"][0]["status"] == "busy"

    def is_called_by_other_companies(self, companies: RunningSandbox) -> None:
        """Calls that speak a document, of which two fetch it; strangers ask for it as well."""
        for route in COMPANIES:
            begun = self.service.create(UMA, route=route, reference=route, name="Canarynamed")
            self.service.wait_for_call(begun, "answered")
            entry = companies.state.request_log()[-1]
            spoken = SandboxPhones(companies.url).calls(UMA)[-1]["spoken"]
            code = "".join(re.findall(r"\d", spoken))[: begun["code_length"]]
            self.codes[f"the code by {route}"] = code
            members = {name: str(each) for name, each in entry["request"].items()}
            urls = [each for each in members.values() if each.startswith(self.service.url)]
            assert urls
            for url in urls:
                path = url.removeprefix(self.service.url)
                token = path.partition("?")[0].rpartition("/")[2]
                if token != route:
                    self.tokens[f"a token for {route}"] = token
                self.talk.request("POST", f"{path}&code={code}", {"CallStatus": code, "To": UMA})
                self.talk.request("GET", path)
            fetched = {"Twiml", "Texml"} & {*members} == set()
            assert fetched == (route in FETCHING)
            if fetched:
                assert not Scanner({}, {"the code": code}).scan("a request", str(members).encode())
            assert self.service.check(begun, code).json()["valid"] is True

    def is_refused_by_its_provider(self) -> None:
        """Errors that quote the request; the last of them closes the routes."""
        message = f"no {OWN_CODE} ({SPELLED}) for {TARA} with {PROVIDER_TOKEN}, Canarynamed"
        message += " pays 48201.73 rupees to Canarypayee"
        refusals: Sequence[tuple[str, dict[str, Any]]] = (
            ("reply", {"status": 400, "body": {"status": 400, "message": message}}),
            ("reply", {"status": 500, "body": message}),
            ("error_500", {}),
            ("garbage", {}),
            ("reply", {"status": 401, "body": {"status": 401, "message": message}}),
        )
        for n, (behaviour, options) in enumerate(refusals):
            number = f"{TARA[:-1]}{n + 3}"
            self.service.phones.set_behaviour(number, behaviour, **options)
            members = {"code": OWN_CODE, "name": "Canarynamed", "transaction": PAYMENT}
            begun = self.service.create(number, **members)
            wait_until(
                lambda begun=begun: (  # type: ignore[misc]
                    self.service.get_verification(begun)["calls"][0]["status"]
                    in {"failed", "unknown"}
                ),
                f"the provider's {behaviour}",
            )

    def is_seen_through_another_server(self) -> None:
        """``gunicorn otpvoice.wsgi:app``, as talkative as it can be."""
        port = free_port()
        options = ["--threads", "2", "--log-level", "debug", "--bind", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "gunicorn", *options, "otpvoice.wsgi:app"]
        talk = RecordingHttpClient(port)
        with Process(command, self.stack.folder / "wsgi.log", self.stack.variables) as gunicorn:
            wait_until(talk.is_listening, "gunicorn to start")
            self.is_asked_in_no_http(talk)
            talk.request("GET", f"/{OWN_CODE}?{quote(ASHA)}")
            assert gunicorn.terminate() == 0
        self.talk.responses += talk.responses

    def breaks(self) -> None:
        """Store records with canaries in number fields, which are quarantined and reported."""
        self._redis.delete(*self._redis.scan_iter("{otpvoice}:route:*"))  # open them again
        begun = self.service.create(f"{TARA[:-1]}9", code=OWN_CODE, call_after=1)
        call = f"{{otpvoice}}:call:{begun['calls'][0]['id']}"
        self._redis.hset(call, "requests", f"{OWN_CODE} {ASHA}")
        wait_until(lambda: b"record.quarantined" in dict(self.logs())["dialer.log"], "the report")
        key = f"{{otpvoice}}:verification:{begun['id']}"
        self._redis.hset(key, "checks_left", f"{OWN_CODE} {ASHA}")
        assert self.talk.request("GET", f"{VERIFICATIONS}/{begun['id']}").status == 404
        self.breaks_functions(begun["id"])

    def breaks_functions(self, verification: str) -> None:
        """Functions that fail with a text that holds canaries: an answer 500, and failed rounds."""
        functions: list[Any] = self._redis.function_list("otpvoice_*", withcode=False)
        for library in functions:
            names = [each[1].decode() for each in library[5]]
            failing = "redis.register_function('{}', function() error('{} {}') end)"
            text = [failing.format(name, OWN_CODE, ASHA) for name in names]
            library_name = library[1].decode()
            self._redis.function_load(
                "\n".join([f"#!lua name={library_name}", *text]), replace=True
            )
        assert self.talk.request("GET", f"{VERIFICATIONS}/{verification}").status == 500
        wait_until(
            lambda: b"dialer.iteration_failed" in dict(self.logs())["dialer.log"], "failed rounds"
        )
        for library in functions:
            self._redis.function_delete(library[1])
        wait_until(lambda: self.service.get("/readyz").ok, "the service to recover")

    def keeps(self) -> list[tuple[str, bytes]]:
        """All that is in the store, and in its files."""
        files = [path for path in self._store.folder.rglob("*") if path.is_file()]
        assert any(".aof" in path.name for path in files)
        return [*everything_in(self._redis), *((p.name, p.read_bytes()) for p in files)]

    def logs(self) -> list[tuple[str, bytes]]:
        """Return the output of all processes."""
        return [(path.name, path.read_bytes()) for path in self.stack.folder.glob("*.log")]
