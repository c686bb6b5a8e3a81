"""The sweep: every few minutes it hands on what is due and nobody has taken up."""

from genai_voice.foundation.work import make_schedule_handler
from genai_voice.sweep import service

handler = make_schedule_handler("sweeper", service.sweep, service.PIECES)
