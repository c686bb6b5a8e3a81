from copy import deepcopy
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from genai_voice.demos.handlers import HANDLERS
from genai_voice.demos.scenarios import load_initial_state
from genai_voice.demos.slots import PROVIDERS, Slot, parse_date, parse_time

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PORTLAND = ZoneInfo("America/Los_Angeles")


def call(tool, parameters, state="initial", now=NOW):
    given = load_initial_state("demo-dentist") if state == "initial" else state
    before = deepcopy(given)
    outcome = HANDLERS[tool](parameters, given, now)
    assert given == before, "a handler changed the state it was given"
    return outcome


def offered(parameters, **more):
    slots = call("check_availability", parameters, **more).data["slots"]
    return [f"{slot['date'][5:]} {slot['time']} {slot['provider'].split()[-1]}" for slot in slots]


def by_id(state, appointment_id):
    return next(row for row in state["appointments"] if row["id"] == appointment_id)


def booked(*slots):
    return {
        "appointments": [{"date": d, "time": t, "provider": p, "status": "confirmed"} for d, t, p in slots]
    }


@pytest.mark.parametrize(
    ("start", "slots"),
    [
        pytest.param(
            "2026-04-07",
            ["04-08 10:30 AM Park", "04-08 1:00 PM Thompson", "04-09 2:30 PM Chen", "04-09 4:00 PM Park"],
            id="tuesday-first-slot-taken",
        ),
        pytest.param(
            "2026-04-10",
            ["04-10 9:00 AM Chen", "04-13 10:30 AM Park", "04-13 1:00 PM Thompson", "04-13 2:30 PM Chen"],
            id="friday",
        ),
        pytest.param(
            "2026-04-11",
            ["04-13 9:00 AM Chen", "04-13 10:30 AM Park", "04-13 1:00 PM Thompson", "04-13 2:30 PM Chen"],
            id="saturday",
        ),
    ],
)
def test_free_slots_rotate_through_providers_and_skip_weekends(start, slots):
    assert offered({"startDate": start}) == slots


def test_availability_says_when_the_practice_is_open_and_whom_to_call():
    data = call("check_availability", {"startDate": "2026-04-07"}).data
    assert data["officeHours"] == "Mon-Fri 8 AM-6 PM, Sat 9 AM-2 PM"
    assert "(503) 555-0134" in data["note"]
    assert all(slot["available"] is True for slot in data["slots"])
    assert set(data) == {"slots", "officeHours", "note"}


def test_availability_changes_nothing():
    assert call("check_availability", {"startDate": "2026-04-07"}).state is None


@pytest.mark.parametrize("parameters", [{}, {"startDate": None}, {"startDate": ""}])
def test_availability_starts_today_unless_told_otherwise(parameters):
    now = datetime(2026, 4, 10, 23, 59, tzinfo=UTC)
    assert offered(parameters, now=now) == offered({"startDate": "2026-04-10"})


@pytest.mark.parametrize(
    "start", ["next week", "2026-13-01", "2026-02-30", 5, [], {"a": 1}, "\ud800", "x" * 10_000]
)
def test_a_start_date_that_is_none_is_an_error_in_the_data(start):
    assert set(call("check_availability", {"startDate": start}).data) == {"error"}


def test_a_requested_provider_is_offered_at_every_slot():
    slots = offered({"startDate": "2026-04-10", "provider": "Dr. James Park"})
    assert slots == ["04-10 9:00 AM Park", "04-13 10:30 AM Park", "04-13 1:00 PM Park", "04-13 2:30 PM Park"]


def test_availability_needs_no_state():
    assert offered({"startDate": "2026-04-07"}, state=None)[0] == "04-07 9:00 AM Chen"


def test_the_end_of_the_calendar_ends_the_slots():
    assert call("check_availability", {"startDate": "9999-12-31"}).data["slots"]


def test_a_slot_freed_by_a_cancellation_is_offered_again():
    state = call("cancel_appointment", {"appointmentId": "APT-10041"}).state
    assert offered({"startDate": "2026-04-07"}, state=state)[0] == "04-07 9:00 AM Chen"


def test_a_slot_booked_in_24_hour_notation_is_not_offered():
    state = booked(("2026-04-10", "09:00", "Dr. Emily Chen"))
    assert "04-10 9:00 AM Chen" not in offered({"startDate": "2026-04-10"}, state=state)


def test_at_least_three_slots_are_offered_however_many_of_the_first_are_booked():
    first = call("check_availability", {"startDate": "2026-04-10", "provider": "Dr. James Park"}, state=None)
    second_state = booked(*((s["date"], s["time"], s["provider"]) for s in first.data["slots"]))
    again = offered({"startDate": "2026-04-10", "provider": "Dr. James Park"}, state=second_state)
    assert len(again) == len(set(again)) == 3


def test_no_slot_is_offered_twice_when_candidates_meet_on_a_monday():
    for day in range(1, 29):
        slots = offered({"startDate": f"2026-05-{day:02}", "provider": PROVIDERS[0]}, state=None)
        assert len(slots) == len(set(slots)) == 4


def test_rescheduling_moves_the_appointment():
    outcome = call(
        "reschedule_appointment",
        {"appointmentId": "APT-10041", "newDate": "2026-04-08", "newTime": "10:30 AM"},
    )
    assert outcome.data.pop("confirmationMessage")
    assert outcome.data == {
        "appointmentId": "APT-10041",
        "previousDate": "2026-04-07",
        "previousTime": "9:00 AM",
        "newDate": "2026-04-08",
        "newTime": "10:30 AM",
        "provider": "Dr. Emily Chen",
        "status": "rescheduled",
    }
    expected = load_initial_state("demo-dentist")
    expected["appointments"][0].update(date="2026-04-08", time="10:30 AM", status="rescheduled")
    assert outcome.state == expected


def test_a_cancelled_appointment_can_be_rescheduled():
    state = call("cancel_appointment", {"appointmentId": "APT-10042"}).state
    moved = call(
        "reschedule_appointment",
        {"appointmentId": "APT-10042", "newDate": "2026-04-20", "newTime": "9:00 AM"},
        state=state,
    ).state
    assert by_id(moved, "APT-10042")["status"] == "rescheduled"


@pytest.mark.parametrize("time", ["1:00 PM", "13:00", "1 pm", "01:00 p.m.", "13:00:00", " 1:00pm "])
def test_a_taken_slot_is_not_booked_twice_however_its_time_is_written(time):
    outcome = call(
        "reschedule_appointment", {"appointmentId": "APT-10041", "newDate": "2026-04-16", "newTime": time}
    )
    assert set(outcome.data) == {"error"}
    assert outcome.state is None


@pytest.mark.parametrize(
    ("appointment", "day", "time"),
    [
        pytest.param("APT-10042", "2026-04-07", "9:00 AM", id="another-provider"),
        pytest.param("APT-10041", "2026-04-07", "9:00 AM", id="its-own-slot"),
        pytest.param("APT-10041", "2026-04-17", "1:00 PM", id="another-day"),
        pytest.param("APT-10041", "2026-04-16", "1:30 PM", id="another-time"),
        pytest.param("APT-10041", "some day", "whenever", id="what-cannot-be-read-is-stored-verbatim"),
    ],
)
def test_a_slot_that_nobody_else_has_with_the_provider_is_free(appointment, day, time):
    asked = {"appointmentId": appointment, "newDate": day, "newTime": time}
    row = by_id(call("reschedule_appointment", asked).state, appointment)
    assert (row["date"], row["time"]) == (day, time)


def test_of_two_bookings_of_one_slot_the_second_is_refused():
    wanted = {"newDate": "2026-05-04", "newTime": "11:00 AM"}
    state = call("reschedule_appointment", {"appointmentId": "APT-10041", **wanted}).state
    second = call("reschedule_appointment", {"appointmentId": "APT-10044", **wanted}, state=state)
    assert "error" in second.data
    assert second.state is None


def test_the_slot_of_a_cancelled_appointment_is_free():
    state = call("cancel_appointment", {"appointmentId": "APT-10044"}).state
    asked = {"appointmentId": "APT-10041", "newDate": "2026-04-16", "newTime": "1:00 PM"}
    assert call("reschedule_appointment", asked, state=state).data["status"] == "rescheduled"


@pytest.mark.parametrize("missing", ["newDate", "newTime"])
@pytest.mark.parametrize("state", ["initial", None])
def test_rescheduling_needs_a_date_and_a_time(missing, state):
    asked = {"appointmentId": "APT-10041", "newDate": "2026-04-20", "newTime": "9:00 AM", missing: " "}
    outcome = call("reschedule_appointment", asked, state=state)
    assert set(outcome.data) == {"error"}
    assert outcome.state is None


@pytest.mark.parametrize("tool", ["reschedule_appointment", "cancel_appointment"])
@pytest.mark.parametrize("state", ["initial", {}, {"appointments": "gone"}, {"appointments": [1, None, {}]}])
def test_an_unknown_appointment_is_an_error_in_the_data(tool, state):
    asked = {"appointmentId": "APT-1", "newDate": "2026-04-20", "newTime": "9:00 AM"}
    outcome = call(tool, asked, state=state)
    assert set(outcome.data) == {"error"}
    assert "APT-1" in outcome.data["error"]
    assert outcome.state is None


def test_cancelling_in_time_is_free():
    outcome = call("cancel_appointment", {"appointmentId": "APT-10043"})
    assert outcome.data.pop("feeNote")
    assert outcome.data.pop("confirmationMessage")
    assert outcome.data == {
        "appointmentId": "APT-10043",
        "status": "cancelled",
        "cancellationFee": None,
        "reason": "patient_request",
    }
    expected = load_initial_state("demo-dentist")
    expected["appointments"][2]["status"] = "cancelled"
    assert outcome.state == expected


def test_a_given_reason_is_repeated():
    data = call("cancel_appointment", {"appointmentId": "APT-10043", "reason": "travel"}).data
    assert data["reason"] == "travel"


STARTS = datetime(2026, 4, 7, 9, tzinfo=PORTLAND)


@pytest.mark.parametrize(
    ("before", "short_notice", "fee"),
    [
        pytest.param(timedelta(hours=24), None, None, id="exactly-24-hours"),
        pytest.param(timedelta(hours=24, seconds=-1), None, "$50.00", id="just-under-24-hours"),
        pytest.param(timedelta(0), None, "$50.00", id="as-it-starts"),
        pytest.param(timedelta(seconds=-1), None, None, id="past"),
        pytest.param(timedelta(hours=2), False, None, id="late-but-said-not-to-be"),
        pytest.param(timedelta(days=20), True, "$50.00", id="early-but-said-to-be-late"),
        pytest.param(timedelta(hours=2), "no", "$50.00", id="only-a-boolean-overrides"),
    ],
)
def test_a_late_cancellation_costs_fifty_dollars(before, short_notice, fee):
    asked = {"appointmentId": "APT-10041", "shortNotice": short_notice}
    data = call("cancel_appointment", asked, now=(STARTS - before).astimezone(UTC)).data
    assert data["cancellationFee"] == fee


@pytest.mark.parametrize("time", ["soon", None, 9])
def test_an_appointment_whose_start_cannot_be_read_is_cancelled_free(time):
    state = {"appointments": [{"id": "A", "date": "2026-04-07", "time": time}]}
    data = call("cancel_appointment", {"appointmentId": "A"}, state=state, now=STARTS.astimezone(UTC)).data
    assert data["cancellationFee"] is None


def test_the_clinic_clock_follows_daylight_saving_as_the_time_zone_database_does():
    local = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - a wall clock
    while local.year < 2032:
        slot = Slot(local.date().isoformat(), "12:00", "")
        assert slot.to_start() == local.replace(tzinfo=PORTLAND), local
        local += timedelta(days=1)


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        ("2026-03-08 01:59", "2026-03-08 09:59"),
        ("2026-03-08 03:00", "2026-03-08 10:00"),
        ("2026-11-01 00:59", "2026-11-01 07:59"),
        ("2026-11-01 02:00", "2026-11-01 10:00"),
    ],
)
def test_the_clinic_clock_changes_at_two_in_the_morning(moment, utc):
    date, time = moment.split()
    starts = Slot(date, time, "").to_start()
    assert starts.astimezone(UTC) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("tool", "parameters", "keys"),
    [
        (
            "reschedule_appointment",
            {"appointmentId": "X-1", "newDate": "2026-04-20", "newTime": "9:00 AM"},
            {"appointmentId", "newDate", "newTime", "status", "confirmationMessage"},
        ),
        (
            "cancel_appointment",
            {"appointmentId": "X-1"},
            {"appointmentId", "status", "cancellationFee", "confirmationMessage"},
        ),
    ],
)
def test_without_state_a_change_is_confirmed_in_general_terms(tool, parameters, keys):
    outcome = call(tool, parameters, state=None)
    assert set(outcome.data) == keys
    assert outcome.data["appointmentId"] == "X-1"
    assert outcome.state is None


@pytest.mark.parametrize(("short_notice", "fee"), [(True, "$50.00"), (False, None), (None, None)])
def test_without_state_only_the_flag_makes_a_cancellation_late(short_notice, fee):
    asked = {"appointmentId": "X-1", "shortNotice": short_notice}
    assert call("cancel_appointment", asked, state=None).data["cancellationFee"] == fee


def test_a_patient_is_found_by_a_part_of_the_name_in_any_case():
    outcome = call("lookup_appointment", {"patientName": " JOHNS "})
    assert outcome.data == {
        "found": True,
        "appointments": [load_initial_state("demo-dentist")["appointments"][2]],
    }
    assert outcome.state is None


def test_a_found_appointment_is_a_copy():
    state = load_initial_state("demo-dentist")
    found = call("lookup_appointment", {"patientName": "Garcia"}, state=state).data["appointments"]
    found[0]["status"] = "changed"
    assert state == load_initial_state("demo-dentist")


def test_cancelled_appointments_are_not_found():
    state = call("cancel_appointment", {"appointmentId": "APT-10041"}).state
    assert call("lookup_appointment", {"patientName": "Garcia"}, state=state).data["found"] is False


@pytest.mark.parametrize("name", ["Nobody", "", "   ", None, 7])
def test_an_unknown_or_empty_name_finds_nobody(name):
    data = call("lookup_appointment", {"patientName": name}).data
    assert data["found"] is False
    assert set(data) == {"found", "message"}


def test_without_state_nobody_is_found():
    assert call("lookup_appointment", {"patientName": "Garcia"}, state=None).data["found"] is False


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("9:00 AM", "09:00:00"),
        ("12:00 AM", "00:00:00"),
        ("12:30 pm", "12:30:00"),
        ("14:30", "14:30:00"),
        ("9", "09:00:00"),
        ("0:05", "00:05:00"),
        ("24:00", None),
        ("13:00 PM", None),
        ("0:30 AM", None),
        ("9:60", None),
        ("noon", None),
        ("", None),
        ("\u0669:\u0660\u0660", None),
    ],
)
def test_times_are_read_as_people_write_them(written, read):
    moment = parse_time(written)
    assert (moment.isoformat() if moment else None) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (" 2026-04-07 ", "2026-04-07"),
        ("2026-4-7", "2026-04-07"),
        ("2026-04-07T09:00:00", "2026-04-07"),
        ("2026-02-29", None),
        ("0000-01-01", None),
        ("20260407", None),
        ("April 7", None),
        ("2026-04-071", None),
    ],
)
def test_dates_are_read_as_models_write_them(written, read):
    day = parse_date(written)
    assert (day.isoformat() if day else None) == read


@pytest.mark.parametrize("day", ["2026-4-16", " 2026-04-16", "2026-04-16T13:00"])
def test_a_taken_slot_is_not_booked_twice_however_its_day_is_written(day):
    asked = {"appointmentId": "APT-10041", "newDate": day, "newTime": "1:00 PM"}
    assert "error" in call("reschedule_appointment", asked).data
