"""Where a campaign lives: its folder, its state, its account. One value, opened by every verb."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.catalog.api_v2 import FIRST, named
from kling_pipe.client.credentials import (
    AccessKey,
    ApiKey,
    Credentials,
    account_id,
    api_key_from,
    branch,
    credentials_from,
    missing_credentials,
    missing_key,
)
from kling_pipe.engine.account_settings import AccountSpec, host_from, must_differ
from kling_pipe.errors import CredentialsError, LocalStateError, UsageError
from kling_pipe.planning import Account, Accounts, MultiAccount, Snapshot
from kling_pipe.planning.account_ranking import FREE, STEADY
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import RecordIndex, SqliteStore, Store
from kling_pipe.storage.lockfile import Lock, LockFile, parse
from kling_pipe.storage.outputs import BucketOutputs, LocalOutputs
from kling_pipe.storage.outputs.bucket import is_bucket

if TYPE_CHECKING:
    from kling_pipe.storage.outputs import LinkStore, OutputStore, Publish

DEFAULT_BASE_URL = "https://api-singapore.klingai.com"
"""The host outside mainland China (vendor pages, 2026-03); accounts made there use https://api-beijing.klingai.com."""

STATE_FOLDER = ".kling-pipe"
LOCK_NAME = "kling-pipe.lock"
_EMULATOR_HOST = "http://127.0.0.1"
_HOSTS = ("KLING_BASE_URL", "KLINGAI_BASE_URL")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A campaign's folder and account. Paths are absolute; `out` is the output folder's name, profile included.

    `account` is "" when there are no credentials and the lock does not tell either. `bucket` is where results are kept
    instead of the folder (see `kept_in`), `database` a PostgreSQL that holds the ledger instead of a file, `publish`
    where local files are published that Kling takes by link.

    Where `kling-pipe.toml` names accounts, `name` is this one's, `limits` are its slots per pack type, and `siblings`
    is the same campaign in each of the other accounts; `spread` says how jobs are dealt among them. `left_out` are
    those that this command may not talk to; what is known here of what they made counts all the same.
    `standard` is the form of requests where there is a choice; `key` is an API key that stands beside an access key.
    """

    root: Path
    state: Path
    lock_path: Path
    out: str
    base_url: str
    credentials: Credentials | None
    account: str
    profile: str = ""
    emulated: bool = False
    emulator_state: Path | None = None
    emulator_options: Mapping[str, Any] | None = None
    bucket: str = ""
    database: str = field(default="", repr=False)
    publish: Publish | None = None
    name: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    refusal: CredentialsError | None = None
    siblings: tuple[Workspace, ...] = ()
    left_out: tuple[Workspace, ...] = ()
    spread: str = ""
    standard: str = FIRST
    key: ApiKey | None = None

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return self.state / "ledger.sqlite"

    @property
    def folder(self) -> Path:
        """The folder on this machine for what is made out of results, such as a contact sheet."""
        if not self.bucket:
            return self.root / self.out
        return self.root / ("out-emulator" if self.emulated else "out") / self.profile

    @property
    def each(self) -> tuple[Workspace, ...]:
        """The campaign in each of its accounts: itself, and its siblings."""
        return (self, *self.siblings)

    @property
    def queue(self) -> str:
        """What workers of a fleet must have in common: the account, or all of them, whatever their order."""
        return "+".join(sorted(one.account for one in self.each))

    @property
    def publishes(self) -> bool:
        """Whether Kling can be given links to local files: the embedded emulator takes them in itself."""
        return self.publish is not None or self.emulator_state is not None

    @property
    def is_read_only(self) -> bool:
        """Whether there is a ledger, in a file that this process cannot write: it can be looked into and no more."""
        there = not self.database and self.ledger_path.exists()
        return there and not all(os.access(one, os.W_OK) for one in (self.ledger_path, self.state))

    def must_be_whole(self) -> None:
        """Raises CredentialsError when an account has no credentials here: a queue belongs to all of them."""
        for one in self.each:
            if one.refusal is not None:
                raise one.refusal

    def connection(self) -> tuple[str, Credentials]:
        """Base URL and credentials; starts or joins the emulator if it is wanted. Raises CredentialsError."""
        if self.emulator_state is not None:
            from kling_pipe import emulator
            from kling_pipe.emulator.state_folder import kept_in

            with kept_in(self.emulator_state):
                server = emulator.ensure(self.emulator_state, **(self.emulator_options or {}))
            return server.base_url, self.credentials or AccessKey(server.access_key, server.secret_key)
        if self.credentials is None:
            raise self.refusal or missing_credentials()
        if self.standard != FIRST and isinstance(self.credentials, AccessKey):
            raise missing_key(self.name)
        return self.base_url, self.credentials

    def store(self, effects: Effects | None = None) -> Store:
        """The ledger, made if it is not there. Close it after use."""
        self._make_state()
        if self.database:
            from kling_pipe.storage.ledger import PostgresStore

            return PostgresStore(self.database, self.account, effects=effects)
        return SqliteStore(self.ledger_path, self.account, effects=effects)

    def lock_file(self, store: Store, effects: Effects | None = None) -> LockFile:
        """The lock for reading and writing."""
        ours = {one.account for one in (*self.each, *self.left_out)} if self.name else frozenset[str]()
        return LockFile(self.lock_path, effects or Effects(), store.alone, ours)

    def shared_in(self, database: str) -> Workspace:
        """The same campaign with its ledger at a `postgresql://` URL, for any number of machines. Raises UsageError."""
        if not database.startswith(("postgresql://", "postgres://")):
            raise UsageError("`--store` is no PostgreSQL URL", hint="Write postgresql://user@host/database.")
        return self._everywhere(database=database)

    def spoken_in(self, standard: str) -> Workspace:
        """The same campaign with its requests in another standard, where they have a form in it. Raises UsageError."""
        spoken = self._everywhere(standard=named(standard))
        # It may be of another account than the access key: all of this run goes by it, look-ups too.
        key = self.key if standard != FIRST else None
        return replace(spoken, credentials=key, account=account_id(self.base_url, key.key_id)) if key else spoken

    def publishing(self, place: Publish) -> Workspace:
        """The same campaign with a bucket for local files that Kling takes by link. Raises UsageError for none.

        A rehearsal on the embedded emulator has no use for it, and leaves it alone.
        """
        if not is_bucket(place.to):
            raise UsageError(f"`{place.to}` is no bucket", hint="Write s3://bucket/prefix, gs://... or az://...")
        if self.emulator_state is not None:
            return self
        return self._everywhere(publish=replace(place, to=place.to.rstrip("/")))

    def shelf(self, base_url: str, effects: Effects | None = None) -> LinkStore | None:
        """Where files are published: with the embedded emulator (at `base_url`), in the bucket, or nowhere."""
        if self.emulator_state is not None:
            from kling_pipe.emulator import EmulatorLinkStore

            return EmulatorLinkStore(base_url)
        from kling_pipe.storage.outputs import BucketLinkStore

        return BucketLinkStore(self.publish, effects or Effects()) if self.publish else None

    def read_lock(self) -> Lock:
        """The lock as it stands. Raises LocalStateError."""
        return _read_lock(self.lock_path)

    def recorded_key(self, address: str) -> str | None:
        """The key of what the lock records as made at an address by one of the accounts: for frozen jobs."""
        accounts = [one.account for one in (*self.each, *self.left_out)]
        block = self.read_lock().latest(address, self.profile, accounts)
        return str(block["key"]) if block and "outputs" in block else None

    def outputs(self, effects: Effects | None = None) -> OutputStore:
        """The output folder, or the bucket, with its objects."""
        effects = effects or Effects()
        local = LocalOutputs(self.root, self.state / "objects", effects)
        return BucketOutputs(self.bucket, local, effects) if self.bucket else local

    def kept_in(self, bucket: str) -> Workspace:
        """The same campaign with its results in a bucket: `s3://bucket/prefix`, also gs:// and az://.

        An emulator's results go below `emulator/` there. Raises UsageError for what is no such URL.
        """
        if not is_bucket(bucket):
            raise UsageError(f"`{bucket}` is no bucket", hint="Write s3://bucket/prefix, gs://... or az://...")
        base = bucket.rstrip("/") + ("/emulator" if self.emulated else "")
        return self._everywhere(bucket=base, out=f"{base}/{self.profile}" if self.profile else base)

    def _everywhere(self, **changes: Any) -> Workspace:
        """With something changed for every account."""
        others = tuple(replace(one, **changes) for one in self.siblings)
        left_out = tuple(replace(one, **changes) for one in self.left_out)
        return replace(self, siblings=others, left_out=left_out, **changes)

    def snapshot(self, lock: Lock | None = None, store: Store | None = None) -> Snapshot:
        """What is known here, without asking Kling, of all accounts. A ledger is read only if there is one."""
        if self.name:
            lock = self.read_lock() if lock is None else lock
            known = (*self.each, *self._others(lock))
            return MultiAccount.of([one._alone(lock, store) for one in known], self._places(known))
        return self._alone(lock, store)

    def _others(self, lock: Lock) -> tuple[Workspace, ...]:
        """The accounts that are left out, and those whose id only the lock knows: their credentials are not here."""
        found = tuple(one for one in self.left_out if one.account)
        nameless = [one for one in (*self.each, *self.left_out) if not one.account]
        known = {one.account for one in (*self.each, *found)}
        strangers = sorted({str(block["account"]) for block in lock.blocks.values()} - known) if nameless else ()
        name = " or ".join(one.name for one in nameless)  # which of them nobody can tell without credentials
        return (*found, *(replace(nameless[0], account=one, name=name) for one in strangers))

    @property
    def places(self) -> Accounts:
        """The accounts as a plan deals jobs among them."""
        return self._places(self.each)

    def _places(self, known: Sequence[Workspace]) -> Accounts:
        # A ledger that all machines share keeps them apart; else only the job's id does.
        spread = self.spread or (FREE if self.database else STEADY)
        every = tuple(Account(one.name, one.account, one.limits) for one in known)
        return Accounts(every[: len(self.each)], spread, every[len(self.each) :])

    def _alone(self, lock: Lock | None, store: Store | None) -> Snapshot:
        """What is known of this account."""
        outputs = self.outputs()
        if store is not None and store.account != self.account:
            store = None
        ledger, unlocked = self._records(store)
        return Snapshot(
            account=self.account,
            profile=self.profile,
            out=self.out,
            lock=self.read_lock() if lock is None else lock,
            ledger=ledger,
            unlocked=unlocked,
            stands=outputs.stands,
            kept=outputs.has,
            now=int(time.time() * 1000),
            publishes=self.publishes,
        )

    def _records(self, store: Store | None) -> tuple[RecordIndex, frozenset[str]]:
        if store is not None:
            return store.records(), store.unlocked()
        if not (self.database or self.ledger_path.exists()):
            return RecordIndex((), lambda row: row[0]), frozenset()
        if self.is_read_only:
            from kling_pipe.storage.ledger.read_only import peek

            return peek(self.ledger_path, self.account)
        opened = self.store()
        try:
            return opened.records(), opened.unlocked()
        finally:
            opened.close()

    def _make_state(self) -> None:
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            ignore = self.root / STATE_FOLDER / ".gitignore"
            if not ignore.exists():
                ignore.parent.mkdir(parents=True, exist_ok=True)
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise LocalStateError(
                f"`{self.state}` cannot be written: {error.strerror or error}", hint="make the folder writable"
            ) from error


def open_workspace(
    root: Path,
    *,
    environ: Mapping[str, str],
    emulator: bool = False,
    emulator_state: Path | None = None,
    emulator_options: Mapping[str, Any] | None = None,
    profile: str = "",
    base_url: str = "",
    accounts: Sequence[AccountSpec] = (),
    left_out: Sequence[AccountSpec] = (),
    spread: str = "",
) -> Workspace:
    """The workspace of the manifest in `root`. Needs no network and no credentials; writes only an emulator's keys.

    With `accounts` it is that of the first, with the others as its siblings, and beside those that are left out.

    With `emulator` everything but the manifest is apart: ledger and lock in `.kling-pipe/emulator/`, files in
    `out-emulator/`; the local Kling keeps its own state in `emulator_state`. Raises CredentialsError for half a pair.
    """
    if accounts:
        plain = open_workspace(
            root,
            environ={name: value for name, value in environ.items() if name in _HOSTS},
            emulator=emulator,
            emulator_state=emulator_state,
            emulator_options=emulator_options,
            profile=profile,
            base_url=base_url,
        )
        every = [replace(_in_account(plain, spec, environ), spread=spread) for spec in (*accounts, *left_out)]
        must_differ((one.name, one.account) for one in every)
        count = len(accounts)
        return replace(every[0], siblings=tuple(every[1:count]), left_out=tuple(every[count:]))
    root = root.resolve()
    suffix = f"/{profile}" if profile else ""
    if emulator:
        from kling_pipe.emulator.accounts import credentials, fresh
        from kling_pipe.emulator.state_folder import kept_in

        state = root / STATE_FOLDER / "emulator"
        server_state = (emulator_state or state / "server").resolve()
        with kept_in(server_state):
            try:
                key = credentials(server_state)
            except PermissionError:  # who only looks needs no keys; who asks the local Kling is told
                key = fresh()
        return Workspace(
            root=root,
            state=state,
            lock_path=state / LOCK_NAME,
            out=f"out-emulator{suffix}",
            base_url=_EMULATOR_HOST,
            credentials=AccessKey(key.access_key, key.secret_key, key.api_key),
            account=account_id(_EMULATOR_HOST, key.access_key),
            profile=profile,
            emulated=True,
            emulator_state=server_state,
            emulator_options=emulator_options,
        )
    url = base_url or host_from(environ, _HOSTS) or DEFAULT_BASE_URL
    found = credentials_from(environ)
    workspace = Workspace(
        root=root,
        state=root / STATE_FOLDER,
        lock_path=root / LOCK_NAME,
        out=f"out{suffix}",
        base_url=url,
        credentials=found,
        account=account_id(url, found.key_id) if found else "",
        profile=profile,
        key=api_key_from(environ),
    )
    return workspace if found else replace(workspace, account=_only_account(workspace.lock_path))


def _in_account(plain: Workspace, spec: AccountSpec, environ: Mapping[str, str]) -> Workspace:
    """The workspace in one of the accounts that the settings name. An emulator has each of them, whatever the keys."""
    if plain.emulated:
        assert isinstance(plain.credentials, AccessKey)
        found: Credentials | None = branch(plain.credentials, spec.name)
        url = plain.base_url
    else:
        url, found = spec.base_url or plain.base_url, spec.credentials(environ)
    return replace(
        plain,
        name=spec.name,
        limits=spec.limits,
        base_url=url,
        credentials=found,
        account=account_id(url, found.key_id) if found else "",
        refusal=None if found else spec.missing(environ),
    )


def _only_account(lock_path: Path) -> str:
    """Without credentials nothing is sent; to show something, the one account of the lock is taken as ours."""
    accounts = {block["account"] for block in _read_lock(lock_path).blocks.values()}
    return str(accounts.pop()) if len(accounts) == 1 else ""


def _read_lock(path: Path) -> Lock:
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalStateError(f"`{path}` cannot be read: {error}") from error
