"""What stands in the database but only the manager can make: hashes of tokens, seals on rows, locked texts.

All with keys derived from the master secret, which is a file. So whoever can write to the database cannot give
themselves a session, a role or a password (ATTACKS 38), and whoever can read it cannot read a task's secrets (S5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class Broken(Exception):
    """It was changed by somebody who is not the manager, or made with other keys."""


class Seals:
    def __init__(self, master: bytes) -> None:
        self._master = master
        self._tokens, self._rows = self.derive("tokens"), self.derive("rows")
        self._texts = AESGCM(self.derive("texts"))

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose; the same each time, stored nowhere."""
        return HKDF(hashes.SHA256(), 32, salt=None, info=b"ops-scaffold " + purpose.encode()).derive(self._master)

    def token(self, secret: str) -> str:
        """What is stored of a session's or token's secret (64 hex digits)."""
        return hmac.new(self._tokens, secret.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def of(self, kind: str, *items: object) -> str:
        """The seal on a row of this kind (64 hex digits)."""
        text = json.dumps([kind, *items], ensure_ascii=False, separators=(",", ":"))
        return hmac.new(self._rows, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def holds(self, seal: str, kind: str, *items: object) -> bool:
        return hmac.compare_digest(seal, self.of(kind, *items))

    def lock(self, text: str, about: str) -> str:
        """`text` so that only the manager can read it; bound to `about`, such as the row's id."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._texts.encrypt(nonce, text.encode(), about.encode())).decode()

    def unlock(self, locked: str, about: str) -> str:
        """Raises Broken."""
        try:
            data = base64.b64decode(locked, validate=True)
            return self._texts.decrypt(data[:_NONCE], data[_NONCE:], about.encode()).decode()
        except (ValueError, InvalidTag) as problem:
            raise Broken(f"{about}: it was changed outside the manager, or its keys are not those that made it") from problem
