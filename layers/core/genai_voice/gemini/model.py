"""What a live session with Gemini is locked to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """What whoever opens the session cannot change."""

    model: str
    reply_as_audio: bool
    system_instruction: str

    def to_locked_fields(self) -> dict[str, Any]:
        """Everything that the session is locked to, by the names of Gemini's API (contract 3.1)."""
        return {
            "model": self.model,
            "responseModalities": ["AUDIO" if self.reply_as_audio else "TEXT"],
            "systemInstruction": self.system_instruction,
            "sessionResumption": {},
            "outputAudioTranscription": {},
            "inputAudioTranscription": {},
        }
