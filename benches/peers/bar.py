"""What filbert is to reach, in multiples of the machine's limits, so that it can be asked of any machine.

vykar 0.19.1, the fastest other tool known, is in no registry and knows no WebDAV: it was measured once, on 2 cores,
writing to a local folder. These are its seconds and megabytes beside the limits of that same run.
"""

VYKAR_KEY_S = 0.15
VYKAR = {
    "sources": {"first": 1.5, "unchanged": 0.49, "restore": 0.85, "stored": 56.0},
    "tree": {"first": 7.2, "unchanged": 1.9, "restore": 6.3, "stored": 266},
    "libraries": {"first": 3.0, "restore": 1.6, "stored": 171},
}
LIMITS_THEN = {
    "sources": {"pack": 0.9, "walk": 0.05, "unpack": 0.66, "stored": 44},
    "tree": {"pack": 4.6, "walk": 0.22, "stored": 204},
    "libraries": {"pack": 2.05, "stored": 171},
}
RESTIC_STORED = {"sources": 57.5, "tree": 276}

GOAL_FIRST = 1.3
GOAL_UNCHANGED = 4.0
GOAL_RESTORE = 1.3
GOAL_STORED_OF_RESTIC = 0.78
GOAL_STORED_OF_VYKAR = 0.97


def multiples(corpus, steps):
    """Rows of (what, filbert here, goal, vykar); None where something was not measured."""
    vykar, then = VYKAR.get(corpus, {}), LIMITS_THEN.get(corpus, {})
    key = wall(steps, "limit", "open")
    pack, walk, unpack = (wall(steps, "limit", name) for name in ("pack", "walk", "unpack"))
    first, unchanged, restore = (wall(steps, "filbert", name) for name in ("first", "unchanged", "restore"))
    archive = steps.get(("limit", "pack"), {}).get("stored")
    stored = steps.get(("filbert", "first"), {}).get("stored")
    yield "first / `tar \\| zstd -3 -T2`", by(first, pack), GOAL_FIRST, by(vykar.get("first"), then.get("pack"))
    yield (
        "(unchanged - key) / walk",
        by(minus(unchanged, key), walk),
        GOAL_UNCHANGED,
        by(minus(vykar.get("unchanged"), VYKAR_KEY_S), then.get("walk")),
    )
    yield (
        "(restore - key) / `zstd -dc \\| tar x`",
        by(minus(restore, key), unpack),
        GOAL_RESTORE,
        by(minus(vykar.get("restore"), VYKAR_KEY_S), then.get("unpack")),
    )
    sync = wall(steps, "limit", "sync")
    if sync is not None:
        yield "(restore - key) / (`zstd -dc \\| tar x` and `sync`)", by(minus(restore, key), unpack + sync), None, None
    yield "stored / `tar \\| zstd -3`", by(stored, archive), stored_goal(corpus), by(
        vykar.get("stored"), then.get("stored")
    )


def of_the_link(steps):
    """The same where the link is the limit: what it needs for the archive of `tar | zstd -3`."""
    yield "first / PUT of as much", by(wall(steps, "filbert", "first"), wall(steps, "limit", "put")), None, None
    yield "restore / GET of as much", by(wall(steps, "filbert", "restore"), wall(steps, "limit", "get")), None, None


def stored_goal(corpus):
    """The bar is a share of what another tool stores, here in multiples of the same archive."""
    if corpus in RESTIC_STORED:
        return GOAL_STORED_OF_RESTIC * RESTIC_STORED[corpus] / LIMITS_THEN[corpus]["stored"]
    if corpus == "libraries":
        return GOAL_STORED_OF_VYKAR * VYKAR[corpus]["stored"] / LIMITS_THEN[corpus]["stored"]
    return None


def wall(steps, tool, step):
    return steps.get((tool, step), {}).get("wall_s")


def minus(value, part):
    return None if value is None or part is None else value - part


def by(value, unit):
    return None if value is None or not unit else value / unit
