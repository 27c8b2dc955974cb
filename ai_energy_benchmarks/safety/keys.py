"""Which names say that their value is a secret: keys of a config, headers, options of a command, variables."""

from __future__ import annotations

import re
from functools import lru_cache

# Words of a name: ``apiKey``, ``X-Api-Key`` and ``API_KEY`` are the same two.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET = frozenset(
    {
        *("password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials"),
        *("authorization", "authorisation", "bearer", "cookie", "cookies", "jwt", "apikey", "apikeys", "apitoken"),
        *("accesskey", "secretkey", "privatekey", "authkey", "authtoken", "accesstoken", "hftoken", "basicauth"),
    }
)
# A key is a secret by what it opens; a sort key or the key of a cache opens nothing.
_OPENING = frozenset(
    {
        *("api", "access", "secret", "private", "auth", "authentication", "encryption", "signing", "subscription"),
        *("account", "client", "server", "service", "master", "shared", "ssh", "deploy", "app", "admin", "storage"),
        *("webhook", "user", "security", "vault", "license", "licence", "openai", "anthropic", "azure", "google"),
        *("hf", "huggingface", "mistral", "cohere", "nvidia", "ngc", "wandb", "aws", "functions", "host"),
    }
)
# A token of a tokenizer, a count of tokens or a pass over a dataset is no secret.
_OF_TEXT = frozenset(
    {
        *("eos", "bos", "pad", "unk", "sep", "cls", "mask", "image", "audio", "video", "stop", "start", "end", "begin"),
        *("first", "second", "last", "next", "per", "max", "min", "num", "n", "output", "input", "prompt", "new"),
        *("special", "think", "thinking", "reasoning", "forced", "tool", "decoder", "draft", "one", "forward"),
        *("backward", "prefill", "trial", "single", "each", "to", "of", "eot", "eom", "system", "cached"),
    }
)
# What a shell calls the working directory, today's and the one before.
_WORKING_DIRECTORIES = frozenset({"PWD", "OLDPWD"})
# How the variables begin that hand a secret to a process of this package.
HANDED_OVER = "AEB_SECRET_"
_SECRET_TOKENS = frozenset({"auth", "access", "api", "bearer", "refresh", "hf"})
# What Azure, Google, S3 and others put into a query.
_IN_QUERIES = re.compile(r"key|token|secret|pass|sig|auth|code", re.IGNORECASE)
# Keys and tokens that say themselves what they are, by the prefix that their issuers give them.
LOOKS_SECRET = re.compile(
    r"\b(?:(?:sk|pk|rk|gsk|xai|pplx|nvapi|glpat|dapi|xox[abeprs])[-_][\w-]{16,}|hf_[A-Za-z0-9]{20,}|gh[oprsu]_\w{20,}"
    r"|github_pat_\w{20,}|A(?:KIA|SIA)[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})"
)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a value under this name is a secret (``api_key``, ``Authorization``, ``--hf-token``, ``DB_PASSWORD``).

    The last word decides: ``api_key_env``, ``max_new_tokens``, ``eos_token`` and ``tokenizer`` are no secrets.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _SECRET:
        return True
    if last in ("key", "keys"):
        return before in _OPENING
    if last == "tokens":
        return before in _SECRET_TOKENS
    if last == "auth":
        return before in ("", "basic", "proxy", "http")
    return last in ("token", "pass") and before not in _OF_TEXT


@lru_cache(maxsize=4096)
def is_secret_variable(name: str) -> bool:
    """Whether an environment variable holds a secret: as above, and any that ends in ``_KEY``, ``_PW`` or ``_AUTH``."""
    if name in _WORKING_DIRECTORIES:
        return False
    return is_secret(name) or name.startswith(HANDED_OVER) or name.upper().endswith(("_KEY", "_PW", "_AUTH", "_PAT"))


def is_secret_in_query(name: str) -> bool:
    """Whether a parameter of a URL is one."""
    return _IN_QUERIES.search(name) is not None
