"""Secrets told by what stands beside them: a name, a URL, a header, a file's syntax. Data only.

What matches is checked further (see `secret_checks`), since code names passwords far more often
than it holds them.
"""

from __future__ import annotations

from zeta_context.consent.secret_rule import SecretRule
from zeta_context.consent.secret_rule import context_rule as _

_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|_pass|pwd|secret|token|credential|"
    r"(?:api|access|auth|private|encryption|signing|session|master|shared|account|service|licen[cs]e|"
    r"webhook|deploy|storage|app|cipher)[_.-]?key)"
)
_REST = r"[A-Za-z0-9_.-]{0,40}[\"'`]?[\])]?"
_SIGN = r"[ \t]{0,8}(?::=|=>|[!=]==?|=|:|,|\()[ \t]{0,8}"
_QUOTED = r"[@rbfuLR$]{0,2}(?:\"((?:[^\"\\\n]|\\.){8,})\"|'((?:[^'\\\n]|\\.){8,})'|`([^`\n]{8,})`)"
_BARE = r"[^\s\"'`,;(){}\[\]<>$&|]{8,}"
_WORDS = "pass pwd secret token key credential"

CONTEXT_RULES: tuple[SecretRule, ...] = (
    _(
        "aws_secret_access_key",
        "aws secret",
        r"(?i)(?:aws|secret)[A-Za-z0-9_.-]{0,30}(?:key|secret|token)[A-Za-z0-9_.-]{0,10}"
        r"[\"'`]?[\])]?" + _SIGN + r"[\"'`]?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        min_entropy=3.5,
    ),
    _(
        "aws_secret_nearby",
        "aws",
        r"(?i)aws.{0,20}(?:key|pwd|pass|token|secret).{0,20}[\"'`]([A-Za-z0-9/+]{40})[\"'`]",
        min_entropy=3.5,
    ),
    _(
        "aws_session_token",
        "session",
        r"(?i)session[_.-]?token[\"'`]?[ \t]{0,8}[=:][ \t]{0,8}[\"'`]?([A-Za-z0-9/+=]{100,})",
        min_entropy=4.0,
    ),
    _("assigned_secret", _WORDS, r"(?i)" + _NAME + _REST + _SIGN + _QUOTED, check="assigned"),
    _(
        "assigned_secret_plain",
        _WORDS,
        r"(?im)"
        + _NAME
        + r"[A-Za-z0-9_.-]{0,40}[\"']?[ \t]{0,8}[:=]{1,2}[ \t]{0,8}("
        + _BARE
        + r")[ \t]*(?:[,;#].*)?\r?$",
        check="assigned",
    ),
    _(
        "compared_secret",
        _WORDS,
        r"(?i)[\"'`]([^\"'`\\\n]{8,})[\"'`][ \t]{0,8}[!=]==?[ \t]{0,8}[A-Za-z0-9_.]{0,40}" + _NAME,
        check="assigned",
    ),
    _(
        "secret_argument",
        _WORDS,
        r"(?i)(?:^|\s)--?[A-Za-z0-9-]{0,30}"
        + _NAME
        + r"[A-Za-z0-9-]{0,20}[= ][\"']?("
        + _BARE
        + ")",
        check="assigned",
    ),
    _(
        "long_key_assignment",
        "key pass pwd secret token auth cred",
        r"(?i)(?:key|pass|pwd|secret|token|auth|cred)[A-Za-z0-9_.-]{0,20}[\"'`]?[\])]?"
        r"[ \t]{0,8}(?::=|=>|[!=]==?|=|:|[ \t])[ \t=]{0,8}[\"'`]?"
        r"([A-Za-z0-9+/_=-]{32,})(?:[^A-Za-z0-9+/_=.(-]|\.\s|$)",
        check="long_assigned",
    ),
    _(
        "softlayer_key",
        "softlayer sl_ sl- slapi slkey",
        r"(?i)(?:softlayer|\bsl)[_-]?(?:api)?[_-]?(?:key|pwd|password|pass|token)[\"'`]?[\])]?"
        r"[ \t]{0,8}(?::=|=>|[!=]==?|=|:|[ \t])[ \t=]{0,8}[\"'`]?([0-9a-f]{64})(?:[^0-9a-f]|$)",
        min_entropy=2.0,
    ),
    _("softlayer_url_key", "softlayer.com", r"(?i)softlayer\.com/soap/v3(?:\.1)?/([0-9a-f]{64})"),
    _(
        "url_password",
        "://",
        r"://[^/\s:@\"'`<>{}]{0,100}:([^/\s:@\"'`<>]{3,200})@",
        check="url_password",
    ),
    _(
        "authorization_header",
        "bearer basic",
        r"(?i)\b(?:bearer|basic)[ \t]+([A-Za-z0-9_.~+/-]{20,}={0,2})",
        check="long_assigned",
    ),
    _(
        "connection_string_password",
        "password= pwd=",
        r"(?i)(?:server|data source|host|uid|user id|user|database|initial catalog)[ ]?="
        r"[^\n\"'`]{0,300};[ ]?(?:password|pwd)[ ]?=[ ]?([^;\"'`\s]{4,200})",
        check="url_password",
    ),
    _(
        "netrc_password",
        "machine",
        r"(?i)\bmachine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+(\S{3,200})",
        check="url_password",
    ),
    _(
        "docker_registry_auth",
        '"auth"',
        r"\"auth\"\s{0,8}:\s{0,8}\"([A-Za-z0-9+/]{12,}={0,2})\"",
        min_entropy=3.0,
    ),
    _(
        "password_hash",
        "$2 $5$ $6$ $argon2 $apr1$",
        r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|"
        r"\$[56]\$(?:rounds=[0-9]+\$)?[./A-Za-z0-9]{4,16}\$[./A-Za-z0-9]{43,86}|"
        r"\$argon2(?:id|i|d)\$v=[0-9]+\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{11,}"
        r"\$[A-Za-z0-9+/]{22,}|\$apr1\$[./A-Za-z0-9]{8}\$[./A-Za-z0-9]{22}",
        min_entropy=3.0,
    ),
    # The middle of a key whose first line an excerpt has cut off: rows of 64 as PEM has them.
    SecretRule(
        rule_id="key_rows",
        keywords=("",),
        pattern=r"(?:[A-Za-z0-9+/]{64}(?:\\n|[\s\"'+,\\]){1,40}){3,}",
        min_entropy=4.6,
        confidence="context",
    ),
)
