"""Certificates for services on loopback, and who trusts them."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return what a service shows: a certificate of `authority` for `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """Return what trusts `authority`, and it alone."""
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["http/1.1"])
    return context


def bundle(authority: trustme.CA, folder: Path) -> str:
    """Write a file of trust roots and return its path."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
