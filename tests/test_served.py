"""Feeds, stream and server over HTTP and WebSocket on this machine; the desk that holds them."""

import asyncio
import io
import json
from importlib.resources import files
from pathlib import Path

import aiohttp
import msgspec
import pytest
from lxml import etree
from made_detections import station_motion
from made_earthquakes import earthquake
from made_keys import certificate, certificate_pem, key
from made_parcels import BEGIN_US, Clock, alert
from test_delivery import read
from test_incoming import cap as foreign

from detect import detections, events
from detect.detections import Motion
from detect.health import Health
from dispatch import facts
from dispatch.channels import quakeml, websocket
from dispatch.channels.board import Board
from dispatch.channels.feed import atom, geojson
from dispatch.channels.settings import (
    ChannelSettings,
    DeliverySettings,
    Feed,
    Mqtt,
    ServerSettings,
    SignatureSettings,
    Webhook,
    WebsocketSettings,
)
from dispatch.channels.webhook import headers
from dispatch.delays import Delays
from dispatch.deliver import Desk, deliver, secrets
from dispatch.facts import Acknowledgement, Delivery, Sources
from dispatch.signature import Signer
from dispatch.sources import SourceWatch
from stream.errors import ConfigurationError
from stream.memory import MemoryLog
from stream.records import Output
from stream.topics import DETECTIONS, EVENTS, FACTS, REJECTS

S = 1_000_000
ATOM = "{http://www.w3.org/2005/Atom}"
FEED = Feed()
SECRET = b"a secret of thirty-two bytes ..."


def board(*outputs, sources=(40, 40), age_s=0.0):
    made = Board(stale_s=60.0, least=0.5, events_s=86_400.0)
    for output in outputs:
        made.put(read(output))
    if sources is not None:
        made.hear(watched(*sources, at_us=BEGIN_US - round(age_s * S)))
    return made


def watched(healthy, expected, at_us=BEGIN_US, hazard="earthquake"):
    return Sources(at_us=at_us, hazard=hazard, healthy=healthy, silent=expected - healthy)


@pytest.mark.parametrize(
    ("sources", "age_s", "text", "is_all_clear"),
    [
        ((40, 40), 0, "No warning is in force. earthquake: 40 of 40 sources healthy", True),
        ((20, 40), 60, "No warning is in force.", True),
        ((19, 40), 0, "Too few sources are healthy: silence is no all-clear.", False),
        ((0, 0), 0, "Too few sources are healthy: silence is no all-clear.", False),
        ((40, 40), 61, "is not known: silence is no all-clear.", False),
        (None, 0, "The state of the sources is not known: silence is no all-clear.", False),
    ],
)
def test_no_warning_is_never_said_without_who_watches(sources, age_s, text, is_all_clear):
    said = board(sources=sources, age_s=age_s).statement(BEGIN_US)
    assert text in said.text
    assert (said.is_all_clear, said.in_force) == (is_all_clear, 0)
    assert ("No warning is in force" in said.text) == is_all_clear
    made = board(sources=sources, age_s=age_s)
    assert said.text.encode() in atom(made, FEED, BEGIN_US)
    assert json.loads(geojson(made, BEGIN_US, Delays()))["statement"]["text"] == said.text


def test_a_warning_that_is_shown_elsewhere_is_no_all_clear():
    made = board()
    actual = read(alert(status="Actual"))
    made.put_elsewhere(actual)
    said = made.statement(BEGIN_US)
    assert said.text.startswith("No warning that is shown here is in force, but others are.")
    assert (said.is_all_clear, said.in_force) == (False, 0)
    made.put_elsewhere(
        read(alert("ca.1_KZ_1", kind="Cancel", status="Actual", sent_us=BEGIN_US + S))
    )
    assert made.statement(BEGIN_US + 2 * S).is_all_clear
    drill = board()
    drill.put_elsewhere(read(alert(status="Exercise")))
    assert drill.statement(BEGIN_US).is_all_clear, "a drill elsewhere is none of ours"


def test_every_hazard_must_be_watched():
    made = board()
    made.hear(watched(1, 10, hazard="mudflow"))
    said = made.statement(BEGIN_US)
    assert not said.is_all_clear
    assert "earthquake: 40 of 40" in said.text
    assert "mudflow: 1 of 10" in said.text


def test_old_news_of_the_sources_changes_nothing():
    made = board()
    made.hear(watched(3, 40, BEGIN_US - S))
    assert made.statement(BEGIN_US).is_all_clear


def actual(*names, **changes):
    return alert(*names, status="Actual", **changes)


def test_what_is_in_force():
    first = actual("ca.1_KZ_0")
    second = actual("ca.1_KZ_1", kind="Update", sent_us=BEGIN_US + S)
    third = actual("ca.1_KZ_2", kind="Cancel", sent_us=BEGIN_US + 2 * S)
    other = actual("ca.2_KZ_0", chain="ca.2_KZ")
    made = board(first, second, other)
    said = made.statement(BEGIN_US)
    assert (said.in_force, said.is_all_clear) == (2, False)
    assert said.text.startswith("2 warnings are in force.")
    made.put(read(third))
    assert made.statement(BEGIN_US).text.startswith("1 warning is in force.")
    assert [p.identifier for p in made.newest(BEGIN_US)] == ["ca.1_KZ_2", "ca.2_KZ_0"]
    assert len(made.standing(BEGIN_US)) == 4
    late = BEGIN_US + 600 * S
    assert [p.identifier for p in made.standing(late)] == ["ca.1_KZ_2", "ca.1_KZ_1"]
    made.sweep(late + 2 * S)
    assert made.parcel("ca.1_KZ_2") is None


def test_drills_are_no_warnings_and_are_told_apart():
    made = board(actual("ca.1_KZ_0"), alert("ca.2_KZ_0", chain="ca.2_KZ", status="Exercise"))
    said = made.statement(BEGIN_US)
    assert (said.in_force, said.drills) == (1, 1)
    assert said.text.startswith("1 warning is in force. Messages of tests and exercises: 1. earth")
    drill = board(alert()).statement(BEGIN_US)
    assert (drill.in_force, drill.drills, drill.is_all_clear) == (0, 1, True)
    assert drill.text.startswith("No warning is in force. Messages of tests and exercises: 1. ")


def test_the_atom_feed():
    made = board(alert(), alert("ca.2_KZ_0", chain="ca.2_KZ", sent_us=BEGIN_US + S))
    value = atom(made, FEED, BEGIN_US)
    assert value == atom(made, FEED, BEGIN_US + 5 * S), "the same until something changes"
    root = etree.fromstring(value)
    assert root.findtext(ATOM + "updated") == "2024-01-22T18:09:20Z"
    entries = root.findall(ATOM + "entry")
    assert [entry.find(ATOM + "link").get("href") for entry in entries] == [
        "http://127.0.0.1:8080/alerts/ca.2_KZ_0.xml",
        "http://127.0.0.1:8080/alerts/ca.1_KZ_0.xml",
    ]
    assert entries[0].findtext(ATOM + "title").startswith("Earthquake: strong shaking")
    for parent in (root, *entries):
        assert all(parent.findtext(ATOM + tag) for tag in ("id", "title", "updated"))


def with_polygon(output, polygon):
    value = output.value.replace(
        b"<circle>43.2500,76.9000 80.0</circle>", f"<polygon>{polygon}</polygon>".encode()
    )
    return msgspec.structs.replace(output, value=value)


def test_geojson_of_polygons_and_circles():
    square = "43.0000,76.0000 44.0000,76.0000 44.0000,77.0000 43.0000,77.0000 43.0000,76.0000"
    made = board(with_polygon(alert(), square), alert("ca.2_KZ_0", chain="ca.2_KZ"))
    delays = Delays()
    delays.take(Delivery(at_us=0, message="m", channel="feed", state="queued"))
    delays.take(Delivery(at_us=3 * S, message="m", channel="feed", state="delivered"))
    document = json.loads(geojson(made, BEGIN_US + 10 * S, delays))
    second, first = document["features"]
    assert first["geometry"] == {
        "type": "MultiPolygon",
        "coordinates": [[[[76, 43], [77, 43], [77, 44], [76, 44], [76, 43]]]],
    }
    assert second["geometry"] == {"type": "Point", "coordinates": [76.9, 43.25]}
    assert first["properties"]["leadSeconds"] == 27.0, "40 s, less 10 s gone and 3 s for the way"
    assert first["properties"]["severity"] == "Severe"
    assert document["statement"]["drills"] == 2


def test_the_polygon_of_a_real_message_can_be_drawn():
    value = (Path(__file__).parent / "contracts" / "cap-alert.xml").read_bytes()
    made = board(msgspec.structs.replace(alert(), value=value))
    (parcel,) = made._parcels.values()
    (feature,) = json.loads(geojson(made, parcel.sent_us, Delays()))["features"]
    assert feature["geometry"]["type"] in ("MultiPolygon", "Point")


QUAKES = [
    earthquake(),
    earthquake(id="ca.2", status="cancelled", magnitude=None, magnitude_sigma=None),
    earthquake(id="ca.3", status="superseded", superseded_by="ca.2", reason="the same as <ca.2>"),
]


def test_quakeml_is_valid_and_obspy_reads_it():
    from obspy import read_events

    value = quakeml.encode(QUAKES)
    folder = files("obspy.io.quakeml") / "data"
    schema = etree.XMLSchema(etree.parse(str(folder / "QuakeML-1.2.xsd")))
    assert schema.validate(etree.fromstring(value)), schema.error_log
    first, second, third = read_events(io.BytesIO(value), format="QUAKEML")
    origin = first.preferred_origin()
    assert (origin.latitude, origin.longitude, origin.depth) == (41.269, 78.649, 13_000.0)
    assert origin.time.ns == QUAKES[0].origin_time_us * 1000
    assert origin.latitude_errors.uncertainty == pytest.approx(4.0 / 111.195, rel=1e-4)
    assert first.preferred_magnitude().mag == 7.0
    assert second.event_type == "not existing"
    assert second.preferred_magnitude() is None
    assert third.comments[0].text == "the same as <ca.2>"


def test_an_event_in_the_shape_of_emsc():
    said = json.loads(websocket.emsc(QUAKES[0], "KNDC", is_new=True))
    assert said["action"] == "create"
    assert said["data"]["geometry"] == {"type": "Point", "coordinates": [78.649, 41.269, -13.0]}
    properties = said["data"]["properties"]
    assert properties["time"] == "2024-01-22T18:09:04.000000Z"
    assert (properties["mag"], properties["depth"], properties["evtype"]) == (7.0, 13.0, "ke")
    assert {"unid", "lastupdate", "lat", "lon", "magtype", "auth"} <= set(properties)
    assert json.loads(websocket.emsc(QUAKES[1], "KNDC", is_new=False))["action"] == "update"


def own(tmp_path=None, **changes):
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "cert.pem").write_bytes(certificate_pem(certificate("ec")))
    hook = Webhook(url="http://127.0.0.1:9/in", secret_file="secret", retry_s=500.0)
    values = {
        "channels": ChannelSettings(webhooks={"hook": hook}),
        "server": ServerSettings(port=1),
        "signature": SignatureSettings(pinned={"mchs@example.kg": ("cert.pem",)}),
    }
    return DeliverySettings(**{**values, **changes})


class Served:
    """A desk on a log in memory, and a client."""

    def __init__(self, tmp_path, **changes):
        self.log = MemoryLog()
        self.clock = Clock()
        self.settings = own(tmp_path, **changes)
        self.desk = Desk(self.log, self.settings, secrets(self.settings, tmp_path), self.clock)
        self.desk.server._settings = ServerSettings(port=0)

    async def __aenter__(self):
        self.client = aiohttp.ClientSession()
        await self.desk.start()
        return self

    async def __aexit__(self, *_):
        await self.client.close()
        await self.desk.stop()

    def url(self, path):
        return f"http://127.0.0.1:{self.desk.server.port}{path}"

    async def get(self, path, **given):
        async with self.client.get(self.url(path), **given) as answer:
            return answer, await answer.read()

    async def post(self, body, **given):
        async with self.client.post(self.url("/cap"), data=body, headers=given) as answer:
            return answer.status, await answer.text()

    async def turn(self, times=3):
        for _ in range(times):
            await self.desk.step()
            for _ in range(5):
                await asyncio.sleep(0)

    async def facts(self, kind):
        records = await self.log.read(FACTS.name, 0, 0, 10**6)
        told = [facts.decode(record.value) for record in records]
        return [fact for fact in told if isinstance(fact, kind)]


def serve(scene, tmp_path, **changes):
    async def served():
        async with Served(tmp_path, **changes) as here:
            return await scene(here)

    return asyncio.run(served())


def event_output(quake):
    return Output(EVENTS.name, b"e", events.encode(quake), 0, quake.updated_us // 1000)


def test_everything_is_served_as_it_comes(tmp_path):
    async def scene(here):
        _, before = await here.get("/alerts.atom")
        tell = facts.output(watched(40, 40))
        await here.log.append([tell, alert(), event_output(earthquake())])
        await here.turn()
        seen = {
            path: await here.get(path)
            for path in (
                "/alerts.atom",
                "/alerts/ca.1_KZ_0.xml",
                "/alerts.geojson",
                "/events.quakeml",
                "/status.json",
                "/alerts/nothing.xml",
            )
        }
        return before, seen

    before, seen = serve(scene, tmp_path)
    assert b"No warning is known of" in before
    assert b"silence is no all-clear" in before
    types = {path: (answer.status, answer.content_type) for path, (answer, _) in seen.items()}
    assert types == {
        "/alerts.atom": (200, "application/atom+xml"),
        "/alerts/ca.1_KZ_0.xml": (200, "application/cap+xml"),
        "/alerts.geojson": (200, "application/geo+json"),
        "/events.quakeml": (200, "application/xml"),
        "/status.json": (200, "application/json"),
        "/alerts/nothing.xml": (404, "text/plain"),
    }
    assert seen["/alerts/ca.1_KZ_0.xml"][1] == alert().value
    assert b"Messages of tests and exercises: 1. earthquake: 40 of 40" in seen["/alerts.atom"][1]
    assert b"ca.20240122T180911-AAK" in seen["/events.quakeml"][1]
    status = json.loads(seen["/status.json"][1])
    assert (status["statement"]["inForce"], status["statement"]["drills"]) == (0, 1)


def test_what_has_not_changed_is_not_sent_again(tmp_path):
    async def scene(here):
        await here.log.append([facts.output(watched(40, 40)), alert()])
        await here.turn()
        answer, _ = await here.get("/alerts.atom")
        again, body = await here.get(
            "/alerts.atom", headers={"If-None-Match": answer.headers["ETag"]}
        )
        here.clock.passes(61)
        later, _ = await here.get("/alerts.atom", headers={"If-None-Match": answer.headers["ETag"]})
        return again.status, body, later.status

    assert serve(scene, tmp_path) == (304, b"", 200)


def test_the_feed_is_delivered_when_someone_fetches_it(tmp_path):
    async def scene(here):
        await here.log.append([alert()])
        await here.turn()
        before = [f.state for f in await here.facts(Delivery) if f.channel == "feed"]
        here.clock.passes(7)
        await here.get("/alerts.atom")
        await here.get("/alerts.atom")
        await here.turn()
        told = [f for f in await here.facts(Delivery) if f.channel == "feed"]
        return before, told, here.desk.sender.deliveries.delays.seconds("feed")

    before, told, delay_s = serve(scene, tmp_path)
    assert before == ["queued", "sent"]
    assert [f.state for f in told] == ["queued", "sent", "delivered"]
    assert (told[-1].lead_s, delay_s) == (33.0, 7.0)


def ack(identifier="ack-1"):
    return foreign(
        identifier=identifier,
        kind="Ack",
        references="alatau@example.org,ca.1_KZ_0,2024-01-22T18:09:19-00:00",
        info="",
    )


def test_acknowledgements_and_foreign_messages_come_in(tmp_path):
    async def scene(here):
        signer = Signer(key("ec"), certificate("ec"))
        now_s = here.clock() // S
        stranger = ack("ack-2").replace(b"mchs@example.kg", b"hook@example.kz")
        signed = {"Alatau-Channel": "hook", **headers(SECRET, "x", now_s, stranger)}
        answers = [
            await here.post(signer.sign(ack())),
            await here.post(signer.sign(ack())),
            await here.post(ack()),
            await here.post(stranger),
            await here.post(stranger, **signed),
            await here.post(stranger + b" ", **signed),
            await here.post(stranger, **{**signed, "Alatau-Channel": "other"}),
            await here.post(signer.sign(foreign())),
            await here.post(b"<!DOCTYPE a [<!ENTITY x 'y'>]><alert/>"),
            await here.post(b"x" * 1_000_001),
        ]
        await here.turn()
        told = await here.facts(Acknowledgement)
        taken = await here.log.read(EVENTS.name, 0, 0, 9)
        refused = await here.log.read(REJECTS.name, 0, 0, 99)
        return answers, told, len(taken), len(refused)

    answers, told, taken, refused = serve(scene, tmp_path)
    assert [status for status, _ in answers] == [202, 422, 422, 422, 202, 401, 401, 202, 422, 413]
    says = ["replayed", "not signed", "unknown sender", "entities"]
    for reason, (_, text) in zip(says, [*answers[1:4], answers[8]], strict=True):
        assert text.startswith(reason)
    assert [(f.ack, f.by, f.channel, f.verified) for f in told] == [
        ("ack-1", "mchs@example.kg", "", True),
        ("ack-2", "hook@example.kz", "hook", True),
    ]
    assert (taken, refused) == (1, 4)


def test_a_foreign_message_that_came_before_the_restart_is_known(tmp_path):
    async def scene(here):
        signer = Signer(key("ec"), certificate("ec"))
        await here.post(signer.sign(foreign()))
        here.clock.passes(5)
        again = Desk(here.log, here.settings, secrets(here.settings, tmp_path), here.clock)
        again.server._settings = ServerSettings(port=0)
        await here.desk.stop()
        await again.start()
        here.desk = again
        return await here.post(signer.sign(foreign()))

    status, text = serve(scene, tmp_path)
    assert (status, text.split(":")[0]) == (422, "replayed")


def test_the_stream_of_events(tmp_path):
    async def scene(here):
        await here.log.append([event_output(earthquake(id="ca.old"))])
        await here.turn()
        async with here.client.ws_connect(here.url("/events")) as socket:
            await asyncio.sleep(0.02)
            revisions = [
                earthquake(0, status="provisional"),
                earthquake(1, 16.0),
                earthquake(1, 16.0),
                earthquake(0, status="provisional"),
                earthquake(2, 17.0, magnitude=7.2),
                earthquake(0, id="ca.none", status="cancelled"),
                earthquake(3, 18.0, status="cancelled"),
            ]
            await here.log.append([event_output(quake) for quake in revisions])
            await here.turn()
            said = [json.loads((await socket.receive(5)).data) for _ in range(3)]
            await asyncio.sleep(0.02)
            return said, here.desk._stream.clients

    said, clients = serve(scene, tmp_path)
    assert [(s["action"], s["data"]["properties"]["revision"]) for s in said] == [
        ("create", 1),
        ("update", 2),
        ("update", 3),
    ]
    assert clients == 1


def test_a_client_too_many_is_sent_away(tmp_path):
    async def scene(here):
        async with here.client.ws_connect(here.url("/events")):
            async with here.client.ws_connect(here.url("/events")) as second:
                closed = await second.receive(5)
            return closed.data

    channels = ChannelSettings(websocket=WebsocketSettings(clients=1))
    assert serve(scene, tmp_path, channels=channels) == aiohttp.WSCloseCode.TRY_AGAIN_LATER


def test_a_client_that_does_not_follow_is_let_go_and_others_hear_all(tmp_path):
    async def scene(here):
        stream = here.desk._stream
        slow = asyncio.Queue(2)
        stream._queues.add(slow)
        async with here.client.ws_connect(here.url("/events")) as socket:
            await asyncio.sleep(0.02)
            for revision in range(5):
                stream.push(earthquake(revision, 15.0 + revision))
                await asyncio.sleep(0)
            said = [await socket.receive(5) for _ in range(5)]
            return len(said), slow in stream._queues

    assert serve(scene, tmp_path) == (5, False)


def test_a_second_process_shows_the_same_and_sends_nothing(tmp_path):
    async def scene(here):
        await here.log.append([facts.output(watched(40, 40)), alert()])
        await here.turn()
        other = Desk(here.log, here.settings, secrets(here.settings, tmp_path), here.clock)
        other.server._settings = ServerSettings(port=0)
        other.sender._log = here.log
        await other.start()  # takes the messages over: the first stands by from now on
        await here.log.append([alert("ca.2_KZ_0", chain="ca.2_KZ", cause=1)])
        await here.turn()
        await other.step()
        shown = (await here.get("/alerts.atom"))[1]
        await other.stop()
        return shown

    assert b"Messages of tests and exercises: 2." in serve(scene, tmp_path)


def test_a_port_that_is_taken_is_said(tmp_path):
    async def scene(here):
        other = Desk(here.log, here.settings, secrets(here.settings, tmp_path), here.clock)
        other.server._settings = ServerSettings(port=here.desk.server.port)
        try:
            await other.start()
        finally:
            await other.sender.stop()

    with pytest.raises(ConfigurationError, match="nothing can be served"):
        serve(scene, tmp_path)


def test_secrets_that_cannot_be_read_are_named(tmp_path):
    def refused(**changes):
        with pytest.raises(ConfigurationError) as caught:
            secrets(own(tmp_path, **changes), tmp_path)
        return caught.value.file.name

    hook = Webhook(url="http://x.kz", secret_file="none")
    assert refused(channels=ChannelSettings(webhooks={"a": hook})) == "none"
    broker = Mqtt(host="x.kz", password_file="none", tls=False)
    assert refused(channels=ChannelSettings(mqtt={"a": broker})) == "none"
    broker = Mqtt(host="x.kz", ca_file="secret")
    assert refused(channels=ChannelSettings(mqtt={"a": broker})) == "secret"
    assert refused(signature=SignatureSettings(pinned={"a@b.kz": ("none",)})) == "none"


def test_it_delivers_until_a_stop(tmp_path):
    async def scene():
        log, stop = MemoryLog(), asyncio.Event()
        settings = own(tmp_path, server=ServerSettings(port=0))
        clock = Clock()
        running = asyncio.create_task(
            deliver(log, settings, secrets(settings, tmp_path), clock, stop)
        )
        await log.append([alert()])
        for _ in range(100):
            await asyncio.sleep(0.01)
            if await log.end(FACTS.name, 0) > 4:
                break
        stop.set()
        await asyncio.wait_for(running, 10)
        records = await log.read(FACTS.name, 0, 0, 99)
        return [facts.decode(record.value) for record in records]

    told = asyncio.run(scene())
    states = {(f.channel, f.state) for f in told if isinstance(f, Delivery)}
    assert {("hook", "queued"), ("hook", "failed")} <= states
    assert not any(channel == "feed" for channel, _ in states), "nothing is served, so no feed"


def test_how_the_sources_are_is_told_when_it_changes_and_now_and_then():
    async def scene():
        log, clock = MemoryLog(), Clock()
        watch = SourceWatch(log, Health(["XX.A", "XX.B"], 10.0), clock)
        await watch.start()

        async def passes(seconds, *stations):
            clock.passes(seconds)
            if stations:
                heard = tuple(station_motion(name, (43.0, 77.0), clock()) for name in stations)
                frame = Motion(partition=0, time_us=clock(), stations=heard)
                said = detections.encode(frame)
                await log.append([Output(DETECTIONS.name, b"r", said, 0, clock() // 1000)])
            await watch.step()

        await log.append([Output(DETECTIONS.name, b"r", b"rubbish", 0, clock() // 1000)])
        await passes(0)
        await passes(0.5, "XX.A")
        await passes(0.5, "XX.A", "XX.B")
        await passes(1.0, "XX.A", "XX.B")
        await passes(5.0, "XX.A", "XX.B")
        await passes(5.0, "XX.A")
        await passes(8.0, "XX.A")
        records = await log.read(FACTS.name, 0, 0, 99)
        return [facts.decode(record.value) for record in records]

    told = asyncio.run(scene())
    assert [((f.at_us - BEGIN_US) / S, f.healthy, f.silent) for f in told] == [
        (0, 0, 2),
        (1, 2, 0),
        (12, 2, 0),
        (20, 1, 1),
    ]


def test_a_start_is_no_silence():
    """What has been reported in the last minute counts from the first fact on."""

    async def scene():
        log, clock = MemoryLog(), Clock()
        for age_s in (120, 5):
            at_us = clock() - age_s * S
            heard = (station_motion("XX.A" if age_s == 5 else "XX.B", (43.0, 77.0), at_us),)
            said = detections.encode(Motion(partition=0, time_us=at_us, stations=heard))
            await log.append([Output(DETECTIONS.name, b"r", said, 0, at_us // 1000)])
        watch = SourceWatch(log, Health(["XX.A", "XX.B"], 10.0), clock)
        await watch.start()
        await watch.step()
        (record,) = await log.read(FACTS.name, 0, 0, 99)
        return facts.decode(record.value)

    told = asyncio.run(scene())
    assert (told.healthy, told.silent) == (1, 1)
