"""What the lock knows: blocks by name, and the way from blocks to records and back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.core.redact import printable
from kling_pipe.model import Output, Record
from kling_pipe.storage.record_fields import OUTPUT, RECORD

FIELDS = (
    "account",
    "project",
    "operation",
    "key",
    "take",
    "attempt",
    "external_task_id",
    "task_id",
    "draft",
    "created_at",
    "units",
    "outputs",
    "fields",
    "failed",
)
"""A block's fields in the order of the file."""

Block = Mapping[str, Any]
_OUTPUT_FIELDS = ("path", "sha256", "size", "duration", "id", "element_id")
_BLANK = Output(index=0)
_UNLINKED: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Lock:
    """The blocks of a lock file by name. A value: `with_block` gives a new one."""

    blocks: Mapping[str, Block] = field(default_factory=dict)

    def find(self, address: str, profile: str, account: str) -> Block | None:
        """The account's block for a job, or None."""
        for name in (block_name(address, profile), block_name(address, profile, account)):
            block = self.blocks.get(name)
            if block is not None and block.get("account") == account:
                return block
        return None

    def latest(self, address: str, profile: str, accounts: Iterable[str]) -> Block | None:
        """Of several accounts' blocks for a job the one that was made last, or None."""
        blocks = [block for account in accounts if (block := self.find(address, profile, account)) is not None]
        return max(blocks, key=lambda block: (block.get("created_at", 0), block.get("attempt", 0)), default=None)

    def with_blocks(self, changes: Iterable[tuple[str, str, Block]], ours: Collection[str] = ()) -> Lock:
        """The lock with blocks (address, profile, block) put in place of this account's earlier ones.

        `ours` are accounts that make one campaign together: what one of them makes takes the place of what another
        one made of the same job as it was before.
        """
        blocks = dict(self.blocks)
        for address, profile, block in changes:
            if "outputs" in block:
                for other in (block_name(address, profile), *(block_name(address, profile, one) for one in ours)):
                    if _is_outdated(blocks.get(other), block, ours):
                        del blocks[other]
            name = block_name(address, profile)
            standing = blocks.get(name)
            if standing is not None and standing.get("account") != block["account"]:
                name = block_name(address, profile, block["account"])
            blocks[name] = {**_unknown(blocks.get(name, {})), **block}
        return Lock(blocks)

    def without(self, names: Iterable[str]) -> Lock:
        """The lock without the blocks of these names."""
        gone = set(names)
        return Lock({name: block for name, block in self.blocks.items() if name not in gone})

    def of_record(self, record: Record) -> Block:
        """The block that a record was read from."""
        return next(
            block
            for block in self.blocks.values()
            if (block.get("account"), block.get("external_task_id")) == (record.account, record.external_task_id)
        )

    def made(self, account: str) -> dict[tuple[str, str, int], Record]:
        """Everything that the account made, by identity; of several attempts the last."""
        found: dict[tuple[str, str, int], Record] = {}
        for name, block in self.blocks.items():
            if block.get("account") == account and "outputs" in block:
                identity = (block["project"], block["key"], block["take"])
                if identity not in found or found[identity].attempt < block["attempt"]:
                    found[identity] = made_record(block, split_name(name)[0])
        return found


def block_name(address: str, profile: str = "", account: str = "") -> str:
    """The name of a job's block."""
    return f"{address}{'%' + profile if profile else ''}{'!' + account if account else ''}"


def split_name(name: str) -> tuple[str, str, str]:
    """Address, profile and account of a block's name."""
    rest, _, account = name.partition("!")
    address, _, profile = rest.partition("%")
    return address, profile, account


def made_record(block: Block, address: str, linked: Iterable[Output] = ()) -> Record:
    """What a block says was made, as a record. `linked` are the same outputs with the URLs that the lock has not."""
    links = {one.index: {"url": one.url, "url_at": one.url_at} for one in linked}
    outputs = tuple(
        Output(index=index, **_known(form), **links.get(index, _UNLINKED))
        for index, form in enumerate(block["outputs"], start=1)
    )
    return Record(
        external_task_id=block["external_task_id"],
        project=block["project"],
        key=block["key"],
        take=block["take"],
        attempt=block["attempt"],
        operation=block["operation"],
        account=block["account"],
        state="succeed",
        address=address,
        task_id=block.get("task_id", ""),
        outputs=outputs,
        units=block.get("units", ""),
        created_at=block.get("created_at", 0),
        source="lock",
    )


def failed_record(block: Block, address: str) -> Record | None:
    """The failure that a block remembers, as a record; None if it remembers none."""
    failed = block.get("failed")
    if not failed:
        return None
    return Record(
        external_task_id=failed["external_task_id"],
        project=failed["project"],
        key=failed["key"],
        take=failed["take"],
        attempt=failed["attempt"],
        operation=block["operation"],
        account=block["account"],
        state="failed",
        address=address,
        task_id=failed.get("task_id", ""),
        message=printable(str(failed.get("message", ""))),
        failure=failed["failure"],
        source="lock",
    )


def made_block(record: Record, fields: Mapping[str, str]) -> dict[str, Any]:
    """The block of a made task. `fields` are short digests by API field: enough to say later what changed."""
    return {
        "account": record.account,
        "project": record.project,
        "operation": record.operation,
        "key": record.key,
        "take": record.take,
        "attempt": record.attempt,
        "external_task_id": record.external_task_id,
        **_told(record, {"task_id": "", "created_at": 0, "units": ""}),
        "outputs": [_output_form(output) for output in record.outputs],
        "fields": dict(fields),
    }


def failed_block(record: Record, standing: Block | None) -> dict[str, Any]:
    """The standing block, or a new one, with the failure remembered beside what was made before."""
    failed = {
        "project": record.project,
        "key": record.key,
        "take": record.take,
        "attempt": record.attempt,
        "external_task_id": record.external_task_id,
        "failure": record.failure,
        "message": record.message.encode("utf-8", "replace").decode("utf-8"),
        **({"task_id": record.task_id} if record.task_id else {}),
    }
    return {"account": record.account, "operation": record.operation, **(standing or {}), "failed": failed}


def _is_outdated(standing: Block | None, block: Block, ours: Collection[str]) -> bool:
    """Whether a standing block is of another of our accounts, and of a request that the job makes no more."""
    if standing is None or standing.get("account") == block["account"] or standing.get("account") not in ours:
        return False
    return bool(standing.get("key") != block["key"])


def _unknown(block: Block) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in FIELDS}


def _known(form: Mapping[str, Any]) -> dict[str, Any]:
    return {name: form[name] for name in _OUTPUT_FIELDS if name in form}


def _told(record: Record, blank: Mapping[str, Any]) -> dict[str, Any]:
    """What Kling said of a task. What no lock may say is left out: a lock must be read again by everybody."""
    values = {name: getattr(record, name) for name in blank}
    return {name: value if RECORD[name].holds(value) else blank[name] for name, value in values.items()}


def _output_form(output: Output) -> dict[str, Any]:
    values = {name: getattr(output, name) for name in _OUTPUT_FIELDS}
    return {name: value for name, value in values.items() if value != getattr(_BLANK, name) and _may_stand(name, value)}


def _may_stand(name: str, value: Any) -> bool:
    """Kling's own words may be left out where they could not be read again; where a file is may not."""
    return name in ("path", "sha256", "size") or OUTPUT[name].holds(value)
