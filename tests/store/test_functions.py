"""Every function of the library runs, on both engines."""

from importlib.resources import files

from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from redis import Redis
from store.driver import PLACED, StoreDriver, number_identity
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import NO_LIMITS, ClientLimits
from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus, Status
from otpvoice.store import UnreadableRecord
from otpvoice.store.admin import AdminStore, NumberIdentity
from otpvoice.store.export import ExportSelection
from otpvoice.store.functions import StoreMetrics
from otpvoice.store.newest import ListFilter
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.selftest import SelfTest
from otpvoice.store.speech_models import CallSpeech

FUNCTIONS = {
    file.name.removesuffix(".lua")
    for file in (files("otpvoice.store") / "lua").iterdir()
    if file.name.endswith(".lua") and not file.name.startswith("_")
}


def functions_run(registry: CollectorRegistry) -> set[str]:
    """Return the functions whose duration was observed."""
    (durations,) = (each for each in registry.collect() if "store_duration" in each.name)
    return {sample.labels["rule"] for sample in durations.samples}


def run_operators_commands(admin: AdminStore, number: NumberIdentity, newest: str) -> None:
    """Run each of them once.

    Args:
        admin: the operator's side of a store.
        number: has two verifications.
        newest: the id of its newest one.
    """
    assert admin.find_by_number(number, "root")[0].id == newest
    assert admin.explain(number).now_ms
    assert admin.block(number, 60, "root") == 0
    exported = ExportSelection(0, 10**14)
    admin.log_export(exported, "root", whole_numbers=False)
    assert admin.list_newest(ListFilter(), "", 10).verifications
    assert [*admin.export(exported)]
    admin.clear(number, "root")
    assert admin.forget(number, "root") == 2


def test_every_function_runs(redis: Redis) -> None:
    """One verification, one live test call and the operator's commands use all of them."""
    registry = CollectorRegistry()
    limits = replace(NO_LIMITS, clients={"login": ClientLimits()})
    policy = StorePolicy(limits=limits, clients_with_events=frozenset({"login"}))
    store = RedisStore(redis, policy=policy, metrics=StoreMetrics(registry))
    driver = StoreDriver(store)

    approved, claim = driver.send()
    store.record_result(claim, PLACED)
    assert isinstance(store.speech_of_live_call(claim.call_id), CallSpeech)
    driver.advance_time(61)
    assert [query.call_id for query in driver.due_status_queries()] == [claim.call_id]
    assert driver.apply_callback(call_id=claim.call_id).call_status is CallStatus.ANSWERED
    assert driver.check(approved, CODE).outcome == "right"
    (event, *_) = store.claim_events({"login": 10}).events
    store.ack_event(event, None)

    live_test = driver.try_create(reference="live test", is_live_test=True).verification
    assert live_test
    store.capture(live_test.calls[0].id, b"exchange")
    assert [exchange for _, exchange in store.captured(live_test.calls[0].id)] == [b"exchange"]
    assert driver.request_call(live_test).outcome == "coming"
    assert driver.get(live_test).status is Status.PENDING
    assert driver.cancel(live_test).outcome == "ended"
    driver.create("+919800000002")
    assert store.press_key(driver.dial(gate=Gate.DOOR).call_id, "1").speech
    store.mark_unspoken(claim.call_id)
    driver.create("+919800000001", is_test=True)
    assert store.complete_test_call(driver.claim(), 12)

    admin = AdminStore(redis, policy=policy, metrics=store.metrics)
    admin.clock_offset_ms = store.clock_offset_ms
    run_operators_commands(admin, number_identity(ASHA), live_test.id)
    assert admin.overview().dialers == store.health().dialers == 1
    store.quarantine(UnreadableRecord("call:none", "test"))
    SelfTest(redis, policy=policy, metrics=store.metrics).refused_commands()
    assert functions_run(registry) == FUNCTIONS
