"""Messages on `alerts`, and channels that remember what came."""

import asyncio

from dispatch.delivery import Outcome
from stream.records import Output

BEGIN_US = 1_705_946_959_000_000  # 2024-01-22T18:09:19Z


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self, at_us=BEGIN_US):
        self.at_us = at_us

    def __call__(self):
        return self.at_us

    def passes(self, seconds):
        self.at_us += round(seconds * 1e6)


def cap_time(time_us):
    from dispatch.cap import time_text

    return time_text(time_us)


def alert(
    identifier="ca.1_KZ_0",
    *,
    chain="ca.1_KZ",
    kind="Alert",
    references="",
    status="Test",
    country="KZ",
    audience="public",
    sent_us=BEGIN_US,
    onset_s=40,
    expires_s=600,
    intensity="5.0",
    cause=0,
):
    """A record for `alerts`."""
    referring = f"<references>{references}</references>" if references else ""
    value = f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier>
<sender>alatau@example.org</sender><sent>{cap_time(sent_us)}</sent><status>{status}</status>
<msgType>{kind}</msgType><scope>Public</scope>{referring}
<info><language>en</language><category>Geo</category><event>Earthquake</event>
<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>
<onset>{cap_time(sent_us + onset_s * 1_000_000)}</onset>
<expires>{cap_time(sent_us + expires_s * 1_000_000)}</expires>
<headline>Earthquake: strong shaking reaches Almaty in {onset_s} s</headline>
<area><areaDesc>Kazakhstan: Almaty</areaDesc><circle>43.2500,76.9000 80.0</circle>
<geocode><valueName>ISO3166-1</valueName><value>{country}</value></geocode></area></info></alert>"""
    headers = {
        "event": "ca.1",
        "country": country,
        "msgType": kind,
        "status": status,
        "highestTold": intensity,
        "audience": audience,
        "cause": f"events/0/{cause}/0",
    }
    return Output(
        "alerts",
        chain.encode(),
        value.encode(),
        cause,
        sent_us // 1000,
        tuple((name, text.encode()) for name, text in headers.items()),
    )


class Receiver:
    """The other side: what came, in order; the keys tell repeats."""

    def __init__(self):
        self.came = []

    @property
    def once(self):
        """Identifiers without those that came with a key again."""
        return list(dict.fromkeys(self.came))


class MadeChannel:
    """A channel whose attempts end as `answers` says; delivered when there are no more."""

    def __init__(self, receiver=None, answers=(), *, once=True, steps=None):
        self.once = once
        self.receiver = receiver or Receiver()
        self.answers = list(answers)
        self.attempts = []
        self.restored = []
        self._steps = steps

    async def open(self, tell):
        self.tell = tell

    async def send(self, attempt):
        if self._steps is None:
            return await self._send(attempt)
        return await self._steps.take(self._send(attempt))

    async def _send(self, attempt):
        self.attempts.append(attempt)
        answer = self.answers.pop(0) if self.answers else Outcome("delivered")
        if answer == "hangs":
            await asyncio.sleep(3600)
        if isinstance(answer, Exception):
            raise answer
        if answer.state != "failed" or answer.reached:
            self.receiver.came.append(attempt.key)
        return answer

    def restore(self, parcels):
        self.restored = [parcel.identifier for parcel in parcels]

    async def close(self):
        pass
