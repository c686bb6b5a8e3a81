"""The mock tools by their names, each with the data that it looks at."""

from collections.abc import Mapping
from types import MappingProxyType

from genai_voice.demos.appointments import (
    cancel_appointment,
    check_availability,
    lookup_appointment,
    reschedule_appointment,
)
from genai_voice.demos.inventory import check_inventory
from genai_voice.demos.metrics import compare_quarters, lookup_metric
from genai_voice.demos.model import Handler
from genai_voice.demos.orders import initiate_return, lookup_order
from genai_voice.demos.scenarios import load_figures, load_shop
from genai_voice.demos.transfer import transfer_to_human

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "check_availability": check_availability,
        "reschedule_appointment": lambda parameters, state, now: reschedule_appointment(parameters, state),
        "cancel_appointment": cancel_appointment,
        "lookup_appointment": lambda parameters, state, now: lookup_appointment(parameters, state),
        "lookup_metric": lambda parameters, state, now: lookup_metric(parameters, load_figures()),
        "compare_quarters": lambda parameters, state, now: compare_quarters(parameters, load_figures()),
        "lookup_order": lambda parameters, state, now: lookup_order(parameters, state, load_shop()),
        "initiate_return": lambda parameters, state, now: initiate_return(
            parameters, state, load_shop(), now
        ),
        "check_inventory": lambda parameters, state, now: check_inventory(parameters, state, load_shop()),
        "transfer_to_human": lambda parameters, state, now: transfer_to_human(parameters, now),
    }
)
"""By tool name alone, whatever the app."""
