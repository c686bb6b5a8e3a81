"""The sender of webhooks: each message of its queue says that a delivery is due."""

from genai_voice.foundation.work import make_queue_handler
from genai_voice.webhooks import sender

handler = make_queue_handler("webhook_sender", sender.deliver)
