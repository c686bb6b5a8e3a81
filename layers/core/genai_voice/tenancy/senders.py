"""Which addresses count as one sender of wrong secrets."""

from ipaddress import IPv6Address, IPv6Network, ip_address

_NETWORK_BITS = 64
"""Of IPv6: the smallest network that a customer is given (RFC 6177), who may use all of its addresses."""


def name_sender(address: str) -> str:
    """Name whom an address belongs to: an IPv4 address, however it is written, is itself, and an IPv6 address
    its network of 64 bits. What is no address stands for itself, and nothing for `unknown`.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address or "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _NETWORK_BITS), strict=False))
