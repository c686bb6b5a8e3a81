"""Deliveries of any kind: stored with what they report, sent until they have arrived, given up, sent again.

A sender brings a kind of row (`rows.DeliveryRow`), an `outbox.Outbox` for it, and two functions: one finds
what the deliveries of an app need to be sent, one sends a delivery. `attempts.make_attempt` does the rest.
"""
