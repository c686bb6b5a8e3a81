"""Whom an address belongs to."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from genai_voice.tenancy.senders import name_sender
from hypothesis import given
from hypothesis import strategies as st

NETWORK = 2**64
NOT_MAPPED = st.ip_addresses(v=6).map(IPv6Address).filter(lambda address: address.ipv4_mapped is None)


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:c633:6407", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("a-socket", "a-socket"),
        ("198.51.100.007", "198.51.100.007"),
    ],
)
def test_an_address_is_named_by_whom_it_belongs_to(address: str, sender: str) -> None:
    assert name_sender(address) == sender


@given(st.ip_addresses(v=4))
def test_every_address_of_ipv4_is_a_sender_however_it_is_written(address: IPv4Address) -> None:
    written = (str(address), f"::ffff:{address}", f"::FFFF:{address}")
    assert {name_sender(each) for each in written} == {str(address)}


@given(NOT_MAPPED, st.integers(0, NETWORK - 1))
def test_addresses_of_ipv6_are_one_sender_where_their_first_64_bits_are_equal(
    address: IPv6Address, host: int
) -> None:
    neighbour = IPv6Address((int(address) // NETWORK) * NETWORK + host)
    if neighbour.ipv4_mapped is None:
        assert name_sender(str(neighbour)) == name_sender(address.exploded)


@given(NOT_MAPPED, NOT_MAPPED)
def test_other_networks_of_ipv6_are_other_senders(one: IPv6Address, other: IPv6Address) -> None:
    is_one_network = int(one) // NETWORK == int(other) // NETWORK
    assert (name_sender(str(one)) == name_sender(str(other))) is is_one_network


@given(st.text())
def test_whatever_is_told_as_an_address_has_a_name(told: str) -> None:
    assert name_sender(told)
