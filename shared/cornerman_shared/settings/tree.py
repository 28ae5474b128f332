"""The settings tree, read from `cornerman.yaml`, `CORNERMAN_*` variables and flags; later sources win.

Two underscores separate the parts of a nested name: `CORNERMAN_ENCODER__BATCH=4`. `CORNERMAN_REDIS_URL` is short for
`CORNERMAN_REDIS__URL`. Errors name the field, the value and the allowed values.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import remember_secret, remember_url
from cornerman_shared.settings.explain import SHOWN, explain
from cornerman_shared.settings.files import read_settings_file, settings_file
from cornerman_shared.settings.permission import ByName
from cornerman_shared.settings.source import (
    Count,
    Positive,
    SaySettings,
    Section,
    SourceSpec,
    SpeakSettings,
    WatchSettings,
)
from cornerman_shared.settings.variables import check_variables


def _remembered(value: str) -> str:
    remember_secret(value)
    return value


Secret = Annotated[str, AfterValidator(_remembered)]
SecretUrl = Annotated[str, AfterValidator(remember_url)]


class RedisSettings(Section):
    """The server. An empty url selects the embedded Valkey on its unix socket."""

    url: Annotated[
        SecretUrl, Field(description="redis://, rediss://, unix://, redis+sentinel://, redis+cluster://")
    ] = ""
    blobs_url: Annotated[SecretUrl, Field(description="a second server for frames and tokens; empty = url")] = ""
    password: Annotated[Secret, Field(description="where a server's URL has none; never logged", repr=False)] = ""
    sentinel_password: Annotated[Secret, Field(description="of sentinels, where the URL has none", repr=False)] = ""
    ca_file: Annotated[
        str, Field(description="authorities for TLS, where the URL names none; empty = the system's")
    ] = ""
    encryption_keys: Annotated[
        Secret,
        Field(description="sources' addresses are encrypted: Fernet keys, the newest first; never logged", repr=False),
    ] = ""
    encryption_keys_file: Annotated[str, Field(description="the same from a file, one key a line")] = ""
    shards: Annotated[int, Field(ge=1, le=1024, description="fixed for the life of the data")] = 1
    data_dir: Annotated[
        str, Field(description="embedded: keep data here, with an append-only file; empty = in memory")
    ] = ""
    maxmemory_bytes: Annotated[int, Field(ge=0, description="embedded: most memory; 0 = half of the machine's")] = 0
    full_at: Annotated[
        float, Field(gt=0, le=1, description="capture publishes nothing while this part of maxmemory is in use")
    ] = 0.85


class BusSettings(Section):
    """Streams and consumers, with the bound of every queue."""

    block_ms: Annotated[int, Field(ge=1, le=60_000, description="one blocking read")] = 500
    idle_ms: Annotated[int, Field(ge=100, description="entries without a heartbeat are reclaimed after this")] = 5_000
    heartbeat_ms: Annotated[int, Field(ge=10, description="how often work in hand is claimed again")] = 1_000
    max_deliveries: Annotated[int, Field(ge=1, description="then an entry goes to the dead-letter stream")] = 5
    maxlen: Annotated[int, Field(ge=100, description="entries kept in each work stream, about")] = 10_000
    feedback_maxlen: Annotated[int, Field(ge=100, description="events kept in each feedback stream, about")] = 20_000
    dead_maxlen: Annotated[int, Field(ge=10, description="dead letters kept, about")] = 10_000
    blob_ttl_s: Annotated[int, Field(ge=1, description="live: how long frames and tokens wait to be read")] = 60
    lossless_blob_ttl_s: Annotated[int, Field(ge=1, description="lossless: the same")] = 3_600
    frames: Annotated[
        Literal["raw", "jpeg"],
        Field(description="how pixels travel; jpeg needs encoders and generators that know it, so change them first"),
    ] = "raw"
    frames_quality: Annotated[int, Field(ge=1, le=95, description="of bus.frames = jpeg")] = 90
    credit_heal_s: Annotated[Positive, Field(description="live: credit never given back returns after this")] = 30.0
    lease_ms: Annotated[int, Field(ge=100, description="a lease not renewed is lost after this")] = 3_000
    sources_poll_s: Annotated[Positive, Field(description="how often changed source settings are looked for")] = 0.1


class CaptureSettings(Section):
    """The capture process."""

    max_sources: Annotated[Count, Field(description="sources one capture process takes")] = 16
    shorter_side: Annotated[int, Field(ge=32, le=1080, description="pixels; frames travel at this size")] = 224
    max_pixels: Annotated[
        int, Field(ge=1024, description="pixels of a picture as it comes, at most; larger sources are refused")
    ] = 64_000_000
    open_timeout_s: Annotated[Positive, Field(description="opening a source, at most")] = 10.0
    stall_s: Annotated[Positive, Field(description="live: no frame for this long = stalled")] = 5.0
    backoff_max_s: Annotated[Positive, Field(description="longest wait between reconnects (full jitter)")] = 30.0
    rtsp_transport: Annotated[Literal["tcp", "udp"], Field(description="how rtsp:// cameras send")] = "tcp"
    tls_ca_file: Annotated[
        str,
        Field(description="PEM file that certificates of https:// and rtsps:// are checked with; empty = unchecked"),
    ] = ""
    display_width: Annotated[
        int, Field(ge=64, le=3840, description="pixels; JPEGs for the page are at most this wide")
    ] = 960
    display_quality: Annotated[int, Field(ge=1, le=95, description="JPEG quality")] = 80
    display_ring: Annotated[int, Field(ge=10, description="JPEGs kept, about: frames, not seconds")] = 400
    follow_links: Annotated[
        bool, Field(description="follow redirects and HLS playlists, to addresses that are not checked")
    ] = False
    allow_files: Annotated[bool, Field(description="may sources be files of this machine?")] = True
    add_sources: Annotated[
        bool, Field(description="add each of `sources` to the server once; containers do, commands add their own")
    ] = False


class EncoderSettings(Section):
    """The encoder workers."""

    backend: Annotated[Literal["fake", "mobile_videogpt", "pose"], Field(description="back end; fake = for tests")] = (
        "fake"
    )
    model: Annotated[str, Field(description="path or hub name; empty = the bundled model")] = ""
    device: Annotated[str, Field(description="auto, cpu, cuda, cuda:1, mps")] = "auto"
    dtype: Annotated[Literal["auto", "float32", "bfloat16", "float16"], Field(description="auto = by device")] = "auto"
    framing: Annotated[
        Literal["middle", "person", "whole"],
        Field(description="mobile_videogpt: what it sees of frames that are not square; person needs pose weights"),
    ] = "middle"
    batch: Annotated[int, Field(ge=1, le=64, description="chunks encoded together when they are waiting")] = 4
    threads: Annotated[
        int, Field(ge=0, description="torch threads, or pose: chunks at once; 0 = torch's own choice, 1 of pose")
    ] = 0
    batch_s: Annotated[Positive, Field(description="a batch that computes for longer ends the process")] = 30.0
    first_batch_s: Annotated[Positive, Field(description="the same for the first batch, which warms up")] = 300.0
    fake_delay_ms: Annotated[float, Field(ge=0, description="fake: sleep for each batch")] = 0.0
    fake_crash_rate: Annotated[float, Field(ge=0, le=1, description="fake: chance that a chunk kills the process")] = (
        0.0
    )
    fake_hang_at: Annotated[int, Field(ge=0, description="fake: the n-th batch never ends; 0 = none")] = 0


class DeciderSettings(Section):
    """The decider process."""

    lossless_gap_s: Annotated[Positive, Field(description="lossless: a chunk missing this long is counted as lost")] = (
        120.0
    )
    max_held: Annotated[int, Field(ge=8, description="chunks held while an earlier one is awaited")] = 512
    stall_s: Annotated[Positive, Field(description="a decision that takes longer ends the process")] = 10.0
    max_questions: Annotated[Count, Field(description="unanswered questions of one source; more are refused")] = 16
    question_s: Annotated[Positive, Field(description="a question that waits longer for a generator expires")] = 30.0


class GeneratorSettings(Section):
    """The generator workers."""

    backend: Annotated[
        Literal["echo", "mobile_videogpt", "vlm", "openai", "vllm"],
        Field(description="back end; echo = for tests"),
    ] = "echo"
    model: Annotated[str, Field(description="path or hub name; empty = the bundled model")] = ""
    device: Annotated[str, Field(description="auto, cpu, cuda, cuda:1, mps")] = "auto"
    dtype: Annotated[Literal["auto", "float32", "bfloat16", "float16"], Field(description="auto = by device")] = "auto"
    quantize: Annotated[
        Literal["none", "auto", "int8", "int4"], Field(description="weights in fewer bits; auto = if they do not fit")
    ] = "none"
    adapters: dict[str, str] = Field(
        default_factory=dict, description="LoRA adapters: name -> path; openai, vllm: -> name at the server"
    )
    concurrency: Annotated[
        int, Field(ge=0, le=64, description="requests worked on at once; 0 = 32 with openai and vllm, else 1")
    ] = 0
    threads: Annotated[int, Field(ge=0, description="torch threads; 0 = torch's own choice")] = 0
    base_url: Annotated[SecretUrl, Field(description="openai, vllm: where the server is")] = ""
    api_key: Annotated[Secret, Field(description="openai, vllm: its key; never logged", repr=False)] = ""
    timeout_s: Annotated[Positive, Field(description="one request, at most")] = 60.0
    retries: Annotated[
        int, Field(ge=0, le=20, description="openai, vllm: tries again after 429 or 5xx, before the first word")
    ] = 4
    max_images: Annotated[int, Field(ge=1, le=512, description="openai, vlm: pictures of a request, at most")] = 32
    price_input: Annotated[float, Field(ge=0, description="a million tokens read, in your currency; 0 = unknown")] = 0.0
    price_output: Annotated[float, Field(ge=0, description="a million tokens written; 0 = unknown")] = 0.0
    stall_s: Annotated[Positive, Field(description="no token for this long: the request fails")] = 20.0
    max_reply_chars: Annotated[int, Field(ge=1, description="a longer reply is cut short")] = 8_000
    max_line_bytes: Annotated[int, Field(ge=1024, description="openai, vllm: one line from the server, at most")] = (
        1024 * 1024
    )
    image_slices: Annotated[int, Field(ge=1, le=9, description="vlm: tiles of a picture, where the model cuts")] = 1
    max_input_tokens: Annotated[int, Field(ge=256, le=131072, description="MiniCPM: length of what it reads")] = 8192
    trust_remote_code: Annotated[ByName, Field(description="vlm: whose own code may run, NAME@REVISION")] = ""
    echo_delay_ms: Annotated[float, Field(ge=0, description="echo: sleep before each word")] = 0.0
    echo_hang_at: Annotated[int, Field(ge=0, description="echo: the n-th request never ends; 0 = none")] = 0

    @property
    def slots(self) -> int:
        """Requests at once. One source may have 16 questions and a request open: it cannot fill 32."""
        return self.concurrency or (32 if self.backend in ("openai", "vllm") else 1)

    def cost(self, n_input: int, n_output: int) -> float:
        """Price of so many tokens; 0.0 without prices."""
        return (n_input * self.price_input + n_output * self.price_output) / 1e6


class GatewaySettings(Section):
    """The web gateway."""

    host: Annotated[str, Field(description="address to listen on; 0.0.0.0 = all, with a token")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="0 = any free port")] = 8000
    token: Annotated[Secret, Field(description="needed when not on loopback; never logged", repr=False)] = ""
    tls_cert: Annotated[str, Field(description="certificate chain, PEM file; empty = no TLS")] = ""
    tls_key: Annotated[str, Field(description="its private key, PEM file")] = ""
    files: list[str] = Field(default_factory=list, description="folders that file sources may lie in")
    upload_dir: Annotated[str, Field(description="empty = a folder in the runtime directory")] = ""
    profiles_dir: Annotated[
        str,
        Field(description="folder of your profiles and presets; empty = cornerman in the user's configuration folder"),
    ] = ""
    upload_max_bytes: Annotated[int, Field(ge=1, description="one upload, at most")] = 512 * 1024 * 1024
    uploads_max_bytes: Annotated[int, Field(ge=1, description="all uploads together, at most")] = 4 * 1024**3
    upload_keep_s: Annotated[Positive, Field(description="uploads are removed after this")] = 24 * 3600.0
    schemes: Annotated[tuple[str, ...], Field(description="kinds of source that may be added over the web")] = (
        *("rtsp", "rtsps", "http", "https", "test", "push", "file", "device"),
    )
    allow_private_hosts: Annotated[bool, Field(description="allow link-local and metadata addresses")] = False
    client_queue: Annotated[int, Field(ge=8, description="events queued for a slow client, at most")] = 256
    writes_per_minute: Annotated[int, Field(ge=1, description="for each client")] = 120
    guesses_per_minute: Annotated[int, Field(ge=1, description="wrong tokens of each client")] = 10
    max_connections: Annotated[int, Field(ge=8, description="open connections, at most")] = 512
    max_connections_per_client: Annotated[int, Field(ge=4, description="open connections of one address")] = 256
    head_timeout_s: Annotated[Positive, Field(description="the head of a request must arrive within this")] = 10.0
    body_timeout_s: Annotated[
        Positive, Field(description="its body, too; a long one may take 1 s more for each KiB that came")
    ] = 20.0
    trusted_proxies: list[str] = Field(
        default_factory=list, description="addresses or networks whose X-Forwarded-For is believed"
    )
    delay_first_s: Annotated[float, Field(ge=0, le=60, description="the picture's delay before words are timed")] = 1.0
    delay_alpha: Annotated[float, Field(gt=0, le=1, description="weight of the newest words in the delay's mean")] = 0.2
    delay_max_s: Annotated[float, Field(ge=0, le=60, description="the delay, at most; 0 = pictures as they come")] = (
        10.0
    )
    heads: list[str] = Field(default_factory=list, description="folders that speak.head may name over the web")
    open_browser: Annotated[bool, Field(description="open the page once it is served")] = False


class RecordSettings(Section):
    """Recordings of sessions: video, words, events and a report, each in a folder of its own."""

    dir: Annotated[str, Field(description="recordings go here; empty = nothing is recorded")] = ""
    max_s: Annotated[Positive, Field(description="seconds of video in one recording; then the next begins")] = 3_600.0
    max_bytes: Annotated[Count, Field(description="size of one recording; then the next begins")] = 1_000_000_000
    keep: Annotated[
        Count, Field(description="recordings of a source that are kept; older ones of this command are removed")
    ] = 24
    queue: Annotated[Count, Field(description="pictures that wait for the recorder; more are dropped and counted")] = 64


class LogSettings(Section):
    """Logs go to stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
        Field(description="the least to write"),
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "console"], Field(description="auto = console on a terminal, else JSON")
    ] = "auto"


class RuntimeSettings(Section):
    """The life of a process."""

    dir: Annotated[str, Field(description="sockets and health files; empty = the user's runtime directory")] = ""
    drain_s: Annotated[Positive, Field(description="time to finish work in hand after SIGTERM")] = 8.0
    watchdog_s: Annotated[Positive, Field(description="no progress of the event loop for this long = exit 70")] = 30.0
    down_s: Annotated[
        Positive, Field(description="run: a service down for this long, with nothing decided, ends the command")
    ] = 120.0
    metrics_port: Annotated[int, Field(ge=0, le=65535, description="Prometheus port of a worker; 0 = off")] = 0
    metrics_host: Annotated[
        str, Field(description="address of that port, without authentication; 0.0.0.0 = all, for a scraper elsewhere")
    ] = "127.0.0.1"
    name: Annotated[str, Field(description="worker name; empty = host-pid")] = ""


class Settings(BaseSettings):
    """All settings. Use `load_settings` to read them."""

    model_config = SettingsConfigDict(
        env_prefix="CORNERMAN_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    redis: RedisSettings = RedisSettings()
    bus: BusSettings = BusSettings()
    capture: CaptureSettings = CaptureSettings()
    encoder: EncoderSettings = EncoderSettings()
    decider: DeciderSettings = DeciderSettings()
    generator: GeneratorSettings = GeneratorSettings()
    gateway: GatewaySettings = GatewaySettings()
    record: RecordSettings = RecordSettings()
    log: LogSettings = LogSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    watch: WatchSettings = WatchSettings()
    speak: SpeakSettings = SpeakSettings()
    say: SaySettings = SaySettings()
    sources: list[SourceSpec] = []

    @field_validator("sources")
    @classmethod
    def _check_sources(cls, value: list[SourceSpec]) -> list[SourceSpec]:
        known: set[str] = set()
        for spec in value:
            remember_url(spec.url)
            if spec.source_id in known:
                raise ValueError(f"two sources have the id {spec.source_id!r}; give each an id of its own")
            known.add(spec.source_id)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = settings_file()
        short = os.environ.get("CORNERMAN_REDIS_URL")
        # Below the environment, so that CORNERMAN_REDIS__URL wins over its short form.
        given = InitSettingsSource(settings_cls, {"redis": {"url": short}} if short else {})
        files = (InitSettingsSource(settings_cls, _file_tree(path)),) if path else ()
        return (init_settings, env_settings, given, *files)


def _file_tree(path: Path) -> dict[str, Any]:
    """The file's values. A section that is not one is refused here: a flag for the same section would hide it."""
    tree = read_settings_file(path)
    for name, value in tree.items():
        field = Settings.model_fields.get(name)
        if field is not None and isinstance(field.default, Section) and not isinstance(value, dict):
            raise ConfigError(f"{path}: {name} = {str(value)[:SHOWN]!r} is not a section; give settings below it")
    return tree


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Reads the settings file, the environment and flags; later ones win.

    Args:
        flags: nested values from a command line, e.g. `{"encoder": {"batch": 2}}`.

    Raises:
        ConfigError: names each invalid field, its value and the allowed values, or a variable of no section.
    """
    check_variables(os.environ, _sections())
    try:
        return Settings(**dict(flags or {}))
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
    except SettingsError as error:
        raise ConfigError(_explain_variable(error)) from None


def _sections() -> dict[str, list[str]]:
    sections = {name: field.default for name, field in Settings.model_fields.items()}
    return {name: list(type(of).model_fields) for name, of in sections.items() if isinstance(of, Section)}


def _explain_variable(error: SettingsError) -> str:
    """The environment variable whose value is not JSON; its value may be a secret, and is not shown."""
    found = re.search(r'field "(\w+)"', str(error))
    field = found.group(1) if found else ""
    names = [name for name in os.environ if name.startswith(f"CORNERMAN_{field.upper()}")]
    for name in names:
        try:
            json.loads(os.environ[name])
        except ValueError as cause:
            if os.environ[name].lstrip()[:1] in ("[", "{", '"') or len(names) == 1:
                return f'{name}: not JSON ({cause}); a list or a section in a variable is JSON, such as ["a"]'
    return f"{' or '.join(names) or 'the environment'}: not JSON; a list or a section in a variable is JSON"
