"""Station metadata from a service that is good, bad, slow and gone."""

import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest import channels
from ingest.errors import MetadataError
from ingest.sources.fdsn import fetch

ROOT = Path(__file__).resolve().parents[1]
GOOD = (ROOT / "benchmarks" / "events" / "ridgecrest-2019-near" / "stations.xml").read_bytes()
WADL = b"""<?xml version="1.0"?>
<application xmlns="http://wadl.dev.java.net/2009/02"
 xmlns:xs="http://www.w3.org/2001/XMLSchema">
<resources base="http://127.0.0.1/fdsnws/station/1/"><resource path="query">
<method name="GET" id="query"><request>%s</request></method></resource></resources></application>
""" % b"".join(
    b'<param name="%s" style="query" type="xs:string"/>' % name
    for name in (
        b"network station location channel starttime endtime minlatitude maxlatitude "
        b"minlongitude maxlongitude level format nodata"
    ).split()
)


class Service(BaseHTTPRequestHandler):
    """An fdsnws-station service that answers as it is told."""

    def do_GET(self):
        server = self.server
        parts = urlsplit(self.path)
        if parts.path == "/fdsnws/station/1/application.wadl" and server.described:
            self.answer(200, WADL)
        elif parts.path == "/fdsnws/station/1/query":
            server.asked.append({k: v[0] for k, v in parse_qs(parts.query).items()})
            time.sleep(server.seconds)
            self.answer(server.status, server.body, server.cut)
        else:
            self.answer(404, b"")

    def answer(self, status, body, cut=0):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if status != 204:
            self.wfile.write(body[: len(body) - cut])

    def log_message(self, *_):
        pass


@contextmanager
def serving(status=200, body=GOOD, *, described=True, seconds=0.0, cut=0):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.status, server.body, server.described = status, body, described
    server.seconds, server.cut, server.asked = seconds, cut, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_what_a_service_gives_stands_in_the_file(tmp_path):
    out = tmp_path / "new" / "stations.xml"
    with serving() as server:
        found = fetch(server.url, out, ["CI", "XX"], channels=["HN?"], level="response")
    assert out.read_bytes() == GOOD
    assert [p.name for p in out.parent.iterdir()] == ["stations.xml"]
    assert (found.stations, found.kept, found.gone) == (3, None, ())
    assert found.channels == len(channels.read([out]).channels) > 3
    assert str(found) == f"{out}: 3 stations, {found.channels} channels from {server.url}"
    (asked,) = server.asked
    assert (asked["network"], asked["channel"], asked["level"]) == ("CI,XX", "HN?", "response")


def test_a_newer_answer_takes_the_place_and_says_what_is_gone(tmp_path):
    out = tmp_path / "stations.xml"
    out.write_bytes(GOOD)
    less = re.sub(rb'<Station code="CCC".*?</Station>', b"", GOOD, flags=re.DOTALL)
    assert less != GOOD
    with serving(body=less) as server:
        found = fetch(server.url, out, ["CI"])
    assert out.read_bytes() == less
    assert found.gone == ("CI.CCC",)
    assert found.kept is not None
    assert found.kept.read_bytes() == GOOD
    assert "1 station of the former file no longer there: CI.CCC." in str(found)
    with serving() as server:
        assert fetch(server.url, out, ["CI"]).gone == ()
    assert (out.read_bytes(), found.kept.read_bytes()) == (GOOD, less)


def test_entries_that_cannot_be_used_are_told(tmp_path):
    odd = GOOD.replace(b"<Name>M/S**2</Name>", b"<Name>COUNTS</Name>", 1)
    if odd == GOOD:
        odd = re.sub(rb"<Name>[Mm]/[Ss]\*\*2</Name>", b"<Name>COUNTS</Name>", GOOD, count=1)
    assert odd != GOOD
    with serving(body=odd) as server:
        found = fetch(server.url, tmp_path / "stations.xml", ["CI"])
    assert len(found.problems) == 1
    assert "1 entry cannot be used: CI." in str(found)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"status": 204}, "has no network CI, station *. Ask another service"),
        ({"status": 500, "body": b"out of order"}, "Internal server error"),
        ({"status": 503, "body": b""}, "temporarily unavailable"),
        ({"status": 413, "body": b""}, "too much data"),
        ({"body": b"<html>Sorry</html>"}, "is not StationXML"),
        ({"body": GOOD[:2000]}, "is not StationXML"),
        ({"cut": 5000}, "IncompleteRead"),
        ({"body": re.sub(rb"<Channel .*</Channel>", b"", GOOD, flags=re.DOTALL)}, "no channel of"),
        ({"described": False}, "No FDSN services could be discovered"),
        ({"seconds": 3.0}, "Timed Out"),
    ],
)
def test_a_service_that_fails_leaves_the_file_as_it_was(tmp_path, service, said):
    out = tmp_path / "stations.xml"
    out.write_bytes(GOOD)
    with serving(**service) as server, pytest.raises(MetadataError) as caught:
        fetch(server.url, out, ["CI"], timeout_s=1.0)
    assert said in str(caught.value)
    assert server.url in str(caught.value)
    assert out.read_bytes() == GOOD
    assert [p.name for p in tmp_path.iterdir()] == ["stations.xml"]


@pytest.mark.parametrize("service", ["http://127.0.0.1:9", "NOWHERE", "not a url"])
def test_what_is_no_service_is_named(tmp_path, service):
    with pytest.raises(MetadataError, match=re.escape(service)):
        fetch(service, tmp_path / "stations.xml", ["CI"], timeout_s=1.0)
    assert list(tmp_path.iterdir()) == []
