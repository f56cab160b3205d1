"""Makes tokens of each kind at run time, from the issuers' formats, and embeds them in sources.

The formats stand here a second time, as templates, independently of the rules that find them.
Nothing in this file is a secret, and what it makes is random.
"""

from __future__ import annotations

import base64
import random
import re
import string
import zlib

ALPHABETS = {
    "a62": string.ascii_letters + string.digits,
    "low36": string.ascii_lowercase + string.digits,
    "up36": string.ascii_uppercase + string.digits,
    "letters": string.ascii_letters,
    "upper": string.ascii_uppercase,
    "digits": string.digits,
    "hex": "0123456789abcdef",
    "b32": string.ascii_uppercase + "234567",
    "b64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "_-",
    "bech": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "b58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "pw": string.ascii_letters + string.digits + "!#%*+-_=?",
    "slug": string.ascii_lowercase,
}
UUID = "{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}"

TEMPLATES: dict[str, tuple[str, ...]] = {
    "github_token": tuple(f"{prefix}_{{crc:30}}" for prefix in ("ghp", "gho", "ghu", "ghs", "ghr")),
    "github_fine_grained": ("github_pat_{a62:22}_{a62:59}",),
    "gitlab_token": (
        "glpat-{url:20}",
        "gldt-{url:20}",
        "glrt-{url:20}",
        "glptt-{hex:40}",
        "glpat-{url:27}.{low36:2}.{low36:9}",
    ),
    "gitlab_runner_registration": ("GR1348941{url:20}",),
    "bitbucket_app_password": ("ATBB{a62:24}{hex:8}",),
    "atlassian_token": ("ATATT3xFfGF0{url:170}={hex:8}", "ATCTT3xFfGN0{url:170}={hex:8}"),
    "azure_devops_token": ("{a62:76}AZDO{a62:4}",),
    "sourcegraph_token": ("sgp_{hex:40}", "sgp_local_{hex:40}", "sgp_{hex:16}_{hex:40}"),
    "npm_token": ("npm_{crc:30}",),
    "npm_config_token": (f"//registry.npmjs.org/:_authToken={UUID}",),
    "pypi_token": ("pypi-AgEIcHlwaS5vcmc{url:120}", "pypi-AgENdGVzdC5weXBpLm9yZw{url:120}"),
    "rubygems_token": ("rubygems_{hex:48}",),
    "crates_io_token": ("cio{a62:32}",),
    "nuget_key": ("oy2{low36:43}",),
    "docker_hub_token": ("dckr_pat_{url:27}", "dckr_oat_{url:32}"),
    "packagist_token": ("packagist_ort_{hex:68}", "packagist_uut_{hex:68}"),
    "clojars_token": ("CLOJARS_{hex:60}",),
    "artifactory_token": ("AKCp{a62:69}",),
    "artifactory_password": ("AP6{a62:30}",),
    "artifactory_reference": ("cmVmd{a62:59}",),
    "aws_access_key_id": ("AKIA{b32:16}", "ASIA{b32:16}"),
    "aws_bedrock_key": ("ABSK{b64:124}==",),
    "aws_mws_token": (f"amzn.mws.{UUID}",),
    "google_api_key": ("AIza{url:35}",),
    "google_client_secret": ("GOCSPX-{url:28}",),
    "google_access_token": ("ya29.{url:140}",),
    "google_refresh_token": ("1//0{url:60}",),
    "azure_account_key": ("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={b64:86}==",),
    "azure_shared_access_key": ("SharedAccessKeyName=root;SharedAccessKey={b64:43}=",),
    "azure_sas_signature": ("https://a.blob.core.windows.net/c?sv=2022&sig={a62:43}%3D",),
    "azure_client_secret": ("{a62:3}8Q~{a62:34}",),
    "azure_marked_key": ("{a62:52}JQQJ99{a62:26}", "{b64:42}+ACRD{a62:5}", "{url:44}AzFu{url:6}=="),
    "digitalocean_token": ("dop_v1_{hex:64}", "doo_v1_{hex:64}", "dor_v1_{hex:64}"),
    "heroku_key": ("HRKU-AA{url:58}",),
    "fly_token": ("fo1_{url:43}", "fm2_{b64:160}"),
    "cloudflare_origin_key": ("v1.0-{hex:24}-{hex:146}",),
    "alibaba_key_id": ("LTAI{a62:20}",),
    "tencent_key_id": ("AKID{a62:32}",),
    "yandex_key": ("AQVN{url:36}", "YCAJ{url:21}"),
    "scaleway_key_id": ("SCW{up36:17}",),
    "netlify_token": ("nfp_{a62:36}",),
    "vercel_token": ("vercel_blob_rw_{a62:16}_{a62:30}", "vcp_{a62:56}"),
    "supabase_token": ("sbp_{hex:40}", "sb_secret_{url:31}"),
    "planetscale_token": ("pscale_tkn_{url:43}", "pscale_pw_{url:43}", "pscale_oauth_{url:43}"),
    "databricks_token": ("dapi{hex:32}", "dapi{hex:32}-2"),
    "neon_key": ("napi_{low36:64}",),
    "render_key": ("rnd_{a62:28}",),
    "terraform_cloud_token": ("{a62:14}.atlasv1.{url:67}",),
    "vault_token": ("hvs.{url:95}", "hvb.{url:150}", "hvs.{a62:24}"),
    "pulumi_token": ("pul-{hex:40}",),
    "doppler_token": ("dp.pt.{a62:43}", "dp.st.dev_env.{a62:43}"),
    "onepassword_service_token": ("ops_eyJ{b64:300}",),
    "onepassword_secret_key": ("A3-{up36:6}-{up36:6}-{up36:5}-{up36:5}-{up36:5}-{up36:5}",),
    "tailscale_key": ("tskey-auth-{a62:14}CNTRL-{a62:32}", "tskey-api-{a62:12}-{a62:32}"),
    "openshift_token": ("sha256~{url:43}",),
    "openai_key": (
        "sk-{a62:20}T3BlbkFJ{a62:20}",
        "sk-proj-{url:74}T3BlbkFJ{url:74}",
        "sk-svcacct-{url:58}T3BlbkFJ{url:58}",
    ),
    "anthropic_key": (
        "sk-ant-api03-{url:93}AA",
        "sk-ant-admin01-{url:93}AA",
        "sk-ant-oat01-{url:93}AA",
    ),
    "openrouter_key": ("sk-or-v1-{hex:64}",),
    "sk_key": ("sk-{hex:32}", "sk-{a62:48}"),
    "hugging_face_token": ("hf_{letters:34}", "api_org_{letters:34}"),
    "replicate_token": ("r8_{a62:37}",),
    "groq_key": ("gsk_{a62:52}",),
    "xai_key": ("xai-{a62:80}",),
    "perplexity_key": ("pplx-{a62:48}",),
    "cerebras_key": ("csk-{low36:48}",),
    "nvidia_key": ("nvapi-{url:64}",),
    "langsmith_key": ("lsv2_pt_{hex:32}_{hex:10}", "lsv2_sk_{hex:32}_{hex:10}"),
    "weights_and_biases_key": ("wandb_v1_{a62:60}",),
    "pinecone_key": ("pcsk_{a62:6}_{a62:63}",),
    "jina_key": ("jina_{hex:32}{url:28}",),
    "tavily_key": ("tvly-{a62:32}", "tvly-dev-{a62:32}"),
    "firecrawl_key": ("fc-{hex:32}",),
    "elevenlabs_key": ("sk_{hex:48}",),
    "voyage_key": ("pa-{a62:42}x",),
    "fireworks_key": ("fw_{a62:24}",),
    "stripe_key": ("sk_live_{a62:24}", "rk_live_{a62:99}", "sk_test_{a62:24}"),
    "webhook_secret": ("whsec_{a62:32}",),
    "square_token": ("sq0atp-{url:22}", "sq0csp-{url:43}", "EAAA{url:60}"),
    "shopify_token": ("shpat_{hex:32}", "shpca_{hex:32}", "shppa_{hex:32}", "shpss_{hex:32}"),
    "braintree_token": ("access_token$production${low36:16}${hex:32}",),
    "razorpay_key": ("rzp_live_{a62:14}",),
    "flutterwave_key": ("FLWSECK-{hex:32}-X", "FLWSECK_TEST-{hex:32}-X"),
    "plaid_token": (f"access-production-{UUID}",),
    "easypost_key": ("EZAK{a62:54}", "EZTK{a62:54}"),
    "shippo_token": ("shippo_live_{hex:40}",),
    "lob_key": ("live_{hex:35}", "test_{hex:35}"),
    "mollie_key": ("live_{a62:30}", "test_{a62:30}"),
    "adyen_key": ("AQEy{b64:120}",),
    "slack_token": (
        "xoxb-{digits:12}-{digits:12}-{a62:24}",
        "xoxp-{digits:12}-{digits:12}-{digits:12}-{hex:32}",
        "xoxe.xoxp-1-{a62:166}",
    ),
    "slack_app_token": ("xapp-1-A{up36:10}-{digits:13}-{hex:64}",),
    "slack_webhook": ("https://hooks.slack.com/services/T{up36:8}/B{up36:10}/{a62:24}",),
    "discord_token": ("M{a62:23}.{a62:6}.{a62:38}",),
    "discord_webhook": ("https://discord.com/api/webhooks/{digits:18}/{url:68}",),
    "telegram_bot_token": ("7{digits:9}:AA{url:33}",),
    "teams_webhook": (
        f"https://shop.webhook.office.com/webhookb2/{UUID}@{UUID}/IncomingWebhook/{{hex:32}}/{UUID}",
    ),
    "twilio_key": ("SK{hex:32}", "AC{hex:32}"),
    "sendgrid_key": ("SG.{url:22}.{url:43}",),
    "mailgun_key": ("key-{hex:32}", "{hex:32}-{hex:8}-{hex:8}"),
    "mailchimp_key": ("{hex:32}-us12",),
    "brevo_key": ("xkeysib-{hex:64}-{a62:16}",),
    "resend_key": ("re_{a62:8}_{a62:24}",),
    "matrix_token": ("syt_{b64:12}_{letters:20}_{a62:6}",),
    "sentry_token": ("sntrys_eyJ{b64:180}_{b64:43}", "sntryu_{hex:64}"),
    "sentry_dsn_secret": ("https://{hex:32}:{hex:32}@sentry.io/42",),
    "new_relic_key": ("NRAK-{up36:27}", "NRJS-{hex:19}", "{hex:36}NRAL"),
    "grafana_token": ("glsa_{a62:32}_{hex:8}", "glc_eyJ{b64:120}", "eyJrIjoi{b64:90}"),
    "posthog_key": ("phx_{a62:43}",),
    "linear_key": ("lin_api_{a62:40}", "lin_oauth_{hex:64}"),
    "notion_token": ("ntn_{digits:11}{a62:35}", "secret_{a62:43}"),
    "figma_token": ("figd_{url:40}",),
    "airtable_token": ("pat{a62:14}.{hex:64}",),
    "asana_token": ("1/1{digits:15}:{hex:32}", "2/1{digits:15}/1{digits:15}:{hex:32}"),
    "clickup_token": ("pk_{digits:8}_{up36:32}",),
    "postman_key": ("PMAK-{hex:24}-{hex:34}",),
    "dynatrace_token": ("dt0c01.{b32:24}.{b32:64}",),
    "sonar_token": ("sqp_{hex:40}", "squ_{hex:40}", "sqa_{hex:40}"),
    "snyk_token": ("snyk_uat.{hex:8}.{url:60}",),
    "circleci_token": ("CCIPAT_{a62:22}_{hex:40}",),
    "buildkite_token": ("bkua_{hex:40}",),
    "prefect_key": ("pnu_{a62:36}",),
    "dropbox_token": ("sl.{url:136}", "sl.u.{url:136}"),
    "contentful_token": ("CFPAT-{url:43}",),
    "mapbox_secret": ("sk.eyJ{url:80}.{url:22}",),
    "hubspot_token": (f"pat-na1-{UUID}", f"pat-eu1-{UUID}"),
    "twitter_bearer": ("AAAAAAAAAAAAAAAAAAAAA{a62:80}",),
    "facebook_token": ("EAAC{a62:150}",),
    "duffel_token": ("duffel_live_{url:43}",),
    "typeform_token": ("tfp_{a62:44}_{a62:13}",),
    "readme_key": ("rdme_{low36:70}",),
    "adafruit_key": ("aio_{a62:28}",),
    "octopus_key": ("API-{up36:30}",),
    "harness_token": ("pat.{url:22}.{hex:24}.{a62:20}",),
    "maxmind_key": ("{a62:6}_{a62:29}_mmk",),
    "frameio_token": ("fio-u-{url:64}",),
    "launchdarkly_key": (f"sdk-{UUID}", f"api-{UUID}"),
    "private_key_block": (
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    ),
    "putty_key": ("PuTTY-User-Key-File-3: ssh-ed25519",),
    "der_private_key": ("MIIEpAIBAAKCAQEA{b64:80}", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw{b64:80}"),
    "openssh_key_body": ("b3BlbnNzaC1rZXktdjEAAAAA{b64:40}",),
    "age_secret_key": ("AGE-SECRET-KEY-1{bech:58}",),
    "extended_private_key": ("xprv{b58:107}",),
    "json_web_token": ("{jwt:HS256}", "{jwt:RS256}"),
    "aws_secret_access_key": ("aws_secret_access_key={b64:40}",),
    "aws_secret_nearby": ("aws_key_of_the_shop('{b64:40}')",),
    "softlayer_key": ("softlayer_api_key={hex:64}", "--sl-key {hex:64}"),
    "aws_session_token": ("aws_session_token={b64:300}",),
    "softlayer_url_key": ("https://api.softlayer.com/soap/v3.1/{hex:64}",),
    "url_password": (
        "postgres://shop:{a62:14}@db.internal:5432/shop",
        "redis://:{a62:20}@cache:6379/0",
        "mongodb+srv://app:{a62:12}@c0.mongodb.net",
    ),
    "authorization_header": ("Authorization: Bearer {url:48}", "authorization: Basic {b64:36}"),
    "connection_string_password": (
        "Server=db,1433;Database=shop;User Id=app;Password={pw:14};Encrypt=true",
    ),
    "netrc_password": ("machine api.shop.dev login robot password {a62:16}",),
    "password_hash": (
        "$2b$12${a62:53}",
        "$6${a62:16}${a62:86}",
        "$argon2id$v=19$m=65536,t=3,p=4${b64:22}${b64:43}",
    ),
}
"""For each rule that a single text can show; those told by names are in `NAMED`."""

NAMED: dict[str, tuple[str, str]] = {
    "assigned_secret": ('{name} = "{value}"', "{pw:20}"),
    "assigned_secret_plain": ("{upper}={value}", "{a62:24}"),
    "compared_secret": ('if "{value}" == {name}:', "{pw:20}"),
    "secret_argument": ("run --{dashed} {value} --verbose", "{a62:24}"),
    "long_key_assignment": ("cache_{name} = '{value}'", "{a62:40}"),
    "docker_registry_auth": ('"auth": "{value}"', "{b64:48}"),
}
NAMES = ("password", "db_password", "api_key", "client_secret", "access_token", "private_key")

_FIELD = re.compile(r"\{(\w+):(\w+)\}")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def make_token(template: str, rng: random.Random) -> str:
    """A random token of a template's format."""

    def fill(match: re.Match[str]) -> str:
        kind, argument = match.groups()
        if kind == "crc":
            body = "".join(rng.choices(ALPHABETS["a62"], k=int(argument)))
            return body + checksum(body)
        if kind == "jwt":
            return make_jwt(argument, rng)
        return "".join(rng.choices(ALPHABETS[kind], k=int(argument)))

    return _FIELD.sub(fill, template)


def checksum(body: str) -> str:
    """GitHub's: CRC-32 in base 62, six digits."""
    number = zlib.crc32(body.encode())
    digits = [_BASE62[number // 62**power % 62] for power in range(5, -1, -1)]
    return "".join(digits)


def make_jwt(algorithm: str, rng: random.Random) -> str:
    parts = (f'{{"alg":"{algorithm}","typ":"JWT"}}', f'{{"sub":"{rng.randrange(10**9)}"}}')
    head = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{''.join(rng.choices(ALPHABETS['url'], k=43))}"


def embed(token: str, kind: str, rng: random.Random) -> str:
    """A source of a kind that holds the token, under a name that tells nothing."""
    name = rng.choice(("value", "origin", "data", "entry", "setting", "field_1"))
    before, after = {
        "python": (
            f'import os\n\n\ndef load():\n    {name} = "',
            '"\n    return connect(1, name)\n',
        ),
        "javascript": (f"const {name} = '", "';\nexport default { run: () => 1 };\n"),
        "yaml": (f"services:\n  web:\n    {name}: ", "\n    ports: [80]\n"),
        "env": (f"DEBUG=1\n{name.upper()}=", "\nPORT=8080\n"),
    }[kind]
    return before + token + after
