"""``/hooks/<client>``: identity servers request calls in their own words.

Each module holds one kind of server, which says four things: whether a request is genuine, what
the server wants, and how success and a refusal are answered so that the server understands them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.api.hooks.base import IdentityServer
from otpvoice.api.hooks.casdoor import Casdoor
from otpvoice.api.hooks.clerk import Clerk
from otpvoice.api.hooks.fusionauth import FusionAuth
from otpvoice.api.hooks.logto import Logto
from otpvoice.api.hooks.okta import Okta
from otpvoice.api.hooks.supabase import Supabase
from otpvoice.api.hooks.zitadel import Zitadel
from otpvoice.settings.hook_kinds import HookKind

IDENTITY_SERVERS: Final[Mapping[HookKind, IdentityServer]] = MappingProxyType(
    {
        HookKind.SUPABASE: Supabase(),
        HookKind.OKTA: Okta(),
        HookKind.ZITADEL: Zitadel(),
        HookKind.LOGTO: Logto(),
        HookKind.FUSIONAUTH: FusionAuth(),
        HookKind.CASDOOR: Casdoor(),
        HookKind.CLERK: Clerk(),
    }
)
"""One object for each kind in the settings."""
