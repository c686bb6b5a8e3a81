"""The sender of webhooks: each message of its queue says that a delivery is due."""

from genai_voice.foundation.work import queue_handler
from genai_voice.webhooks import sender

handler = queue_handler("webhook_sender", sender.deliver)
