"""The files whose text is never kept or sent, whatever a project says: data only.

Knows nothing of how a path is matched: globs as in a `.gitignore`, but at any depth and in lower
case, matched without regard to case. Users and repositories add to these lists and take nothing
away.
"""

from __future__ import annotations

DENIED_PATHS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("environment_file", (".env*", "*.env", ".flaskenv", "env.local")),
    (
        "key_or_certificate",
        (
            *("*.pem", "*.key", "*.cert", "*.crt", "*.cer", "*.der", "*.csr", "*.p7b", "*.p7c"),
            *("*.pfx", "*.p12", "*.p8", "*.pk8", "*.jks", "*.jceks", "*.keystore", "*.truststore"),
            *("*.bks", "*.ppk", "*.asc", "*.gpg", "*.pgp", "*.age", "*.keytab", "*.keyfile"),
            *("*.snk", "*.mobileprovision", "*.ovpn", "*.agekey"),
        ),
    ),
    (
        "ssh_or_gpg_folder",
        (
            *(".ssh/", ".gnupg/", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "id_xmss*"),
            *("ssh_host_*_key", "authorized_keys", "known_hosts"),
        ),
    ),
    (
        "credentials_file",
        (
            *(".netrc", "_netrc", ".npmrc", ".yarnrc.yml", ".pypirc", ".git-credentials"),
            *(".gem/credentials", ".bundle/config", ".cargo/credentials*", ".dockercfg"),
            *(".docker/config.json", "kubeconfig*", "*.kubeconfig", ".kube/", ".aws/", ".azure/"),
            *(".config/gcloud/", "application_default_credentials.json", ".boto", ".s3cfg"),
            *(
                ".config/gh/hosts.yml",
                ".config/hub",
                ".pgpass",
                "pgpass.conf",
                ".my.cnf",
                ".mylogin.cnf",
            ),
            *(".htpasswd", ".htdigest", "*.htpasswd", ".terraformrc", "terraform.rc"),
            *(".terraform.d/credentials*", ".vault-token", ".pip/pip.conf", ".ansible_vault*"),
            *("vault_pass*", ".vault_pass*", "auth.json"),
            *(
                "*.credentials",
                "*credentials.csv",
                "*credentials.json",
                "*credentials.yml",
                "*credentials.yaml",
            ),
            *("*credentials.toml", "*credentials.ini", "*credentials.xml", "*credentials.enc"),
            *("client_secret*.json", "client_secrets.json", "service-account*.json"),
            *("service_account*.json", "serviceaccount*.json", "*-firebase-adminsdk-*.json"),
            *("gha-creds-*.json", "google-services.json", "googleservice-info.plist"),
            *("settings-security.xml", ".m2/settings.xml", "gradle.properties", "nuget.config"),
            *("wp-config.php", "database.yml", "master.key", "*.publishsettings"),
        ),
    ),
    (
        "secrets_file",
        (
            *("secrets.yml", "secrets.yaml", "secrets.json", "secrets.toml", "secrets.ini"),
            *("secrets*.yml", "secrets*.yaml", "secrets*.json", "secrets*.toml", "secrets.env"),
            *("secret.yml", "secret.yaml", "secret.json", "secret.toml", "secrets.php"),
            *("*.secret", "*.secrets", "*.secrets.json", "*-secret.yml", "*-secret.yaml"),
            *("*-secrets.yml", "*-secrets.yaml", "secrets.properties", "local.settings.json"),
            *(
                ".secrets",
                ".secrets/",
                ".secrets.*",
                "usersecrets/",
                "secrets.tf",
                ".streamlit/secrets*",
            ),
        ),
    ),
    (
        "infrastructure_state",
        ("*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", "*.tfplan", ".pulumi/"),
    ),
    (
        "password_store",
        (
            *("*.kdb", "*.kdbx", "*.psafe3", "*.agilekeychain/", "*.opvault/", "*.keychain"),
            *(
                "*.keychain-db",
                ".password-store/",
                "*.enpassdb",
                "*.1pif",
                "*.wallet",
                "wallet.dat",
            ),
            *(
                "login data",
                "logins.json",
                "key3.db",
                "key4.db",
                "cookies.sqlite",
                "shadow",
                "gshadow",
            ),
        ),
    ),
    (
        "shell_history",
        (
            *(
                ".bash_history",
                ".zsh_history",
                ".python_history",
                ".psql_history",
                ".mysql_history",
            ),
            *(".sqlite_history", ".node_repl_history", ".irb_history", ".rediscli_history"),
            *("fish_history", "consolehost_history.txt", ".histfile", ".lesshst"),
        ),
    ),
    ("git_directory", (".git/", ".hg/", ".svn/", ".jj/")),
)
