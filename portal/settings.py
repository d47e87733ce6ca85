"""All settings of Sayso, from the environment; a bad value stops the start and is named."""

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from portal import keys
from portal.servers import locations, publicurl
from retention import redactors

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"


def env_flag(name: str, *, default: bool) -> bool:
    """Read a yes/no setting; raises ImproperlyConfigured that names it when it is neither."""
    value = os.environ.get(name, "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value:
        raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}")
    return default


def env_int(name: str, *, default: int, least: int = 1) -> int:
    """Read a whole number of at least `least`; raises ImproperlyConfigured that names it."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}")
    return int(value)


def env_url(name: str, *, default: str, schemes: set[str], needed: bool = True) -> str:
    """Read an address without a trailing slash; raises ImproperlyConfigured that names it."""
    value = os.environ.get(name, "").strip().rstrip("/") or default
    if not value and not needed:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be an address starting with {sorted(schemes)}")
    return value


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, in their one spelling."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (
        f":{parts.port}" if parts.port not in {None, usual} else ""
    )


def env_list(name: str) -> list[str]:
    """Read a comma-separated list; empty when not set."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def database(role: str, *, pool: bool = False) -> dict[str, Any]:
    """Return Django's settings for one database role, from the URL that is in force for it."""
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(locations.database_url(role)))
    except (ProgrammingError, ValueError) as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not an address PostgreSQL understands; "
            "it looks like postgresql://user:password@host:5432/name"
        ) from error
    options: dict[str, Any] = {
        key: value
        for key, value in parts.items()
        if key not in {"dbname", "user", "password", "host", "port"}
    }
    if pool:
        options["pool"] = {"min_size": 1, "max_size": 12, "timeout": 5}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", "sayso"),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "") or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 0 if pool else 60,
        "CONN_HEALTH_CHECKS": True,
    }


# --- who we are ----------------------------------------------------------------------
PUBLIC_URL = env_url("SAYSO_PUBLIC_URL", default=publicurl.noted(), schemes={"http", "https"})
_host = urlsplit(PUBLIC_URL).hostname or "127.0.0.1"
_secure = PUBLIC_URL.startswith("https://")
ORGANISATION = os.environ.get("SAYSO_ORGANISATION", "").strip() or "Your organisation"
# Empty where nobody said it: pages then name the team alone, never an address that is made up.
PRIVACY_CONTACT = os.environ.get("SAYSO_PRIVACY_CONTACT", "").strip()

SECRET_KEY = os.environ.get("SAYSO_SECRET_KEY") or locations.secret(
    "django-secret-key", keys.new_secret
).decode("ascii")
DEBUG = env_flag("SAYSO_DEBUG", default=False)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", _host, *env_list("SAYSO_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- keys: files of this installation, never in the repository -----------------------
SAYSO_SEAL_KEK = locations.secret("seal-kek", keys.new_aes_key)
SAYSO_POLICY_KEY = locations.secret("policy-signing.pem", keys.new_ed25519_pem)
SAYSO_LEDGER_ORIGIN = os.environ.get("SAYSO_LEDGER_ORIGIN", "").strip() or f"{_host}/sayso-ledger"
# Only the sequencer's process may read the key that signs the ledger.
DATABASE_ROLE = os.environ.get("SAYSO_DATABASE_ROLE", "app")
if DATABASE_ROLE not in {"owner", "app", "reader", "sequencer"}:
    raise ImproperlyConfigured(
        "SAYSO_DATABASE_ROLE must be owner, app, reader or sequencer; leave it out for app"
    )
SAYSO_LEDGER_KEY_FILE = (
    locations.SECRETS / "sequencer" / "ledger-signing.pem" if DATABASE_ROLE == "sequencer" else None
)

# --- what is installed ---------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.idp.oidc",
    "audit",
    "consent",
    "retention",
    "portal",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.http.SecurityHeaders",
    "portal.api.shape.ErrorsInTheirForm",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "portal.http.StaffPagesInOneLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.http.ButtonsAreNoPages",
    "portal.http.AnswerWithoutDatabase",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.pages.context.everywhere",
            ],
        },
    },
]

# --- data ----------------------------------------------------------------------------
# The pool belongs to the web process alone: Celery would close it at every task.
DATABASES = {
    "default": database(DATABASE_ROLE, pool=env_flag("SAYSO_DATABASE_POOL", default=False)),
    "reader": database("reader"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Sessions and allauth's cache lie in PostgreSQL: signing in must not need Redis.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        # Django's 300 would drop codes that a fleet is typing in: each takes two entries.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
REDIS_URL = locations.redis_url()
# The file store stays known beside a bucket: what lies there has to be found to be erased.
STORES: dict[str, dict[str, Any]] = {
    "files": {"kind": "filesystem", "root": locations.HOME / "store"}
}
DEFAULT_STORE = os.environ.get("SAYSO_STORE", "").strip() or "files"
S3_ENDPOINT = env_url("SAYSO_S3_ENDPOINT", default="", schemes={"http", "https"}, needed=False)
if S3_ENDPOINT:
    STORES["s3"] = {
        "kind": "s3",
        "endpoint": S3_ENDPOINT,
        "bucket": os.environ.get("SAYSO_S3_BUCKET", "").strip(),
        "region": os.environ.get("SAYSO_S3_REGION", "").strip() or "us-east-1",
        "access_key": os.environ.get("SAYSO_S3_ACCESS_KEY", "").strip(),
        "secret_key": os.environ.get("SAYSO_S3_SECRET_KEY", "").strip(),
        "upload_seconds": env_int("SAYSO_S3_UPLOAD_SECONDS", default=300, least=60),
    }
    if STORES["s3"]["upload_seconds"] > 900:
        raise ImproperlyConfigured("SAYSO_S3_UPLOAD_SECONDS must be 900 at most: minutes, not more")
    if not STORES["s3"]["bucket"]:
        raise ImproperlyConfigured("SAYSO_S3_ENDPOINT needs SAYSO_S3_BUCKET beside it")
    if bool(STORES["s3"]["access_key"]) != bool(STORES["s3"]["secret_key"]):
        raise ImproperlyConfigured("SAYSO_S3_ACCESS_KEY and SAYSO_S3_SECRET_KEY belong together")
if DEFAULT_STORE not in STORES:
    raise ImproperlyConfigured(
        f"SAYSO_STORE must be one of {sorted(STORES)}, not {DEFAULT_STORE!r}; for s3 set"
        " SAYSO_S3_ENDPOINT and SAYSO_S3_BUCKET"
    )
# Where agents may bring bytes besides the portal; named in their signed policies.
UPLOAD_ORIGINS = (
    [origin_of(S3_ENDPOINT)] if STORES[DEFAULT_STORE]["kind"] == "s3" and S3_ENDPOINT else []
)
HOME = locations.HOME

# --- workers -------------------------------------------------------------------------
CELERY_BROKER_URL = locations.broker_url()
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_connect_timeout": 1,
    "socket_timeout": 30,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_TIME_LIMIT = 60
# Beat only wakes; what is due is a query that every worker asks by itself (portal.tick).
CELERY_BEAT_SCHEDULE = {
    "work": {"task": "portal.tasks.work", "schedule": 15.0},
}
TICK_SECONDS = env_int("SAYSO_TICK_SECONDS", default=2)
# How long a worker may be silent about a deletion before another takes it over.
DELETION_LEASE_SECONDS = env_int("SAYSO_DELETION_LEASE_SECONDS", default=60)

# --- policy --------------------------------------------------------------------------
POLICY_LEASE_SECONDS = env_int("SAYSO_POLICY_LEASE_SECONDS", default=900, least=10)
POLICY_POLL_SECONDS = env_int("SAYSO_POLICY_POLL_SECONDS", default=30)
# How long a poll may wait for a change, and how many may wait in one process; 0 for none.
POLICY_WAIT_SECONDS = env_int("SAYSO_POLICY_WAIT_SECONDS", default=30, least=0)
# What agents wait with each event, how long they keep one at most, and how fast they hand in.
POLICY_EMBARGO_SECONDS = env_int("SAYSO_POLICY_EMBARGO_SECONDS", default=0, least=0)
POLICY_SPOOL_SECONDS = env_int("SAYSO_POLICY_SPOOL_SECONDS", default=259_200, least=60)
POLICY_UPLOAD_BYTES_PER_SECOND = env_int(
    "SAYSO_POLICY_UPLOAD_BYTES_PER_SECOND", default=500_000, least=1000
)
POLICY_WAITING_LIMIT = env_int("SAYSO_POLICY_WAITING_LIMIT", default=10_000, least=0)
# Whether polls are answered inside the web server's protocol object, ahead of ASGI.
POLICY_FAST = env_flag("SAYSO_POLICY_FAST", default=True)
# How many polls of one agent are answered at once; one a second is made up for.
POLICY_BURST = env_int("SAYSO_POLICY_BURST", default=4 * POLICY_POLL_SECONDS)
# How old a poll token gets before its agent asks for another.
AGENT_TOKEN_SECONDS = 86_400 * env_int("SAYSO_AGENT_TOKEN_DAYS", default=30)
# How old an agent's own key gets before it makes another.
AGENT_KEY_SECONDS = 86_400 * env_int("SAYSO_AGENT_KEY_DAYS", default=365)
SMALLEST_GROUP = env_int("SAYSO_SMALLEST_GROUP", default=10, least=2)
try:
    REDACTORS = redactors.read(env_list("SAYSO_REDACTORS"))
except ValueError as error:
    raise ImproperlyConfigured(
        f"SAYSO_REDACTORS has {str(error)!r}, which is not like my-agent/2.1=text-1+picture-1"
    ) from error
BATCH_BYTES_LIMIT = env_int("SAYSO_BATCH_BYTES_LIMIT", default=5_000_000)

# --- who signs in --------------------------------------------------------------------
AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "portal.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
IDP_OIDC_PRIVATE_KEY = locations.secret("oidc-signing.pem", keys.new_rsa_pem).decode("ascii")
IDP_OIDC_ADAPTER = "portal.accounts.OpenIDAdapter"
# A whole office enrols its machines from one address, so guessing is counted by the login: whoever
# types in a code is signed in. By the address only what no office does.
USER_CODES_PER_LOGIN = env_int("SAYSO_USER_CODES_PER_LOGIN", default=20)
USER_CODES_PER_ADDRESS = env_int("SAYSO_USER_CODES_PER_ADDRESS", default=1200)
IDP_OIDC_RATE_LIMITS = {
    "device_user_code": f"{USER_CODES_PER_LOGIN}/m/user,{USER_CODES_PER_ADDRESS}/m/ip"
}
# How many machines may ask at once from one address to be enrolled; one a second is made up for.
DEVICE_CODES_PER_ADDRESS = env_int("SAYSO_DEVICE_CODES_PER_ADDRESS", default=600)
NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
EMAIL_BACKEND = os.environ.get("SAYSO_EMAIL_BACKEND", NO_MAIL)
SENDS_MAIL = EMAIL_BACKEND != NO_MAIL  # pages promise no mail that nobody sends

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _secure
SESSION_COOKIE_NAME = "__Host-session" if _secure else "sayso_session"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "__Host-csrf" if _secure else "sayso_csrf"
CSRF_FAILURE_VIEW = "portal.pages.errors.csrf_failure"
SECURE_SSL_REDIRECT = False  # the proxy that ends TLS redirects; agents talk to one address
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https")
    if env_flag("SAYSO_BEHIND_TLS_PROXY", default=False)
    else None
)
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure
SECURE_HSTS_PRELOAD = _secure
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

# --- the API -------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.AgentAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.api.negotiation.OneForm",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.problem_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sayso",
    "DESCRIPTION": "Policy for capture agents, admission of batches, consents and the ledger.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.openapi.complete",
    ],
}

# --- languages, time, files ----------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = locations.HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "portal.logs.Line", "format": "%(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("SAYSO_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Django logs the address of a failed request; an address may never hold personal data.
        "django.request": {"level": "ERROR"},
        # A task received and a task done, every few seconds, is nothing anybody needs to read.
        "celery": {"level": "WARNING"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
if LOGGING["root"]["level"] not in logging.getLevelNamesMapping():  # type: ignore[index]
    raise ImproperlyConfigured("SAYSO_LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(
        logging.getLevelNamesMapping()[LOGGING["root"]["level"]]  # type: ignore[index]
    )
)
