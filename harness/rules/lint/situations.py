"""What a condition can come to, for one method and one kind of caller, whatever is stored.

    outcomes(term, Situation(FIRESTORE, Method.GET, Caller.SIGNED_OUT))  ->  FALSE | ERROR

The answer is a set that holds every outcome that is possible: exactly `TRUE` means that the
condition always grants, and a set without `TRUE` that it never does. A set may hold more than is
possible. A `STRANGER` is a signed-in caller whom nothing that is stored names: what compares data
with their uid or e-mail address is false for them, and they have no claims of the project's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, IntFlag, auto

from harness.rules.lint.terms import Op, Term
from harness.rules.request import FIRESTORE, Method


class Outcome(IntFlag):
    """A set of what an expression can come to."""

    TRUE = auto()
    FALSE = auto()
    NULL = auto()
    OTHER = auto()  # any other value
    ERROR = auto()


TRUE, FALSE, NULL, OTHER, ERROR = Outcome
_NOTHING = Outcome(0)
_BOOL = TRUE | FALSE
_VALUE = TRUE | FALSE | NULL | OTHER
ANYTHING = _VALUE | ERROR


class Caller(Enum):
    """Who asks."""

    SIGNED_OUT = auto()
    STRANGER = auto()  # signed in; nothing that is stored is about them
    SOMEONE = auto()  # signed in


@dataclass(frozen=True, slots=True)
class Situation:
    """A request of which little is known.

    Args:
        service: Whose rules these are.
        method: What is asked.
        caller: Who asks.
        now: When; None: not known.
    """

    service: str
    method: Method
    caller: Caller
    now: datetime | None = None

    @property
    def writes(self) -> bool:
        """Say whether the caller chooses data."""
        return self.method in (Method.CREATE, Method.UPDATE)


class Outcomes:
    """Works out outcomes, and remembers them."""

    def __init__(self) -> None:
        self._known: dict[Situation, dict[Term, Outcome]] = {}

    def of(self, term: Term, situation: Situation) -> Outcome:
        """Return what a term can come to."""
        return _Evaluation(situation, self._known.setdefault(situation, {})).of(term)


class _Evaluation:
    def __init__(self, situation: Situation, known: dict[Term, Outcome]) -> None:
        self.situation = situation
        self.known = known
        self.is_stranger = situation.caller is Caller.STRANGER

    def of(self, term: Term) -> Outcome:
        found = self.known.get(term)
        if found is None:
            found = self.known[term] = _BY_OP[term.op](self, term)
        return found

    # --- values -------------------------------------------------------------------------------

    def literal(self, term: Term) -> Outcome:
        if term.value is None:
            return NULL
        if isinstance(term.value, bool):
            return TRUE if term.value else FALSE
        return OTHER

    def collection(self, term: Term) -> Outcome:
        return self.made_of(term, OTHER)

    def made_of(self, term: Term, result: Outcome) -> Outcome:
        """Return a result that takes all parts; an error in one is the error of the whole."""
        for part in term.parts:
            outcome = self.of(part)
            if outcome == ERROR:
                return ERROR
            result |= outcome & ERROR
        return result

    def resource(self, term: Term) -> Outcome:
        method = self.situation.method
        if method is Method.CREATE:
            # In Storage an overwrite is a create too.
            return NULL if self.situation.service == FIRESTORE else NULL | OTHER
        # To delete what is not there changes nothing, so that case tells nothing.
        return NULL | OTHER if method is Method.GET else OTHER

    def incoming(self) -> Outcome:
        if self.situation.writes:
            return OTHER
        if self.situation.method is Method.DELETE or self.situation.service != FIRESTORE:
            return NULL
        return ERROR

    def member(self, term: Term) -> Outcome:
        (receiver,) = term.parts
        name = str(term.value)
        if receiver.op is Op.REQUEST:
            return self.of_request(name)
        if receiver.is_auth:
            if self.situation.caller is Caller.SIGNED_OUT:
                return ERROR
            return OTHER if name in ("uid", "token") else ERROR
        if receiver.is_token:
            return self.claim(name, receiver)
        outcome = self.of(receiver)
        if name == "data" and (receiver.op is Op.RESOURCE or receiver.is_incoming):
            return _with_receiver(outcome, OTHER)
        return _with_receiver(outcome, ANYTHING)

    def of_request(self, name: str) -> Outcome:
        if name == "auth":
            return NULL if self.situation.caller is Caller.SIGNED_OUT else OTHER
        if name == "resource":
            return self.incoming()
        if name == "query":
            return OTHER if self.situation.method is Method.LIST else ERROR
        return OTHER

    def claim(self, name: str, token: Term) -> Outcome:
        if self.of(token) == ERROR:
            return ERROR
        if name in STANDARD_CLAIMS:
            return OTHER
        if name in PROFILE_CLAIMS or not self.is_stranger:
            return ANYTHING
        return ERROR

    def index(self, term: Term) -> Outcome:
        outcome = self.made_of(term, ANYTHING)
        if self.is_stranger and names_caller(term.parts[1]) and not self.is_chosen(term.parts[0]):
            return ERROR
        return _with_receiver(self.of(term.parts[0]), outcome)

    def slice(self, term: Term) -> Outcome:
        return _with_receiver(self.of(term.parts[0]), self.made_of(term, OTHER | ERROR))

    def capture(self, term: Term) -> Outcome:
        return OTHER

    def error(self, term: Term) -> Outcome:
        return ERROR

    def anything(self, term: Term) -> Outcome:
        return ANYTHING

    # --- calls ----------------------------------------------------------------------------------

    def call(self, term: Term) -> Outcome:
        name = str(term.value)
        if term.looks_up:
            return self.lookup(name, term)
        if name == "debug" and len(term.parts) == 1:
            return self.of(term.parts[0])
        if moment_of(term) is not None:
            return OTHER
        return self.made_of(term, _BOOL | ERROR if name == "math.isNaN" else OTHER | ERROR)

    def lookup(self, name: str, term: Term) -> Outcome:
        is_test = "exists" in name
        result = self.made_of(term, _BOOL | ERROR if is_test else OTHER | ERROR)
        if result == ERROR:
            return ERROR
        if self.is_stranger and "After" not in name and names_caller(term):
            return FALSE if is_test else ERROR
        return result

    def method(self, term: Term) -> Outcome:
        receiver, *arguments = term.parts
        outcome = self.of(receiver)
        name = str(term.value)
        if name == "get" and len(arguments) == 2:
            default = self.settled(term)
            if default is not term:
                return _with_receiver(outcome, self.of(default))
            return _with_receiver(outcome, self.made_of(term, ANYTHING))
        if name not in _TESTS:
            return _with_receiver(outcome, self.made_of(term, OTHER | ERROR))
        result = self.made_of(term, _BOOL | ERROR)
        if self.is_stranger and names_caller(term) and not self.is_chosen(term):
            result &= ~TRUE
        return _with_receiver(outcome, result)

    # --- operators ------------------------------------------------------------------------------

    def negation(self, term: Term) -> Outcome:
        outcome = self.of(term.parts[0])
        result = outcome & ERROR
        if outcome & TRUE:
            result |= FALSE
        if outcome & FALSE:
            result |= TRUE
        if outcome & (NULL | OTHER):
            result |= ERROR
        return result

    def minus(self, term: Term) -> Outcome:
        return self.made_of(term, OTHER | ERROR)

    def binary(self, term: Term) -> Outcome:
        left, right = term.parts
        match term.value:
            case "&&":
                return _both(_as_bool(self.of(left)), _as_bool(self.of(right)))
            case "||":
                return _either(_as_bool(self.of(left)), _as_bool(self.of(right)))
            case "==":
                return self.equality(left, right)
            case "!=":
                return _inverted(self.equality(left, right))
            case "in":
                return self.membership(term)
            case "<" | "<=" | ">" | ">=":
                return self.ordering(term)
        return self.made_of(term, OTHER | ERROR)

    def equality(self, left: Term, right: Term) -> Outcome:
        left, right = self.settled(left), self.settled(right)
        first, second = self.of(left), self.of(right)
        error = (first | second) & ERROR
        first &= ~ERROR
        second &= ~ERROR
        if not first or not second:
            return ERROR
        if left is right or (first == second and first in (NULL, TRUE, FALSE)):
            return TRUE | error
        if not first & second:
            return FALSE | error
        known = self.compared(left, right)
        if known is not None:
            return (TRUE if known else FALSE) | error
        if self.is_stranger and names_caller(left) is not names_caller(right):
            other = right if names_caller(left) else left
            if not self.is_chosen(other):
                return FALSE | error
        return _BOOL | error

    def compared(self, left: Term, right: Term) -> bool | None:
        """Return whether two things that are known are equal; None if they are not known."""
        if left.op is Op.LITERAL and right.op is Op.LITERAL:
            return left.value == right.value
        for one, other in ((left, right), (right, left)):
            if one.op is Op.CAPTURE and other.op is Op.LITERAL and other.value == "":
                return False  # no segment of a path is empty
            if one.is_member("method") and one.parts[0].op is Op.REQUEST:
                return other.value == self.situation.method if other.op is Op.LITERAL else None
        return None

    def membership(self, term: Term) -> Outcome:
        left, right = map(self.settled, term.parts)
        result = self.made_of(term, _BOOL)
        if result == ERROR:
            return ERROR
        is_claim = right.is_token and isinstance(left.value, str)
        if right.op not in (Op.LIST, Op.MAP) and not is_claim:
            result |= ERROR
        elif not right.parts:
            return result & ~TRUE
        if (
            left.is_member("method")
            and left.parts[0].op is Op.REQUEST
            and right.op is Op.LIST
            and all(item.op is Op.LITERAL for item in right.parts)
        ):
            is_in = any(item.value == self.situation.method for item in right.parts)
            return TRUE if is_in else FALSE
        if self.is_stranger and (
            (names_caller(left) and not self.is_chosen(right))
            or (right.is_token and left.value not in STANDARD_CLAIMS | PROFILE_CLAIMS)
        ):
            result &= ~TRUE
        return result

    def ordering(self, term: Term) -> Outcome:
        left, right = term.parts
        known = _ordered(str(term.value), self.settled(left), self.settled(right))
        if known is not None:
            return TRUE if known else FALSE
        result = self.made_of(term, _BOOL | ERROR)
        now = self.situation.now
        if result == ERROR or now is None:
            return result
        for clock, limit, is_left in ((left, right, True), (right, left, False)):
            moment = moment_of(limit)
            if moment is not None and is_clock(clock):
                holds = {
                    "<": now < moment if is_left else moment < now,
                    "<=": now <= moment if is_left else moment <= now,
                    ">": now > moment if is_left else moment > now,
                    ">=": now >= moment if is_left else moment >= now,
                }
                return TRUE if holds[str(term.value)] else FALSE
        return result

    def type_test(self, term: Term) -> Outcome:
        outcome = self.of(term.parts[0])
        result = outcome & ERROR
        if outcome & (TRUE | FALSE):
            result |= TRUE if term.value == "bool" else FALSE
        if outcome & NULL:
            result |= FALSE
        if outcome & OTHER:
            result |= TRUE if term.parts[0].is_uid and term.value == "string" else _BOOL
        return result

    def conditional(self, term: Term) -> Outcome:
        condition, when_true, when_false = term.parts
        outcome = _as_bool(self.of(condition))
        result = outcome & ERROR
        if outcome & TRUE:
            result |= self.of(when_true)
        if outcome & FALSE:
            result |= self.of(when_false)
        return result

    # --- what is known of values ----------------------------------------------------------------

    def settled(self, term: Term) -> Term:
        """Return what a term certainly comes to, where it is simpler: a branch of a condition that
        is decided, the default of a `get` that finds nothing; else the term.
        """
        if term.op is Op.CONDITIONAL:
            condition, when_true, when_false = term.parts
            outcome = self.of(condition)
            if outcome not in (TRUE, FALSE):
                return term
            return self.settled(when_true if outcome == TRUE else when_false)
        if not (term.op is Op.METHOD and term.value == "get" and len(term.parts) == 3):
            return term
        receiver, key, default = term.parts
        found = self.settled(receiver)
        if found.op is Op.MAP and not found.parts:
            return self.settled(default)
        if not self.is_stranger:
            return term
        is_own_claim = receiver.is_token and key.value not in STANDARD_CLAIMS | PROFILE_CLAIMS
        is_own_entry = names_caller(key) and not self.is_chosen(receiver)
        return default if is_own_claim or is_own_entry else term

    def is_chosen(self, term: Term) -> bool:
        """Say whether the caller can make a term come out as they like."""
        is_creating = self.situation.method is Method.CREATE
        for part in term.within():
            if part.is_incoming:
                return True
            if is_creating and part.op is Op.CAPTURE:
                return True
            if part.op in (Op.OPAQUE, Op.PARAMETER):
                return True
            if part.looks_up and "After" in str(part.value):
                return True
        return False


STANDARD_CLAIMS = frozenset({"sub", "user_id", "iss", "aud", "iat", "exp", "auth_time", "firebase"})
# Source: Security Rules reference, `request.auth.token`: there when the account has them.
PROFILE_CLAIMS = frozenset({"email", "email_verified", "phone_number", "name", "picture"})
_OWN_CLAIMS = frozenset({"email", "phone_number"})
_TESTS = frozenset({"matches", "hasAll", "hasAny", "hasOnly"})


def names_caller(term: Term) -> bool:
    """Say whether a value is made from what only the caller has: uid, e-mail address, telephone
    number.
    """
    pending = [term]
    seen = {term}
    while pending:
        part = pending.pop()
        is_own_claim = part.value in _OWN_CLAIMS and part.op is Op.MEMBER
        if part.is_uid or (is_own_claim and part.parts[0].is_token):
            return True
        if part.op in (Op.BINARY, Op.NOT, Op.IS) and not part.is_binary("+"):
            continue  # what it comes to says little of whom it compared
        for each in part.parts:
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return False


def is_clock(term: Term) -> bool:
    """Say whether a term is `request.time`."""
    return term.is_member("time") and term.parts[0].op is Op.REQUEST


def moment_of(term: Term) -> datetime | None:
    """Return the time that `timestamp.date(...)` or `timestamp.value(...)` of literals gives."""
    numbers = [part.value for part in term.parts if type(part.value) is int]
    if term.op is not Op.CALL or len(numbers) != len(term.parts):
        return None
    try:
        if term.value == "timestamp.date" and len(numbers) == 3:
            return datetime(numbers[0], numbers[1], numbers[2], tzinfo=UTC)
        if term.value == "timestamp.value" and len(numbers) == 1:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=numbers[0])
    except (ValueError, OverflowError):
        return None  # no such date: an error when it is evaluated
    return None


def _ordered(operator: str, left: Term, right: Term) -> bool | None:
    """Return how two numbers compare that are known; None if they are not."""
    first, second = left.value, right.value
    if (
        left.op is not Op.LITERAL
        or right.op is not Op.LITERAL
        or not isinstance(first, int | float)
        or not isinstance(second, int | float)
        or isinstance(first, bool)
        or isinstance(second, bool)
    ):
        return None
    return {
        "<": first < second,
        "<=": first <= second,
        ">": first > second,
        ">=": first >= second,
    }[operator]


def _with_receiver(receiver: Outcome, result: Outcome) -> Outcome:
    """Return what a member or method gives: null and bools have none."""
    if not receiver & OTHER:
        return ERROR
    return result | (ERROR if receiver != OTHER else _NOTHING)


def _as_bool(outcome: Outcome) -> Outcome:
    if outcome & (NULL | OTHER):
        outcome |= ERROR
    return outcome & (TRUE | FALSE | ERROR)


def _inverted(outcome: Outcome) -> Outcome:
    result = outcome & ERROR
    if outcome & TRUE:
        result |= FALSE
    if outcome & FALSE:
        result |= TRUE
    return result


def _both(left: Outcome, right: Outcome) -> Outcome:
    """Return what `&&` of two bools or errors can come to: a false side wins over an error."""
    result = (left | right) & FALSE
    if left & TRUE and right & TRUE:
        result |= TRUE
    if (left & ERROR and right & (TRUE | ERROR)) or (left & TRUE and right & ERROR):
        result |= ERROR
    return result


def _either(left: Outcome, right: Outcome) -> Outcome:
    return _inverted(_both(_inverted(left), _inverted(right)))


_BY_OP: dict[Op, Callable[[_Evaluation, Term], Outcome]] = {
    Op.LITERAL: _Evaluation.literal,
    Op.LIST: _Evaluation.collection,
    Op.MAP: _Evaluation.collection,
    Op.PATH: _Evaluation.collection,
    Op.REQUEST: lambda self, term: OTHER,
    Op.RESOURCE: _Evaluation.resource,
    Op.CAPTURE: _Evaluation.capture,
    Op.PARAMETER: _Evaluation.anything,
    Op.MEMBER: _Evaluation.member,
    Op.INDEX: _Evaluation.index,
    Op.SLICE: _Evaluation.slice,
    Op.CALL: _Evaluation.call,
    Op.METHOD: _Evaluation.method,
    Op.NOT: _Evaluation.negation,
    Op.MINUS: _Evaluation.minus,
    Op.BINARY: _Evaluation.binary,
    Op.IS: _Evaluation.type_test,
    Op.CONDITIONAL: _Evaluation.conditional,
    Op.UNKNOWN: _Evaluation.error,
    Op.OPAQUE: _Evaluation.anything,
}
