"""A report as one page of HTML, to be read, printed and sent: no script, nothing from elsewhere."""

from collections.abc import Iterable, Sequence

from lxml import etree
from lxml.builder import E

from dispatch.report import EventRow, MessageRow, Situation
from dispatch.sendai import Sendai

__all__ = ["page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
       color: #1a1a1a; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em } h3 { font-size: 1em }
table { border-collapse: collapse; margin: .5em 0 1.2em; font-size: .92em }
th, td { text-align: left; vertical-align: top; padding: .25em .9em .25em 0;
         border-bottom: 1px solid #ddd }
th { color: #555; font-weight: 600 } .bad { color: #a40000; font-weight: 600 }
.wide { overflow-x: auto } code { font-size: .85em; overflow-wrap: anywhere }
"""

Cell = object
_DASH = "–"


def _text(value: Cell) -> str:
    if value is None or value == "":
        return _DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> etree._Element:
    body = [E.tr(*[E.td(_text(cell)) for cell in row]) for row in rows]
    made: etree._Element = E.p("None.")
    if body:
        table = E.table(E.thead(E.tr(*[E.th(each) for each in head])), E.tbody(*body))
        made = E.div(table, {"class": "wide"})
    return made


def _message(row: MessageRow) -> list[etree._Element]:
    to = " / ".join(filter(None, (row.country, row.audience)))
    parts = [
        E.h3(f"{row.type} {row.identifier} to {to}, {row.status}, {row.sent}"),
        E.p(row.headline or _DASH),
        E.p(f"Sources: {row.sources or 'not known: nothing had been told of them'}"),
    ]
    ways = _table(
        (
            *("Channel", "State", "Arrived", "Attempts", "Delivered", "Notify s", "Lead s"),
            *("Acknowledged", "By", "Acknowledge s", "Escalated to", "Reason"),
        ),
        [
            (
                way.channel,
                way.state,
                way.arrived,
                way.attempts,
                way.delivered,
                way.notify_s,
                way.lead_s,
                way.acknowledged,
                way.acknowledged_by,
                way.acknowledge_s,
                way.escalated_to,
                way.reason,
            )
            for way in row.ways
        ],
    )
    return [*parts, ways]


def _event(row: EventRow) -> list[etree._Element]:
    times = (
        f"Origin {_text(row.origin)}; known {_text(row.known)}; first delivery "
        f"{_text(row.notify_s)} s and first acknowledgement {_text(row.acknowledge_s)} s after "
        "it was known."
    )
    parts = [E.h2(f"Event {row.event}"), E.p(times)]
    for message in row.messages:
        parts += _message(message)
    told = [
        (
            d.at,
            d.revision,
            " / ".join(filter(None, (d.country, d.audience))),
            d.verdict,
            "; ".join(f"{r.name}: {'met' if r.met else 'not met'} ({r.detail})" for r in d.rules),
            d.sources,
        )
        for d in row.decisions
    ]
    parts += [E.h3("Decisions")]
    parts += [_table(("At", "Revision", "To", "Verdict", "Rules", "Sources"), told)]
    return parts


def page(report: Situation, figures: Sendai | None = None) -> bytes:
    """Write a report as HTML 5.

    Parameters
    ----------
    report
        From `dispatch.report.situation`.
    figures
        From `dispatch.sendai.sendai`; None leaves them out.
    """
    whole = "The chain holds from the first entry to the last."
    state = (
        E.p(f"The chain is broken at {report.fault}. What follows is not shown.", {"class": "bad"})
        if report.fault
        else E.p(whole)
    )
    parts = [
        E.h1("Situation report"),
        E.p(f"{_text(report.begin)} to {_text(report.end)}, {report.entries:,} entries."),
        E.p("Newest hash: ", E.code(report.hash)),
        state,
        E.p(
            "Sources: " + ("; ".join(report.sources) or "not known: nothing has been told of them")
        ),
    ]
    if not any(event.messages for event in report.events):
        parts.append(E.p("No message is in this report. See above who was watching."))
    for event in report.events:
        parts += _event(event)
    parts += [
        E.h2("People's words"),
        _table(
            ("At", "Word", "Of", "Message", "Person", "Office", "Reason", "Complete"),
            [
                (o.at, o.word, o.chain, o.message, o.person, o.role, o.reason, o.complete)
                for o in report.overrides
            ],
        ),
        E.h2("Channels"),
        _table(
            ("Channel", "Queued", "Delivered", "Acknowledged", "Failed", "Replaced", "Delay s"),
            [
                (c.channel, c.queued, c.delivered, c.acknowledged, c.failed, c.replaced, c.delay_s)
                for c in report.channels
            ],
        ),
    ]
    if figures is not None:
        parts += [
            E.h2(f"Sendai Framework, Target G: {figures.begin} to {figures.end}"),
            _table(
                ("Indicator", "Of", "Value", "Unit", "Numerator", "", "Denominator", "", "Proxy"),
                [
                    (
                        f.indicator,
                        f.of,
                        None if f.value is None else f"{f.value:,}",
                        f.unit,
                        f.numerator,
                        f.numerator_is,
                        f.denominator,
                        f.denominator_is,
                        f.proxy,
                    )
                    for f in figures.figures
                ],
            ),
        ]
    head = E.head(
        E.meta(charset="utf-8"),
        E.meta(name="viewport", content="width=device-width, initial-scale=1"),
        E.title("Situation report"),
        E.style(_STYLE),
    )
    root = E.html(head, E.body(*parts), lang="en")
    written = etree.tostring(root, method="html", encoding="utf-8", pretty_print=True)
    return b"<!DOCTYPE html>\n" + written
