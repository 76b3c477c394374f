"""One request in one line, for a person who watches them go by."""

from __future__ import annotations

from harness.backend.clock import moment_text
from harness.backend.metering import RequestRecord

_TIME = slice(len("2030-01-31T"), len("2030-01-31T12:00:00.000"))
_MAX_CHARS = 400


def request_line(record: RequestRecord) -> str:
    """Return a request's time (UTC), method, caller, what it asked for, what the rules said, what
    it is billed, how long it took, and its status.

    Example: `12:00:00.123  RunQuery  user:ana  orders where status == ? limit 20  allow L12
    20 reads  0.4 ms  OK`
    """
    parts = [
        moment_text(record.started)[_TIME],
        f"{record.rpc:<17}",
        _caller(record),
        record.query or record.collection or "-",
        _verdict(record),
        _billed(record),
        f"{record.latency_ms:.1f} ms",
        record.code.name,
    ]
    if record.fault is not None:
        parts.append(f"[fault: {record.fault}]")
    elif record.message:
        parts.append(" ".join(record.message.split()))
    return _printable("  ".join(parts))


def _caller(record: RequestRecord) -> str:
    caller = record.caller
    return f"{caller.name} ({caller.label})" if caller.label else caller.name


def _verdict(record: RequestRecord) -> str:
    """Return the first denial, or the line that allowed; a dash where rules were not asked."""
    verdicts = record.verdicts
    if not verdicts:
        return "no rules" if not record.caller.is_admin else "rules skipped"
    for verdict in verdicts:
        if not verdict.allowed:
            lines = ", ".join(dict.fromkeys(f"L{line}" for line, _, _ in verdict.reasons))
            return f"deny {verdict.method} {lines}".rstrip()
    granting = (verdict.allowed_by for verdict in verdicts if verdict.allowed_by is not None)
    lines = ", ".join(dict.fromkeys(f"L{line}" for line in granting))
    return f"allow {lines}".rstrip()


def _billed(record: RequestRecord) -> str:
    tally = record.tally
    counts = [
        (tally.reads, "read"),
        (tally.rules_reads, "read by rules"),
        (tally.writes, "write"),
        (tally.deletes, "delete"),
        (tally.ttl_deletes, "delete by TTL"),
    ]
    words = [_counted(count, what) for count, what in counts if count]
    return " + ".join(words) or "free"


def _counted(count: int, what: str) -> str:
    first, _, rest = what.partition(" ")
    plural = first if count == 1 else f"{first}s"
    return f"{count} {plural} {rest}".rstrip()


def _printable(text: str) -> str:
    """Escape what a client's names could do to a terminal, and cut what is too long."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return shown if len(shown) <= _MAX_CHARS else f"{shown[:_MAX_CHARS]}…"
