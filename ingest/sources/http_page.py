"""What the server of pushed readings says of itself: OpenAPI for programs, a page for people."""

from typing import Any

import msgspec
from msgspec import Struct

from ingest.settings import HttpSettings

__all__ = ["PAGE", "openapi"]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Alatau: readings of sensors</title>
<style>body { max-width: 42em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif }
pre { background: #eee; padding: 1em; overflow: auto }</style>
<h1>Readings of sensors</h1>
<p>Send readings as JSON, one or a list, with your token:</p>
<pre>curl -H 'Authorization: Bearer TOKEN' --json '
{"sensor": "KZ.ULKEN.1", "time": "2026-07-01T06:00:00Z", "value": 152, "unit": "cm"}
' http://HOST:PORT/observations</pre>
<p>The time needs its zone, and the value its unit. 202 means that the readings are stored;
<code>refused</code> in the answer lists those that are not, and why. After 429 and 503 send the
same again, no sooner than <code>Retry-After</code> says. A reading that comes twice does no
harm.</p>
<p>All of it, for programs: <a href="openapi.json">OpenAPI 3.1</a>.</p>
</html>
"""
"""For people."""

_REFERENCE = "#/components/schemas/{name}"


def openapi(settings: HttpSettings, sent: type[Struct], answer: type[Struct]) -> dict[str, Any]:
    """Describe the server by OpenAPI 3.1.

    Parameters
    ----------
    settings
        Its limits.
    sent, answer
        The contracts of what comes and of what is answered.
    """
    (sent_schema, answer_schema), schemas = msgspec.json.schema_components(
        (sent, answer), ref_template=_REFERENCE
    )

    def says(description: str, *headers: str) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": description,
            "content": {"application/json": {"schema": answer_schema}},
        }
        if headers:
            response["headers"] = {
                name: {"schema": {"type": "string"}, "description": "Seconds to wait"}
                for name in headers
            }
        return response

    either = {"oneOf": [sent_schema, {"type": "array", "items": sent_schema}]}
    post = {
        "operationId": "sendObservations",
        "summary": "Send one reading or a list of them",
        "requestBody": {
            "required": True,
            "description": f"At most {settings.largest_bytes} bytes",
            "content": {"application/json": {"schema": either}},
        },
        "responses": {
            "202": says("Stored; what was refused is listed"),
            "400": says("No reading among it: nothing was stored but the refusal"),
            "401": says("The token is missing or not known"),
            "403": says("None of the sensors is the sender's"),
            "408": says(f"Not there within {settings.body_s:g} s"),
            "413": says(f"More than {settings.largest_bytes} bytes"),
            "429": says(f"More than {settings.per_minute:g} readings a minute", "Retry-After"),
            "503": says("Not stored; send it again", "Retry-After"),
        },
        "security": [{"token": []}],
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Alatau: readings of sensors",
            "version": "1",
            "description": "Readings go to those who watch for floods, outbursts and slides.",
        },
        "paths": {"/observations": {"post": post}},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
