"""The dental practice's tools: look up, move and cancel appointments, and find free slots."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from genai_voice.demos.model import DemoOutcome, Parameters, State
from genai_voice.demos.reading import read_field, read_rows, read_text
from genai_voice.demos.slots import Slot, list_candidates, parse_date

_OFFERED = 4
_AT_LEAST = 3
_FIRST_LOOK = 6
_LAST_LOOK = 60  # a month of candidates, should a damaged state have them all booked
_LATE = timedelta(hours=24)
_LATE_FEE = "$50.00"


def check_availability(parameters: Parameters, state: State | None, now: datetime) -> DemoOutcome:
    """Find three or four free slots from `startDate` on (default: today, UTC), of `provider` if one is named.

    `{slots[] {date, time, provider, available}, officeHours, note}`; `{error}` where `startDate` is none.
    """
    written = parameters.get("startDate")
    start = now.date() if written in (None, "") else parse_date(read_text(parameters, "startDate"))
    if not start:
        return DemoOutcome({"error": "That start date cannot be read. Please give it as YYYY-MM-DD."})
    booked = {_read_slot(row).to_key() for row in _list_active(state)}
    return DemoOutcome(
        {
            "slots": [
                {"date": slot.date, "time": slot.time, "provider": slot.provider, "available": True}
                for slot in _choose_free(
                    list_candidates(start, read_text(parameters, "provider"), _LAST_LOOK), booked
                )
            ],
            "officeHours": "Mon-Fri 8 AM-6 PM, Sat 9 AM-2 PM",
            "note": "In a dental emergency call (503) 555-0134 and we will try to see you the same day.",
        }
    )


def reschedule_appointment(parameters: Parameters, state: State | None) -> DemoOutcome:
    """Move an appointment, a cancelled one too, unless the slot is taken; date and time stay as written.

    `{appointmentId, previousDate, previousTime, newDate, newTime, provider, status: "rescheduled",
    confirmationMessage}`, without state nothing previous and no provider; `{error}` for an unknown id,
    a taken slot, and where date or time is missing.
    """
    appointment_id, day, time = (
        read_text(parameters, key) for key in ("appointmentId", "newDate", "newTime")
    )
    if not day.strip() or not time.strip():
        return DemoOutcome({"error": "Please give both the new date and the new time."})
    asked = {"appointmentId": appointment_id, "newDate": day, "newTime": time, "status": "rescheduled"}
    if state is None:
        return DemoOutcome(
            {**asked, "confirmationMessage": f"The appointment now takes place on {day} at {time}."}
        )
    changed = deepcopy(state)
    row = _find(changed, appointment_id)
    if row is None:
        return _refuse_unknown(appointment_id)
    slot = Slot(day, time, read_field(row, "provider"))
    if any(
        other is not row and _read_slot(other).to_key() == slot.to_key() for other in _list_active(changed)
    ):
        return DemoOutcome({"error": f"{day} at {time} is already booked. Please choose another time."})
    previous = {
        "previousDate": row.get("date"),
        "previousTime": row.get("time"),
        "provider": row.get("provider"),
    }
    row.update(date=day, time=time, status="rescheduled")
    message = f"The appointment {appointment_id} with {slot.provider} now takes place on {day} at {time}."
    return DemoOutcome({**asked, **previous, "confirmationMessage": message}, changed)


def cancel_appointment(parameters: Parameters, state: State | None, now: datetime) -> DemoOutcome:
    """Cancel an appointment, for a fee if under 24 hours ahead; a `shortNotice` that is given decides that.

    `{appointmentId, status: "cancelled", cancellationFee: text or null, feeNote, reason,
    confirmationMessage}`, without state neither note nor reason; `{error}` for an unknown id.
    """
    appointment_id = read_text(parameters, "appointmentId")
    cancelled: dict[str, Any] = {
        "appointmentId": appointment_id,
        "status": "cancelled",
        "cancellationFee": None,
        "confirmationMessage": f"The appointment {appointment_id} is cancelled.",
    }
    changed = deepcopy(state)
    row = _find(changed, appointment_id)
    if changed is not None and row is None:
        return _refuse_unknown(appointment_id)
    late = _is_late(parameters, row, now)
    cancelled["cancellationFee"] = _LATE_FEE if late else None
    if row is None:
        return DemoOutcome(cancelled)
    row["status"] = "cancelled"
    cancelled["reason"] = read_text(parameters, "reason") or "patient_request"
    cancelled["feeNote"] = (
        f"A fee of {_LATE_FEE} is due, since the visit was less than 24 hours away."
        if late
        else "No fee is due for this cancellation."
    )
    return DemoOutcome(cancelled, changed)


def lookup_appointment(parameters: Parameters, state: State | None) -> DemoOutcome:
    """Find the appointments not cancelled whose patient's name contains `patientName`, letter case aside.

    `{found: true, appointments[]}` or `{found: false, message}`.
    """
    name = read_text(parameters, "patientName").strip()
    wanted = name.casefold()
    matching = [
        row for row in _list_active(state) if wanted and wanted in read_field(row, "patient").casefold()
    ]
    if matching:
        return DemoOutcome({"found": True, "appointments": deepcopy(matching)})
    message = (
        f'No upcoming appointment was found for "{name}".' if name else "Please give the patient's name."
    )
    return DemoOutcome({"found": False, "message": message})


def _list_active(state: State | None) -> list[dict[str, Any]]:
    return [row for row in read_rows(state, "appointments") if row.get("status") != "cancelled"]


def _find(state: State | None, appointment_id: str) -> dict[str, Any] | None:
    return next((row for row in read_rows(state, "appointments") if row.get("id") == appointment_id), None)


def _read_slot(row: dict[str, Any]) -> Slot:
    return Slot(read_field(row, "date"), read_field(row, "time"), read_field(row, "provider"))


def _refuse_unknown(appointment_id: str) -> DemoOutcome:
    return DemoOutcome({"error": f'There is no appointment with the id "{appointment_id}".'})


def _choose_free(looked_at: Iterable[Slot], booked: set[tuple[str, str, str]]) -> list[Slot]:
    """Choose up to four of the first six; where fewer than three of these are free, more until there are
    three.
    """
    taken, free = set(booked), list[Slot]()
    for i, slot in enumerate(looked_at):
        if len(free) == _OFFERED or (i >= _FIRST_LOOK and len(free) >= _AT_LEAST):
            break
        if slot.to_key() not in taken:
            taken.add(slot.to_key())  # Saturday's and Sunday's candidates move to Monday and may meet there
            free.append(slot)
    return free


def _is_late(parameters: Parameters, row: dict[str, Any] | None, now: datetime) -> bool:
    said = parameters.get("shortNotice")
    if isinstance(said, bool):
        return said
    starts = _read_slot(row).to_start() if row else None
    return starts is not None and timedelta(0) <= starts - now < _LATE
