"""Use Twilio Verify with the asynchronous client of Twilio's SDK for Python."""

import asyncio

from integrations.twilio_sdks import scenario
from twilio import __version__
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client


async def main() -> None:
    """Create, check by number, list attempts, and be refused."""
    http = AsyncTwilioHttpClient()
    client = Client(scenario.ACCOUNT, scenario.API_KEY, http_client=http)
    client.verify.base_url = scenario.BASE_URL
    service = client.verify.v2.services(scenario.SERVICE)
    number = scenario.new_number()
    created = await service.verifications.create_async(to=number, channel="call")
    assert (await service.verifications(number).fetch_async()).sid == created.sid
    code = scenario.spoken_code(number)
    checks = service.verification_checks
    assert not (await checks.create_async(to=number, code=scenario.wrong(code))).valid
    assert (await checks.create_async(to=number, code=code)).status == "approved"
    attempts = await client.verify.v2.verification_attempts.list_async(channel_data_to=number)
    assert [each.conversion_status for each in attempts] == ["converted"]
    try:
        await checks.create_async(to=number, code=code)
    except TwilioRestException as error:
        scenario.assert_refused(error, 404, 20404)
    else:
        raise AssertionError("a code is accepted twice")
    canceled = await service.verifications.create_async(to=number, channel="call")
    updated = await service.verifications(canceled.sid).update_async(status="canceled")
    assert updated.status == "canceled"
    await http.close()


asyncio.run(main())
print(f"twilio {__version__} passed")
