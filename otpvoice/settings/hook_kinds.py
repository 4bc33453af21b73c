"""The kinds of identity servers, and which of them need a secret."""

from enum import StrEnum
from typing import Final


class HookKind(StrEnum):
    """The kinds of identity servers that request calls at ``/hooks/<client>``."""

    SUPABASE = "supabase"
    OKTA = "okta"
    ZITADEL = "zitadel"
    LOGTO = "logto"
    FUSIONAUTH = "fusionauth"
    CASDOOR = "casdoor"
    CLERK = "clerk"


STANDARD_WEBHOOKS: Final = frozenset({HookKind.SUPABASE, HookKind.CLERK})
"""Kinds that sign as Standard Webhooks, with secrets in the form of event secrets."""
SIGNING_KINDS: Final = STANDARD_WEBHOOKS | {HookKind.ZITADEL}
"""Kinds that sign their requests. The others send an API key."""
