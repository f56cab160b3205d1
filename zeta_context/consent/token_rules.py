"""Tokens and keys by the formats that their issuers publish: prefix, alphabet, length. Data only.

Written from the issuers' documentation; knows nothing of other tools' rules. Lengths are lower
bounds where an issuer announces that tokens may grow. A `\b` stands only where a prefix is so short
that it occurs inside words: a token may follow an escape such as `\n` in source code.
"""

from __future__ import annotations

from zeta_context.consent.secret_rule import SecretRule
from zeta_context.consent.secret_rule import issuer_rule as _

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_CODE_HOSTS: tuple[SecretRule, ...] = (
    _(
        "github_token",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"gh[pousr]_[A-Za-z0-9_]{36,255}",
        2.0,
        "github_checksum",
    ),
    _("github_fine_grained", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59,255}"),
    _(
        "gitlab_token",
        "glpat- gldt- glptt- glft- glsoat- glimt- glagent- glcbt- glrt- glffct- glwt- gloas-",
        r"gl(?:pat|dt|ptt|ft|soat|imt|agent|cbt|rt|ffct|wt|oas)-[A-Za-z0-9_.-]{20,300}",
    ),
    _("gitlab_runner_registration", "gr1348941", r"GR1348941[A-Za-z0-9_-]{20}"),
    _("bitbucket_app_password", "atbb", r"\bATBB[A-Za-z0-9_=.-]{28,}", 3.0),
    _("atlassian_token", "atatt3 atctt3 atstt3", r"AT(?:AT|CT|ST)T3[A-Za-z0-9_=-]{60,}", 3.0),
    _("azure_devops_token", "azdo", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", 3.0),
    _("sourcegraph_token", "sgp_ sgd_", r"sg[pd]_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}"),
)

_REGISTRIES: tuple[SecretRule, ...] = (
    _("npm_token", "npm_", r"npm_[A-Za-z0-9]{36,}", 2.0, "github_checksum"),
    _(
        "npm_config_token",
        "_authtoken _password= _auth=",
        r"(?i:_authToken|_password|_auth)[ \t]*=[ \t]*[\"']?([A-Za-z0-9+/=_-]{11,})",
    ),
    _(
        "pypi_token",
        "pypi-ageichlwas5vcmc pypi-agendgvzdc5wexbplm9yzw",
        r"pypi-(?:AgEIcHlwaS5vcmc|AgENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,}",
    ),
    _("rubygems_token", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    _("crates_io_token", "cio", r"\bcio[A-Za-z0-9]{32}\b", 3.2),
    _("nuget_key", "oy2", r"\boy2[a-z0-9]{43}\b", 3.0),
    _("docker_hub_token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[A-Za-z0-9_-]{27,}"),
    _("packagist_token", "packagist_", r"packagist_[ou][ru]t_[0-9a-f]{50,}"),
    _("clojars_token", "clojars_", r"CLOJARS_[0-9a-z]{60}"),
    _("artifactory_token", "akc", r"(?:^|[\s=:\"'`])(AKC[A-Za-z0-9]{10,})", 0.0),
    _(
        "artifactory_password",
        "ap0 ap1 ap2 ap3 ap4 ap5 ap6 ap7 ap8 ap9",
        r"(?:^|[\s=:\"'`])(AP[0-9][A-Za-z0-9]{10,})",
        0.0,
    ),
    _("artifactory_reference", "cmvmd", r"\bcmVmd[A-Za-z0-9]{59}\b", 3.0),
)

_CLOUDS: tuple[SecretRule, ...] = (
    _(
        "aws_access_key_id",
        "akia asia abia acca a3t",
        r"\b(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
        0.0,
    ),
    _("aws_bedrock_key", "absk", r"ABSK[A-Za-z0-9+/]{100,}={0,2}", 3.0),
    _("aws_mws_token", "amzn.mws.", r"amzn\.mws\." + _UUID),
    _("google_api_key", "aiza", r"AIza[A-Za-z0-9_-]{35}"),
    _("google_client_secret", "gocspx-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    _("google_access_token", "ya29.", r"ya29\.[A-Za-z0-9_-]{30,}"),
    _("google_refresh_token", "1//0", r"\b1//0[A-Za-z0-9_-]{40,}"),
    _(
        "azure_account_key",
        "accountkey",
        r"(?i:AccountKey)[\"']?[ \t]*[=:][ \t]*[\"']?([A-Za-z0-9+/]{86}==)",
    ),
    _("azure_shared_access_key", "sharedaccesskey", r"(?i:SharedAccessKey)=([A-Za-z0-9+/]{43}=)"),
    _("azure_sas_signature", "sig=", r"[?&]sig=([A-Za-z0-9%+/]{43,75}(?:%3[dD]|=))", 3.0),
    _("azure_client_secret", "q~", r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", 3.0),
    _(
        "azure_marked_key",
        "jqqj99 azfu acr asbk aioth azse azca",
        r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}|[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{6}==|"
        r"[A-Za-z0-9+/]{42}\+ACR[A-D][A-Za-z0-9]{5}",
        3.0,
    ),
    _("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _("heroku_key", "hrku-", r"HRKU-[A-Za-z0-9_-]{36,}"),
    _(
        "fly_token",
        "fo1_ fm1_ fm1a_ fm1r_ fm2_",
        r"\b(?:fo1_[A-Za-z0-9_-]{43}|fm(?:1[ar]?|2)_[A-Za-z0-9+/]{100,}={0,3})",
    ),
    _("cloudflare_origin_key", "v1.0-", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    _("alibaba_key_id", "ltai", r"\bLTAI[A-Za-z0-9]{16,24}\b", 3.0),
    _("tencent_key_id", "akid", r"\bAKID[A-Za-z0-9]{32}\b", 3.0),
    _("yandex_key", "aqvn ycaj", r"\b(?:AQVN[A-Za-z0-9_-]{35,38}|YCAJ[A-Za-z0-9_-]{21})", 3.0),
    _("scaleway_key_id", "scw", r"\bSCW[A-Z0-9]{17}\b", 3.0),
    _("netlify_token", "nfp_ nfc_ nfu_", r"\bnf[pcu]_[A-Za-z0-9]{36,}"),
    _(
        "vercel_token",
        "vercel_blob_rw_ vcp_ vci_ vca_ vcr_ vck_",
        r"vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{30}|\bvc[piark]_[A-Za-z0-9]{24,}",
        3.0,
    ),
    _("supabase_token", "sbp_ sb_secret_", r"\b(?:sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{31,})"),
    _("planetscale_token", "pscale_", r"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9=._-]{32,64}"),
    _("databricks_token", "dapi dkea dose", r"\b(?:dapi|dkea|dose)[0-9a-f]{32}(?:-[0-9])?\b"),
    _("neon_key", "napi_", r"\bnapi_[a-z0-9]{40,}"),
    _("render_key", "rnd_", r"\brnd_[A-Za-z0-9]{28,}", 3.0),
    _("terraform_cloud_token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    _("vault_token", "hvs. hvb. hvr.", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    _("pulumi_token", "pul-", r"\bpul-[0-9a-f]{40}\b"),
    _(
        "doppler_token",
        "dp.",
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    ),
    _("onepassword_service_token", "ops_eyj", r"ops_eyJ[A-Za-z0-9+/]{100,}={0,3}"),
    _(
        "onepassword_secret_key",
        "a3-",
        r"\bA3-[A-Z0-9]{6}-[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}\b",
    ),
    _("tailscale_key", "tskey-", r"tskey-[a-z]+-[A-Za-z0-9]{8,}(?:-[A-Za-z0-9]{20,})?"),
    _("openshift_token", "sha256~", r"sha256~[A-Za-z0-9_-]{43}"),
)

_MODELS: tuple[SecretRule, ...] = (
    _("openai_key", "t3blbkfj", r"sk-(?:[a-z]+-)?[A-Za-z0-9_-]{16,90}T3BlbkFJ[A-Za-z0-9_-]{20,90}"),
    _("anthropic_key", "sk-ant-", r"sk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{80,}"),
    _("openrouter_key", "sk-or-v1-", r"sk-or-v1-[0-9a-f]{64}"),
    _("sk_key", "sk-", r"\bsk-(?:proj-|svcacct-|admin-|None-|lf-)?([A-Za-z0-9]{32,})\b", 3.2),
    _("hugging_face_token", "hf_ api_org_", r"\b(?:hf_|api_org_)[A-Za-z0-9]{34,}"),
    _("replicate_token", "r8_", r"\br8_[A-Za-z0-9]{37}\b"),
    _("groq_key", "gsk_", r"\bgsk_[A-Za-z0-9]{52}"),
    _("xai_key", "xai-", r"\bxai-[A-Za-z0-9]{70,}"),
    _("perplexity_key", "pplx-", r"\bpplx-[A-Za-z0-9]{48,}"),
    _("cerebras_key", "csk-", r"\bcsk-[a-z0-9]{48}"),
    _("nvidia_key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{60,}"),
    _("langsmith_key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _("weights_and_biases_key", "wandb_v1_", r"wandb_v1_[A-Za-z0-9_]{40,}"),
    _("pinecone_key", "pcsk_", r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,}"),
    _("jina_key", "jina_", r"jina_[0-9a-f]{32}[A-Za-z0-9_-]{20,}"),
    _("tavily_key", "tvly-", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}"),
    _("firecrawl_key", "fc-", r"\bfc-[0-9a-f]{32}\b"),
    _("elevenlabs_key", "sk_", r"\bsk_[0-9a-f]{48}\b"),
    _("voyage_key", "pa-", r"\bpa-[A-Za-z0-9_-]{43}\b", 3.5),
    _("fireworks_key", "fw_", r"\bfw_[A-Za-z0-9]{22,24}\b", 3.2),
)

_PAYMENT: tuple[SecretRule, ...] = (
    _(
        "stripe_key",
        "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_",
        r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,247}",
    ),
    _("webhook_secret", "whsec_", r"whsec_[A-Za-z0-9+/]{32,}={0,2}"),
    _(
        "square_token",
        "sq0 eaaa",
        r"sq0(?:atp|csp|idp)-[A-Za-z0-9\\_-]{22,43}|\bEAAA[A-Za-z0-9_-]{60}",
        2.0,
    ),
    _("shopify_token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _(
        "braintree_token",
        "access_token$",
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
    ),
    _("razorpay_key", "rzp_", r"rzp_(?:live|test)_[A-Za-z0-9]{14}"),
    _("flutterwave_key", "flwseck", r"FLWSECK(?:_TEST)?-[0-9a-h]{12,32}(?:-X)?"),
    _(
        "plaid_token",
        "access-sandbox- access-development- access-production-",
        r"access-(?:sandbox|development|production)-" + _UUID,
    ),
    _("easypost_key", "ezak ezte eztk", r"\bEZ[AT]K[A-Za-z0-9]{54}"),
    _("shippo_token", "shippo_", r"shippo_(?:live|test)_[0-9a-f]{40}"),
    _("lob_key", "live_ test_", r"\b(?:live|test)_(?:pub_)?[0-9a-f]{35}\b"),
    _("mollie_key", "live_ test_", r"\b(?:live|test)_[A-Za-z0-9]{30}\b", 3.2),
    _("adyen_key", "aqe", r"\bAQE[a-z][A-Za-z0-9+/=-]{60,}", 3.5),
)

_MESSAGING: tuple[SecretRule, ...] = (
    _(
        "slack_token",
        "xoxa- xoxb- xoxc- xoxd- xoxo- xoxp- xoxr- xoxs- xoxe- xoxe.",
        r"xox(?:e\.xox)?[abcdeoprs]-(?:[0-9]+-)*[A-Za-z0-9%-]{10,}",
    ),
    _("slack_app_token", "xapp- xwfp-", r"x(?:app|wfp)-[0-9]-[A-Z0-9]{9,}-[0-9]+-[A-Za-z0-9]{32,}"),
    _(
        "slack_webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{36,}",
        0.0,
    ),
    _(
        "discord_token",
        ".",
        r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}\b",
        3.5,
    ),
    _(
        "discord_webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}",
    ),
    _(
        "telegram_bot_token",
        ":",
        r"\b[0-9]{8,10}:([A-Za-z0-9_-]{35})(?:[^A-Za-z0-9_-]|$)",
        3.6,
        "long_assigned",
    ),
    _(
        "teams_webhook",
        "webhook.office.com",
        r"webhook\.office\.com/webhookb2/"
        + _UUID
        + "@"
        + _UUID
        + r"/IncomingWebhook/[0-9a-f]{32}/"
        + _UUID,
    ),
    _("twilio_key", "sk ac", r"\b(?:SK|AC)[0-9a-z]{32}\b", 2.8),
    _("sendgrid_key", "sg.", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _(
        "mailgun_key",
        "key- -",
        r"\bkey-[0-9a-f]{32}\b|\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
        2.8,
    ),
    _("mailchimp_key", "-us", r"\b[0-9a-z]{32}-us[0-9]{1,2}\b", 2.8),
    _("brevo_key", "xkeysib- xsmtpsib-", r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _("resend_key", "re_", r"\bre_[A-Za-z0-9]{6,10}_[A-Za-z0-9]{20,26}\b", 3.2),
    _("matrix_token", "syt_", r"\bsyt_[A-Za-z0-9+/=]{3,}_[A-Za-z]{20}_[A-Za-z0-9]{6}\b"),
)

_TOOLS: tuple[SecretRule, ...] = (
    _(
        "sentry_token",
        "sntrys_ sntryu_ sntrya_",
        r"sntry(?:s_eyJ[A-Za-z0-9+/=_-]{60,}|[ua]_[0-9a-f]{64})",
    ),
    _(
        "sentry_dsn_secret",
        "@sentry. .ingest.",
        r"https?://[0-9a-f]{32}:([0-9a-f]{32})@[a-z0-9.-]*sentry",
    ),
    _(
        "new_relic_key",
        "nrak- nrjs- nrii- nral nrra-",
        r"\bNR(?:AK|RA|II)-[A-Za-z0-9_-]{27,}|\bNRJS-[0-9a-f]{19}|\b[0-9a-f]{36}NRAL\b",
    ),
    _(
        "grafana_token",
        "glsa_ glc_ eyjrijoi",
        r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_eyJ[A-Za-z0-9+/]{40,}={0,2}|\beyJrIjoi[A-Za-z0-9+/]{60,}={0,2}",
    ),
    _("posthog_key", "phx_ phr_", r"\bph[xr]_[A-Za-z0-9]{40,}"),
    _("linear_key", "lin_api_ lin_oauth_", r"lin_(?:api_[A-Za-z0-9]{40}|oauth_[0-9a-f]{64})"),
    _(
        "notion_token",
        "ntn_ secret_",
        r"\b(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43})\b",
        3.2,
    ),
    _("figma_token", "figd_ figo_", r"\bfig[dou]_[A-Za-z0-9_-]{40,}"),
    _("airtable_token", "pat", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}\b"),
    _("asana_token", "1/1 2/1", r"\b[12]/1[0-9]{10,}(?:/[0-9]{10,})?:[0-9a-f]{32}\b"),
    _("clickup_token", "pk_", r"\bpk_[0-9]{5,10}_[A-Z0-9]{32}\b"),
    _("postman_key", "pmak-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _("dynatrace_token", "dt0", r"\bdt0[a-z][0-9]{2}\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}"),
    _("sonar_token", "sqa_ sqp_ squ_", r"\bsq[apu]_[0-9a-f]{40}\b"),
    _("snyk_token", "snyk_", r"snyk_(?:uat|sat)\.[0-9a-f]{8}\.[A-Za-z0-9_.-]{40,}"),
    _(
        "circleci_token",
        "ccipat_ ccipra_ ccirat_",
        r"CCI(?:PAT|PRA|RAT)_[A-Za-z0-9]{22}_[0-9a-f]{40}",
    ),
    _("buildkite_token", "bkua_ bkaj_ bkct_ bkpt_", r"\bbk(?:ua|aj|ct|pt)_[0-9A-Za-z]{36,}"),
    _("prefect_key", "pnu_ pnb_", r"\bpn[ub]_[A-Za-z0-9]{36}\b"),
    _("dropbox_token", "sl.", r"\bsl\.(?:u\.)?[A-Za-z0-9_-]{120,}"),
    _("contentful_token", "cfpat-", r"CFPAT-[A-Za-z0-9_-]{43}"),
    _("mapbox_secret", "sk.eyj", r"\bsk\.eyJ[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}"),
    _("hubspot_token", "pat-", r"\bpat-(?:na|eu|ap)[0-9]-" + _UUID),
    _("twitter_bearer", "aaaaaaaaaaaaaaaaaaa", r"\bA{19,22}[A-Za-z0-9%]{60,}", 3.5),
    _("facebook_token", "eaac eaag eaab eaaj", r"\bEAA[A-Z][A-Za-z0-9]{80,}", 3.5),
    _("duffel_token", "duffel_", r"duffel_(?:test|live)_[A-Za-z0-9_=-]{40,}"),
    _("typeform_token", "tfp_", r"\btfp_[A-Za-z0-9_.=-]{40,}"),
    _("readme_key", "rdme_", r"rdme_[a-z0-9]{70}"),
    _("adafruit_key", "aio_", r"\baio_[A-Za-z0-9]{28}\b"),
    _("octopus_key", "api-", r"\bAPI-[A-Z0-9]{26,}\b", 3.0),
    _("harness_token", "pat. sat.", r"\b[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    _("maxmind_key", "_mmk", r"\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b"),
    _("frameio_token", "fio-u-", r"fio-u-[A-Za-z0-9_=-]{60,}"),
    _("launchdarkly_key", "sdk- api-", r"\b(?:sdk|api)-" + _UUID),
)

_KEYS: tuple[SecretRule, ...] = (
    _(
        "private_key_block",
        "private",
        r"(?:-----)?BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?(?:-----)?",
        0.0,
    ),
    _("putty_key", "putty-user-key-file", r"PuTTY-User-Key-File-[0-9]", 0.0),
    _(
        "der_private_key",
        "mii",
        r"\bMII[A-Za-z0-9+/]{2,6}(?:IBAAK|ADANBgkqhkiG9w0BAQEFAAS|AgEAMBAGByqGSM49AgEGBSuBBAA)[A-Za-z0-9+/]{10,}",
        2.0,
    ),
    _("openssh_key_body", "b3blbnnzac1rzxktdj", r"b3BlbnNzaC1rZXktdj[A-Za-z0-9+/]{20,}", 2.0),
    _(
        "age_secret_key",
        "age-secret-key-1",
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    ),
    _("extended_private_key", "xprv zprv yprv tprv", r"\b[xyzt]prv[1-9A-HJ-NP-Za-km-z]{105,112}\b"),
    _(
        "json_web_token",
        "eyj",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?",
        3.0,
        "jwt_header",
    ),
)

TOKEN_RULES: tuple[SecretRule, ...] = (
    *_CODE_HOSTS,
    *_REGISTRIES,
    *_CLOUDS,
    *_MODELS,
    *_PAYMENT,
    *_MESSAGING,
    *_TOOLS,
    *_KEYS,
)
