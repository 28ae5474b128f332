"""Encrypts the addresses of sources for Redis, with keys that only the processes of Cornerman have.

An encrypted address reads `sealed:TOKEN`, where the token is Fernet's (github.com/fernet/spec). One that no key opens
stays as it is: the source cannot be captured, and its other settings can still be read and changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import SEALED, is_sealed, remember_secret

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import RedisSettings

MAKE_A_KEY: Final = "make one with `openssl rand -base64 32 | tr '+/' '-_'`"


class AddressKeys:
    """Keys of this process; without any, addresses are stored as they are.

    Args:
        keys: Fernet keys, 32 bytes in URL-safe base64; the first one encrypts, all of them decrypt.

    Raises:
        ConfigError: one is not such a key; names its position, not its text.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet: Any = None
        if keys:
            # Imported on demand: most processes have no keys.
            from cryptography.fernet import Fernet, MultiFernet

            made = []
            for position, key in enumerate(keys, 1):
                remember_secret(key)
                try:
                    made.append(Fernet(key))
                except ValueError:
                    raise ConfigError(
                        f"key {position} of redis.encryption_keys is not a Fernet key (44 characters of URL-safe "
                        f"base64); {MAKE_A_KEY}"
                    ) from None
            self._fernet = MultiFernet(made)

    def seal(self, url: str) -> str:
        """The address as it is stored; one that is encrypted already is kept."""
        if self._fernet is None or is_sealed(url):
            return url
        return SEALED + str(self._fernet.encrypt(url.encode()).decode())

    def open(self, stored: str) -> str:
        """The address of a stored one; still sealed if no key opens it."""
        if self._fernet is None or not is_sealed(stored):
            return stored
        from cryptography.fernet import InvalidToken

        try:
            return str(self._fernet.decrypt(stored.removeprefix(SEALED)).decode())
        except (InvalidToken, UnicodeDecodeError):
            return stored


NO_KEYS: Final = AddressKeys(())
"""Stores and reads addresses as they are."""


def address_keys(settings: RedisSettings) -> AddressKeys:
    """The keys of these settings.

    Raises:
        ConfigError: the file cannot be read, or a key is not usable.
    """
    text = settings.encryption_keys
    if settings.encryption_keys_file:
        if text:
            raise ConfigError("give redis.encryption_keys or redis.encryption_keys_file, not both")
        path = Path(settings.encryption_keys_file).expanduser()
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"redis.encryption_keys_file = {str(path)!r} cannot be read ({error}); give a file with one key a line"
            ) from None
        if not text.strip():
            raise ConfigError(f"redis.encryption_keys_file = {str(path)!r} is empty; {MAKE_A_KEY}")
    return AddressKeys(text.replace(",", " ").split())
