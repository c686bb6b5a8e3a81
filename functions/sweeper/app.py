"""The sweeper: every few minutes it hands on what is due and nobody has taken up."""

from genai_voice.due import service
from genai_voice.foundation.work import schedule_handler

handler = schedule_handler("sweeper", service.sweep, service.KINDS)
