"""Who is fastest: layer by transform, with the interval and the verdict against direct."""

from jconv.lab import summary
from jconv.lab.report.blocks import Block, Prose, Run, Section, Table, digits, interval, transform_title
from jconv.lab.summary import Record


def section(run: Run) -> Section | None:
    """Return the winners, if anything was timed."""
    timed = [line for line in run.records if line.get("seconds") is not None and line["status"] not in summary.BAD]
    if not timed:
        return None
    names = summary.transforms(timed)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        mine = [line for line in timed if line["transform"] == name]
        for problem in summary.problems(mine):
            lines = [line for line in mine if line["problem"] == problem]
            best = summary.fastest(lines)
            place = (lines[0]["layer"], lines[0]["dtype"])
            words = rows.setdefault(place, {})
            words[name] = "; ".join([*([words[name]] if name in words else []), _words(best)])
    several = len({dtype for _, dtype in rows}) > 1
    heads = ["layer", *(["dtype"] if several else []), *(transform_title(name) for name in names)]
    cells = [
        [layer, *([dtype] if several else []), *(words.get(name, "–") for name in names)]
        for (layer, dtype), words in rows.items()
    ]
    blocks: list[Block] = [
        Table("", heads, cells),
        Prose(
            "The fastest formulation whose result is right, its median time, and that time ÷ direct's in the same "
            "rounds with its interval. auto, which may be a formulation that is not in the run, is named where it is "
            "faster than all others by more than 5 %; other libraries do not compete.",
            quiet=True,
        ),
    ]
    return Section("winners", "Winners", blocks)


def _words(best: Record | None) -> str:
    if best is None:
        return "–"
    text = f"{best['formulation']}, {digits(best['seconds'] * 1e3)} ms"
    if not best.get("ratio"):
        return text
    return f"{text}: {interval(best['ratio'])} {best.get('verdict', '')}".rstrip()
